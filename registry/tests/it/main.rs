//! The registry as those who use the crate meet it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod disk;
mod files_suite;
mod model;
