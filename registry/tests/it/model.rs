//! A file system in memory that fails, stops and forgets at any call.
//!
//! It knows two states: what a process sees, and what is durable. A power cut gives back the durable
//! one plus any part of what was not synced: content of files in any condition, and any selection of
//! the changes of names in each folder, in any order. Syncing a file does not make its name durable;
//! syncing a folder makes the names in it durable, not the content of its files. A file whose sync
//! failed reads as before and is lost nevertheless, and a later sync does not bring it back.
//!
//! Stricter than most systems: a rename from one folder into another may be half done. Laxer than all:
//! there are no owners, modes, links or devices, which only the real [`subrosa_registry::Disk`] judges.
//!
//! Clones are one process. [`ModelFiles::another_process`] is another on the same files.

mod call;
mod crash;
mod faults;
mod model_tests;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use subrosa_registry::{FileError, FileInfo, Files, Lock, OpenFile};

use call::Call;
pub(crate) use call::{CallKind, Fault, Plan};
pub(crate) use crash::{Content, Crash, Cut, Names};
pub(crate) use faults::for_every_fault;
use world::{Ino, Refused, World};

/// A lock that does not change hands for this long is given up, as the real one is.
const STALL: Duration = Duration::from_secs(10);

/// One process on a file system in memory.
#[derive(Clone)]
pub(crate) struct ModelFiles {
    shared: Arc<Shared>,
    process: u32,
}

struct Shared {
    state: Mutex<State>,
    lock_freed: Condvar,
}

#[derive(Default)]
struct State {
    world: World,
    calls: Vec<Call>,
    plan: Option<Plan>,
    /// How often the plan did something.
    fired: u32,
    processes: u32,
    stopped: BTreeSet<u32>,
    locks: BTreeMap<Ino, LockHolder>,
    locks_taken: u64,
    is_patient: bool,
}

#[derive(Clone, Copy)]
struct LockHolder {
    process: u32,
    turn: u64,
}

/// How much of its effect a call has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Whole,
    Half,
    /// None but the damage that the failing call does.
    Failing,
}

impl ModelFiles {
    /// An empty file system, in which the folder itself is still to be made.
    pub(crate) fn new() -> ModelFiles {
        ModelFiles::on(World::default())
    }

    fn on(world: World) -> ModelFiles {
        let state = State { world, is_patient: true, ..State::default() };
        let shared = Shared { state: Mutex::new(state), lock_freed: Condvar::new() };
        ModelFiles { shared: Arc::new(shared), process: 0 }
    }

    /// Another process on the same files; it lives on when this one is stopped.
    pub(crate) fn another_process(&self) -> ModelFiles {
        let mut state = self.state();
        state.processes += 1;
        ModelFiles { shared: Arc::clone(&self.shared), process: state.processes }
    }

    /// Has a lock that is taken be told at once, instead of after ten seconds.
    pub(crate) fn impatient(self) -> ModelFiles {
        self.state().is_patient = false;
        self
    }

    /// Starts counting at zero and arms what is to happen.
    pub(crate) fn arm(&self, plan: Option<Plan>) {
        let mut state = self.state();
        state.calls.clear();
        state.plan = plan;
        state.fired = 0;
    }

    /// The clock that files are stamped with.
    pub(crate) fn set_now(&self, now: SystemTime) {
        self.state().world.now = now;
    }

    /// How many calls were made since [`ModelFiles::arm`].
    pub(crate) fn calls(&self) -> usize {
        self.state().calls.len()
    }

    /// Which call was the `index`th.
    pub(crate) fn kind_of(&self, index: usize) -> Option<CallKind> {
        self.state().calls.get(index).map(|call| call.kind)
    }

    /// Whether the plan did something.
    pub(crate) fn has_fired(&self) -> bool {
        self.state().fired > 0
    }

    /// The calls as lines of text, with what the plan did to them.
    pub(crate) fn dump(&self) -> String {
        let state = self.state();
        let lines = state.calls.iter().enumerate();
        lines.map(|(index, call)| format!("{index:4} {call}\n")).collect()
    }

