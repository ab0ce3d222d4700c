//! Killed in the middle of writes, by a signal that nobody can hear: what was acknowledged is there.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Place, eventually};
use crate::serve_site::Server;

/// How many callers write at the same time.
const WRITERS: usize = 4;
/// Acknowledged writes, before and after a kill.
const WRITES: usize = 40;

/// Writes from all sides until `is_over`; the refs that were acknowledged.
fn write(server: &Server, acknowledged: &Mutex<BTreeSet<String>>, is_over: &AtomicBool) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let name = format!("made/number-{}", next.fetch_add(1, Ordering::SeqCst));
                    let body = format!("{{\"ref\":\"{name}\",\"value\":\"a-value\"}}");
                    let Some(answer) = server.try_send("POST", "/api/v1/secrets", &body) else {
                        continue;
                    };
                    if answer.status == 201 {
                        acknowledged.lock().unwrap().insert(name);
                    } else {
                        assert!([0, 503].contains(&answer.status), "{answer:?}");
                    }
                }
            });
        }
    });
}

/// Waits until so many writes were acknowledged.
fn writes(acknowledged: &Mutex<BTreeSet<String>>, count: usize) {
    eventually("writes", || acknowledged.lock().unwrap().len() >= count);
}

/// A server with a registry, which the first write makes.
fn begun() -> Server {
    let mut server = Server::start(Place::new(), &[]);
    server.enter();
    let first = server.send("POST", "/api/v1/secrets", "{\"ref\":\"first\",\"value\":\"a\"}");
    assert_eq!(first.status, 201, "{first:?}");
    server
}

fn listed(server: &Server) -> BTreeSet<String> {
    let page = server.get("/api/v1/secrets?limit=1000&prefix=made/").json();
    assert!(page["next"].is_null());
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["ref"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn whatever_was_acknowledged_survives_a_kill_of_the_listener() {
    let server = begun();
    let (acknowledged, is_over) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (server, acknowledged, is_over) = (&server, &acknowledged, &is_over);
        let writing = scope.spawn(move || write(server, acknowledged, is_over));
        writes(acknowledged, WRITES / 2);
        let runner = server.runner();
        kill_process(server.pid(), Signal::KILL).unwrap();
        is_over.store(true, Ordering::SeqCst);
        writing.join().unwrap();
        // Nobody can ask the runner any more, so it ends.
        eventually("the end of the runner", || rustix::process::test_kill_process(runner).is_err());
    });
    let place = server.killed();
    assert_eq!(place.run(&["doctor"]).code, 0);
    let mut server = Server::start(place, &["--admin-link"]);
    server.enter();
    let (there, acknowledged) = (listed(&server), acknowledged.into_inner().unwrap());
    assert!(acknowledged.is_subset(&there), "{:?}", acknowledged.difference(&there));
    // Of each writer, one write at most was under way.
    assert!(there.len() <= acknowledged.len() + WRITERS, "{there:?}");
}

#[test]
fn a_runner_that_is_killed_is_there_again_and_nothing_acknowledged_is_lost() {
    let server = begun();
    let (acknowledged, is_over) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (server, acknowledged, is_over) = (&server, &acknowledged, &is_over);
        let writing = scope.spawn(move || write(server, acknowledged, is_over));
        writes(acknowledged, WRITES / 2);
        let before = server.runner();
        kill_process(before, Signal::KILL).unwrap();
        // The new one takes them.
        let so_far = acknowledged.lock().unwrap().len();
        writes(acknowledged, so_far + WRITES / 2);
        is_over.store(true, Ordering::SeqCst);
        writing.join().unwrap();
        assert_ne!(server.runner(), before);
    });
    let there = listed(&server);
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.is_subset(&there), "{:?}", acknowledged.difference(&there));
    assert!(server.stop().contains("the runner ended"));
}

/// Otherwise it would hold its port, answer nobody, and say the same each second.
#[test]
fn a_server_whose_registry_cannot_be_opened_does_not_start() {
    let server = begun();
    let place = server.killed();
    eventually("the end of the runner", || {
        std::fs::remove_file(place.home().join("keys/master.key")).is_ok()
            || !place.home().join("keys/master.key").exists()
    });
    let ended = place.run(&["serve", "flows", "--bind", "127.0.0.1:0"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("the runner did not come up"), "{ended:?}");
    assert_eq!(ended.stderr.matches("master.key").count(), 1, "{ended:?}");
}

/// The process ids of tests are of the tests: what is not there has none.
#[test]
fn a_server_that_stops_leaves_no_process() {
    let server = Server::start(Place::new(), &[]);
    let runner: Pid = server.runner();
    server.stop();
    assert!(rustix::process::test_kill_process(runner).is_err());
}

/// More lines than a pipe takes.
const UNHEARD: usize = 1200;

#[test]
fn a_log_that_nobody_reads_holds_up_no_request() {
    let mut server = Server::start_unheard(Place::new());
    server.enter();
    for _ in 0..UNHEARD {
        assert_eq!(server.get("/health").status, 200);
    }
    let counted = server.get("/metrics").body;
    assert!(counted.contains("subrosa_log_lines_lost_total 0"), "{counted}");
}
