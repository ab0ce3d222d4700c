//! Where the master key is, and taking it elsewhere, out and in.
//!
//! Each of these is in the audit log before it happens, and no key is taken for the right one unless it
//! opens the root. Making a new one is `rekey`'s business.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::audit::{Action, Actor, Outcome};
use crate::change::{Deed, LOCK};
use crate::crypto::Keys;
use crate::error::RegistryError;
use crate::files::Lock;
use crate::keys::copy::{self, Protection};
use crate::keys::{
    KeyError, KeyPlace, MasterKey, Moved, Passphrase, Places, Slot, Source, StoreId, move_key,
};
use crate::root::{self, Claim, PREVIOUS, ROOT, Root};
use crate::store::{Registry, Snapshot};
use crate::time::Time;

/// What is known of the key of a store.
#[derive(Debug)]
pub struct KeyStatus {
    /// The store.
    pub store: StoreId,
    /// The id of the key that the root names; `None` if the root cannot be read.
    pub wanted: Option<String>,
    /// Where the key is looked for, in words.
    pub place: String,
    /// What it can mean, beyond the plain words, that there is none.
    pub absent_means: Option<&'static str>,
    /// The key that is there.
    pub current: KeyFound,
    /// The key beside it, if its exchange was cut off.
    pub next: KeyFound,
}

/// What is in one slot of a place.
#[derive(Debug)]
pub enum KeyFound {
    /// Nothing.
    Absent,
    /// A key of that store.
    Key {
        /// Its id.
        id: String,
        /// Whether it is the one that the store needs.
        is_wanted: bool,
    },
    /// It cannot be had.
    Failed(KeyError),
}

/// A copy of the key.
pub struct KeyCopy {
    /// Its text.
    pub text: Zeroizing<Vec<u8>>,
    /// Its id.
    pub id: String,
}

/// A key that was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its id.
    pub id: String,
    /// Where it is kept now, in words.
    pub place: String,
}

impl Registry {
    /// Says where the key is and which it is. What is wrong with the key or the root is part of the
    /// answer.
    ///
    /// # Errors
    /// [`RegistryError`]: there is no store, neither root nor marker says which one it is, or the place
    /// of its key cannot be found out.
    pub fn key_status(&self) -> Result<KeyStatus, RegistryError> {
        let (store, wanted) = match self.claim(ROOT) {
            Ok(claim) => (claim.store, Some(claim.key)),
            Err(error @ RegistryError::NoStore { .. }) => return Err(error),
            Err(error) => (self.marker()?.ok_or(error)?, None),
        };
        let place = self.key_place(&store)?;
        let find = |slot| match place.load(&store, slot) {
            Ok(None) => KeyFound::Absent,
            Ok(Some(master)) => {
                let id = Keys::derive(&master, &store).id;
                let is_wanted = wanted.as_ref() == Some(&id);
                KeyFound::Key { id, is_wanted }
            }
            Err(error) => KeyFound::Failed(error),
        };
        let (current, next) = (find(Slot::Current), find(Slot::Next));
        let (described, absent_means) = (place.describe(), place.absent_means());
        Ok(KeyStatus { store, wanted, place: described, absent_means, current, next })
    }

    /// Which store it is, as root or marker claim it; nothing of it is proven.
    pub fn claimed_id(&self) -> Option<StoreId> {
        let claim = self.claim(ROOT).map(|claim| claim.store);
        claim.ok().or_else(|| self.marker().ok().flatten())
    }

    /// Takes the key to another place. `places` are those that the registry's own key was found with.
    ///
    /// # Errors
    /// [`RegistryError`]. The key is where it was, or, if only the old copy could not be removed, where
    /// it should be; asking again goes on.
    pub fn move_key(
        &self,
        actor: &Actor,
        places: &Places,
        to: &Source,
    ) -> Result<Moved, RegistryError> {
        let _lock = self.locked()?;
        let snapshot = self.snapshot()?;
        self.settle_rotation(&snapshot)?;
        let store = snapshot.root.store.clone();
        let bytes = self.bytes_of(ROOT)?;
        self.recorded(&snapshot, actor, Action::KeyMove, || {
            let check = |key: &MasterKey, place: &str| {
                opens(&bytes, key, place).map(drop).map_err(key_only)
            };
            Ok(move_key(places, &store, to, &check)?)
        })
    }

    /// Gives a copy of the key; `to` is where it will be kept, in words. Whoever has such a copy and the
    /// store has every secret.
    ///
    /// # Errors
    /// [`RegistryError`]: also if the audit log cannot be written.
    pub fn export_key(
        &self,
        actor: &Actor,
        protection: &Protection<'_>,
        to: &str,
    ) -> Result<KeyCopy, RegistryError> {
        let snapshot = self.snapshot()?;
        let Snapshot { root, slot, .. } = &snapshot;
        let place = self.key_place(&root.store)?;
        let key = place.load(&root.store, *slot)?.ok_or_else(|| KeyError::missing(&*place))?;
        let id = Keys::derive(&key, &root.store).id;
        if id != root.key {
            let (place, wanted) = (place.describe(), root.key.clone());
            return Err(KeyError::Wrong { place, found: id, wanted }.into());
        }
        let text = copy::write(&root.store, &key, protection, to)?;
        self.recorded(&snapshot, actor, Action::KeyExport, || Ok(KeyCopy { text, id }))
    }