    /// All files as a process sees them, without a call.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().world.snapshot()
    }

    /// Puts a file in place, with its folders, durably and without a call.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.world.put(path, bytes);
        state.world.settle();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one call: counts it, and has it happen as far as the plan lets it.
    fn call<T>(
        &self,
        kind: CallKind,
        what: &str,
        act: impl FnOnce(&mut World, Effect) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let mut state = self.state();
        if state.stopped.contains(&self.process) {
            return Err(stopped());
        }
        let index = state.calls.len();
        let fault = state.plan.and_then(|plan| plan.fault_at(index, kind));
        let process = self.process;
        state.calls.push(Call { kind, what: what.to_owned(), process, fault });
        state.fired += u32::from(fault.is_some());
        match fault {
            None => act(&mut state.world, Effect::Whole),
            Some(Fault::Short) => act(&mut state.world, Effect::Half),
            Some(Fault::Error(errno)) => {
                if kind == CallKind::Sync {
                    act(&mut state.world, Effect::Failing).ok();
                }
                Err(errno.into())
            }
            Some(Fault::StopBefore) => Err(self.stop(&mut state)),
            Some(Fault::StopHalfway) => {
                act(&mut state.world, Effect::Half).ok();
                Err(self.stop(&mut state))
            }
            Some(Fault::StopAfter) => {
                act(&mut state.world, Effect::Whole).ok();
                Err(self.stop(&mut state))
            }
        }
    }

    fn stop(&self, state: &mut State) -> Refused {
        state.stopped.insert(self.process);
        state.locks.retain(|_, holder| holder.process != self.process);
        self.shared.lock_freed.notify_all();
        stopped()
    }

    fn file_error(&self, call: &'static str, path: &str, refused: Refused) -> FileError {
        let file = self.shown(path);
        match refused {
            Refused::Io(source) => FileError::Io { call, file, source },
            Refused::NotPlain => FileError::NotPlain { file },
            Refused::TooLarge => FileError::TooLarge { file },
        }
    }

    fn open(&self, path: &str, ino: Ino) -> Box<dyn OpenFile> {
        Box::new(ModelOpen { files: self.clone(), path: path.to_owned(), ino })
    }
}

fn stopped() -> Refused {
    Refused::Io(io::Error::other("the process was stopped"))
}

impl Files for ModelFiles {
    fn shown(&self, path: &str) -> String {
        format!("model:{path}")
    }

    fn read(&self, path: &str, len_max: u64) -> Result<Option<Vec<u8>>, FileError> {
        self.call(CallKind::Read, path, |world, _| match world.file(path)? {
            Some(ino) if world.content(ino).len() as u64 > len_max => Err(Refused::TooLarge),
            found => Ok(found.map(|ino| world.content(ino).to_vec())),
        })
        .map_err(|refused| self.file_error("read", path, refused))
    }

    fn read_at(&self, path: &str, at: u64, len: u64) -> Result<Option<Vec<u8>>, FileError> {
        self.call(CallKind::ReadAt, &format!("{path} at {at}"), |world, _| {
            let found = world.file(path)?;
            Ok(found.map(|ino| {
                let bytes = world.content(ino);
                let start = usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
                let left = bytes.len() - start;
                let len = usize::try_from(len).map_or(left, |len| len.min(left));
                bytes[start..start + len].to_vec()
            }))
        })
        .map_err(|refused| self.file_error("read", path, refused))
    }

    fn create(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        self.call(CallKind::Create, path, |world, _| world.create(path))
            .map(|ino| self.open(path, ino))
            .map_err(|refused| self.file_error("create", path, refused))
    }

    fn append(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        self.call(CallKind::Append, path, |world, _| match world.file(path)? {
            Some(ino) => Ok(ino),
            None => world.create(path),
        })
        .map(|ino| self.open(path, ino))
        .map_err(|refused| self.file_error("open", path, refused))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.call(CallKind::Rename, &format!("{from} to {to}"), |world, _| world.rename(from, to))
            .map_err(|refused| self.file_error("rename", from, refused))
    }

