//! The guard ends what is noted when its input ends, and only that.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Place, eventually};

/// A shell in a process group of its own; `script` runs once it has said that it is ready.
fn group(script: &str) -> (Child, i32) {
    use std::io::Read;
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("{script}; echo; exec sleep 60")])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let id = child.id().try_into().unwrap();
    (child, id)
}

/// A guard with the notes that an engine would share with it.
struct Guard {
    child: Child,
    notes: File,
    _place: Place,
}

impl Guard {
    fn start() -> Guard {
        let place = Place::new();
        let path = place.path().join("notes");
        let notes = File::options().read(true).append(true).create_new(true).open(path).unwrap();
        let mut command = place.command(&["__guard"]);
        command.process_group(0).stdin(Stdio::piped()).stdout(notes.try_clone().unwrap());
        let child = command.spawn().unwrap();
        Guard { child, notes, _place: place }
    }

    fn tell(&mut self, lines: &str) {
        self.notes.write_all(lines.as_bytes()).unwrap();
    }

    /// What the guard sees of an engine that is killed.
    fn lose_engine(&mut self) {
        drop(self.child.stdin.take());
    }
}

fn signal_of(child: &mut Child) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;
    child.wait().unwrap().signal()
}

#[test]
fn the_end_of_input_ends_noted_groups() {
    let (mut kept, kept_id) = group(":");
    let (mut ended, ended_id) = group(":");
    let mut guard = Guard::start();
    guard.tell(&format!("+{kept_id}\n+{ended_id}\n-{kept_id}\n"));
    guard.lose_engine();
    assert_eq!(signal_of(&mut ended), Some(15));
    assert!(guard.child.wait().unwrap().success());
    assert!(kept.try_wait().unwrap().is_none());
    kept.kill().unwrap();
    kept.wait().unwrap();
}

#[test]
fn a_group_that_ignores_term_is_killed() {
    let (mut stubborn, id) = group("trap '' TERM");
    let mut guard = Guard::start();
    guard.tell(&format!("+{id}\n"));
    let since = Instant::now();
    guard.lose_engine();
    assert_eq!(signal_of(&mut stubborn), Some(9));
    assert!(since.elapsed() >= Duration::from_secs(4), "TERM had no time to work");
    assert!(guard.child.wait().unwrap().success());
}

#[test]
fn the_guard_outlives_the_signals_that_end_engines() {
    let (mut ended, id) = group(":");
    let mut guard = Guard::start();
    guard.tell(&format!("+{id}\n"));
    let pid = Pid::from_child(&guard.child);
    // Before it listens a signal would still end it.
    eventually("the guard catches TERM", || catches(pid, 15));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        kill_process(pid, signal).unwrap();
    }
    guard.lose_engine();
    assert_eq!(signal_of(&mut ended), Some(15));
    assert!(guard.child.wait().unwrap().success());
}

fn catches(pid: Pid, number: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let status = status.unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
    u64::from_str_radix(mask, 16).unwrap() & (1 << (number - 1)) != 0
}
