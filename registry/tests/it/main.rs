//! The registry as those who use the crate meet it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod crash;
mod disk;
mod files_suite;
mod model;
mod operations;
mod recovery;
mod support;
