//! A folder in memory for the tests of this module: it can stop at any call, and forget what was not
//! synced.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::files::{FileError, FileInfo, Files, Lock, OpenFile};
use crate::keys::{
    Ask, AskPassphrase, Cost, KeyError, MasterKey, OpenFolder, Passphrase, Places, StoreId,
};

/// What is left after a stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// The process was killed: everything that was done.
    Kill,
    /// The power was cut: only names and contents that were synced.
    PowerCut,
    /// The power was cut after the names reached the disk by themselves: the contents may not have.
    PowerCutNamesKept,
}

#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Default)]
struct State {
    contents: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    calls: usize,
    stopped: bool,
    /// At which call everything begins to fail.
    stop_at: Option<usize>,
}

#[derive(Clone, Default)]
pub(super) struct Folder(Arc<Mutex<State>>);

impl Folder {
    pub(super) fn new() -> Folder {
        Folder::default()
    }

    /// Lets that many calls pass and fails all others.
    pub(super) fn stop_after(&self, calls: usize) {
        let mut state = self.state();
        state.stop_at = Some(state.calls + calls);
    }

    /// Whether it has come to the call that fails.
    pub(super) fn has_stopped(&self) -> bool {
        self.state().stopped
    }

    /// A copy of the folder as it is found after the stop.
    pub(super) fn after(&self, stop: Stop) -> Folder {
        let mut state = self.state().clone();
        state.stop_at = None;
        match stop {
            Stop::Kill => {}
            Stop::PowerCut => state.names = state.durable_names.clone(),
            Stop::PowerCutNamesKept => {}
        }
        for content in &mut state.contents {
            match stop {
                Stop::Kill => {}
                Stop::PowerCut | Stop::PowerCutNamesKept => content.live = content.durable.clone(),
            }
        }
        Folder(Arc::new(Mutex::new(state)))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    pub(super) fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|at| state.contents[*at].live.clone())
    }

    pub(super) fn put(&self, name: &str, content: &[u8]) {
        let mut state = self.state();
        let at = state.contents.len();
        state.contents.push(Content { live: content.to_vec(), durable: content.to_vec() });
        state.names.insert(name.to_owned(), at);
        state.durable_names.insert(name.to_owned(), at);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn call(&self, call: &'static str, file: &str) -> Result<MutexGuard<'_, State>, FileError> {
        self.counted().map_err(|source| self.refused(call, file, source))
    }

    fn counted(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.stop_at.is_some_and(|stop| state.calls >= stop) {
            state.stopped = true;
            return Err(io::Error::other("stopped"));
        }
        state.calls += 1;
        Ok(state)
    }

    fn refused(&self, call: &'static str, file: &str, source: io::Error) -> FileError {
        FileError::Io { call, file: self.shown(file), source }
    }

    fn add(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        let mut state = self.call("create", path)?;
        if state.names.contains_key(path) {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(self.refused("create", path, source));
        }
        let at = state.contents.len();
        state.contents.push(Content::default());
        state.names.insert(path.to_owned(), at);
        Ok(Box::new(Open { folder: self.clone(), at }))
    }
}

impl Files for Folder {
    fn shown(&self, path: &str) -> String {
        format!("/keys/{path}")
    }

    fn read(&self, path: &str, len_max: u64) -> Result<Option<Vec<u8>>, FileError> {
        drop(self.call("read", path)?);
        match self.content(path) {
            Some(content) if content.len() as u64 > len_max => {
                Err(FileError::TooLarge { file: self.shown(path) })
            }
            content => Ok(content),
        }
    }

    fn read_at(&self, path: &str, at: u64, len: u64) -> Result<Option<Vec<u8>>, FileError> {
        let content = self.read(path, u64::MAX)?;
        let (at, len) = (usize::try_from(at).unwrap(), usize::try_from(len).unwrap());
        Ok(content.map(|content| content.into_iter().skip(at).take(len).collect()))
    }

    fn create(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        self.add(path)
    }

    fn append(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        self.add(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let mut state = self.call("rename", from)?;
        let Some(at) = state.names.remove(from) else {
            return Err(self.refused("rename", from, io::ErrorKind::NotFound.into()));
        };
        state.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> Result<(), FileError> {
        let mut state = self.call("link", from)?;
        let Some(at) = state.names.get(from).copied() else {
            return Err(self.refused("link", from, io::ErrorKind::NotFound.into()));
        };
        if state.names.contains_key(to) {
            return Err(self.refused("link", to, io::ErrorKind::AlreadyExists.into()));
        }
        state.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.call("remove", path)?.names.remove(path);
        Ok(())
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        self.call("make", path).map(drop)
    }

    fn sync_folder(&self, path: &str) -> Result<(), FileError> {
        let mut state = self.call("sync", path)?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn list(&self, path: &str) -> Result<Vec<FileInfo>, FileError> {
        let state = self.call("list", path)?;
        let info = |(name, at): (&String, &usize)| FileInfo {
            name: name.clone(),
            len: state.contents[*at].live.len() as u64,
            modified: SystemTime::UNIX_EPOCH,
            is_folder: false,
        };
        Ok(state.names.iter().map(info).collect())
    }

    fn lock(&self, path: &str) -> Result<Box<dyn Lock>, FileError> {
        drop(self.call("lock", path)?);
        Ok(Box::new(Held))
    }
}

struct Held;

impl Lock for Held {}

struct Open {
    folder: Folder,
    at: usize,
}

impl OpenFile for Open {
    /// At most 50 bytes at once, so that nobody relies on one write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = &bytes[..bytes.len().min(50)];
        self.folder.counted()?.contents[self.at].live.extend_from_slice(some);
        Ok(some.len())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.folder.counted()?;
        let content = &mut state.contents[self.at];
        content.durable = content.live.clone();
        Ok(())
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.folder.counted()?.contents[self.at].live.len() as u64)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.folder.counted()?.contents[self.at].live.truncate(len);
        Ok(())
    }
}

/// A store whose id is one digit over and over.
pub(super) fn store(digit: char) -> StoreId {
    StoreId::parse(&digit.to_string().repeat(32)).unwrap()
}

/// A key of 32 times the same byte.
pub(super) fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([byte; 32]))
}

/// The least that Argon2 takes.
pub(super) const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// Answers with a passphrase, and counts how often it was asked.
pub(super) fn answers(passphrase: &str) -> (Arc<Passphrase>, Arc<Mutex<Vec<Ask>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (noted, passphrase) = (Arc::clone(&asked), passphrase.as_bytes().to_vec());
    let ask: AskPassphrase = Arc::new(move |ask| {
        noted.lock().unwrap().push(ask);
        Ok(Zeroizing::new(passphrase.clone()))
    });
    (Arc::new(Passphrase::new(ask, CHEAP)), asked)
}

/// Has nobody to ask.
pub(super) fn nobody() -> Arc<Passphrase> {
    let ask: AskPassphrase = Arc::new(|_| {
        let why = "there is no terminal to ask at".to_owned();
        Err(KeyError::Source { place: "the passphrase".to_owned(), why })
    });
    Arc::new(Passphrase::new(ask, CHEAP))
}

/// Places over a key folder, and over another one that every other path leads to.
pub(super) fn places(folder: &Folder, elsewhere: &Folder, passphrase: Arc<Passphrase>) -> Places {
    let elsewhere = elsewhere.clone();
    let open_folder: OpenFolder = Arc::new(move |_: &Path| Ok(Arc::new(elsewhere.clone())));
    Places {
        folder: Arc::new(folder.clone()),
        open_folder,
        key_file: None,
        passphrase,
        environment: Vec::new(),
    }
}
