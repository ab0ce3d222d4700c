//! Refs of workflows and the registry that answers them: what is asked, what a user is told when there
//! is no value, and what a run keeps of it. The registry is a fake that knows the rule of scopes.

#![expect(clippy::unwrap_used, reason = "this whole binary is tests")]

mod environments;
mod failures;
mod fake;
mod records;
mod warnings;
mod world;
