//! `kill -9` at every point of an exchange whose tokens rotate: access is never lost.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt as _;

use super::refreshing::due;
use super::service::{Service, USES, ok, run};
use crate::program::Place;

/// How long an exchange takes, and how many points of it are tried.
const PAUSE: Duration = Duration::from_millis(60);
const POINTS: u32 = 24;

/// Starts it in a group of its own, and kills the whole group after a while.
fn kill_after(place: &Place, words: &[&str], after: Duration) {
    let mut command = place.command(words);
    let mut child =
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(after);
    // It may have ended by then.
    kill_process_group(Pid::from_child(&child), Signal::KILL).ok();
    child.wait().unwrap();
}

/// Kills at points spread over the whole of an exchange; after each, the next one still works.
fn check(words: &[&str], is_due: bool) {
    let (service, place) = due();
    service.state().pauses = [PAUSE; 2];
    place.write("w.yaml", USES);
    let begun = Instant::now();
    ok(place.run(words));
    let whole = begun.elapsed();
    let mut survived = 0;
    for point in 0..POINTS {
        if is_due {
            make_due(&service, &place);
        }
        let before = service.state().given;
        kill_after(&place, words, whole * point / POINTS);
        let ended = ok(place.run(&["connection", "refresh", "m", "--force"]));
        assert!(ended.stdout.contains("refreshed"), "{point} {ended:?}");
        survived += usize::from(service.state().given > before + 1);
        assert!(!service.state().is_over, "{point}");
    }
    // Some were killed while the service had spent the token already, or was about to.
    assert!(survived > 0, "no exchange was under way");
    ok(run(&place, USES));
}

/// The token that the connection has is due.
fn make_due(service: &Service, place: &Place) {
    service.state().lives_s = 0;
    ok(place.run(&["connection", "refresh", "m", "--force"]));
    service.state().lives_s = 3600;
}

#[test]
fn of_who_refreshes() {
    check(&["connection", "refresh", "m", "--force"], false);
}

#[test]
fn of_a_run_that_finds_a_token_due() {
    check(&["run", "w.yaml"], true);
}

#[test]
fn of_a_test_that_finds_a_token_due() {
    check(&["connection", "test", "m"], true);
}
