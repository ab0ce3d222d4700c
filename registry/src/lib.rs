//! An encrypted, scoped, versioned store of secrets and connections that many processes use at once
//! without a daemon.
//!
//! `FORMAT.md` beside `src/` says what is on disk. Two faces: a [`Reader`] gives values to a run, an
//! [`Admin`] changes and lists secrets and has no method that returns a value. Nothing in this crate
//! knows of workflows, steps or the network, and it reads neither the environment nor the clock: the
//! caller passes them in.

mod access;
mod admin;
mod anchor;
mod audit;
mod backup;
mod cache;
mod change;
mod check;
mod commit;
mod create;
mod crypto;
mod custody;
mod entry;
mod error;
mod files;
#[cfg(test)]
mod format_tests;
mod hold;
mod info;
mod keys;
mod leaf;
mod lookup;
mod mend;
mod names;
mod parallel;
mod piece;
mod reader;
mod record;
mod rekey;
mod root;
mod settings;
mod store;
mod sweep;
mod time;
#[cfg(test)]
mod transfer_tests;
mod used;
mod vault;

pub use access::Access;
pub use admin::{
    Admin, Amendment, Desk, Expiry, Import, ImportedSecret, KEEP_DEFAULT, MustBe, OnConflict,
    Planned, RecordChange, SetOptions, Written,
};
pub use audit::{
    Action, Actor, AuditEntry, Event, Filter, Head, ListError, Names, Outcome, Problem, Report, Why,
};
pub use backup::{BackupKey, BackupSink, Contents, HeldKey, KEY_ENTRY};
pub use cache::{About, Cache, Kept};
pub use check::{CheckReport, Finding, Presence, Unanchored};
pub use custody::{Imported, KeyCopy, KeyFound, KeyStatus};
pub use entry::{VALUE_LEN_MAX, check_value};
pub use error::{InvalidRecord, InvalidValue, LookupError, RegistryError};
pub use files::{
    Disk, FileError, FileInfo, Files, Holder, Lock, Odd, Oddity, OpenFile, Space, Survey,
};
pub use info::{EnvironmentInfo, SecretInfo, VersionInfo};
#[cfg(feature = "keyring")]
pub use keys::KeyRing;
pub use keys::{
    Ask, AskPassphrase, Cost, KeyCommand, KeyError, KeyFile, KeyPlace, KeySettings, KeyTextError,
    MasterKey, Moved, OpenFolder, Passphrase, Places, Protection, Slot, Source, StoreId, move_key,
};
pub use mend::Tidied;
pub use names::{Address, EnvironmentName, InvalidName, Scope, SecretRef, WorkspaceName};
pub use reader::{
    Answer, Found, FoundRecord, Lookup, Reader, RecordAnswer, RecordReader, RecordSeen, Seen,
};
pub use record::{PARTS_MAX, PUBLIC_LEN_MAX, PartInfo, RecordInfo, check_public};
pub use rekey::Rekeyed;
pub use store::{FindKeyPlace, KnownEnds, Registry, Surroundings};
