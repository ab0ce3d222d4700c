//! A folder in memory that can fail at any call, run full, and say what was asked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::UNIX_EPOCH;

use crate::files::{FileError, FileInfo, Files, Lock, OpenFile};

#[derive(Default)]
pub(crate) struct Fake(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    unlocked: Condvar,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    locked: BTreeSet<String>,
    calls: u64,
    fails: Option<Fails>,
    /// How many more bytes the disk takes.
    room: Option<usize>,
    /// How many bytes one write takes.
    write_len_max: Option<usize>,
    log: Vec<&'static str>,
    read_len_max: u64,
}

#[derive(Clone, Copy)]
pub(crate) enum Fails {
    /// The one call of that number.
    At(u64),
    /// That call and all that come after: the process is as good as killed.
    From(u64),
}

impl Fake {
    /// Fails calls from now on, the next one being number 0.
    pub(crate) fn fail(&self, fails: Option<Fails>) {
        let mut state = self.state();
        (state.calls, state.fails) = (0, fails);
    }

    pub(crate) fn fill(&self, room: Option<usize>) {
        self.state().room = room;
    }

    pub(crate) fn shorten_writes(&self, len_max: usize) {
        self.state().write_len_max = Some(len_max);
    }

    pub(crate) fn content(&self, path: &str) -> Option<Vec<u8>> {
        self.state().files.get(path).cloned()
    }

    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        self.state().files.insert(path.to_owned(), content.to_vec());
    }

    /// The calls since the last time it was asked.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().log)
    }

    /// The most bytes that one read asked for.
    pub(crate) fn read_len_max(&self) -> u64 {
        self.state().read_len_max
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    fn call(&self, call: &'static str, path: &str) -> Result<MutexGuard<'_, State>, FileError> {
        let mut state = self.state();
        match state.count(call) {
            Ok(()) => Ok(state),
            Err(source) => Err(FileError::Io { call, file: path.to_owned(), source }),
        }
    }
}

impl State {
    fn count(&mut self, call: &'static str) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        self.log.push(call);
        match self.fails {
            Some(Fails::At(at)) if at == number => Err(io::ErrorKind::Other.into()),
            Some(Fails::From(from)) if from <= number => Err(io::ErrorKind::Other.into()),
            _ => Ok(()),
        }
    }
}

impl Files for Fake {
    fn shown(&self, path: &str) -> String {
        format!("/store/{path}")
    }

    fn read(&self, path: &str, len_max: u64) -> Result<Option<Vec<u8>>, FileError> {
        let mut state = self.call("read", path)?;
        state.read_len_max = state.read_len_max.max(len_max);
        let content = state.files.get(path).cloned();
        match content {
            Some(content) if content.len() as u64 > len_max => {
                Err(FileError::TooLarge { file: path.to_owned() })
            }
            content => Ok(content),
        }
    }

    fn read_at(&self, path: &str, at: u64, len: u64) -> Result<Option<Vec<u8>>, FileError> {
        let mut state = self.call("read_at", path)?;
        state.read_len_max = state.read_len_max.max(len);
        let part = |content: &Vec<u8>| {
            let from = (at as usize).min(content.len());
            let to = (at as usize + len as usize).min(content.len());
            content[from..to].to_vec()
        };
        Ok(state.files.get(path).map(part))
    }

    fn create(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        let mut state = self.call("create", path)?;
        if state.files.insert(path.to_owned(), Vec::new()).is_some() {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(FileError::Io { call: "create", file: path.to_owned(), source });
        }
        Ok(Box::new(Opened { shared: self.0.clone(), path: path.to_owned() }))
    }

    fn append(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        self.call("append", path)?.files.entry(path.to_owned()).or_default();
        Ok(Box::new(Opened { shared: self.0.clone(), path: path.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let mut state = self.call("rename", from)?;
        let content = state.files.remove(from).unwrap();
        state.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> Result<(), FileError> {
        let mut state = self.call("link", from)?;
        let content = state.files[from].clone();
        state.files.insert(to.to_owned(), content);
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.call("remove", path)?.files.remove(path);
        Ok(())
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        self.call("make_folder", path).map(drop)
    }

    fn sync_folder(&self, path: &str) -> Result<(), FileError> {
        self.call("sync_folder", path).map(drop)
    }

    fn list(&self, path: &str) -> Result<Vec<FileInfo>, FileError> {
        let state = self.call("list", path)?;
        let info = |(name, content): (&String, &Vec<u8>)| FileInfo {
            name: name.clone(),
            len: content.len() as u64,
            modified: UNIX_EPOCH,
            is_folder: false,
        };
        Ok(state.files.iter().map(info).collect())
    }

    fn lock(&self, path: &str) -> Result<Box<dyn Lock>, FileError> {
        let mut state = self.call("lock", path)?;
        while !state.locked.insert(path.to_owned()) {
            state = self.0.unlocked.wait(state).unwrap();
        }
        Ok(Box::new(Held { shared: self.0.clone(), path: path.to_owned() }))
    }
}

struct Opened {
    shared: Arc<Shared>,
    path: String,
}

impl Opened {
    fn with<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut State, &str) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.shared.state.lock().unwrap();
        state.count(call)?;
        act(&mut state, &self.path)
    }
}

impl OpenFile for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with("write", |state, path| {
            let limits = [state.room, state.write_len_max].into_iter().flatten();
            let len = limits.fold(bytes.len(), usize::min);
            if len == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.room = state.room.map(|room| room - len);
            state.files.entry(path.to_owned()).or_default().extend_from_slice(&bytes[..len]);
            Ok(len)
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with("sync", |_, _| Ok(()))
    }

    fn len(&mut self) -> io::Result<u64> {
        self.with("len", |state, path| Ok(state.files[path].len() as u64))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.with("truncate", |state, path| {
            state.files.get_mut(path).unwrap().truncate(len as usize);
            Ok(())
        })
    }
}

struct Held {
    shared: Arc<Shared>,
    path: String,
}

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().locked.remove(&self.path);
        self.shared.unlocked.notify_all();
    }
}
