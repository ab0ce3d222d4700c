//! Looking at a whole store: what is wrong, where, and which secrets it concerns.
//!
//! A check opens every version of every secret and forgets it. It goes on after each finding, so that
//! one damaged file hides nothing of the others. Repairs are few, and each only removes or sets what
//! cannot be anybody's loss.

use crate::change::LOCK;
use crate::commit::Former;
use crate::error::RegistryError;
use crate::files::FileError;
use crate::keys::Slot;
use crate::leaf::Leaf;
use crate::names::Address;
use crate::piece::{self, FOLDER};
use crate::root::{self, PREVIOUS, Root};
use crate::store::{Registry, Snapshot};
use crate::sweep::GRACE;

/// What a check found out about a store.
#[derive(Debug)]
pub struct CheckReport {
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// The generation of the root, if it could be read.
    pub generation: Option<u64>,
    /// How many secrets were found whole.
    pub secrets: usize,
    /// How many versions of them were opened.
    pub versions: usize,
}

/// One thing that is wrong.
#[derive(Debug)]
pub enum Finding {
    /// Nothing can be read at all.
    Unusable(RegistryError),
    /// A part of the index cannot be read; the secrets in it are lost to runs, the others are not.
    DamagedPart {
        /// What is wrong with which file.
        error: RegistryError,
        /// How many 4096ths of all refs are in that part.
        share: u32,
    },
    /// One version of a secret does not open.
    DamagedVersion {
        /// Which secret.
        address: Address,
        /// Which version.
        version: u64,
    },
    /// The marker does not name this store, or is missing.
    Marker {
        /// What is wrong with it.
        why: &'static str,
    },
    /// An exchange of the key was cut off; the next change of the store finishes it.
    HalfRotated {
        /// Whether the new key is in use already.
        is_in_use: bool,
    },
    /// Files that nothing has named for an hour.
    Rubbish {
        /// How many.
        files: usize,
    },
    /// The times of last use are lost, or some of them; they are a convenience.
    TimesOfUse {
        /// Lines that say nothing.
        damaged_lines: u64,
        /// Why nothing could be read, if so.
        error: Option<FileError>,
    },
    /// The root before this one is not there or not whole: there would be nothing to go back to.
    NoPrevious {
        /// Why not.
        error: RegistryError,
    },
}

