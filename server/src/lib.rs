//! The HTTP side of subrosa: REST API, web UI, webhooks, people.
//!
//! This process shows and changes, and can open nothing: the key of the registry never comes here. What
//! takes a value is done by the runner, a process of its own ([`channel`]), and what is on its way to it
//! is sealed to a key that only the runner has ([`channel::Sealed`]). Records of runs are read from disk:
//! they hold no value. Who may do what is decided in [`access`] and nowhere else.

pub mod access;
mod api;
mod app;
pub mod channel;
mod extract;
mod flow;
pub mod folder;
mod health;
mod hooks;
mod idempotency;
mod limits;
mod listen;
#[cfg(test)]
mod listen_tests;
mod live;
mod log;
mod metrics;
mod origin;
mod outcome;
mod patient;
mod people;
mod problem;
mod respond;
#[cfg(test)]
mod role_table;
mod runner;
mod runs;
mod secrets;
mod serve;
mod settings;
mod shelf;
mod ui;
mod workflows;

pub use app::openapi;
pub use axum::http::Uri;
pub use serve::{ServeError, Stop, Stopping, serve};
pub use settings::{Admit, Limits, OpenIdSettings, Settings, TlsFiles};
