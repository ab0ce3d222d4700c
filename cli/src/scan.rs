//! The git guard: finds values of secrets, and credential files, in folders and in git.
//!
//! A finding says where and which secret, never the value nor the text around it; names of files pass
//! the masks and are escaped. Memory is bounded by the values and the number of names, not by the size
//! of what is searched. What cannot be read is told and never skipped in silence. Values are found as
//! they are, line by line, and in the forms that [`subrosa_masker::forms`] knows; not found are values
//! that were cut, compressed or encrypted, and base64 that is wrapped inside the value.

pub(crate) mod finding;
pub(crate) mod git;
pub(crate) mod history;
pub(crate) mod hook;
mod lax;
pub(crate) mod matcher;
pub(crate) mod scanner;
mod search;
pub(crate) mod staged;
pub(crate) mod tree;

use secrecy::SecretSlice;

/// A value to look for.
pub(crate) struct Known {
    /// The secret's name, as findings tell it.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: SecretSlice<u8>,
}

#[cfg(test)]
mod git_tests;
#[cfg(test)]
mod hook_tests;
#[cfg(test)]
mod place;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tree_tests;
