//! Connections: one record each, whose sealed parts are replaced one by one.
//!
//! No method here opens a part. One that is not named in a change goes into the new version as it was
//! sealed, bound to the version that wrote it.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretSlice;

use super::write::{SetOptions, Written, put_expiry};
use super::{Admin, KEEP_DEFAULT, description};
use crate::audit::{Action, Outcome};
use crate::change::{Change, Deed};
use crate::entry::{Content, Entry, Part, State, Version};
use crate::error::{InvalidRecord, RegistryError};
use crate::names::Address;
use crate::record::{RecordInfo, check_part_name, check_public, is_part_count, only_connection};
use crate::time::Time;

/// What a connection becomes.
#[derive(Default)]
pub struct RecordChange {
    /// Its public text; `None`: it stays.
    pub public: Option<String>,
    /// Sealed parts by name, each with its new value; `None` takes it away. What is not named stays, and
    /// is not opened.
    pub parts: Vec<(String, Option<SecretSlice<u8>>)>,
    /// As for a new value of a secret, but that a date of expiry stays if none is given.
    pub options: SetOptions,
    /// Whether there may be such a connection, or must be.
    pub must_be: MustBe,
    /// The version that it was made from: if that is not the current one any more, nothing is changed.
    pub expect: Option<u64>,
    /// Whether the former version is not worth keeping after its overlap: what people have written is not
    /// to be pushed out by tokens that are exchanged every hour.
    pub replaces: bool,
}

/// What is asked of the state before a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MustBe {
    /// It is there or not.
    #[default]
    Either,
    /// There is nothing of that name.
    New,
    /// It is there.
    Present,
}

/// A record in the making.
struct Draft {
    public: String,
    parts: BTreeMap<String, Part>,
}

impl Admin<'_> {
    /// Stores a new version of a connection, or a new connection. The audit log says `action`.
    ///
    /// # Errors
    /// [`RegistryError`]: also [`RegistryError::Exists`] and [`RegistryError::NotFound`] if it must be
    /// otherwise, [`RegistryError::Changed`] if another version is the current one, and
    /// [`RegistryError::InvalidRecord`].
    pub fn put_record(
        &self,
        action: Action,
        address: &Address,
        change: &RecordChange,
    ) -> Result<Written, RegistryError> {
        only_connection(address)?;
        let deed = self.deed(action, address);
        self.registry.change(&deed, |store| self.write_record(store, &deed, address, change))
    }

    /// Stores several connections at once: all of them or none. The audit log says `action` of each.
    ///
    /// # Errors
    /// As for [`Admin::put_record`]; the first that is refused is told.
    pub fn put_records(
        &self,
        action: Action,
        changes: &[(Address, RecordChange)],
    ) -> Result<Vec<Written>, RegistryError> {
        for (address, _) in changes {
            only_connection(address)?;
        }
        let Some((first, _)) = changes.first() else { return Ok(Vec::new()) };
        self.registry.change(&self.deed(action, first), |store| {
            let write = |(address, change): &(Address, RecordChange)| {
                self.write_record(store, &self.deed(action, address), address, change)
            };
            changes.iter().map(write).collect()
        })
    }

    /// Every connection that was not removed, sorted by ref and scope.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn records(&self) -> Result<Vec<RecordInfo>, RegistryError> {
        self.registry.read(|snapshot| {
            let used = self.registry.used(snapshot).load();
            let entries = snapshot.entries()?;
            let connections =
                entries.iter().filter(|(address, _)| only_connection(address).is_ok());
            let record = |(address, entry): &(Address, Entry)| {
                RecordInfo::of(address, entry, used.last(address))
            };
            Ok(connections.filter_map(record).collect())
        })
    }

    /// One connection.
    ///
    /// # Errors
    /// [`RegistryError`]: also if it is not there.
    pub fn record(&self, address: &Address) -> Result<RecordInfo, RegistryError> {
        only_connection(address)?;
        self.registry.read(|snapshot| {
            let used = self.registry.used(snapshot).load();
            let entry = snapshot.entry(address)?;
            entry
                .and_then(|entry| RecordInfo::of(address, &entry, used.last(address)))
                .ok_or_else(|| RegistryError::NotFound(address.clone()))
        })
    }

    /// Says in the audit log what was done with a connection elsewhere, or was refused there.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn note_record(
        &self,
        action: Action,
        address: &Address,
        outcome: Outcome,
    ) -> Result<(), RegistryError> {
        only_connection(address)?;
        let snapshot = self.registry.snapshot()?;
        let now = Time::of((self.registry.surroundings.clock)());
        let event = self.deed(action, address).event(now, outcome);
        self.registry.note(&snapshot, &[event], true).map(|_| ())
    }

    fn write_record(
        &self,
        store: &mut Change,
        deed: &Deed,
        address: &Address,
        change: &RecordChange,
    ) -> Result<Written, RegistryError> {
        let (now, options) = (store.now, &change.options);
        let known = store.entry(address)?;
        let last = known.as_ref().map_or(0, |entry| entry.last);
        let known = known.filter(|entry| entry.state != State::Removed);
        check_state(address, known.as_ref(), change)?;
        let is_new = known.is_none();
        let is_new_environment = self.enter(store, address)?;
        let mut entry = known.unwrap_or_else(|| Entry { last, ..Entry::new(now) });
        let version = entry.last + 1;
        let Draft { public, parts } = draft(store, address, (&entry, version), change)?;
        replace_former(&mut entry, (options.overlap, change.replaces), now);
        entry.versions.push(Version {
            n: version,
            created: now,
            by: self.actor.user.clone(),
            until: None,
            is_replaced: false,
            content: Content::Record { public, parts },
        });
        entry.last = version;
        entry.updated = now;
        entry.keep = options.keep.or(entry.keep);
        if let Some(expiry) = options.expiry {
            put_expiry(&mut entry, expiry);
        }
        if let Some(text) = &options.description {
            entry.description = description(text)?;
        }
        entry.prune(entry.keep.unwrap_or(KEEP_DEFAULT).max(1), now);
        let is_disabled = entry.state == State::Disabled;
        store.put(address, entry);
        store.tell(deed, address, Some(version));
        Ok(Written { version, is_new, is_new_environment, is_disabled, lost_expiry: false })
    }
}

