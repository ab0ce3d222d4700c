//! The providers as the engine meets them: through the table and the port.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod age;
mod asking;
mod command;
mod conformance;
mod env;
mod file;
mod peer;
mod plugin;
#[cfg(feature = "real-tools")]
mod real_tools;
mod remote;
mod sops;
mod vault;
mod vault_login;
mod vault_tls;
