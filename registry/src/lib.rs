//! An encrypted, scoped, versioned store of secrets that many processes use at once without a daemon.
//!
//! `FORMAT.md` beside `src/` says what is on disk. Two faces: a [`Reader`] gives values to a run, an
//! [`Admin`] changes and lists secrets and has no method that returns a value. Nothing in this crate
//! knows of workflows, steps or the network, and it reads neither the environment nor the clock: the
//! caller passes them in.

mod anchor;
mod audit;
mod error;
mod files;
mod keys;
mod names;
mod reader;
mod used;

pub use anchor::{Anchor, Anchors, Stored, Verdict};
pub use audit::{
    Action, Actor, AuditKeys, AuditLog, Entries, Entry, Event, Filter, Head, ListError, Names,
    Outcome, Problem, Report, Why,
};
pub use error::{InvalidValue, LookupError, RegistryError};
pub use files::{Disk, FileError, FileInfo, Files, Lock, OpenFile};
#[cfg(feature = "keyring")]
pub use keys::KeyRing;
pub use keys::{
    Ask, AskPassphrase, Cost, KeyCommand, KeyError, KeyFile, KeyPlace, KeySettings, KeyTextError,
    MasterKey, Moved, OpenFolder, Passphrase, Places, Slot, Source, StoreId, move_key,
};
pub use names::{Address, EnvironmentName, InvalidName, Scope, SecretRef, WorkspaceName};
pub use reader::{Answer, Found, Lookup, Reader};
pub use used::{UsageKey, Used, UsedFile};
