//! Terminals: a screen for tests, and the trampoline that gives a command the terminal it was
//! started on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::program::{PATIENCE, Place};

/// A terminal with a person in front of it.
pub(crate) struct Screen {
    primary: File,
    replica: OwnedFd,
    seen: String,
}

impl Screen {
    /// 80 columns and 24 rows.
    pub(crate) fn new() -> Screen {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let primary = openpt(flags).unwrap();
        grantpt(&primary).unwrap();
        unlockpt(&primary).unwrap();
        let replica = ioctl_tiocgptpeer(&primary, flags).unwrap();
        let screen = Screen { primary: primary.into(), replica, seen: String::new() };
        screen.resize(80, 24);
        screen
    }

    /// Starts a command with the terminal as its three streams, those that are set already excepted.
    pub(crate) fn start(&self, command: &mut Command) -> Child {
        let copy = || Stdio::from(self.replica.try_clone().unwrap());
        command.stdin(copy()).stdout(copy()).env("TERM", "xterm").spawn().unwrap()
    }

    /// The terminal as a stream.
    pub(crate) fn stream(&self) -> Stdio {
        self.replica.try_clone().unwrap().into()
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.primary.write_all(keys.as_bytes()).unwrap();
    }

    /// Changes its size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.primary, size).unwrap();
    }

    /// Its modes.
    pub(crate) fn modes(&self) -> Termios {
        tcgetattr(&self.replica).unwrap()
    }

    /// How many bytes have arrived and nobody has read yet.
    pub(crate) fn unread(&self) -> u64 {
        ioctl_fionread(&self.replica).unwrap()
    }

    /// Reads until the text appears.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.seen.contains(text) {
            assert!(Instant::now() < deadline, "not in time: {text:?}, seen: {:?}", self.seen);
            self.read_some();
        }
    }

    /// The rest of the line after a text, once both have appeared.
    pub(crate) fn line_after(&mut self, text: &str) -> String {
        self.wait_for(text);
        loop {
            let rest = self.seen.split_once(text).map_or("", |(_, rest)| rest);
            if let Some((line, _)) = rest.split_once("\r\n") {
                return line.to_owned();
            }
            self.read_some();
        }
    }

    /// Waits for the end; all that was written, and how it ended.
    pub(crate) fn finish(mut self, mut child: Child) -> (String, ExitStatus) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Asked before reading: what was written until then will be read.
            let ended = child.try_wait().unwrap();
            let went_on = self.read_some();
            match ended {
                Some(status) if !went_on => return (self.seen, status),
                _ => assert!(Instant::now() < deadline, "no end, seen: {:?}", self.seen),
            }
        }
    }

    /// Reads what is there, waiting a moment for it; whether there was anything.
    fn read_some(&mut self) -> bool {
        let moment = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let mut readable = [PollFd::new(&self.primary, PollFlags::IN)];
        if poll(&mut readable, Some(&moment)).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        let length = self.primary.read(&mut bytes).unwrap();
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..length]));
        length > 0
    }
}

/// Runs a command on a terminal of its own. The keys are pressed once it has written `ready`.
fn on_terminal(words: &[&str], keys: &str) -> (String, ExitStatus) {
    let mut screen = Screen::new();
    let mut arguments = vec!["__terminal", "--"];
    arguments.extend_from_slice(words);
    let child = screen.start(Place::new().command(&arguments).stderr(screen.stream()));
    if !keys.is_empty() {
        screen.wait_for("ready\r\n");
        screen.press(keys);
    }
    screen.finish(child)
}

#[test]
fn the_command_leads_a_session_with_the_terminal_as_its_own() {
    let script = "test -t 0 && test -t 1 && echo yes >/dev/tty; \
                  test $$ = $(ps -o sid= -p $$) && echo leader; exit 7";
    let (written, status) = on_terminal(&["sh", "-c", script], "");
    assert_eq!(status.code(), Some(7), "{written}");
    assert!(written.contains("yes\r\n"), "{written:?}");
    assert!(written.contains("leader\r\n"), "{written:?}");
}

#[test]
fn keys_reach_the_command_and_interrupt_it() {
    let script = "echo ready; read line; echo got $line";
    let (written, status) = on_terminal(&["sh", "-c", script], "a line\n");
    assert_eq!(status.code(), Some(0));
    assert!(written.ends_with("got a line\r\n"), "{written:?}");
    let (_, status) = on_terminal(&["sh", "-c", "echo ready; exec sleep 60"], "\x03");
    assert_eq!(status.code(), None, "a signal ended it");
}

#[test]
fn a_command_that_is_not_there_ends_with_127_or_126() {
    let (written, status) = on_terminal(&["/nowhere/command"], "");
    assert_eq!(status.code(), Some(127));
    assert!(written.contains("error: command `/nowhere/command` not found"), "{written:?}");
    let (written, status) = on_terminal(&["/etc/passwd"], "");
    assert_eq!(status.code(), Some(126));
    assert!(written.contains("error: cannot execute `/etc/passwd`"), "{written:?}");
}
