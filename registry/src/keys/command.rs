//! A master key that a program prints: a password manager, a cloud's key store, a smart card.
//!
//! The program is run as it was named, with no shell in between, an empty standard input and the
//! environment that it is given here. Its standard output is the key text. Its standard error is
//! thrown away: nobody knows what a program says there about what it has just read. It has 30 seconds,
//! and then it and all that it started and left in its group are killed.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use crate::keys::file::of_store;
use crate::keys::text::TEXT_LEN_MAX;
use crate::keys::{KeyError, KeyPlace, MasterKey, Slot, StoreId};

const DEADLINE: Duration = Duration::from_secs(30);

/// A program that gives the master key, and takes none.
pub struct KeyCommand {
    argv: Vec<String>,
    environment: Vec<(OsString, OsString)>,
    deadline: Duration,
}

impl KeyCommand {
    /// The program and its arguments. `PATH` in the environment says where it is looked for.
    pub fn new(argv: Vec<String>, environment: Vec<(OsString, OsString)>) -> KeyCommand {
        KeyCommand { argv, environment, deadline: DEADLINE }
    }

    fn start(&self) -> io::Result<Child> {
        let (program, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
    }

    fn output(&self) -> Result<Output, KeyError> {
        let until = Instant::now() + self.deadline;
        let mut child =
            self.start().map_err(|error| self.failed(format!("could not be started: {error}")))?;
        let read = read_output(&mut child, until);
        let output = match read {
            Ok(Some(output)) if !output.is_full() => output,
            unusable => {
                end(&mut child);
                return Err(match unusable {
                    Ok(Some(_)) => self.too_much(),
                    Ok(None) => self.too_slow(),
                    Err(_) => self.failed("its output could not be read".to_owned()),
                });
            }
        };
        match exit(&mut child, until) {
            Ok(Some(status)) if status.success() => Ok(output),
            Ok(Some(status)) => Err(self.failed(format!("ended with {status}"))),
            Ok(None) => {
                end(&mut child);
                Err(self.too_slow())
            }
            Err(error) => Err(self.failed(format!("could not be waited for: {error}"))),
        }
    }

    fn failed(&self, why: String) -> KeyError {
        KeyError::Source { place: self.describe(), why }
    }

    fn too_much(&self) -> KeyError {
        KeyError::Damaged { place: self.describe(), why: "prints more than a key" }
    }

    fn too_slow(&self) -> KeyError {
        self.failed(format!("gave no key within {} s, and was killed", self.deadline.as_secs_f32()))
    }
}

impl KeyPlace for KeyCommand {
    /// Names the program and not its arguments, which may be nobody's business.
    fn describe(&self) -> String {
        format!("the command `{}`", self.argv.first().map_or("", String::as_str))
    }

    /// Gives the current key. There never is a next one: what cannot be kept cannot have been.
    fn load(&self, store: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError> {
        match slot {
            Slot::Current => {}
            Slot::Next => return Ok(None),
        }
        let text = self.output()?.text();
        let (found, key) =
            MasterKey::from_text(&text).map_err(|error| error.at(self.describe()))?;
        of_store(store, found, || self.describe())?;
        Ok(Some(key))
    }

    fn keep(&self, _store: &StoreId, _slot: Slot, _key: &MasterKey) -> Result<(), KeyError> {
        Err(KeyError::ReadOnly { place: self.describe() })
    }

    fn promote(&self, _store: &StoreId) -> Result<(), KeyError> {
        Err(KeyError::ReadOnly { place: self.describe() })
    }

    fn forget(&self, _store: &StoreId, _slot: Slot) -> Result<(), KeyError> {
        Err(KeyError::ReadOnly { place: self.describe() })
    }
}

/// More than a key text may have: the key text and as many line ends as programs like to add.
const OUTPUT_LEN_MAX: usize = TEXT_LEN_MAX as usize + 16;

/// What a program printed.
struct Output {
    bytes: Zeroizing<[u8; OUTPUT_LEN_MAX]>,
    len: usize,
}

impl Output {
    /// Whether there may be more.
    fn is_full(&self) -> bool {
        self.len == OUTPUT_LEN_MAX
    }

    /// The text, with one line end: how many there are is a habit of the program, not of the key.
    fn text(&self) -> Zeroizing<Vec<u8>> {
        let bytes = &self.bytes[..self.len];
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let len = bytes.iter().rposition(|byte| !ends(byte)).map_or(0, |last| last + 1);
        let mut text = Zeroizing::new(Vec::with_capacity(len + 1));
        text.extend_from_slice(&bytes[..len]);
        text.push(b'\n');
        text
    }
}

/// Reads to the end or to the limit; `None` if neither comes in time.
///
/// Another thread does it, since reading from a pipe has no deadline. If something that left the group
/// keeps the pipe open, that thread stays until it is gone.
fn read_output(child: &mut Child, until: Instant) -> io::Result<Option<Output>> {
    let mut pipe = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (give, take) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        let mut output = Output { bytes: Zeroizing::new([0; OUTPUT_LEN_MAX]), len: 0 };
        let read = loop {
            match pipe.read(&mut output.bytes[output.len..]) {
                Ok(0) => break Ok(output),
                Ok(read) => output.len += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        // Nobody takes it any more after the deadline.
        give.send(read).ok();
    })?;
    match take.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(read) => read.map(Some),
        Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Waits for the end of a program that has closed its output; `None` if it does not come in time.
fn exit(child: &mut Child, until: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(100);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Kills the program and its group. It was not waited for yet, so its number is still its own.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // That it is gone already is as good.
        kill_process_group(group, Signal::KILL).ok();
    }
    child.wait().ok();
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
