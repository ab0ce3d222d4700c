//! Reading connections for a run, by the same rules as secrets.

use std::collections::BTreeMap;
use std::time::SystemTime;

use secrecy::SecretSlice;

use super::{Looked, current_of};
use crate::entry::{Content, Entry, Part, Version};
use crate::error::RegistryError;
use crate::names::{Address, SecretRef};
use crate::reader::{FoundRecord, Lookup, RecordAnswer, RecordReader, RecordSeen};
use crate::record::only_connection;
use crate::store::{Registry, Snapshot};
use crate::time::Time;

impl RecordReader for Registry {
    fn open_records(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<RecordAnswer, RegistryError> {
        super::check_kind(lookup, references, only_connection)?;
        let (results, warnings) =
            self.recorded_answer(lookup, references, open, |found: &FoundRecord| {
                (found.address.clone(), found.version)
            })?;
        Ok(RecordAnswer { results, warnings })
    }

    fn look_records(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<Vec<Looked<RecordSeen>>, RegistryError> {
        super::check_kind(lookup, references, only_connection)?;
        let now = Time::of((self.surroundings.clock)());
        self.answer(lookup, references, now, see)?.1
    }
}

fn record(version: &Version) -> Option<(&String, &BTreeMap<String, Part>)> {
    match &version.content {
        Content::Record { public, parts } => Some((public, parts)),
        Content::Value(_) => None,
    }
}

fn open(
    snapshot: &Snapshot,
    address: &Address,
    entry: &Entry,
    lookup: &Lookup,
    now: Time,
) -> Option<Looked<FoundRecord>> {
    let (current, expires): (&Version, Option<SystemTime>) =
        match current_of(address, entry, lookup, now) {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
    let vault = snapshot.vault();
    let (public, sealed) = record(current)?;
    let mut parts: BTreeMap<String, SecretSlice<u8>> = BTreeMap::new();
    for (name, part) in sealed {
        parts.insert(name.clone(), vault.open_part(address, name, part)?);
    }
    // What several versions have alike is opened once.
    let mut retired = BTreeMap::new();
    for version in super::in_use(entry, current, now) {
        let (_, former) = record(version)?;
        for (name, part) in former {
            if sealed.get(name).is_none_or(|now| now.n != part.n) {
                retired.insert((name, part.n), part);
            }
        }
    }
    let retired = retired.into_iter().map(|((name, _), part)| vault.open_part(address, name, part));
    Some(Ok(FoundRecord {
        public: public.clone(),
        parts,
        retired: retired.collect::<Option<_>>()?,
        address: address.clone(),
        version: current.n,
        expires,
    }))
}

fn see(
    _snapshot: &Snapshot,
    address: &Address,
    entry: &Entry,
    lookup: &Lookup,
    now: Time,
) -> Option<Looked<RecordSeen>> {
    let (current, expires) = match current_of(address, entry, lookup, now) {
        Ok(found) => found,
        Err(error) => return Some(Err(error)),
    };
    let (public, parts) = record(current)?;
    Some(Ok(RecordSeen {
        public: public.clone(),
        parts: parts.keys().cloned().collect(),
        address: address.clone(),
        version: current.n,
        expires,
    }))
}
