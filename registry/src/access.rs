//! Values for the few commands that may see one: `secret reveal`, `secret export`, `scan`.
//!
//! Each is recorded in the audit log before it is handed out; unrecorded, it is not.

use std::cell::Cell;
use std::collections::BTreeMap;

use secrecy::SecretSlice;

use crate::audit::{Action, Actor, Event, Outcome};
use crate::change::Deed;
use crate::entry::{Content, Entry, State, Version};
use crate::error::RegistryError;
use crate::names::Address;
use crate::record::only_secret;
use crate::settings::Settings;
use crate::store::{Registry, Snapshot};
use crate::time::Time;

/// Who wants to have values shown or written elsewhere, and with what leave.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who it is for.
    pub actor: Actor,
    /// Whether values of protected environments may be given.
    pub allow_protected: bool,
}

impl Access {
    fn check(&self, address: &Address, settings: &Settings) -> Result<(), RegistryError> {
        match &address.scope.environment {
            Some(name)
                if !self.allow_protected
                    && settings.get(name).is_some_and(|environment| environment.protected) =>
            {
                Err(RegistryError::Protected(name.clone()))
            }
            _ => Ok(()),
        }
    }
}

impl Registry {
    /// Every version of every secret and every part of every connection, whatever its scope and state, for
    /// finding where they are. Each part has the number of the version that wrote it, and is there once.
    ///
    /// # Errors
    /// [`RegistryError`] if a part of the store cannot be read: a search must not pass over it; and if
    /// the audit log cannot be written.
    pub fn every_value(
        &self,
        actor: &Actor,
    ) -> Result<Vec<(Address, u64, SecretSlice<u8>)>, RegistryError> {
        self.read(|snapshot| {
            self.admit(snapshot, &Deed::of_store(actor, Action::Scan))?;
            let mut values = Vec::new();
            for (address, entry) in snapshot.entries()? {
                let opened = every_value_of(snapshot, &address, &entry)?.into_iter();
                values.extend(opened.map(|(n, value)| (address.clone(), n, value)));
            }
            Ok(values)
        })
    }

    /// The current values at exactly these addresses, enabled or not, to be written elsewhere.
    ///
    /// # Errors
    /// [`RegistryError`]: also if one is not there, has no value or is in a protected environment without
    /// leave, or the audit log cannot be written.
    pub fn export(
        &self,
        access: &Access,
        addresses: &[Address],
    ) -> Result<Vec<SecretSlice<u8>>, RegistryError> {
        let values = self.values(access, Action::Export, addresses)?;
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    /// The number and value of a secret's current version, to be shown to a person.
    ///
    /// # Errors
    /// As [`Registry::export`].
    pub fn reveal(
        &self,
        access: &Access,
        address: &Address,
    ) -> Result<(u64, SecretSlice<u8>), RegistryError> {
        let mut values = self.values(access, Action::Reveal, std::slice::from_ref(address))?;
        Ok(values.pop().expect("one address has one value"))
    }

    /// The current values at these addresses as one moment has them, once the log has a line for each.
    fn values(
        &self,
        access: &Access,
        action: Action,
        addresses: &[Address],
    ) -> Result<Vec<(u64, SecretSlice<u8>)>, RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        let event = |address, version, outcome| {
            let deed = Deed::of_secret(&access.actor, action, address);
            Event { version, ..deed.event(now, outcome) }
        };
        let refused = Cell::new(None);
        let values = self.read(|snapshot| {
            let settings = snapshot.settings()?;
            let value = |address| {
                only_secret(address)
                    .and_then(|()| access.check(address, &settings))
                    .and_then(|()| current(snapshot, address))
                    .inspect_err(|_| refused.set(Some(address)))
            };
            let values: Vec<_> = addresses.iter().map(value).collect::<Result<_, _>>()?;
            refused.set(None);
            let events = addresses.iter().zip(&values);
            let events = events.map(|(address, (n, _))| event(address, Some(*n), Outcome::Ok));
            self.note(snapshot, &events.collect::<Vec<_>>(), true)?;
            Ok(values)
        });
        values.inspect_err(|error| {
            if let (Some(address), Ok(snapshot)) = (refused.get(), self.snapshot()) {
                let event = event(address, None, Outcome::from(error));
                self.note(&snapshot, &[event], false).ok();
            }
        })
    }

    /// Records that a value is about to be handed out; unrecorded, it is not.
    fn admit(&self, snapshot: &Snapshot, deed: &Deed) -> Result<(), RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        self.note(snapshot, &[deed.event(now, Outcome::Ok)], true).map(|_| ())
    }
}

/// The number and value of a secret's current version.
fn current(
    snapshot: &Snapshot,
    address: &Address,
) -> Result<(u64, SecretSlice<u8>), RegistryError> {
    let found = snapshot.entry(address)?.filter(|entry| entry.state != State::Removed);
    let entry = found.ok_or_else(|| RegistryError::NotFound(address.clone()))?;
    let version = entry.current().ok_or_else(|| RegistryError::NoValue(address.clone()))?;
    Ok((version.n, open_version(snapshot, address, version)?))
}

fn every_value_of(
    snapshot: &Snapshot,
    address: &Address,
    entry: &Entry,
) -> Result<Vec<(u64, SecretSlice<u8>)>, RegistryError> {
    let mut values = Vec::new();
    let mut parts = BTreeMap::new();
    for version in &entry.versions {
        match &version.content {
            Content::Value(_) => {
                values.push((version.n, open_version(snapshot, address, version)?));
            }
            Content::Record { parts: sealed, .. } => {
                parts.extend(sealed.iter().map(|(name, part)| ((part.n, name), part)));
            }
        }
    }
    for ((n, name), part) in parts {
        let value = snapshot.vault().open_part(address, name, part);
        values.push((n, value.ok_or_else(|| snapshot.unreadable(crate::piece::FOLDER))?));
    }
    Ok(values)
}

fn open_version(
    snapshot: &Snapshot,
    address: &Address,
    version: &Version,
) -> Result<SecretSlice<u8>, RegistryError> {
    let value = snapshot.vault().open(address, version);
    value.ok_or_else(|| snapshot.unreadable(crate::piece::FOLDER))
}
