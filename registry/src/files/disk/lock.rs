//! One writer at a time, in their order.
//!
//! The lock is the `flock` of a file, so it ends with its holder, however that ends, and the system
//! queues who waits. The file tells who holds it, and each new holder changes it; a waiter gives up
//! only if that stands still. The file itself is never removed by us.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Pid;

use super::Disk;
use crate::files::{FileError, Files as _, Lock};

/// How long a lock is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// With one and the same holder.
    pub(super) stall: Duration,
    /// At all.
    pub(super) total: Duration,
    /// How often the holder is looked at.
    pub(super) step: Duration,
}

impl Patience {
    pub(super) const USUAL: Patience = Patience {
        stall: Duration::from_secs(10),
        total: Duration::from_secs(300),
        step: Duration::from_secs(1),
    };
    /// For work that waits for a server, several times perhaps.
    pub(super) const LONG: Patience = Patience {
        stall: Duration::from_secs(120),
        total: Duration::from_secs(900),
        step: Duration::from_secs(1),
    };
}

/// A lock that is held until dropped.
#[derive(Debug)]
pub(super) struct Held(File);

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        // A process that is being started may have a copy of the descriptor for a moment, which
        // closing alone would leave locked. An error would leave the closing to do it.
        rustix::fs::flock(&self.0, FlockOperation::Unlock).ok();
    }
}

impl Held {
    /// Whether it is the lock of this file.
    pub(super) fn is(&self, file: &Stat) -> bool {
        rustix::fs::fstat(&self.0)
            .is_ok_and(|held| (held.st_dev, held.st_ino) == (file.st_dev, file.st_ino))
    }
}

/// Takes the lock and says so in its file.
pub(super) fn take(disk: &Disk, path: &str, patience: Patience) -> Result<Held, FileError> {
    let failed = |source: io::Error| FileError::Io { call: "lock", file: disk.shown(path), source };
    let file = disk.open_or_create("lock", path, OFlags::RDWR)?;
    let held = if try_lock(&file).map_err(failed)? {
        Held(file)
    } else {
        wait(file, patience).map_err(|error| match error {
            WaitError::Busy(pid) => FileError::Busy { file: disk.shown(path), pid },
            WaitError::Io(source) => failed(source),
        })?
    };
    sign(&held.0).map_err(failed)?;
    Ok(held)
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The number that it gave, which is another process's for a moment while a lock changes hands.
    pub pid: Option<u32>,
    /// Whether there is a process of that number here; in another container it may have another.
    pub is_here: bool,
}

impl Disk {
    /// Who holds the lock that the file `path` stands for; `None` if nobody does. Nobody has to wait for
    /// the answer.
    ///
    /// # Errors
    /// [`FileError`]: the file cannot be opened.
    pub fn holder(&self, path: &str) -> Result<Option<Holder>, FileError> {
        let Some((file, _)) = self.open("look at", path, OFlags::RDONLY)? else { return Ok(None) };
        let shared = FlockOperation::NonBlockingLockShared;
        match retry_on_intr(|| rustix::fs::flock(&file, shared)) {
            // Closing lets go of it.
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => {
                let pid = read_signature(&file).map(|signature| signature.pid);
                Ok(Some(Holder { pid, is_here: pid.is_some_and(is_here) }))
            }
            Err(errno) => Err(self.error("look at", path, errno)),
        }
    }
}

fn is_here(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // One that we may not signal is there as well.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH))
}

enum WaitError {
    Busy(Option<u32>),
    Io(io::Error),
}

/// Waits for the lock on a thread of its own: no system call waits for a lock or a time, whichever is
/// first. Should the thread get the lock too late, nobody takes it from the channel and it is dropped.
fn wait(file: File, patience: Patience) -> Result<Held, WaitError> {
    let seen = file.try_clone().map_err(WaitError::Io)?;
    let (sender, receiver) = mpsc::channel();
    let waiter = move || {
        let locked = retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive));
        // If nobody listens any more, `Held` lets go of the lock here.
        sender.send(locked.map(|()| Held(file))).ok();
    };
    std::thread::Builder::new().name("lock".to_owned()).spawn(waiter).map_err(WaitError::Io)?;

    let mut watch = Watch::new(patience, Instant::now(), read_signature(&seen));
    loop {
        match receiver.recv_timeout(patience.step) {
            Ok(result) => return result.map_err(|errno| WaitError::Io(errno.into())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(WaitError::Io(io::ErrorKind::BrokenPipe.into()));
            }
        }
        if watch.look(Instant::now(), read_signature(&seen)) == Verdict::Over {
            return Err(WaitError::Busy(watch.signature.map(|signature| signature.pid)));
        }
    }
}

/// Decides how long to wait, from what is seen of the holders.
struct Watch {
    patience: Patience,
    started: Instant,
    signature: Option<Signature>,
    changed: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// There is hope.
    Wait,
    /// The lock has not changed hands for too long, or others always get it.
    Over,
}

impl Watch {
    fn new(patience: Patience, now: Instant, signature: Option<Signature>) -> Watch {
        Watch { patience, started: now, signature, changed: now }
    }

    fn look(&mut self, now: Instant, signature: Option<Signature>) -> Verdict {
        if signature != self.signature {
            (self.signature, self.changed) = (signature, now);
        }
        let since = |then| now.saturating_duration_since(then);
        let is_over = since(self.started) >= self.patience.total
            || since(self.changed) >= self.patience.stall;
        if is_over { Verdict::Over } else { Verdict::Wait }
    }
}

fn try_lock(file: impl AsFd) -> io::Result<bool> {
    match retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Who holds the lock, and how many held it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signature {
    pid: u32,
    turn: u64,
}

/// The digits of a `u32`, a space, the digits of a `u64`, a line feed: always as long, so that one
/// write replaces all of it.
const SIGNATURE_LEN: usize = 10 + 1 + 20 + 1;

fn sign(file: &File) -> io::Result<()> {
    let turn = read_signature(file).map_or(0, |before| before.turn.wrapping_add(1));
    let text = format!("{:010} {turn:020}\n", std::process::id());
    let mut at = 0;
    while at < text.len() {
        match retry_on_intr(|| rustix::io::pwrite(file, &text.as_bytes()[at..], at as u64))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => at += written,
        }
    }
    Ok(())
}

fn read_signature(file: &File) -> Option<Signature> {
    let mut bytes = [0; SIGNATURE_LEN];
    let read = retry_on_intr(|| rustix::io::pread(file, &mut bytes, 0)).ok()?;
    let text = str::from_utf8(bytes.get(..read)?).ok()?;
    let (pid, turn) = text.strip_suffix('\n')?.split_once(' ')?;
    Some(Signature { pid: pid.parse().ok()?, turn: turn.parse().ok()? })
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
