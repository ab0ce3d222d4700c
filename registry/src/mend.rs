//! Mending a store: what is safe without asking, and two decisions that only a person can take.
//!
//! Each of these is recorded in the audit log before it happens. Nothing is removed that could be
//! anybody's loss.

use crate::anchor::{Anchor, Anchors, Stored};
use crate::audit::{Action, Actor};
use crate::commit::Former;
use crate::error::RegistryError;
use crate::keys::Slot;
use crate::root::{self, PREVIOUS, Root};
use crate::store::{Registry, Snapshot};
use crate::sweep::GRACE;

/// What was mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// How many files were removed that nothing names.
    pub removed: usize,
    /// An exchange of the key that had happened was finished.
    pub finished_rotation: bool,
    /// A new key was dropped whose exchange had not happened.
    pub dropped_next_key: bool,
    /// The marker was missing or unreadable and was written.
    pub wrote_marker: bool,
    /// The anchor was damaged and was written anew.
    pub wrote_anchor: bool,
}

impl Registry {
    /// Removes rubbish, finishes or drops an exchange of the key that was cut off, and writes the
    /// marker and the anchor anew if they say nothing.
    ///
    /// # Errors
    /// [`RegistryError`]: what cannot be read cannot be tidied.
    pub fn tidy(&self, actor: &Actor) -> Result<Tidied, RegistryError> {
        let _lock = self.locked()?;
        let snapshot = self.snapshot()?;
        let plan = self.untidy(&snapshot)?;
        if plan == Tidied::default() {
            return Ok(plan);
        }
        self.recorded(&snapshot, actor, Action::Repair, || {
            self.settle_rotation(&snapshot)?;
            if plan.wrote_marker {
                self.write_marker(&snapshot.root.store)?;
            }
            if plan.wrote_anchor {
                self.anchor_now(&snapshot)?;
            }
            Ok(Tidied { removed: self.sweep(&snapshot.root, GRACE)?, ..plan })
        })
    }

    /// What there is to tidy.
    fn untidy(&self, snapshot: &Snapshot) -> Result<Tidied, RegistryError> {
        let store = &snapshot.root.store;
        let has_next = self.key_place(store)?.load(store, Slot::Next)?.is_some();
        let anchors = self.surroundings.anchors.as_deref();
        let anchor = anchors.map(|files| Anchors::new(files).read(store));
        Ok(Tidied {
            // Without all branches nobody can say what is rubbish.
            removed: self.rubbish(&snapshot.root, GRACE).map_or(0, |rubbish| rubbish.len()),
            finished_rotation: snapshot.slot == Slot::Next,
            dropped_next_key: snapshot.slot == Slot::Current && has_next,
            wrote_marker: matches!(self.marker(), Ok(None) | Err(RegistryError::Damaged { .. })),
            wrote_anchor: matches!(anchor, Some(Stored::Damaged)) && snapshot.root.audit.is_some(),
        })
    }

    /// Goes back to the root before this one, after this one was damaged. What the last change did is
    /// undone by it.
    ///
    /// # Errors
    /// [`RegistryError`]: also if the present root is whole.
    pub fn restore_previous_root(&self, actor: &Actor) -> Result<u64, RegistryError> {
        let files = self.files();
        let _lock = self.locked()?;
        match self.snapshot_of_any_age() {
            Ok(_) => return Err(RegistryError::StoreExists { folder: files.shown("") }),
            Err(
                RegistryError::Damaged { .. }
                | RegistryError::Missing { .. }
                // A damaged root can name another key, or the key of another store.
                | RegistryError::Key(_),
            ) => {}
            Err(other) => return Err(other),
        }
        let missing = || RegistryError::Missing { file: files.shown(PREVIOUS) };
        let bytes = files.read(PREVIOUS, root::LEN_MAX)?.ok_or_else(missing)?;
        let snapshot = self.open(&bytes, PREVIOUS)?;
        self.recorded(&snapshot, actor, Action::Repair, || self.succeed(&snapshot, Former::Dropped))
    }

    /// Takes the store as it is, although a newer state was seen before: after restoring a backup.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn accept(&self, actor: &Actor) -> Result<u64, RegistryError> {
        let _lock = self.locked()?;
        let snapshot = self.snapshot_of_any_age()?;
        self.recorded(&snapshot, actor, Action::Accept, || self.succeed(&snapshot, Former::Kept))
    }

    /// Notes elsewhere that this root was seen.
    fn anchor_now(&self, snapshot: &Snapshot) -> Result<(), RegistryError> {
        let anchor = Anchor::of(&snapshot.root, snapshot.mac);
        match (&self.surroundings.anchors, anchor) {
            (Some(anchors), Some(anchor)) => Ok(Anchors::new(&**anchors).write(&anchor)?),
            _ => Ok(()),
        }
    }

    /// Writes the content of `snapshot` as a root that is newer than all that was seen.
    pub(crate) fn succeed(
        &self,
        snapshot: &Snapshot,
        former: Former,
    ) -> Result<u64, RegistryError> {
        let seen =
            self.anchor_for_sure(&snapshot.root.store)?.map_or(0, |anchor| anchor.generation);
        // The anchor is not authenticated: anything may stand there.
        let generation = snapshot.root.generation.max(seen).checked_add(1);
        let generation = generation.ok_or_else(|| RegistryError::Damaged {
            file: self.anchor_path(&snapshot.root.store),
            why: "its generation is the highest there is",
        })?;
        let written = crate::time::Time::of((self.surroundings.clock)());
        // The end of the log as it is now: this very deed is the last line of it.
        let audit = Some(self.audit(snapshot).append_durably(&[]).map_err(audit_failed)?);
        let root = Root { generation, written, audit, ..snapshot.root.clone() };
        let anchor = self.write_root(&snapshot.keys, &root, former)?;
        self.remember(anchor);
        Ok(generation)
    }
}

fn audit_failed(source: crate::files::FileError) -> RegistryError {
    RegistryError::Audit { source }
}
