//! Exchanging the master key, and hiding or showing names: one transaction over the whole index.
//!
//! The new key is kept beside the old one first; the root that names it is the moment of change;
//! then it takes the old one's place. Whatever happens between, the root says which key it needs and
//! both are there. No value is opened: only the keys of values are sealed anew.

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::Admin;
use crate::audit::{Action, Names, Outcome};
use crate::change::Deed;
use crate::commit::{Draft, Pack};
use crate::crypto::Keys;
use crate::entry::Entry;
use crate::error::RegistryError;
use crate::keys::{KeyError, MasterKey, Slot};
use crate::leaf::Leaf;
use crate::names::Address;
use crate::piece::{FAN, FOLDER, Pieces};
use crate::root::Root;
use crate::store::{Registry, Snapshot};

/// What exchanging the key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The id of the key that was in use before.
    pub from: String,
    /// The id of the key that is in use now.
    pub to: String,
    /// How many versions of secrets were sealed anew.
    pub versions: usize,
}

impl Admin<'_> {
    /// Exchanges the master key for a new one, and hides or shows names, if that is asked for.
    ///
    /// # Errors
    /// [`RegistryError`]: also if any part of the store is damaged, since it would be lost.
    pub fn rotate_key(&self, names: Option<Names>) -> Result<Rekeyed, RegistryError> {
        let deed = Deed::of_store(&self.actor, Action::KeyRotate);
        self.registry.rekey(&deed, names)
    }
}

impl Registry {
    fn rekey(&self, deed: &Deed, names: Option<Names>) -> Result<Rekeyed, RegistryError> {
        let lock = self.locked()?;
        let snapshot = self.snapshot()?;
        self.finish_rotation(&snapshot)?;
        let store = &snapshot.root.store;
        let place = self.key_place(store)?;
        // The root names the current key, so a next one is left from an exchange that never happened.
        place.forget(store, Slot::Next)?;
        let master = MasterKey::generate().ok_or(RegistryError::Randomness)?;
        let keys = Keys::derive(&master, store);
        place.keep(store, Slot::Next, &master)?;
        let kept = place.load(store, Slot::Next)?.map(|kept| Keys::derive(&kept, store).id);
        if kept.as_ref() != Some(&keys.id) {
            return Err(KeyError::missing(&*place).into());
        }
        let (draft, versions) = self.sealed_anew(&snapshot, &keys, names)?;
        let event = deed.event(crate::time::Time::of((self.surroundings.clock)()), Outcome::Ok);
        self.write_pack(&draft.pack)?;
        let anchor = self.commit(&snapshot, &keys, draft, &[event])?;
        // With the key in the second slot a stop at any point here leaves something to finish.
        self.finish_rotation(&Snapshot { slot: Slot::Next, ..self.snapshot_of_any_age()? })?;
        drop(lock);
        self.remember(anchor);
        Ok(Rekeyed { from: snapshot.keys.id.clone(), to: keys.id, versions })
    }

    /// The whole index, for another key.
    fn sealed_anew(
        &self,
        snapshot: &Snapshot,
        keys: &Keys,
        names: Option<Names>,
    ) -> Result<(Draft, usize), RegistryError> {
        let store = &snapshot.root.store;
        let mut root = Root {
            key: keys.id.clone(),
            inner: snapshot.inner.seal(keys, store)?,
            names: names.unwrap_or(snapshot.root.names),
            branches: Pieces::default(),
            ..snapshot.root.clone()
        };
        let mut pack = Pack::new(root.generation + 1)?;
        let (mut branch, mut versions) = ((0, Pieces::default()), 0);
        snapshot.each_leaf(|place, leaf| {
            if place.branch != branch.0 {
                pack.add_branch(&mut root, branch.0, &std::mem::take(&mut branch.1));
                branch.0 = place.branch;
            }
            let (leaf, count) = rekey_leaf(snapshot, keys, &leaf?)?;
            versions += count;
            let bytes = leaf.to_bytes(root.names, place, (&snapshot.inner, store))?;
            branch.1.0.insert(place.leaf, pack.add(&bytes));
            Ok(())
        })?;
        pack.add_branch(&mut root, branch.0, &branch.1);
        let settings = snapshot.settings()?.to_bytes(root.names, (&snapshot.inner, store))?;
        root.settings = Some(pack.add(&settings));
        Ok((
            Draft { root, pack, touched: BTreeSet::new(), made_from: (0..FAN).collect() },
            versions,
        ))
    }
}

impl Pack {
    fn add_branch(&mut self, root: &mut Root, number: u8, branch: &Pieces) {
        if !branch.0.is_empty() {
            root.branches.0.insert(number, self.add(branch.to_text().as_bytes()));
        }
    }
}

/// A leaf whose versions can be opened with another key, and how many they are.
fn rekey_leaf(
    snapshot: &Snapshot,
    keys: &Keys,
    leaf: &Leaf,
) -> Result<(Leaf, usize), RegistryError> {
    let unreadable = || snapshot.unreadable(FOLDER);
    let mut versions = 0;
    let mut entries = BTreeMap::new();
    for entry in leaf.entries() {
        let (address, mut entry): (Address, Entry) = entry.map_err(|_| unreadable())?;
        for version in &mut entry.versions {
            let sealed = snapshot.vault().rekey(keys, &address, version)?;
            sealed.ok_or_else(unreadable)?;
            versions += 1;
        }
        entries.insert(address, entry);
    }
    Ok((Leaf::default().with(&entries), versions))
}
