//! OAuth 2.1: how access is granted, kept up and given back.
//!
//! A [`Flow`] is one client at one authorization server. Its methods are the grants: a person in a
//! browser ([`Flow::authorize`]) or with a code on another device ([`Flow::device`]), the client itself
//! ([`Flow::client_credentials`]), a key of a service account ([`Flow::service_account`]), the token that
//! renews others ([`Flow::refresh`]), and giving them back ([`Flow::revoke`]).
//!
//! Tokens, codes, verifiers and keys live in buffers that are wiped. No error holds a body, a query, a
//! description of the server, or anything else that a peer could have put a token in: the standard's
//! error words are told, as our own texts. Redirects are not followed, and credentials go to encrypted
//! servers or to this machine only. Dropping the future of a flow cancels it, and frees its port at once.
//!
//! Nothing is stored here and nothing is tried twice: that is for whoever keeps the tokens, as is doing it
//! once for many who need it.

mod authorize;
mod callback;
mod device;
mod endpoint;
mod error;
mod flow;
mod form;
pub(crate) mod json;
mod listener;
mod page;
mod random;
mod redirect;
mod service_account;
mod tokens;
mod ui;
mod word;

pub use callback::state_of;
pub use endpoint::{Client, Endpoint, EndpointError, Endpoints};
pub use error::OAuthError;
pub use flow::{Flow, Limits, Revoked};
pub use random::is_same;
pub use redirect::{Redirect, RedirectError};
pub use service_account::ServiceAccount;
pub use tokens::Tokens;
pub use ui::{DeviceCode, Refusal, Ui};
pub use word::ErrorWord;
