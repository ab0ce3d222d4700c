//! The crate among other programs: a shell that reads what was exported, and the age tool.

#[cfg(feature = "age-tool")]
mod age_tool;
mod shell;
