//! What can go wrong with the registry, as facts; remedies are the front end's.

use std::time::SystemTime;

use crate::files::FileError;
use crate::keys::KeyError;
use crate::names::{Address, EnvironmentName};

/// Why the registry did not do what was asked. Nothing was changed, unless the case says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no store at that place.
    #[error("there is no secrets registry in `{folder}`")]
    NoStore {
        /// Where it would be.
        folder: String,
    },
    /// A store is there already.
    #[error("there is a secrets registry in `{folder}` already")]
    StoreExists {
        /// Where it is.
        folder: String,
    },
    /// The file system refused, or holds what it should not.
    #[error(transparent)]
    File(#[from] FileError),
    /// The master key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file is not what was written: it was damaged, exchanged, or taken back to an older state.
    #[error("`{file}` is damaged or was tampered with: {why}")]
    Damaged {
        /// The file to look at.
        file: String,
        /// What does not match.
        why: &'static str,
    },
    /// A file that the store names is gone.
    #[error("`{file}` is missing")]
    Missing {
        /// The file that should be there.
        file: String,
    },
    /// A newer subrosa wrote it.
    #[error("`{file}` has format {found}, and this subrosa reads up to format {known}")]
    TooNew {
        /// Which file.
        file: String,
        /// Its format.
        found: u64,
        /// The newest one known here.
        known: u64,
    },
    /// The whole store is older than one that was seen here before.
    #[error("the registry is older than it was: generation {found}, after {seen} was seen")]
    RolledBack {
        /// The generation found.
        found: u64,
        /// The newest that the anchor knows.
        seen: u64,
    },
    /// The write may or may not have reached the disk for good.
    #[error("the change was made, but whether it would survive a power cut is not known")]
    Unconfirmed {
        /// What failed after the change became visible.
        #[source]
        source: FileError,
    },
    /// The audit log cannot be written, and nothing is done unrecorded.
    #[error("the audit log cannot be written")]
    Audit {
        /// Why not.
        #[source]
        source: FileError,
    },
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// There is no such secret.
    #[error("no {}", .0.titled())]
    NotFound(Address),
    /// The secret exists already.
    #[error("there is a {} already", .0.titled())]
    Exists(Address),
    /// The secret has no version of that number.
    #[error("the {} has no version {version}", .address.titled())]
    NoVersion {
        /// Which secret.
        address: Address,
        /// The version that was asked for.
        version: u64,
    },
    /// The secret has no value.
    #[error("the {} has no value", .0.titled())]
    NoValue(Address),
    /// What was given cannot be a value.
    #[error("{0}")]
    InvalidValue(#[from] InvalidValue),
    /// No secret has a value in that environment.
    #[error("there is no environment `{name}`")]
    UnknownEnvironment {
        /// The environment that was asked for.
        name: EnvironmentName,
        /// The ones there are.
        known: Vec<EnvironmentName>,
    },
    /// The environment is protected, and leave was not given.
    #[error("the environment `{0}` is protected")]
    Protected(EnvironmentName),
    /// Text that is meant for people is too long or holds control characters.
    #[error("the description {0}")]
    InvalidDescription(&'static str),
    /// What was given cannot be a record.
    #[error(transparent)]
    InvalidRecord(#[from] InvalidRecord),
    /// A connection where only a secret can be, or the other way round.
    #[error("{} cannot be used as a {}", .0.titled(), other_kind(.0))]
    WrongKind(Address),
    /// Somebody else has changed it since it was read.
    #[error("the {} has changed: {}, not version {expected}", .address.titled(), current(*.found))]
    Changed {
        /// Which one.
        address: Address,
        /// The version that was to be the current one.
        expected: u64,
        /// The current one.
        found: Option<u64>,
    },
}

fn other_kind(address: &Address) -> &'static str {
    match address.reference.connection_name() {
        Some(_) => "secret",
        None => "connection",
    }
}

fn current(found: Option<u64>) -> String {
    found.map_or_else(|| "it has no version".to_owned(), |n| format!("it is at version {n}"))
}

/// Why something cannot be the record of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// More than 64 KiB of text.
    #[error("the public fields are larger than 64 KiB")]
    PublicTooLarge,
    /// A control character other than a line feed.
    #[error("the public fields hold control characters")]
    PublicControl,
    /// A name outside the grammar.
    #[error("a name of a field is not made of 1 to 64 of a-z, 0-9 and `_`")]
    PartName,
    /// More parts than a record can have.
    #[error("a connection has more than 32 secret fields")]
    TooManyParts,
}

/// Why bytes cannot be a secret's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Nothing at all.
    #[error("the value is empty")]
    Empty,
    /// More than 64 KiB.
    #[error("the value is larger than 64 KiB")]
    TooLarge,
    /// A NUL byte, which no environment variable can hold.
    #[error("the value holds a NUL byte")]
    Nul,
}

/// Why a run gets no value for a ref.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Neither the workspace nor the global scope has the ref.
    #[error("secret not found")]
    NotFound,
    /// The nearest scope that has the ref has it disabled; wider scopes are not asked.
    #[error("the secret is disabled in {}", .0.scope)]
    Disabled(Address),
    /// The nearest scope that has the ref has no value for it; wider scopes are not asked.
    #[error("the secret has no value in {}", .0.scope)]
    NoValue(Address),
    /// The value is past its date, and expired values were not allowed.
    #[error("the secret in {} expired on {}", .address.scope, humantime::format_rfc3339_seconds(*.at))]
    Expired {
        /// Which secret.
        address: Address,
        /// When it expired.
        at: SystemTime,
    },
    /// What is stored does not hold together; the rest of the registry may well do.
    #[error("`{file}` is damaged or was tampered with: {why}")]
    Damaged {
        /// The file to look at.
        file: String,
        /// What does not match.
        why: &'static str,
    },
}
