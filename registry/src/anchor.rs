//! The anchor of a store: the newest state that was seen, kept in a folder elsewhere.
//!
//! A store that was taken back to an older state holds together perfectly; only something outside of
//! it can tell. An anchor never goes backwards by itself, and is not synced: an older one detects less
//! and is never wrong. Whoever controls both folders is not stopped.
//!
//! A reader takes the anchor first and the root second. The other way round, a commit between the two
//! looks like a root that was taken back.

use std::io;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::audit::Head;
use crate::files::{FileError, Files, Lock, write_all};
use crate::keys::StoreId;
use crate::root::Root;

const FORMAT: u64 = 1;
const DOMAIN: &[u8] = b"subrosa/anchor/1\0";
/// Ten times of what there is.
const LEN_MAX: u64 = 4096;

/// The newest state of a store that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The store.
    pub(crate) store: StoreId,
    /// The generation of its root.
    pub(crate) generation: u64,
    /// The MAC of its root.
    pub(crate) root_mac: [u8; 32],
    /// Where its audit log ended.
    pub(crate) audit: Head,
}

/// What an anchor says of a root that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the one that was seen.
    Fine,
    /// It is newer, as it is after another process wrote.
    Newer,
    /// It is older.
    RolledBack {
        /// The newest generation that was seen.
        seen: u64,
    },
    /// It has the generation of the one that was seen, and is another one.
    Forked,
}

impl Anchor {
    /// What is to be noted of a root; nothing of a store without a line in its audit log, which is empty:
    /// nothing of it could be taken back.
    pub(crate) fn of(root: &Root, root_mac: [u8; 32]) -> Option<Anchor> {
        let (store, generation) = (root.store.clone(), root.generation);
        root.audit.map(|audit| Anchor { store, generation, root_mac, audit })
    }

    /// Judges a root.
    pub(crate) fn judge(&self, generation: u64, root_mac: &[u8; 32]) -> Verdict {
        if generation > self.generation {
            Verdict::Newer
        } else if generation < self.generation {
            Verdict::RolledBack { seen: self.generation }
        } else if *root_mac == self.root_mac {
            Verdict::Fine
        } else {
            Verdict::Forked
        }
    }

    /// Whether this one says more than `other`, and nothing else.
    fn is_ahead_of(&self, other: &Anchor) -> bool {
        match other.judge(self.generation, &self.root_mac) {
            Verdict::Newer => true,
            Verdict::Fine => self.audit.seq > other.audit.seq,
            Verdict::RolledBack { .. } | Verdict::Forked => false,
        }
    }
}

/// What is kept for a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// No anchor: the store was never seen from here.
    Nothing,
    /// Something that is no anchor of this store, or cannot be read. It detects nothing.
    Damaged,
    /// An anchor.
    Whole(Anchor),
}

impl Stored {
    /// The anchor, if there is one.
    pub(crate) fn anchor(self) -> Option<Anchor> {
        match self {
            Stored::Whole(anchor) => Some(anchor),
            Stored::Nothing | Stored::Damaged => None,
        }
    }
}

/// The folder of anchors.
pub(crate) struct Anchors<'a> {
    files: &'a dyn Files,
}

impl<'a> Anchors<'a> {
    /// Takes the folder, which need not be there yet.
    pub(crate) fn new(files: &'a dyn Files) -> Anchors<'a> {
        Anchors { files }
    }

    /// Reads the anchor of a store.
    pub(crate) fn read(&self, store: &StoreId) -> Stored {
        self.look(store).unwrap_or(Stored::Damaged)
    }

    /// Keeps an anchor, unless one that is not behind it is there.
    ///
    /// # Errors
    /// [`FileError`], which is worth a warning: the next rollback may go unnoticed.
    pub(crate) fn write(&self, anchor: &Anchor) -> Result<(), FileError> {
        self.files.make_folder("")?;
        let _lock = self.lock(&anchor.store)?;
        match self.look(&anchor.store)? {
            Stored::Whole(found) if !anchor.is_ahead_of(&found) => Ok(()),
            Stored::Nothing | Stored::Damaged | Stored::Whole(_) => self.put(anchor),
        }
    }

    /// As [`Anchors::read`], but an anchor that may be there and cannot be read is an error.
    pub(crate) fn look(&self, store: &StoreId) -> Result<Stored, FileError> {
        match self.files.read(store.as_str(), LEN_MAX) {
            Ok(None) => Ok(Stored::Nothing),
            Ok(Some(content)) => {
                let anchor = parse(&content).filter(|anchor| anchor.store == *store);
                Ok(anchor.map_or(Stored::Damaged, Stored::Whole))
            }
            // No anchor of ours is so, and a rename puts one in its place. After any other error
            // there may well be a newer one.
            Err(FileError::TooLarge { .. } | FileError::NotPlain { .. }) => Ok(Stored::Damaged),
            Err(error) => Err(error),
        }
    }

    fn lock(&self, store: &StoreId) -> Result<Box<dyn Lock>, FileError> {
        self.files.lock(&format!("{}.lock", store.as_str()))
    }

    fn put(&self, anchor: &Anchor) -> Result<(), FileError> {
        let new = format!("{}.new", anchor.store.as_str());
        // The lock is ours, so this is what a crash left behind.
        self.files.remove(&new)?;
        let mut file = self.files.create(&new)?;
        if let Err(source) = write_all(&mut *file, text(anchor).as_bytes()) {
            self.files.remove(&new)?;
            return Err(self.error(&new, source));
        }
        self.files.rename(&new, anchor.store.as_str())
    }

    fn error(&self, path: &str, source: io::Error) -> FileError {
        FileError::Io { call: "write", file: self.files.shown(path), source }
    }
}

/// An anchor as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorText {
    format: u64,
    store: String,
    generation: u64,
    root_mac: String,
    audit: Head,
}

/// The content of the file: a line of JSON, and a line with its checksum.
fn text(anchor: &Anchor) -> String {
    let text = AnchorText {
        format: FORMAT,
        store: anchor.store.as_str().to_owned(),
        generation: anchor.generation,
        root_mac: HEXLOWER.encode(&anchor.root_mac),
        audit: anchor.audit,
    };
    let json = serde_json::to_string(&text).expect("texts and numbers always have a JSON");
    format!("{json}\n{}\n", checksum(json.as_bytes()))
}

fn parse(content: &[u8]) -> Option<Anchor> {
    let mut lines = content.strip_suffix(b"\n")?.split(|byte| *byte == b'\n');
    let (json, sum) = (lines.next()?, lines.next()?);
    if lines.next().is_some() || sum != checksum(json).as_bytes() {
        return None;
    }
    let text: AnchorText = serde_json::from_slice(json).ok()?;
    let root_mac = HEXLOWER.decode(text.root_mac.as_bytes()).ok()?.try_into().ok()?;
    let (generation, audit) = (text.generation, text.audit);
    let store = StoreId::parse(&text.store).filter(|_| text.format == FORMAT)?;
    Some(Anchor { store, generation, root_mac, audit })
}

/// Tells damage; whoever changes the file on purpose can make another one.
fn checksum(json: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::new().chain_update(DOMAIN).chain_update(json).finalize())
}

#[cfg(test)]
#[path = "anchor_tests.rs"]
mod tests;
