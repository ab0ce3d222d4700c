//! Connections against peers on this machine.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod oauth_authorize;
mod oauth_canary;
mod oauth_device;
mod oauth_faults;
mod oauth_grants;
mod oauth_peer;
#[cfg(feature = "oauth-servers")]
mod oauth_servers;
mod oauth_setup;
