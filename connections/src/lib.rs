//! Typed credentials of services: what a type of connection is, what one connection is made of, how a
//! request is authenticated with it, how it is authorized, refreshed, tried and revoked.
//!
//! The registry keeps a connection as one record: public fields that may be read and secret parts that
//! can only be written by whoever edits. This crate gives a record its meaning. It reads neither the
//! environment nor the clock nor the network by itself: folders, times and clients are passed in.
//! Opening the secret parts takes a [`Opened`], which only the process that runs steps, or the broker
//! that is started for the purpose, can come by.

pub mod apply;
pub mod change;
pub mod files;
pub mod form;
pub mod inbound;
pub mod keeper;
pub mod kind;
pub mod oauth;
pub mod opened;
pub mod probe;
pub mod protocol;
pub mod provider;
pub mod record;
pub mod state;
pub mod types;

pub use kind::{Apply, Auth, ConnectionType, Field, Format, OAuth, Test};
pub use opened::Opened;
pub use record::{Record, TokenState};
pub use types::Types;
