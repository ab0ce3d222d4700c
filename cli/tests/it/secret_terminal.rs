//! A person at a terminal: the question for a value, and `secret reveal`.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::LocalModes;

use crate::program::{Ended, Place, SUBROSA, eventually};
use crate::secret::{json, set};
use crate::terminal::Screen;

const FIRST: &str = "value of prod/db (not shown): ";
const SECOND: &str = "the same again: ";

/// Starts it as the leader of a session that has the screen as its terminal.
fn start(place: &Place, words: &[&str], screen: &Screen) -> Child {
    let words = [&["__terminal", "--", SUBROSA], words].concat();
    screen.start(place.command(&words).stderr(screen.stream()))
}

fn echoes(screen: &Screen) -> bool {
    let modes = screen.modes().local_modes;
    modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
}

/// Answers the two questions; what the screen showed, and the exit code.
fn answer(place: &Place, first: &str, second: &str) -> (String, i32) {
    let mut screen = Screen::new();
    let mut child = start(place, &["secret", "set", "prod/db"], &screen);
    screen.wait_for(FIRST);
    assert!(!echoes(&screen));
    screen.press(first);
    screen.wait_for(SECOND);
    assert!(!echoes(&screen));
    screen.press(second);
    let code = child.wait().unwrap().code().unwrap();
    assert!(echoes(&screen));
    (screen.finish(child).0, code)
}

fn value_of(place: &Place) -> String {
    place
        .write("w.yaml", "secrets: [{name: A, ref: prod/db}]\nsteps: ['printf %s \"$A\" > got']\n");
    assert_eq!(place.run(&["run", "w.yaml"]).code, 0);
    fs::read_to_string(place.path().join("got")).unwrap()
}

#[test]
fn a_value_is_asked_for_twice_and_never_shown() {
    let place = Place::new();
    let (seen, code) = answer(&place, "hunter3\x7f2\r", "hunter2\r");
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("prod/db: version 1 stored"), "{seen}");
    assert!(!seen.contains("hunter"), "{seen}");
    assert_eq!(value_of(&place), "hunter2");
    let (seen, code) = answer(&place, "hunter3\r", "hunter4\r");
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("the two values differ; nothing was stored"), "{seen}");
    assert!(!seen.contains("hunter"), "{seen}");
    assert_eq!(value_of(&place), "hunter2");
}

#[test]
fn what_is_typed_before_the_next_question_is_its_answer_and_never_shown() {
    let place = Place::new();
    let mut screen = Screen::new();
    let child = start(&place, &["secret", "set", "prod/db"], &screen);
    screen.wait_for(FIRST);
    screen.press("hunter2\rhunter2\r");
    screen.wait_for(SECOND);
    let (seen, status) = screen.finish(child);
    assert!(status.success() && !seen.contains("hunter"), "{seen}");
    assert_eq!(value_of(&place), "hunter2");
}

#[test]
fn a_line_longer_than_a_terminal_keeps_is_not_cut() {
    let place = Place::new();
    let long = "0123456789".repeat(1_000);
    let (_, code) = answer(&place, &format!("{long}\r"), &format!("{long}\r"));
    assert_eq!(code, 0);
    assert_eq!(value_of(&place), long);
}

#[test]
fn an_answer_that_cannot_be_a_value_ends_the_question() {
    let place = Place::new();
    for (keys, message) in [("\r", "the value is empty"), ("\x04", "no value was given")] {
        let mut screen = Screen::new();
        let mut child = start(&place, &["secret", "set", "prod/db"], &screen);
        screen.wait_for(FIRST);
        screen.press(keys);
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert!(echoes(&screen));
        assert!(screen.finish(child).0.contains(message));
    }
    assert!(!place.home().exists());
}

/// Whether every thread of a process is stopped.
fn is_stopped(child: &Child) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    threads.map(Result::unwrap).all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.contains(") T ")
    })
}

#[test]
fn a_signal_ends_the_question_and_gives_the_terminal_back() {
    let place = Place::new();
    let check = |end: &dyn Fn(&mut Screen, &Child), code: i32| {
        let mut screen = Screen::new();
        let mut child = start(&place, &["secret", "set", "prod/db"], &screen);
        screen.wait_for(FIRST);
        end(&mut screen, &child);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(echoes(&screen));
        assert!(!screen.finish(child).0.contains("hunter2"));
        assert!(!place.home().exists());
    };
    check(&|screen, _| screen.press("hunter2\x03"), 130);
    check(&|screen, _| screen.press("hunter2\x1c"), 131);
    let send = |screen: &mut Screen, child: &Child, signal| {
        let process = Pid::from_child(child);
        // Stopped, it reads nothing: what was pressed has arrived, and is still to be read.
        kill_process(process, Signal::STOP).unwrap();
        eventually("it stops", || is_stopped(child));
        screen.press("hunter2");
        eventually("the keys arrive", || screen.unread() == "hunter2".len() as u64);
        kill_process(process, signal).unwrap();
        kill_process(process, Signal::CONT).unwrap();
    };
    check(&|screen, child| send(screen, child, Signal::TERM), 143);
    check(&|screen, child| send(screen, child, Signal::HUP), 129);
}

