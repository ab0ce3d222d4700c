//! The registry as those who use the crate meet it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod cache;
mod crash;
mod custody;
mod damage;
mod disk;
mod expected;
mod files_suite;
mod foreign;
mod golden;
mod history;
mod hold;
mod home;
mod limits;
mod look;
mod mending;
mod model;
mod model_based;
mod operations;
mod promises;
mod records;
mod recovery;
mod repair;
mod support;
mod writers;
