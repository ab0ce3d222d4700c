//! No orphans, also after `kill -9`.
//!
//! The guard is a small process of our own in its own process group. It shares a file with the engine
//! in which every process group that a run starts and ends is noted; when the engine is gone, however
//! it went, the guard's input ends, and it ends the groups that are left. Noting a group wakes nobody.
//! Without a guard everything works, except this.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::Pid;

/// The engine's end of the guard.
pub(crate) struct Guard(Option<Shared>);

struct Shared {
    notes: Mutex<File>,
    /// Closed when the engine ends; nothing is ever written to it.
    _alive: ChildStdin,
}

impl Guard {
    /// Starts the guard; one that cannot be started is none. The notes are a file in `folder` without
    /// a name; the guard has it as its standard output.
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

impl Shared {
    fn start(command: &[OsString], folder: &Path) -> io::Result<Shared> {
        let path = folder.join(".groups");
        let notes =
            OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
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
