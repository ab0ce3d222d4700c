//! Values that move within the store: they are opened and sealed again for their new place.

use super::{Admin, KEEP_DEFAULT, bury, entry, present};
use crate::audit::Action;
use crate::change::Change;
use crate::entry::Entry;
use crate::error::RegistryError;
use crate::names::Address;

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
            let before = entry.versions.iter().rev().nth(1).map(|version| version.n);
            let to = to.or(before);
            let no_version = || RegistryError::NoVersion {
                address: address.clone(),
                version: to.unwrap_or(entry.last.saturating_sub(1)),
            };
            let version = to.and_then(|n| entry.version(n)).ok_or_else(no_version)?;
            let n = entry.last + 1;
            let vault = change.snapshot.vault();
            let value = vault.open(address, version);
            let value = value.ok_or_else(|| change.snapshot.unreadable(crate::piece::FOLDER))?;
            let from = version.n;
            let sealed = vault.seal(address, (n, change.now, &self.actor.user), &value)?;
            entry.versions.push(sealed);
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
            let mut source = present(change, from)?;
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
        let source = present(change, from)?;
        if entry(change, to)?.is_some() {
            return Err(RegistryError::Exists(to.clone()));
        }
        self.enter(change, to)?;
        let used = change.entry(to)?.map_or(0, |entry| entry.last);
        let vault = change.snapshot.vault();
        let mut target = Entry { created: change.now, updated: change.now, ..source.clone() };
        target.versions.clear();
        let taken = &source.versions[source.versions.len().saturating_sub(count)..];
        // Numbers that the target's name has used before are not given again, and no more are passed over
        // than that takes: a secret that goes to and fro would soon run out of them.
        let first = taken.first().map_or(0, |version| version.n);
        let shift = (used + 1).saturating_sub(first);
        for version in taken {
            let value = vault.open(from, version);
            let value = value.ok_or_else(|| change.snapshot.unreadable(crate::piece::FOLDER))?;
            let n = if count == 1 { used + 1 } else { version.n + shift };
            let mut sealed = vault.seal(to, (n, version.created, &version.by), &value)?;
            sealed.until = version.until;
            target.versions.push(sealed);
        }
        target.last = match target.versions.last() {
            None => used,
            Some(only) if count == 1 => only.n,
            Some(_) => source.last + shift,
        };
        Ok(target)
    }
}
