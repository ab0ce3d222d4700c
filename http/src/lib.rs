//! HTTP for everything that talks to a server: providers, connections, steps.
//!
//! Verifies every server, follows no redirect, reads no ambient settings, and bounds how long a request
//! and how large an answer may be. What failed is told as a [`Fault`]: facts without bodies, headers or
//! addresses. What an answer means is the caller's business, and so is asking again.

mod address;
mod client;
mod fault;
mod proxy;
mod reach;
pub mod small_file;
mod stream;
mod tls;

pub use address::{Address, AddressError};
pub use client::{Answer, Call, Http, HttpSettings, sensitive};
pub use fault::{Fault, FaultKind, TlsFault};
pub use proxy::Proxy;
pub use reach::{InvalidPrivate, NotPublic, Private, Reach};
pub use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Method, StatusCode, Url};
pub use stream::Incoming;
pub use tls::{ClientIdentity, Roots, Tls};

/// A file or an address in the settings of a client is no good, in words that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSetting(pub String);
