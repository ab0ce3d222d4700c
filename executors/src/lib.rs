//! Steps that are no processes: requests over HTTP, queries, chats, objects, tools.
//!
//! A kind is one file: what the language says of it ([`subrosa_engine::kind::Kind`]), and a runner. It is
//! named in [`KINDS`] and beside it. What kinds share is here, too: the way to a credential, which is opened for
//! the one call that needs it ([`lender`]), and clients that steps of the same identity share
//! ([`clients`]).

pub mod chat;
pub mod clients;
pub mod lender;

mod builtin;
mod contained;
mod http;
mod mcp;
mod object;
mod sql;

pub use builtin::{KINDS, runners};
pub use contained::holds_panics;
pub use http::{HTTP, HttpFiles, NoHttpFiles};
pub use lender::{Credential, Lender, MakeHttp, Means};
pub use sql::{MYSQL, POSTGRES, SQLITE};