#[test]
fn stopping_and_going_on_does_not_bring_the_echo_back() {
    let place = Place::new();
    let mut screen = Screen::new();
    let mut child = start(&place, &["secret", "set", "prod/db"], &screen);
    screen.wait_for(FIRST);
    // Ctrl-Z does nothing here: whoever takes the terminal meanwhile sets its modes.
    screen.press("a\x1ab\r");
    screen.wait_for(SECOND);
    screen.press("a\x1ab\r");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(echoes(&screen));
    drop(screen);
    assert_eq!(value_of(&place), "a\x1ab");
}

/// Starts `reveal` with standard output in a file, as if somebody had redirected it.
fn reveal(place: &Place, words: &[&str], screen: &Screen) -> Child {
    let out = File::create(place.path().join("out")).unwrap();
    let words = [&["__terminal", "--", SUBROSA, "secret", "reveal"], words].concat();
    let mut command = place.command(&words);
    command.stdin(screen.stream()).stderr(screen.stream()).stdout(out).spawn().unwrap()
}

#[test]
fn a_value_is_revealed_on_the_terminal_only_and_after_a_question() {
    let place = Place::new();
    set(&place, &["prod/db"], "hunter2\u{1b}[2J");
    let mut screen = Screen::new();
    let child = reveal(&place, &["prod/db"], &screen);
    screen.wait_for("The value of prod/db (global) will be shown here.");
    screen.wait_for("Type the ref to go on: ");
    screen.press("prod/db\r");
    let (seen, status) = screen.finish(child);
    assert_eq!(status.code(), Some(0), "{seen}");
    let shown = "version 1, control characters as escapes:\r\nhunter2\\u{1b}[2J\r\n";
    assert!(seen.ends_with(shown), "{seen:?}");
    assert_eq!(fs::read_to_string(place.path().join("out")).unwrap(), "");
}

#[test]
fn a_value_is_not_revealed_without_the_right_answer() {
    let place = Place::new();
    set(&place, &["prod/db"], "hunter2");
    for answer in ["\r", "y\r", "prod/db2\r", "\x04"] {
        let mut screen = Screen::new();
        let child = reveal(&place, &["prod/db"], &screen);
        screen.wait_for("Type the ref to go on: ");
        screen.press(answer);
        let (seen, status) = screen.finish(child);
        assert_eq!(status.code(), Some(4), "{seen}");
        assert!(seen.contains("nothing was shown") && !seen.contains("hunter2"), "{seen}");
    }
    let screen = Screen::new();
    let child = reveal(&place, &["prod/else"], &screen);
    assert_eq!(screen.finish(child).1.code(), Some(4));
    place.run(&["environment", "protect", "prod"]);
    let words = ["prod/db", "--env", "prod", "--allow-protected"];
    place.feed(&[&["secret", "set"], &words[..]].concat(), b"hunter3");
    let screen = Screen::new();
    let child = reveal(&place, &words[..3], &screen);
    let (seen, status) = screen.finish(child);
    assert_eq!(status.code(), Some(4), "{seen}");
    assert!(seen.contains("is protected") && !seen.contains("hunter3"), "{seen}");
    let mut screen = Screen::new();
    let child = reveal(&place, &words, &screen);
    screen.wait_for("Type the ref to go on: ");
    screen.press("prod/db\r");
    assert!(screen.finish(child).0.ends_with("version 1:\r\nhunter3\r\n"));
}

#[test]
fn ctrl_c_ends_the_question_that_comes_after_a_passphrase() {
    let place = Place::new();
    set(&place, &["prod/db"], "hunter2");
    let file = place.write("passphrase", "correct horse battery staple\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = place.command(&["key", "move", "--to", "passphrase"]);
    let moved = Ended::of(&command.env("SUBROSA_PASSPHRASE_FILE", &file).output().unwrap());
    assert_eq!(moved.code, 0, "{moved:?}");

    let mut screen = Screen::new();
    let mut child = reveal(&place, &["prod/db"], &screen);
    screen.wait_for("(not shown): ");
    screen.press("correct horse battery staple\r");
    screen.wait_for("Type the ref to go on: ");
    screen.press("\x03");
    eventually("the question ends", || child.try_wait().unwrap().is_some());
    let (seen, status) = screen.finish(child);
    assert_eq!(status.code(), Some(130), "{seen}");
    assert!(!seen.contains("hunter2"), "{seen}");
}

#[test]
fn without_a_terminal_nothing_is_asked_or_revealed() {
    let place = Place::new();
    set(&place, &["prod/db"], "hunter2");
    let mut command = Command::new("setsid");
    command.args(["--wait", SUBROSA, "secret", "reveal", "prod/db"]).stdin(Stdio::null());
    let ended = Ended::of(&command.env("SUBROSA_HOME", place.home()).output().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
    assert!(ended.stderr.contains("there is no terminal to ask on"), "{ended:?}");
}

#[test]
fn a_narrow_terminal_gets_fewer_columns_and_no_cut_names() {
    let place = Place::new();
    let long = "production/".repeat(3) + "database-password";
    set(&place, &[&long, "-w", "payments"], "hunter2");
    let screen = Screen::new();
    let child = screen.start(place.command(&["secret", "list"]).stderr(screen.stream()));
    let (seen, _) = screen.finish(child);
    assert!(seen.contains(&long), "{seen}");
    let header = seen.lines().next().unwrap();
    assert!(header.contains("STATE") && !header.contains("UPDATED"), "{seen}");
    assert_eq!(json(&place, &["secret", "list", "--json"])[0]["ref"], long);
}