impl Registry {
    /// Checks everything that the store's folder holds.
    pub fn check(&self) -> CheckReport {
        let mut report =
            CheckReport { findings: Vec::new(), generation: None, secrets: 0, versions: 0 };
        let snapshot = match self.snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                report.findings.push(Finding::Unusable(error));
                return report;
            }
        };
        report.generation = Some(snapshot.root.generation);
        check_entries(&snapshot, &mut report);
        if let Err(error) = snapshot.settings() {
            report.findings.push(Finding::DamagedPart { error, share: 0 });
        }
        let marker = match self.marker() {
            Ok(Some(id)) if id == snapshot.root.store => None,
            Ok(Some(_)) => Some("it names another store"),
            Ok(None) => Some("it is missing"),
            Err(_) => Some("it cannot be read"),
        };
        report.findings.extend(marker.map(|why| Finding::Marker { why }));
        let used = self.used(&snapshot).load();
        if used.damaged_lines > 0 || used.unread.is_some() {
            let (damaged_lines, error) = (used.damaged_lines, used.unread);
            report.findings.push(Finding::TimesOfUse { damaged_lines, error });
        }
        self.check_keys(&snapshot, &mut report);
        self.check_files(&snapshot.root, &mut report);
        report
    }

    fn check_keys(&self, snapshot: &Snapshot, report: &mut CheckReport) {
        let store = &snapshot.root.store;
        let is_in_use = snapshot.slot == Slot::Next;
        let next = self.key_place(store).and_then(|place| place.load(store, Slot::Next));
        if is_in_use || matches!(next, Ok(Some(_))) {
            report.findings.push(Finding::HalfRotated { is_in_use });
        }
    }

    fn check_files(&self, root: &Root, report: &mut CheckReport) {
        match self.previous_root(root) {
            Ok(_) => {}
            Err(_) if root.generation == 1 => {}
            Err(error) => report.findings.push(Finding::NoPrevious { error }),
        }
        // Without all branches nobody can say what is rubbish; that they are damaged is told already.
        match self.rubbish(root, GRACE) {
            Ok(rubbish) if !rubbish.is_empty() => {
                report.findings.push(Finding::Rubbish { files: rubbish.len() });
            }
            _ => {}
        }
    }

    /// Removes rubbish, finishes or drops an exchange of the key that was cut off, and writes
    /// the marker anew if it is missing. Gives how many files were removed.
    ///
    /// # Errors
    /// [`RegistryError`]: what cannot be read cannot be tidied.
    pub fn tidy(&self) -> Result<usize, RegistryError> {
        let _lock = self.files().lock(LOCK)?;
        let snapshot = self.snapshot()?;
        self.finish_rotation(&snapshot)?;
        if snapshot.slot == Slot::Current {
            let store = &snapshot.root.store;
            let place = self.key_place(store)?;
            if place.load(store, Slot::Next)?.is_some() {
                place.forget(store, Slot::Next)?;
            }
        }
        if self.marker()?.is_none() {
            self.write_marker(&snapshot.root.store)?;
        }
        self.sweep(&snapshot.root, GRACE)
    }

    /// Goes back to the root before this one, after this one was damaged. What the last change did is
    /// undone by it.
    ///
    /// # Errors
    /// [`RegistryError`]: also if the present root is whole.
    pub fn restore_previous_root(&self) -> Result<u64, RegistryError> {
        let files = self.files();
        let _lock = files.lock(LOCK)?;
        match self.snapshot_of_any_age() {
            Ok(_) => return Err(RegistryError::StoreExists { folder: files.shown("") }),
            Err(
                RegistryError::Damaged { .. }
                | RegistryError::Missing { .. }
                | RegistryError::TooNew { .. },
            ) => {}
            Err(other) => return Err(other),
        }
        let missing = || RegistryError::Missing { file: files.shown(PREVIOUS) };
        let bytes = files.read(PREVIOUS, root::LEN_MAX)?.ok_or_else(missing)?;
        let snapshot = self.open(&bytes, PREVIOUS)?;
        self.succeed(&snapshot, Former::Dropped)
    }

    /// Takes the store as it is, although a newer state was seen before: after restoring a backup.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn accept(&self) -> Result<u64, RegistryError> {
        let _lock = self.files().lock(LOCK)?;
        let snapshot = self.snapshot_of_any_age()?;
        self.succeed(&snapshot, Former::Kept)
    }

    /// Writes the content of `snapshot` as a root that is newer than all that was seen.
    fn succeed(&self, snapshot: &Snapshot, former: Former) -> Result<u64, RegistryError> {
        let seen = self.anchor(&snapshot.root.store).map_or(0, |anchor| anchor.generation);
        // The anchor is not authenticated: anything may stand there.
        let generation = snapshot.root.generation.max(seen).checked_add(1);
        let generation = generation.ok_or_else(|| RegistryError::Damaged {
            file: self.anchor_path(&snapshot.root.store),
            why: "its generation is the highest there is",
        })?;
        let written = crate::time::Time::of((self.surroundings.clock)());
        let root = Root { generation, written, ..snapshot.root.clone() };
        let anchor = self.write_root(&snapshot.keys, &root, former)?;
        self.remember(anchor);
        Ok(generation)
    }
}

/// Opens every version of every secret.
fn check_entries(snapshot: &Snapshot, report: &mut CheckReport) {
    let visited = snapshot.each_leaf(|place, leaf| {
        match leaf {
            Ok(leaf) => check_leaf(snapshot, &leaf, report),
            Err(error) => {
                let whole_branch = snapshot.branch(place.branch).is_err();
                let share = if whole_branch { u32::from(piece::FAN) } else { 1 };
                report.findings.push(Finding::DamagedPart { error, share });
            }
        }
        Ok(())
    });
    if let Err(error) = visited {
        report.findings.push(Finding::Unusable(error));
    }
}

fn check_leaf(snapshot: &Snapshot, leaf: &Leaf, report: &mut CheckReport) {
    for entry in leaf.entries() {
        let Ok((address, entry)) = entry else {
            let error = snapshot.unreadable(FOLDER);
            report.findings.push(Finding::DamagedPart { error, share: 1 });
            continue;
        };
        let mut is_whole = true;
        for version in &entry.versions {
            if snapshot.vault().open(&address, version).is_some() {
                report.versions += 1;
            } else {
                is_whole = false;
                let (address, version) = (address.clone(), version.n);
                report.findings.push(Finding::DamagedVersion { address, version });
            }
        }
        report.secrets += usize::from(is_whole && entry.state != crate::entry::State::Removed);
    }
}
