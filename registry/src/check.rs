//! Looking at a whole store: what is wrong, where, and which secrets it concerns.
//!
//! A check opens every version of every secret and forgets it. It goes on after each finding, so that
//! one damaged file hides nothing of the others. Without the key it still compares every part of the
//! index with its digest, which nobody has authenticated then.

mod parts;

use std::time::{Duration, SystemTime};

use crate::anchor::{Anchors, Stored};
use crate::change::LOCK;
use crate::commit::TEMP;
use crate::error::RegistryError;
use crate::files::FileError;
use crate::hold::is_hold_name;
use crate::keys::Slot;
use crate::leaf::Leaf;
use crate::names::Address;
use crate::piece::{self, FOLDER};
use crate::root::{self, PREVIOUS, ROOT, Root};
use crate::store::{MARKER, Registry, Snapshot};
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
    /// How many connections were found whole.
    pub connections: usize,
    /// How many versions of both were opened.
    pub versions: usize,
    /// The generation of the root before this one, if that can be opened.
    pub previous: Option<u64>,
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
    /// A newer state was seen before: the store was taken back, or another one was put in its place.
    TakenBack(RegistryError),
    /// What was seen before is not known well enough to notice the next time.
    Anchor(Unanchored),
    /// The root was written later than it is now by the clock: dates are judged wrongly.
    ClockBehind {
        /// When it was written.
        written: SystemTime,
    },
    /// A file in the store's folder that no subrosa puts there.
    Foreign {
        /// Which one.
        file: String,
    },
}

/// Why a store that is taken back would not be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanchored {
    /// There is no place where anything is remembered.
    NoPlace,
    /// The store was not seen from here.
    Unseen,
    /// What was remembered cannot be read.
    Damaged,
    /// An older state is remembered.
    Behind {
        /// The generation that is remembered.
        seen: u64,
    },
}

/// Clocks of several machines differ by so much without harm.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// Names in the store's folder, besides those of temporary files.
const NAMES: [&str; 10] = [
    MARKER,
    ROOT,
    PREVIOUS,
    FOLDER,
    LOCK,
    "audit.log",
    "audit.lock",
    "used",
    "used.new",
    "used.lock",
];

/// Whether there is a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is nothing of one.
    Absent,
    /// There is something of one, but neither root nor marker.
    Remains,
    /// There is one, whole or not.
    Present,
}

impl Registry {
    /// Whether there is a store in the folder.
    ///
    /// # Errors
    /// [`RegistryError::File`] if the folder cannot be looked into.
    pub fn presence(&self) -> Result<Presence, RegistryError> {
        let entries = self.files().list("")?;
        let has = |name: &str| entries.iter().any(|entry| entry.name == name);
        Ok(if has(ROOT) || has(MARKER) {
            Presence::Present
        } else if has(PREVIOUS) || has("audit.log") || !self.files().list(FOLDER)?.is_empty() {
            Presence::Remains
        } else {
            Presence::Absent
        })
    }

    /// Checks everything that the store's folder holds.
    pub fn check(&self) -> CheckReport {
        let mut report = CheckReport {
            findings: Vec::new(),
            generation: None,
            secrets: 0,
            connections: 0,
            versions: 0,
            previous: self.previous_generation(),
        };
        match self.newest(&mut report) {
            Some(snapshot) => self.check_all(&snapshot, &mut report),
            None => self.check_parts(&mut report),
        }
        self.check_names(&mut report);
        report
    }

    /// The newest root, also if a newer one was seen.
    fn newest(&self, report: &mut CheckReport) -> Option<Snapshot<'_>> {
        let error = match self.snapshot() {
            Ok(snapshot) => return Some(snapshot),
            Err(error) => error,
        };
        match self.snapshot_of_any_age() {
            Ok(snapshot) => {
                report.findings.push(Finding::TakenBack(error));
                Some(snapshot)
            }
            Err(_) => {
                report.findings.push(Finding::Unusable(error));
                None
            }
        }
    }

    fn check_all(&self, snapshot: &Snapshot, report: &mut CheckReport) {
        report.generation = Some(snapshot.root.generation);
        check_entries(snapshot, report);
        if let Err(error) = snapshot.settings() {
            report.findings.push(Finding::DamagedPart { error, share: 0 });
        }
        self.check_marker(snapshot, report);
        let used = self.used(snapshot).load();
        if used.damaged_lines > 0 || used.unread.is_some() {
            let (damaged_lines, error) = (used.damaged_lines, used.unread);
            report.findings.push(Finding::TimesOfUse { damaged_lines, error });
        }
        self.check_keys(snapshot, report);
        self.check_files(&snapshot.root, report);
        self.check_anchor(&snapshot.root, report);
        let written = snapshot.root.written.system();
        let now = (self.surroundings.clock)();
        if written.duration_since(now).is_ok_and(|ahead| ahead > CLOCK_TOLERANCE) {
            report.findings.push(Finding::ClockBehind { written });
        }
    }

    fn check_marker(&self, snapshot: &Snapshot, report: &mut CheckReport) {
        let marker = match self.marker() {
            Ok(Some(id)) if id == snapshot.root.store => None,
            Ok(Some(_)) => Some("it names another store"),
            Ok(None) => Some("it is missing"),
            Err(_) => Some("it cannot be read"),
        };
        report.findings.extend(marker.map(|why| Finding::Marker { why }));
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

    /// The generation of the root before this one, whatever became of this one.
    fn previous_generation(&self) -> Option<u64> {
        let bytes = self.files().read(PREVIOUS, root::LEN_MAX).ok().flatten()?;
        Some(self.open(&bytes, PREVIOUS).ok()?.root.generation)
    }

    fn check_anchor(&self, root: &Root, report: &mut CheckReport) {
        let stored =
            self.surroundings.anchors.as_deref().map(|files| Anchors::new(files).read(&root.store));
        let why = match stored {
            None => Unanchored::NoPlace,
            // An empty store has nothing that could be taken back.
            Some(Stored::Nothing) if root.audit.is_none() => return,
            Some(Stored::Nothing) => Unanchored::Unseen,
            Some(Stored::Damaged) => Unanchored::Damaged,
            Some(Stored::Whole(anchor)) if anchor.generation < root.generation => {
                Unanchored::Behind { seen: anchor.generation }
            }
            Some(Stored::Whole(_)) => return,
        };
        report.findings.push(Finding::Anchor(why));
    }

    /// Looks for what is nobody's. A folder that cannot be read is told of elsewhere.
    fn check_names(&self, report: &mut CheckReport) {
        let files = self.files();
        let ours =
            |name: &str| NAMES.contains(&name) || name.starts_with(TEMP) || is_hold_name(name);
        for entry in files.list("").unwrap_or_default() {
            if !ours(&entry.name) {
                report.findings.push(Finding::Foreign { file: files.shown(&entry.name) });
            }
        }
        for entry in files.list(FOLDER).unwrap_or_default() {
            if !piece::is_index_name(&entry.name) {
                let file = files.shown(&format!("{FOLDER}/{}", entry.name));
                report.findings.push(Finding::Foreign { file });
            }
        }
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
            if snapshot.vault().is_whole(&address, version) {
                report.versions += 1;
            } else {
                is_whole = false;
                let (address, version) = (address.clone(), version.n);
                report.findings.push(Finding::DamagedVersion { address, version });
            }
        }
        let counted = match address.reference.connection_name() {
            Some(_) => &mut report.connections,
            None => &mut report.secrets,
        };
        *counted += usize::from(is_whole && entry.state != crate::entry::State::Removed);
    }
}