    fn link(&self, from: &str, to: &str) -> Result<(), FileError> {
        self.call(CallKind::Link, &format!("{from} to {to}"), |world, _| world.link(from, to))
            .map_err(|refused| self.file_error("link", from, refused))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        self.call(CallKind::Remove, path, |world, _| world.remove(path))
            .map_err(|refused| self.file_error("remove", path, refused))
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        self.call(CallKind::MakeFolder, path, |world, _| world.make_folder(path))
            .map_err(|refused| self.file_error("create", path, refused))
    }

    fn sync_folder(&self, path: &str) -> Result<(), FileError> {
        self.call(CallKind::SyncFolder, path, |world, _| world.sync_folder(path))
            .map_err(|refused| self.file_error("sync", path, refused))
    }

    fn list(&self, path: &str) -> Result<Vec<FileInfo>, FileError> {
        self.call(CallKind::List, path, |world, _| world.list(path))
            .map_err(|refused| self.file_error("list", path, refused))
    }

    fn lock(&self, path: &str) -> Result<Box<dyn Lock>, FileError> {
        let ino = self
            .call(CallKind::Lock, path, |world, _| match world.file(path)? {
                Some(ino) => Ok(ino),
                None => world.create(path),
            })
            .map_err(|refused| self.file_error("lock", path, refused))?;
        let mut state = self.state();
        while let Some(&holder) = state.locks.get(&ino) {
            let busy = || FileError::Busy { file: self.shown(path), pid: Some(holder.process) };
            if !state.is_patient {
                return Err(busy());
            }
            let (after, timeout) = self
                .shared
                .lock_freed
                .wait_timeout(state, STALL)
                .unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timeout.timed_out()
                && state.locks.get(&ino).is_some_and(|now| now.turn == holder.turn)
            {
                return Err(busy());
            }
        }
        state.locks_taken += 1;
        let holder = LockHolder { process: self.process, turn: state.locks_taken };
        state.locks.insert(ino, holder);
        Ok(Box::new(ModelLock { files: self.clone(), ino, turn: holder.turn }))
    }
}

/// A file of the model that is open for writing, always at its end.
struct ModelOpen {
    files: ModelFiles,
    path: String,
    ino: Ino,
}

impl ModelOpen {
    fn call<T>(
        &self,
        kind: CallKind,
        what: &str,
        act: impl FnOnce(&mut World, Effect) -> Result<T, Refused>,
    ) -> io::Result<T> {
        self.files.call(kind, what, act).map_err(|refused| match refused {
            Refused::Io(error) => error,
            Refused::NotPlain | Refused::TooLarge => Errno::BADF.into(),
        })
    }
}

impl OpenFile for ModelOpen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let what = format!("{} {} bytes", self.path, bytes.len());
        self.call(CallKind::Write, &what, |world, effect| {
            let part = match effect {
                Effect::Whole => bytes,
                // Of one byte the half is the whole: a write of nothing would be another fault.
                Effect::Half => &bytes[..bytes.len().div_ceil(2)],
                Effect::Failing => &[],
            };
            world.write_at_end(self.ino, part);
            Ok(part.len())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.call(CallKind::Sync, &self.path, |world, effect| {
            match effect {
                Effect::Whole | Effect::Half => world.sync_file(self.ino),
                Effect::Failing => world.fail_to_sync_file(self.ino),
            }
            Ok(())
        })
    }

    fn len(&mut self) -> io::Result<u64> {
        self.call(CallKind::Len, &self.path, |world, _| Ok(world.content(self.ino).len() as u64))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let what = format!("{} to {len}", self.path);
        self.call(CallKind::Truncate, &what, |world, _| {
            world.truncate(self.ino, usize::try_from(len).map_err(|_| Errno::FBIG)?);
            Ok(())
        })
    }
}

struct ModelLock {
    files: ModelFiles,
    ino: Ino,
    turn: u64,
}

impl Lock for ModelLock {}

impl Drop for ModelLock {
    fn drop(&mut self) {
        let mut state = self.files.state();
        // A stopped process has lost it already, perhaps to somebody else.
        if state.locks.get(&self.ino).is_some_and(|holder| holder.turn == self.turn) {
            state.locks.remove(&self.ino);
        }
        self.files.shared.lock_freed.notify_all();
    }
}
