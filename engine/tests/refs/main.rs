//! Secrets of workflows and who answers them: what is asked, what a user is told when there is no value,
//! and what a run keeps of it. The registry is a fake that knows the rule of scopes, the providers are
//! fakes that do as they are told.

#![expect(clippy::unwrap_used, reason = "this whole binary is tests")]

mod environments;
mod failures;
mod fake;
mod leases;
mod looks;
mod offline;
mod providers;
mod records;
mod scripted;
mod settings;
mod stops;
mod warnings;
mod world;
