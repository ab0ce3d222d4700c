//! The question a run asks the registry.
//!
//! The rule of scopes (the chosen environment before the defaults, the workspace before the global
//! scope, never another; disabled stops the search) belongs to whoever answers; a caller passes the
//! scope of its workflow and the refs, and gets a value or one of the closed set of reasons for each.

use std::collections::BTreeMap;
use std::time::SystemTime;

use secrecy::SecretSlice;

use crate::audit::Actor;
use crate::error::{LookupError, RegistryError};
use crate::names::{Address, Scope, SecretRef};

/// What a run asks for, besides the refs.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The workflow's workspace and the environment that was chosen.
    pub scope: Scope,
    /// Whether a protected environment may be used.
    pub allow_protected: bool,
    /// Whether values past their date are still given.
    pub allow_expired: bool,
    /// Whether what is disabled is still given: to who has it taken back.
    pub allow_disabled: bool,
    /// Whether to fail if the audit log cannot be written.
    pub audit_required: bool,
    /// On whose behalf: what the audit log says.
    pub actor: Actor,
}

/// A value that was found.
pub struct Found {
    /// The value to use.
    pub value: SecretSlice<u8>,
    /// Earlier values that are still in use somewhere: to be masked like the value.
    pub retired: Vec<SecretSlice<u8>>,
    /// Where it was found.
    pub address: Address,
    /// Its version.
    pub version: u64,
    /// When it expires, if it does.
    pub expires: Option<SystemTime>,
}

/// What is known of a value that could be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it is.
    pub address: Address,
    /// Its version.
    pub version: u64,
    /// When it expires, if it does.
    pub expires: Option<SystemTime>,
}

/// What the registry answers to a run.
pub struct Answer {
    /// One for each ref, in their order.
    pub results: Vec<Result<Found, LookupError>>,
    /// What should be told without stopping the run: an audit log that cannot be written.
    pub warnings: Vec<String>,
}

/// Reads values for a run. Calls may block on files; they are made off the async threads.
pub trait Reader: Send + Sync {
    /// Finds the current values of all `references`, as one moment of the store has them.
    ///
    /// # Errors
    /// [`RegistryError`] if no value can be given at all: no store, no key, a root that does not hold,
    /// an unknown or protected environment, an audit log that is required and cannot be written.
    fn resolve(&self, lookup: &Lookup, references: &[SecretRef]) -> Result<Answer, RegistryError>;

    /// Says what [`Reader::resolve`] would find, opening no value; for that there is no line in the
    /// audit log. One answer for each reference, in their order.
    ///
    /// # Errors
    /// As [`Reader::resolve`], but for the audit log.
    fn look(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<Vec<Result<Seen, LookupError>>, RegistryError>;
}

/// A connection that was found.
pub struct FoundRecord {
    /// What may be read of it.
    pub public: String,
    /// Its parts by name, opened.
    pub parts: BTreeMap<String, SecretSlice<u8>>,
    /// Parts of earlier versions that are still in use somewhere: to be masked like the others.
    pub retired: Vec<SecretSlice<u8>>,
    /// Where it was found.
    pub address: Address,
    /// Its version.
    pub version: u64,
    /// When it expires, if it does.
    pub expires: Option<SystemTime>,
}

/// What is known of a connection that could be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSeen {
    /// What may be read of it.
    pub public: String,
    /// The names of its parts.
    pub parts: Vec<String>,
    /// Where it is.
    pub address: Address,
    /// Its version.
    pub version: u64,
    /// When it expires, if it does.
    pub expires: Option<SystemTime>,
}

/// What the registry answers about connections.
pub struct RecordAnswer {
    /// One for each ref, in their order.
    pub results: Vec<Result<FoundRecord, LookupError>>,
    /// As [`Answer::warnings`].
    pub warnings: Vec<String>,
}

/// Reads connections, for the two kinds of processes that may open them. Calls may block on files.
pub trait RecordReader: Send + Sync {
    /// Finds the current versions of all `references`, which are those of connections, as one moment of
    /// the store has them, and opens their parts.
    ///
    /// # Errors
    /// As [`Reader::resolve`]; [`RegistryError::WrongKind`] if one is a secret's.
    fn open_records(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<RecordAnswer, RegistryError>;

    /// Says what [`RecordReader::open_records`] would find, opening nothing; for that there is no line in
    /// the audit log. One answer for each reference, in their order.
    ///
    /// # Errors
    /// As [`RecordReader::open_records`], but for the audit log.
    fn look_records(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<Vec<Result<RecordSeen, LookupError>>, RegistryError>;
}