    /// Puts a copy of the key back where the key is looked for and missing; `from` is where the text was
    /// read, in words. Where the root is damaged, the one before it tells which key is the right one.
    ///
    /// # Errors
    /// [`RegistryError`]: also if it is the key of another store or time, or a key is there.
    pub fn import_key(
        &self,
        actor: &Actor,
        text: &[u8],
        from: &str,
        passphrase: &Passphrase,
    ) -> Result<Imported, RegistryError> {
        let _lock = self.locked()?;
        let name = match self.claim(ROOT) {
            Err(RegistryError::Damaged { .. } | RegistryError::Missing { .. }) => PREVIOUS,
            Ok(_) | Err(_) => ROOT,
        };
        let claim = self.claim(name)?;
        let bytes = self.bytes_of(name)?;
        let (found, key) = copy::read(text, passphrase, from)?;
        if found != claim.store {
            let (found, wanted) = (found.as_str().to_owned(), claim.store.as_str().to_owned());
            return Err(KeyError::OtherStore { place: from.to_owned(), found, wanted }.into());
        }
        let keys = opens(&bytes, &key, from).map_err(|error| match error {
            NotOpened::Key(error) => error.into(),
            NotOpened::Root => self.damaged(name),
        })?;
        let place = self.key_place(&claim.store)?;
        if place.load(&claim.store, Slot::Current)?.is_some() {
            return Err(KeyError::Taken { place: place.describe() }.into());
        }
        let snapshot = self.open_with(&bytes, name, Arc::new(keys), Slot::Current)?;
        self.recorded(&snapshot, actor, Action::KeyImport, || {
            keep(&*place, &claim.store, &key)?;
            Ok(Imported { id: claim.key.clone(), place: place.describe() })
        })
    }

    /// Records a deed about the whole store, then does it; that it failed is recorded, too.
    pub(crate) fn recorded<T>(
        &self,
        snapshot: &Snapshot,
        actor: &Actor,
        action: Action,
        act: impl FnOnce() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let deed = Deed::of_store(actor, action);
        let event = |outcome| deed.event(Time::of((self.surroundings.clock)()), outcome);
        self.note(snapshot, &[event(Outcome::Ok)], true)?;
        act().inspect_err(|error| {
            // What went wrong must not be hidden by a log that takes no more lines.
            self.note(snapshot, &[event(Outcome::from(error))], false).ok();
        })
    }

    /// Finishes an exchange of the key that has happened, and drops one that has not.
    pub(crate) fn settle_rotation(&self, snapshot: &Snapshot) -> Result<(), RegistryError> {
        self.finish_rotation(snapshot)?;
        let store = &snapshot.root.store;
        let place = self.key_place(store)?;
        if place.load(store, Slot::Next)?.is_some() {
            place.forget(store, Slot::Next)?;
        }
        Ok(())
    }

    /// Takes the lock of writers, if there is a store.
    pub(crate) fn locked(&self) -> Result<Box<dyn Lock>, RegistryError> {
        if self.exists()? {
            Ok(self.files().lock(LOCK)?)
        } else {
            Err(RegistryError::NoStore { folder: self.files().shown("") })
        }
    }

    fn bytes_of(&self, name: &str) -> Result<Vec<u8>, RegistryError> {
        let missing = || RegistryError::Missing { file: self.files().shown(name) };
        self.files().read(name, root::LEN_MAX)?.ok_or_else(missing)
    }

    fn claim(&self, name: &str) -> Result<Claim, RegistryError> {
        let bytes = match name {
            ROOT => self.root_bytes()?,
            other => self.bytes_of(other)?,
        };
        Claim::read(&bytes).map_err(|why| why.into_error(self.files().shown(name)))
    }

    fn damaged(&self, name: &str) -> RegistryError {
        RegistryError::Damaged { file: self.files().shown(name), why: "its MAC" }
    }
}

/// Keeps a key and reads it back.
fn keep(place: &dyn KeyPlace, store: &StoreId, key: &MasterKey) -> Result<(), KeyError> {
    place.keep(store, Slot::Current, key)?;
    match place.load(store, Slot::Current)? {
        Some(kept) if kept.is(key) => Ok(()),
        Some(_) | None => Err(KeyError::missing(place)),
    }
}

/// Why a key does not open a root.
enum NotOpened {
    /// It is another key, or none can tell.
    Key(KeyError),
    /// It is the key that the root names, and the root is not what it was.
    Root,
}

fn key_only(error: NotOpened) -> KeyError {
    match error {
        NotOpened::Key(error) => error,
        NotOpened::Root => KeyError::Damaged {
            place: "the root of the registry".to_owned(),
            why: "it is not what the key says",
        },
    }
}

/// Makes sure that a key opens a root; `place` is where the key was read.
fn opens(root: &[u8], key: &MasterKey, place: &str) -> Result<Keys, NotOpened> {
    let claim = Claim::read(root).map_err(|_| NotOpened::Root)?;
    let keys = Keys::derive(key, &claim.store);
    if keys.id != claim.key {
        let (place, found, wanted) = (place.to_owned(), keys.id, claim.key);
        return Err(NotOpened::Key(KeyError::Wrong { place, found, wanted }));
    }
    Root::open(root, &keys).map_err(|_| NotOpened::Root)?;
    Ok(keys)
}
