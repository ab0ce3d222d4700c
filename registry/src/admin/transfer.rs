//! Values that move within the store: they are opened and sealed again for their new place.

use super::{Admin, KEEP_DEFAULT, bury, entry};
use crate::audit::Action;
use crate::change::Change;
use crate::entry::{Content, Entry, Version};
use crate::error::RegistryError;
use crate::names::Address;
use crate::record::{only_connection, only_secret};

impl Admin<'_> {
    /// Makes the value of an earlier version the newest one: `to`, or the one before the current.
    /// Gives the number that was taken and the new one.
    ///
    /// # Errors
    /// [`RegistryError`]: also [`RegistryError::NoVersion`].
    pub fn rollback(
        &self,
        address: &Address,
        to: Option<u64>,
    ) -> Result<(u64, u64), RegistryError> {
        self.edit(Action::Rollback, address, |change, entry| {
            let before = entry.versions.iter().rev().skip(1).find(|version| !version.is_replaced);
            let before = before.map(|version| version.n);
            let to = to.or(before);
            let no_version = || RegistryError::NoVersion {
                address: address.clone(),
                version: to.unwrap_or(entry.last.saturating_sub(1)),
            };
            let version = to.and_then(|n| entry.version(n)).ok_or_else(no_version)?;
            let n = entry.last + 1;
            let vault = change.snapshot.vault();
            let unreadable = || change.snapshot.unreadable(crate::piece::FOLDER);
            let (from, now, by) = (version.n, change.now, &self.actor.user);
            let again = match &version.content {
                Content::Value(_) => {
                    let value = vault.open(address, version).ok_or_else(unreadable)?;
                    vault.seal(address, (n, now, by), &value)?
                }
                // Its parts stay those of the versions that wrote them.
                Content::Record { .. } => Version {
                    n,
                    created: now,
                    by: by.clone(),
                    until: None,
                    is_replaced: false,
                    content: version.content.clone(),
                },
            };
            entry.versions.push(again);
            entry.last = n;
            entry.prune(entry.keep.unwrap_or(KEEP_DEFAULT).max(1), change.now);
            Ok(((from, n), Some(n)))
        })
    }

    /// Gives a secret another name or scope, with all its versions.
    ///
    /// # Errors
    /// [`RegistryError`]: also if something has that name.
    pub fn move_to(&self, from: &Address, to: &Address) -> Result<(), RegistryError> {
        let deed = self.deed(Action::Move, from);
        self.registry.change(&deed, |change| {
            let mut entry = self.transfer(change, from, to, usize::MAX)?;
            let mut source = self.present(change, from)?;
            self.enter(change, from)?;
            entry.created = source.created;
            bury(&mut source);
            source.updated = change.now;
            let version = entry.current().map(|version| version.n);
            change.put(to, entry);
            change.put(from, source);
            change.tell(&deed, from, None);
            change.tell(&deed, to, version);
            Ok(())
        })
    }

    /// Gives a second secret the current value of a first one. If either is in a protected environment,
    /// that takes leave: where the copy is, anybody may use it.
    ///
    /// # Errors
    /// [`RegistryError`]: also if something has that name.
    pub fn copy(&self, from: &Address, to: &Address) -> Result<(), RegistryError> {
        let deed = self.deed(Action::Copy, from);
        self.registry.change(&deed, |change| {
            let entry = self.transfer(change, from, to, 1)?;
            self.enter(change, from)?;
            let version = entry.current().map(|version| version.n);
            change.put(to, entry);
            change.tell(&deed, from, None);
            change.tell(&deed, to, version);
            Ok(())
        })
    }

    /// An entry for `to` with the newest `count` versions of `from`, sealed for its new place.
    fn transfer(
        &self,
        change: &mut Change,
        from: &Address,
        to: &Address,
        count: usize,
    ) -> Result<Entry, RegistryError> {
        let source = self.present(change, from)?;
        if entry(change, to)?.is_some() {
            return Err(RegistryError::Exists(to.clone()));
        }
        match from.reference.connection_name() {
            Some(_) => only_connection(to)?,
            None => only_secret(to)?,
        }
        self.enter(change, to)?;
        let used = change.entry(to)?.map_or(0, |entry| entry.last);
        let vault = change.snapshot.vault();
        let mut target = Entry { created: change.now, updated: change.now, ..source.clone() };
        target.versions.clear();
        let taken = &source.versions[source.versions.len().saturating_sub(count)..];
        // Numbers that the target's name has used before are not given again, and no more are passed over
        // than that takes: a secret that goes to and fro would soon run out of them.
        let first = taken.iter().map(Version::first_number).min().unwrap_or(0);
        let shift = (used + 1).saturating_sub(first);
        for version in taken {
            let number = |n| if count == 1 { used + 1 } else { n + shift };
            let sealed = vault.reseal((from, to), version, number)?;
            let unreadable = || change.snapshot.unreadable(crate::piece::FOLDER);
            target.versions.push(sealed.ok_or_else(unreadable)?);
        }
        target.last = match target.versions.last() {
            None => used,
            Some(only) if count == 1 => only.n,
            Some(_) => source.last + shift,
        };
        Ok(target)
    }
}
