//! Committing: new files first, the root that names them last.
//!
//! Until the root is renamed nothing has happened; after it, all has. What is acknowledged was synced:
//! the index file, its name, the audit log, the root, its name, in this order. A root never names
//! what was not synced before it.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;

use crate::anchor::{Anchor, Anchors};
use crate::audit::{Event, Outcome};
use crate::crypto::{Keys, digest, random};
use crate::error::RegistryError;
use crate::files::{FileError, write_all};
use crate::piece::{self, Piece};
use crate::root::{self, PREVIOUS, ROOT, Root};
use crate::store::{Registry, Snapshot};
use crate::time::Time;

/// Names of files that are being written begin so.
pub(crate) const TEMP: &str = "tmp-";
/// Every so many generations the index folder is swept.
const SWEEP_EVERY: u64 = 64;

/// The pieces of a new index file while it is put together in memory.
pub(crate) struct Pack {
    name: String,
    bytes: Vec<u8>,
}

impl Pack {
    pub(crate) fn new(generation: u64) -> Result<Pack, RegistryError> {
        let mut digits = [0; 4];
        random(&mut digits)?;
        Ok(Pack { name: piece::index_name(generation, digits), bytes: Vec::new() })
    }

    fn path(&self) -> String {
        format!("{}/{}", piece::FOLDER, self.name)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) -> Piece {
        self.add_known(bytes, digest(bytes))
    }

    /// Adds bytes whose digest is known.
    pub(crate) fn add_known(&mut self, bytes: &[u8], sha256: [u8; 32]) -> Piece {
        let (at, len) = (self.bytes.len() as u64, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        Piece { file: self.name.clone(), at, len, sha256 }
    }
}

/// What becomes of the root that is replaced.
#[derive(Clone, Copy)]
pub(crate) enum Former {
    /// It keeps a name, in place of the one before it.
    Kept,
    /// It is damaged, and does not take the place of the one before it, which is what there is to go back to
    /// until the new one is there.
    Dropped,
}

/// A root to be, and the index file it names.
pub(crate) struct Draft {
    pub(crate) root: Root,
    pub(crate) pack: Pack,
    /// The branches that are new in it.
    pub(crate) touched: BTreeSet<u8>,
    /// The branches that were looked into for it, those that are new among them.
    pub(crate) made_from: BTreeSet<u8>,
}

impl Draft {
    /// Carries the draft over to a root that others have made meanwhile, if they changed nothing that it
    /// was made from.
    pub(crate) fn carried_over(&self, old: &Root, new: &Root) -> Option<Root> {
        let same_branch = |n: &u8| old.branches.0.get(n) == new.branches.0.get(n);
        let same = old.key == new.key
            && old.names == new.names
            && old.settings == new.settings
            && self.made_from.iter().all(same_branch);
        same.then(|| {
            let mut root = new.clone();
            root.settings.clone_from(&self.root.settings);
            for number in &self.touched {
                root.branches.0.insert(*number, self.root.branches.0[number].clone());
            }
            root
        })
    }
}

impl Registry {
    /// Writes an index file and makes it and its name durable.
    pub(crate) fn write_pack(&self, pack: &Pack) -> Result<(), RegistryError> {
        self.write_new(&pack.path(), &pack.bytes)?;
        Ok(self.files().sync_folder(piece::FOLDER)?)
    }

    /// Whether an index file that was written is still there.
    pub(crate) fn is_written(&self, pack: &Pack) -> Result<bool, RegistryError> {
        Ok(self.files().read_at(&pack.path(), 0, 0)?.is_some())
    }

    /// Removes an index file that no root will name; if that fails it is rubbish, no more.
    pub(crate) fn discard(&self, pack: &Pack) {
        self.files().remove(&pack.path()).ok();
    }

