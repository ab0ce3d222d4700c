//! The built program as a user meets it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod at_rest;
mod audit;
mod backup;
mod calls;
mod canary;
mod connection;
mod connection_boundary;
mod connection_import;
mod connection_leaks;
mod connection_oauth;
mod connection_terminal;
mod connection_tokens;
mod dagu;
#[cfg(feature = "real-services")]
#[path = "../../../executors/tests/it/database.rs"]
#[expect(dead_code, reason = "some of it is for the tests of executors")]
mod database;
mod doctor;
mod environment;
mod environments;
mod exchange_leaks;
mod exec;
mod export;
mod guard;
mod import;
mod key;
mod mask;
mod masking;
mod pages;
mod patience;
#[path = "../../../executors/tests/it/peer.rs"]
mod peer;
mod program;
mod providers;
mod records;
mod run;
mod scan;
mod secret;
mod secret_input;
mod secret_leaks;
mod secret_terminal;
mod serve_boundary;
#[cfg(feature = "browser")]
mod serve_browser;
mod serve_connections;
mod serve_fuzz;
mod serve_killed;
mod serve_people;
mod serve_runs;
#[cfg(feature = "schemathesis")]
mod serve_schema;
mod serve_secrets;
mod serve_security;
mod serve_site;
mod signals;
mod step_chat;
mod step_http;
mod step_object;
#[cfg(feature = "real-services")]
mod step_sql;
mod steps;
mod terminal;
mod usage;
