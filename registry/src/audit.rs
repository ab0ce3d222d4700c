//! The audit log: one line for each read, write and refusal.
//!
//! The lines are chained by a MAC under a key of the store: whoever lacks the key can neither change,
//! remove, add nor reorder lines unnoticed, and lines cut off the end are missed as soon as the end is
//! compared with the [`Head`] that the store's root keeps. What happens when the log cannot be
//! written, and which events there are, is the store's business. `FORMAT.md` has the exact bytes.

mod event;
#[cfg(test)]
pub(crate) mod fake;
mod line;
mod list;
mod log;
mod scan;
#[cfg(test)]
mod tests;
mod verify;

pub use event::{Action, Event, Outcome};
pub(crate) use line::AuditKeys;
pub use line::{Head, Names};
pub use list::{AuditEntry, Filter, ListError};
pub(crate) use log::AuditLog;
pub(crate) use scan::LOG;
pub use verify::{Problem, Report, Why};

/// On whose behalf something is done, as the audit log records it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The user's name, or number where there is none.
    pub user: String,
    /// The command: `run`, `dry`, `secret set` ...
    pub command: String,
    /// The run's id.
    pub run: Option<String>,
    /// The workflow's name.
    pub workflow: Option<String>,
    /// The step, where one is concerned.
    pub step: Option<String>,
}