    /// Writes the audit log, then the root that names the new index file, which is written already.
    /// What is returned is to be [remembered](Registry::remember) once the lock is free again.
    pub(crate) fn commit(
        &self,
        snapshot: &Snapshot,
        keys: &Keys,
        draft: Draft,
        events: &[Event],
    ) -> Result<Option<Anchor>, RegistryError> {
        let Draft { mut root, pack, .. } = draft;
        root.generation += 1;
        root.written = Time::of((self.surroundings.clock)());
        let written = match self.audit(snapshot).append_durably(events) {
            Ok(head) => {
                root.audit = Some(head);
                self.write_root(keys, &root, Former::Kept)
            }
            Err(source) => Err(RegistryError::Audit { source }),
        };
        let anchor = match written {
            Ok(anchor) => anchor,
            Err(unconfirmed @ RegistryError::Unconfirmed { .. }) => return Err(unconfirmed),
            Err(failed) => {
                self.discard(&pack);
                let failure = |event: &Event| Event { outcome: Outcome::Failed, ..event.clone() };
                let events: Vec<Event> = events.iter().map(failure).collect();
                self.note(snapshot, &events, false).ok();
                return Err(failed);
            }
        };
        Ok(anchor)
    }

    /// Puts a root in place of the present one: the moment at which a change happens.
    /// What is returned is to be [remembered](Registry::remember) once the lock is free again.
    pub(crate) fn write_root(
        &self,
        keys: &Keys,
        root: &Root,
        former: Former,
    ) -> Result<Option<Anchor>, RegistryError> {
        let files = self.files();
        let bytes = root.to_bytes(keys);
        let temp = self.temp_name()?;
        self.write_new(&temp, &bytes)?;
        match former {
            Former::Kept => self.keep_former_root(),
            Former::Dropped => {}
        }
        if let Err(source) = files.rename(&temp, ROOT) {
            // Only another root, or none, proves that it did not happen.
            let is_other = files.read(ROOT, root::LEN_MAX).is_ok_and(|found| found != Some(bytes));
            files.remove(&temp).ok();
            return Err(match is_other {
                true => source.into(),
                false => RegistryError::Unconfirmed { source },
            });
        }
        files.sync_folder("").map_err(|source| RegistryError::Unconfirmed { source })?;
        Ok(root::mac(&bytes).and_then(|mac| Anchor::of(root, mac)))
    }

    /// Gives the present root a second name, for repairs only; not having it costs nothing else.
    fn keep_former_root(&self) {
        let files = self.files();
        let Ok(name) = self.temp_name() else { return };
        if files.link(ROOT, &name).is_ok() && files.rename(&name, PREVIOUS).is_err() {
            files.remove(&name).ok();
        }
    }

    /// Moves the anchor, and sweeps now and then. Neither is a reason for a store to fail: the one only
    /// helps to notice rollback, the other to save space.
    pub(crate) fn remember(&self, anchor: Option<Anchor>) {
        let Some(anchor) = anchor else { return };
        if let Some(anchors) = &self.surroundings.anchors {
            Anchors::new(&**anchors).write(&anchor).ok();
        }
        if anchor.generation.is_multiple_of(SWEEP_EVERY) {
            self.sweep_some().ok();
        }
    }

    /// Writes a file whose name is new and makes its content durable; on failure it is gone again.
    pub(crate) fn write_new(&self, path: &str, bytes: &[u8]) -> Result<(), FileError> {
        let files = self.files();
        let mut file = files.create(path)?;
        let written = write_all(&mut *file, bytes).map_err(|source| ("write", source));
        written.and_then(|()| file.sync().map_err(|source| ("sync", source))).map_err(
            |(call, source)| {
                files.remove(path).ok();
                FileError::Io { call, file: files.shown(path), source }
            },
        )
    }

    /// Puts a durable file in place of another; the name is durable after the folder is synced.
    pub(crate) fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let temp = self.temp_name()?;
        self.write_new(&temp, bytes)?;
        self.files().rename(&temp, path).map_err(|error| {
            self.files().remove(&temp).ok();
            error.into()
        })
    }

    fn temp_name(&self) -> Result<String, RegistryError> {
        let mut digits = [0; 8];
        random(&mut digits)?;
        Ok(format!("{TEMP}{}", HEXLOWER.encode(&digits)))
    }
}
