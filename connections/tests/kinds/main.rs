//! The types of connections, how requests are authenticated with them, and how they are tried.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apply;
mod declarations;
mod files;
mod probe;
#[cfg(feature = "real-services")]
mod real;
mod shipped;
mod stage;
