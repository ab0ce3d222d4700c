//! The engine of subrosa: the workflow language.
//!
//! PARSE, DECODE, CHECK ([`validate`]; pure): from a text to a workflow that holds together, or to
//! everything that is wrong with it.

mod check;
pub mod diagnostic;
pub mod dotenv;
mod fields;
pub mod names;
mod schema;
pub mod secret;
pub mod source;
mod spec;
mod validate;
pub mod workflow;
mod yaml;

pub use schema::schema;
pub use validate::{CODES, Code, Validation, validate};
