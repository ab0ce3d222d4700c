//! No orphans, also after `kill -9`.
//!
//! The guard is a small process of our own in its own process group. It shares a file with the engine
//! in which every process group that a run starts and ends is noted; when the engine is gone, however
//! it went, the guard's input ends, and it ends the groups that are left. Noting a group wakes nobody.
//! What was started and not noted any more is found by the run's id, which all that a run starts has in its
//! environment. Without a guard everything works, except this.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Pid;

/// The engine's end of the guard.
pub(crate) struct Guard(Option<Shared>);

struct Shared {
    notes: Mutex<File>,
    /// Closed when the engine ends; nothing is ever written to it.
    _alive: ChildStdin,
}

impl Guard {
    /// Starts the guard; one that cannot be started is none. The notes are a file without a name in `folder`,
    /// which is called by the run's id; the guard has it as its standard output.
    pub(crate) fn start(command: Option<&[OsString]>, folder: &Path) -> Guard {
        Guard(command.and_then(|command| Shared::start(command, folder).ok()))
    }

    pub(crate) fn watch(&self, group: Pid) {
        self.note('+', group);
    }

    pub(crate) fn forget(&self, group: Pid) {
        self.note('-', group);
    }

    fn note(&self, sign: char, group: Pid) {
        let Some(shared) = &self.0 else { return };
        let line = format!("{sign}{}\n", group.as_raw_nonzero());
        let mut notes = shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk costs the guard, not the run.
        let _unnoted = notes.write_all(line.as_bytes()).err();
    }
}

/// Notes the process groups that steps start by themselves, so that they are ended if the engine is killed.
#[derive(Clone)]
pub struct Groups(Arc<Guard>);

impl Groups {
    pub(crate) fn new(guard: Arc<Guard>) -> Groups {
        Groups(guard)
    }

    /// Has a group ended if the engine is killed before this is dropped; `id` is that of its first process.
    pub fn watch(&self, id: u32) -> Watched {
        let group = i32::try_from(id).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            self.0.watch(group);
        }
        Watched { group, guard: self.0.clone() }
    }
}

/// A process group that is noted for as long as this lives.
pub struct Watched {
    group: Option<Pid>,
    guard: Arc<Guard>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            self.guard.forget(group);
        }
    }
}

impl Shared {
    fn start(command: &[OsString], folder: &Path) -> io::Result<Shared> {
        let path = folder.join(".groups");
        let notes =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .args(folder.file_name())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(notes.try_clone()?)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let alive = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Shared { notes: Mutex::new(notes), _alive: alive })
    }
}
