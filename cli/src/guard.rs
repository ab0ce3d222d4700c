//! The guard: ends the process groups that an engine left behind when it was killed.
//!
//! Waits for the end of its standard input, which means that the engine is gone. Then it reads the
//! engine's notes, lines `+PGID` and `-PGID`, from the file that it has as its standard output: what
//! is still noted gets TERM and, five seconds later, KILL; so does what has the run's id in its environment,
//! since the engine may have been killed between starting something and noting it. The guard lives in a
//! process group of its own and outlives INT, TERM and HUP. It starts before the first step, so it does little.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, kill_process_group, test_kill_process_group};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
use zeroize::Zeroizing;

use crate::failure::Exit;
use crate::signals;

/// The hidden command.
pub(crate) const WORD: &str = "__guard";

const PAUSE: Duration = Duration::from_millis(50);
/// 100 pauses of 50 ms are the 5 s between TERM and KILL.
const PAUSES: u32 = 100;

/// Stands guard until standard input ends, then ends what is left; `run` is the run's id.
pub(crate) fn guard(run: Option<&OsStr>) -> Exit {
    // Held to the end: a listener nobody asks is how a safe program ignores a signal.
    let deaf = ignore(&[signals::INT, signals::TERM, signals::HUP]);
    if io::copy(&mut io::stdin().lock(), &mut io::sink()).is_ok() {
        let mut groups = noted(Notes { offset: 0 });
        let marked = || run.map(|run| marked(Path::new("/proc"), run)).unwrap_or_default();
        groups.extend(marked());
        end(groups);
        // What was about to become another program when the engine was killed has the mark by now.
        end(marked());
    }
    drop(deaf);
    Exit::OK
}

pub(crate) fn ignore(numbers: &[i32]) -> Option<(Runtime, Vec<Listener>)> {
    let runtime = Builder::new_current_thread().enable_io().build().ok()?;
    let entered = runtime.enter();
    let listeners = numbers.iter().flat_map(|n| signal(SignalKind::from_raw(*n))).collect();
    drop(entered);
    Some((runtime, listeners))
}

/// The engine's notes from their start; the file's own position belongs to the engine.
struct Notes {
    offset: u64,
}

impl Read for Notes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = rustix::io::pread(rustix::stdio::stdout(), buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}

/// The groups that are noted as started and not as ended.
fn noted(mut input: impl Read) -> Vec<Pid> {
    let mut groups = Vec::with_capacity(64);
    let mut line = Vec::with_capacity(16);
    let mut buffer = [0; 512];
    loop {
        let length = match input.read(&mut buffer) {
            Ok(0) => return groups,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return groups,
        };
        for byte in &buffer[..length] {
            if *byte == b'\n' {
                note(&mut groups, &line);
                line.clear();
            } else if line.len() < 16 {
                line.push(*byte);
            }
        }
    }
}

fn note(groups: &mut Vec<Pid>, line: &[u8]) {
    let Some((sign, number)) = line.split_first() else { return };
    // 1 would be init's group, and 0 our own.
    let Some(group) = std::str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse().ok())
        .filter(|number: &i32| *number > 1)
        .and_then(Pid::from_raw)
    else {
        return;
    };
    groups.retain(|known| *known != group);
    if *sign == b'+' {
        groups.push(group);
    }
}

/// The groups of processes that have the run's id in their environment.
fn marked(processes: &Path, run: &OsStr) -> Vec<Pid> {
    let mark = [b"DAG_RUN_ID=", run.as_bytes()].concat();
    let own = getpgid(None).ok();
    let entries = fs::read_dir(processes).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        // Values of secrets are in it.
        let environment = Zeroizing::new(fs::read(entry.path().join("environ")).ok()?);
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
        getpgid(Some(pid)).ok().filter(|group| is_marked && Some(*group) != own)
    });
    found.filter(|group| group.as_raw_nonzero().get() > 1).collect()
}

fn end(mut groups: Vec<Pid>) {
    groups.retain(|group| kill_process_group(*group, Signal::TERM).is_ok());
    for _ in 0..PAUSES {
        groups.retain(|group| test_kill_process_group(*group).is_ok());
        if groups.is_empty() {
            return;
        }
        thread::sleep(PAUSE);
    }
    for group in groups {
        kill_process_group(group, Signal::KILL).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::noted;

    fn check(input: &str, expected: &[i32]) {
        let groups: Vec<i32> =
            noted(input.as_bytes()).iter().map(|group| group.as_raw_nonzero().get()).collect();
        assert_eq!(groups, expected, "{input:?}");
    }

    #[test]
    fn groups_come_and_go() {
        check("", &[]);
        check("+100\n+200\n-100\n", &[200]);
        check("+100\n+100\n", &[100]);
        check("-100\n", &[]);
    }

    #[test]
    fn what_is_no_group_is_not_signalled() {
        check("+0\n+1\n+-5\n+\n\nnoise\n+99999999999\n+300", &[]);
    }
}
