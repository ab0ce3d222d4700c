//! The question a run asks the registry.
//!
//! The rule of scopes (workspace, then global, never another; disabled stops the search) belongs to
//! whoever answers; a caller passes the workspace of its workflow and the ref, and gets a value or
//! one of the closed set of reasons.

use secrecy::SecretSlice;

use crate::{SecretRef, WorkspaceName};

/// Why the registry gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Neither the workspace nor the global scope has the ref.
    #[error("secret not found")]
    NotFound,
    /// The nearest scope that has the ref has it disabled; wider scopes are not asked.
    #[error("secret is disabled")]
    Disabled,
    /// The nearest scope that has the ref has no value for it.
    #[error("secret has no value")]
    NoValue,
    /// The store cannot be read or does not hold together.
    #[error("the registry cannot be read")]
    Unavailable,
}

/// Reads values for a run. Calls may block on files; they are made off the async threads.
pub trait Reader: Send + Sync {
    /// Finds the current value of `reference` for a workflow of `workspace` (`None`: unlabelled).
    ///
    /// # Errors
    /// [`LookupError`], as its cases say.
    fn resolve(
        &self,
        workspace: Option<&WorkspaceName>,
        reference: &SecretRef,
    ) -> Result<SecretSlice<u8>, LookupError>;
}
