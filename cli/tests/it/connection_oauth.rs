//! Grants of people through the built program: how access is come by, kept good, used, and given back.

mod browser;
mod granting;
mod killing;
mod leaks;
#[cfg(feature = "oauth-servers")]
pub(crate) mod real;
mod refreshing;
pub(crate) mod service;
