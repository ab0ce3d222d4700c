//! The crate among other programs: a shell that reads what was exported.

mod shell;
