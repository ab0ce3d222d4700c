//! What becomes of runs when the server is asked to stop, or any part of it is killed.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::server::Server;
use crate::program::{Place, eventually};

fn place() -> Place {
    let place = Place::new();
    // By the time it tells its number, its engine has noted its group for the guard.
    let slow = "steps: [{name: wait, run: 'sleep 0.5; echo $$ > pid; exec sleep 300'}]\n";
    place.write("flows/slow.yaml", slow);
    place.write(
        "flows/gate.yaml",
        "steps:\n- run: until [ -e open ]; do sleep 0.05; done; echo done\n",
    );
    place
}

fn record(place: &Place, run: &str) -> Value {
    let ended = place.run(&["status", run, "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn status(place: &Place, run: &str) -> String {
    record(place, run)["status"].as_str().unwrap().to_owned()
}

fn pid(number: i64) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

/// The process of the runner: the only child of the server.
fn runner(server: &Server) -> Pid {
    let id = server.child.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let mut all: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
    // Whichever thread has started it.
    for task in fs::read_dir(format!("/proc/{id}/task")).unwrap() {
        let children =
            fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
        all.extend(children.split_whitespace().map(str::to_owned));
    }
    let is_runner = |id: &&String| {
        let line = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.contains("__runner")
    };
    pid(all.iter().find(is_runner).expect("a runner").parse().unwrap())
}

fn is_gone(place: &Place) -> bool {
    let id = fs::read_to_string(place.path().join("flows/pid")).unwrap_or_default();
    crate::signals::is_gone(id.trim())
}

fn wait_for_step(place: &Place) {
    let path = place.path().join("flows/pid");
    eventually("the step runs", || fs::read_to_string(&path).is_ok_and(|id| id.ends_with('\n')));
}

#[test]
fn asked_to_stop_the_server_lets_runs_finish() {
    let place = place();
    let mut server = Server::start(&place, &["--grace", "1m"]);
    let run = server.begin("gate");
    server.send(Signal::TERM);
    eventually("it takes no more", || std::net::TcpStream::connect(&server.address).is_err());
    assert_eq!(status(&place, &run), "running");
    place.write("flows/open", "");
    assert!(server.child.wait().unwrap().success());
    assert_eq!(status(&place, &run), "succeeded");
}

#[test]
fn asked_twice_or_after_the_grace_it_stops_them() {
    let place = place();
    let mut server = Server::start(&place, &[]);
    let run = server.begin("slow");
    wait_for_step(&place);
    server.send(Signal::TERM);
    eventually("it takes no more", || std::net::TcpStream::connect(&server.address).is_err());
    server.send(Signal::INT);
    assert!(server.child.wait().unwrap().success());
    assert_eq!((status(&place, &run).as_str(), is_gone(&place)), ("aborted", true));
    let mut server = Server::start(&place, &["--grace", "1ms"]);
    let run = server.begin("slow");
    server.send(Signal::TERM);
    assert!(server.child.wait().unwrap().success());
    assert_eq!(status(&place, &run), "aborted");
}

#[test]
fn a_listener_that_is_killed_leaves_no_run() {
    let place = place();
    let server = Server::start(&place, &[]);
    let run = server.begin("slow");
    wait_for_step(&place);
    server.send(Signal::KILL);
    eventually("the run is stopped", || status(&place, &run) == "aborted" && is_gone(&place));
}

#[test]
fn a_runner_that_is_killed_is_started_again_and_its_runs_are_stopped() {
    let place = place();
    let server = Server::start(&place, &[]);
    let run = server.begin("slow");
    wait_for_step(&place);
    kill_process(runner(&server), Signal::KILL).unwrap();
    server.wait(&run, "aborted");
    let start = || server.post("/api/v1/workflows/gate/runs", &json!({}));
    eventually("another runner", || start().status == 202);
}

#[test]
fn if_everything_is_killed_runs_are_interrupted_and_can_be_tried_again() {
    let place = place();
    let server = Server::start(&place, &[]);
    let run = server.begin("slow");
    wait_for_step(&place);
    let engine = pid(record(&place, &run)["pid"].as_i64().unwrap());
    // Stopped, it cannot hear that the others are gone before it is killed as well.
    kill_process(engine, Signal::STOP).unwrap();
    kill_process(runner(&server), Signal::KILL).unwrap();
    server.send(Signal::KILL);
    kill_process(engine, Signal::KILL).unwrap();
    eventually("the run is over", || status(&place, &run) == "interrupted" && is_gone(&place));
    drop(server);
    let server = Server::start(&place, &[]);
    assert_eq!(server.status_of(&run), "interrupted");
    place.write("flows/slow.yaml", "steps: [{name: wait, run: 'true'}]\n");
    let again = server.post(&format!("/api/v1/runs/{run}/retry"), &json!({}));
    assert_eq!(again.status, 202, "{again:?}");
    server.wait(again.json()["id"].as_str().unwrap(), "succeeded");
}
