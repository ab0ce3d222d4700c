//! Connections through the server: the API, the pages, grants, and what is not asked from it.

mod api;
mod server;
