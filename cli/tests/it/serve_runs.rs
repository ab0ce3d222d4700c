//! Runs that a server starts: acknowledged once recorded, steered, stopped, and found again whatever is killed.

mod api;
mod hooks;
mod killing;
mod live;
mod passphrase;
mod runner;
mod server;
mod visibility;
