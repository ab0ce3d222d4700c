//! Copies of a whole store: what goes into one, and taking one back.
//!
//! A copy is taken while others write: the root of one moment first, then the files that it names,
//! which never change, and the audit log, which only grows. It is proven whole before it is made and
//! again before it is put to use. Packing, encryption and where a copy lies are the caller's business.

mod key;
mod restore;

use std::collections::HashMap;
use std::io::{self, Cursor, Read};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::audit::{Action, Actor, LOG, Names, Outcome, Report};
use crate::change::Deed;
use crate::entry::State;
use crate::error::RegistryError;
use crate::files::Files;
use crate::keys::{KeyError, StoreId};
use crate::leaf::Leaf;
use crate::piece::FOLDER;
use crate::root::ROOT;
use crate::store::{MARKER, Registry, Snapshot};
use crate::time::Time;
use crate::used::USED;

pub use key::{HeldKey, KEY_ENTRY};

/// So much of a file is in memory at a time.
const CHUNK_LEN: usize = 1 << 20;

/// Takes the files of a copy: a name, a length, and so many bytes.
pub type BackupSink<'a, E> = dyn FnMut(&str, u64, &mut dyn Read) -> Result<(), E> + 'a;

/// Whether the master key goes into a copy. Whoever opens a copy that has it has every value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupKey {
    /// It stays out.
    Out,
    /// It goes in.
    In,
}

/// What a store holds whose every version was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Which store it is.
    pub store: StoreId,
    /// The generation of its root.
    pub generation: u64,
    /// When that was written.
    pub written: SystemTime,
    /// Whether names are sealed.
    pub names: Names,
    /// How many secrets there are.
    pub secrets: usize,
    /// How many connections there are.
    pub connections: usize,
    /// How many versions they all have together.
    pub versions: usize,
}

impl Registry {
    /// Hands all files of one moment of the store to `sink`.
    ///
    /// The audit log says so before the first of them, and every version is opened before that.
    ///
    /// # Errors
    /// [`RegistryError`], also if anything in the store is damaged; [`RegistryError::Missing`] also if a
    /// file was swept away meanwhile, which another try heals. What `sink` fails with.
    pub fn backup<E: From<RegistryError>>(
        &self,
        actor: &Actor,
        key: BackupKey,
        sink: &mut BackupSink<'_, E>,
    ) -> Result<Contents, E> {
        let snapshot = self.snapshot()?;
        let contents = contents(&snapshot)?;
        let key = self.record_backup(&snapshot, actor, key)?;
        let root = snapshot.root.to_bytes(&snapshot.keys);
        sink(ROOT, root.len() as u64, &mut Cursor::new(root))?;
        let marker = Registry::marker_bytes(&snapshot.root.store);
        sink(MARKER, marker.len() as u64, &mut Cursor::new(marker))?;
        let listed = self.files().list(FOLDER).map_err(RegistryError::from)?;
        let lens: HashMap<String, u64> =
            listed.into_iter().map(|info| (info.name, info.len)).collect();
        for name in self.live_files(&snapshot.root)? {
            let path = format!("{FOLDER}/{name}");
            let missing = || RegistryError::Missing { file: self.files().shown(&path) };
            let len = *lens.get(&name).ok_or_else(missing)?;
            sink(&path, len, &mut Chunks::new(self.files(), &path, len))?;
        }
        let len = self.audit(&snapshot).len().map_err(RegistryError::from)?;
        sink(LOG, len, &mut Chunks::new(self.files(), LOG, len))?;
        // Times of last use are a convenience, and no reason to go without a backup.
        if let Ok(Some(bytes)) = self.used(&snapshot).bytes() {
            sink(USED, bytes.len() as u64, &mut Cursor::new(bytes))?;
        }
        if let Some(text) = key {
            sink(KEY_ENTRY, text.len() as u64, &mut &text[..])?;
        }
        Ok(contents)
    }

    /// Records the backup, and fetches the text of the key if that goes in.
    fn record_backup(
        &self,
        snapshot: &Snapshot,
        actor: &Actor,
        key: BackupKey,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        let event = |action| Deed::of_store(actor, action).event(now, Outcome::Ok);
        let mut events = vec![event(Action::Backup)];
        let text = match key {
            BackupKey::Out => None,
            BackupKey::In => {
                events.push(event(Action::KeyExport));
                let store = &snapshot.root.store;
                let place = self.key_place(store)?;
                let key = place.load(store, snapshot.slot)?;
                Some(key.ok_or_else(|| KeyError::missing(&*place))?.to_text(store))
            }
        };
        self.note(snapshot, &events, true)?;
        Ok(text)
    }

    /// Opens every version of every secret and forgets it, and goes through the audit log; also if a
    /// newer state of the store was seen before. The first version that does not open is an error, what
    /// is wrong with the log is in the report.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn contents(&self) -> Result<(Contents, Report), RegistryError> {
        let snapshot = self.snapshot_of_any_age()?;
        match self.marker()? {
            Some(id) if id == snapshot.root.store => {}
            Some(_) => {
                let file = self.files().shown(MARKER);
                return Err(RegistryError::Damaged { file, why: "it names another store" });
            }
            None => return Err(RegistryError::Missing { file: self.files().shown(MARKER) }),
        }
        let report = self.audit(&snapshot).verify(snapshot.root.audit.as_ref())?;
        Ok((contents(&snapshot)?, report))
    }
}

fn contents(snapshot: &Snapshot) -> Result<Contents, RegistryError> {
    snapshot.settings()?;
    let root = &snapshot.root;
    let mut contents = Contents {
        store: root.store.clone(),
        generation: root.generation,
        written: root.written.system(),
        names: root.names,
        secrets: 0,
        connections: 0,
        versions: 0,
    };
    snapshot.each_leaf(|_, leaf| count(snapshot, &leaf?, &mut contents))?;
    Ok(contents)
}

fn count(snapshot: &Snapshot, leaf: &Leaf, contents: &mut Contents) -> Result<(), RegistryError> {
    let unreadable = || snapshot.unreadable(FOLDER);
    for entry in leaf.entries() {
        let (address, entry) = entry.map_err(|_| unreadable())?;
        for version in &entry.versions {
            snapshot.vault().is_whole(&address, version).then_some(()).ok_or_else(unreadable)?;
        }
        contents.versions += entry.versions.len();
        let counted = match address.reference.connection_name() {
            Some(_) => &mut contents.connections,
            None => &mut contents.secrets,
        };
        *counted += usize::from(entry.state != State::Removed);
    }
    Ok(())
}

/// The first bytes of a file, read piece by piece.
struct Chunks<'a> {
    files: &'a dyn Files,
    path: &'a str,
    at: u64,
    len: u64,
    chunk: Cursor<Vec<u8>>,
}

impl<'a> Chunks<'a> {
    fn new(files: &'a dyn Files, path: &'a str, len: u64) -> Chunks<'a> {
        Chunks { files, path, at: 0, len, chunk: Cursor::default() }
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk.read(buffer)?;
        if read > 0 || self.at == self.len {
            return Ok(read);
        }
        let want = (self.len - self.at).min(CHUNK_LEN as u64);
        let bytes = self.files.read_at(self.path, self.at, want).map_err(io::Error::other)?;
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.at += bytes.len() as u64;
        self.chunk = Cursor::new(bytes);
        self.chunk.read(buffer)
    }
}

#[cfg(test)]
#[path = "backup_tests.rs"]
pub(crate) mod tests;
