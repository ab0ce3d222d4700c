//! Steps of kinds of their own, run by the engine against servers on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[cfg(feature = "real-services")]
mod database;
mod http;
mod http_tls;
mod kept;
mod mcp;
#[cfg(feature = "mcp-server")]
mod mcp_real;
mod object;
mod object_clouds;
#[cfg(feature = "moto")]
mod object_moto;
mod peer;
mod reference;
mod sql_check;
mod sql_hostile;
#[cfg(feature = "real-services")]
mod sql_mysql;
#[cfg(feature = "real-services")]
mod sql_postgres;
mod sql_sqlite;
#[cfg(feature = "real-services")]
mod sql_tls;
mod world;
