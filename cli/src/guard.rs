//! The guard: ends the process groups that an engine left behind when it was killed.
//!
//! Waits for the end of its standard input, which means that the engine is gone. Then it reads the
//! engine's notes, lines `+PGID` and `-PGID`, from the file that it has as its standard output: what
//! is still noted gets TERM and, five seconds later, KILL. The guard lives in a process group of its
//! own and outlives INT, TERM and HUP. It starts before the first step, so it does little.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

use crate::failure::Exit;
use crate::signals;

/// The hidden command.
pub(crate) const WORD: &str = "__guard";

const PAUSE: Duration = Duration::from_millis(50);
/// 100 pauses of 50 ms are the 5 s between TERM and KILL.
const PAUSES: u32 = 100;

/// Stands guard until standard input ends, then ends what is left.
pub(crate) fn guard() -> Exit {
    // Held to the end: a listener nobody asks is how a safe program ignores a signal.
    let deaf = ignore(&[signals::INT, signals::TERM, signals::HUP]);
    if io::copy(&mut io::stdin().lock(), &mut io::sink()).is_ok() {
        end(noted(Notes { offset: 0 }));
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
