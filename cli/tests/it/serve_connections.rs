//! Connections through the server: the API, the pages, grants, and what is not asked from it.

mod api;
mod grants;
mod owners;
mod pages;
#[cfg(feature = "oauth-servers")]
mod real;
mod server;