fn check_state(
    address: &Address,
    known: Option<&Entry>,
    change: &RecordChange,
) -> Result<(), RegistryError> {
    match (change.must_be, known) {
        (MustBe::New, Some(_)) => return Err(RegistryError::Exists(address.clone())),
        (MustBe::Present, None) => return Err(RegistryError::NotFound(address.clone())),
        (MustBe::Either, _) | (MustBe::New, None) | (MustBe::Present, Some(_)) => {}
    }
    let found = known.and_then(Entry::current).map(|version| version.n);
    match change.expect.filter(|expected| found != Some(*expected)) {
        Some(expected) => Err(RegistryError::Changed { address: address.clone(), expected, found }),
        None => Ok(()),
    }
}

/// The record that version `n` will be.
fn draft(
    store: &Change,
    address: &Address,
    (entry, n): (&Entry, u64),
    change: &RecordChange,
) -> Result<Draft, RegistryError> {
    let (mut public, mut parts) = match entry.current().map(|version| &version.content) {
        None => (String::new(), BTreeMap::new()),
        Some(Content::Record { public, parts }) => (public.clone(), parts.clone()),
        // Nobody but this crate writes, and it never puts a value there.
        Some(Content::Value(_)) => return Err(store.snapshot.unreadable(crate::piece::FOLDER)),
    };
    if let Some(text) = &change.public {
        check_public(text)?;
        public.clone_from(text);
    }
    for (name, value) in &change.parts {
        check_part_name(name)?;
        match value {
            None => drop(parts.remove(name)),
            Some(value) => {
                let vault = store.snapshot.vault();
                let part = vault.seal_part(address, name, (n, store.now), value)?;
                parts.insert(name.clone(), part);
            }
        }
    }
    if !is_part_count(parts.len()) {
        return Err(InvalidRecord::TooManyParts.into());
    }
    Ok(Draft { public, parts })
}

/// What becomes of the version that was the current one.
fn replace_former(entry: &mut Entry, (overlap, replaces): (Option<Duration>, bool), now: Time) {
    if let Some(former) = entry.versions.last_mut() {
        former.until = overlap.map(|overlap| now.plus(overlap.as_secs()));
        former.is_replaced = replaces;
    }
}
