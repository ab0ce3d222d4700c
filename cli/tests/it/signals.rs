//! Signals to a run and what is left after it: nothing, whatever it was doing.

use std::fs;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Ended, Place, eventually};

/// Whether a process does not run any more; a zombie does not.
pub(crate) fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// Starts a workflow and waits for its step to write its process id to `ready`.
fn started(place: &Place, workflow: &str) -> (Child, String) {
    place.write("w.yaml", workflow);
    let mut command = place.command(&["run", "w.yaml"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ready = || fs::read_to_string(place.path().join("ready")).unwrap_or_default();
    eventually("a process is ready", || ready().ends_with('\n'));
    (child, ready().trim().to_owned())
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn end(child: Child) -> Ended {
    Ended::of(&child.wait_with_output().unwrap())
}

const WAIT: &str = "sleep 60 & echo $! > ready; wait";

#[test]
fn a_stop_ends_whatever_is_going_on_and_tells_the_signal() {
    let anywhere = [
        format!("steps: ['{WAIT}']\n"),
        format!("preconditions: ['{WAIT}']\nsteps: ['true']\n"),
        format!("steps: [{{name: a, run: 'true', preconditions: ['{WAIT}']}}]\n"),
        format!("steps: [{{name: a, run: 'true', env: {{A: '`{WAIT}`'}}}}]\n"),
        format!("handler_on: {{init: '{WAIT}'}}\nsteps: ['true']\n"),
        format!("handler_on: {{exit: '{WAIT}'}}\nsteps: ['true']\n"),
        format!("steps: [{{name: a, call: b}}]\n---\nname: b\nsteps: ['{WAIT}']\n"),
    ];
    for workflow in anywhere {
        let place = Place::new();
        let (child, pid) = started(&place, &workflow);
        send(&child, Signal::INT);
        let ended = end(child);
        assert_eq!(ended.code, 130, "{workflow}{ended:?}");
        eventually("nothing is left", || is_gone(&pid));
        let status = place.run(&["status"]).stdout;
        assert!(status.contains("status    aborted\n"), "{workflow}{status}");
    }
}

#[test]
fn a_killed_engine_leaves_no_condition_no_server_and_no_grandchild() {
    let in_step = format!("steps: ['({WAIT}) & wait']\n");
    let in_condition = format!("steps: [{{name: a, run: 'true', preconditions: ['{WAIT}']}}]\n");
    let in_server = format!(
        "steps: [{{name: a, type: mcp, with: {{command: sh, args: ['-c', '{WAIT}'], tool: t}}}}]\n"
    );
    for workflow in [in_step, in_condition, in_server] {
        let place = Place::new();
        let (child, pid) = started(&place, &workflow);
        send(&child, Signal::KILL);
        assert_eq!(end(child).code, 137);
        eventually("nothing is left", || is_gone(&pid));
        assert!(place.run(&["status"]).stdout.contains("status    interrupted\n"));
    }
}

#[test]
fn handlers_run_after_the_first_signal_and_none_after_the_second() {
    let place = Place::new();
    let workflow = "handler_on: {abort: 'echo $DAG_RUN_STATUS > abort; sleep 60', exit: touch exit}\n\
                    steps: ['echo $$ > ready; exec sleep 60']\n";
    let (child, _) = started(&place, workflow);
    send(&child, Signal::TERM);
    let abort = || fs::read_to_string(place.path().join("abort")).unwrap_or_default();
    eventually("the handler runs", || abort() == "aborted\n");
    send(&child, Signal::INT);
    assert_eq!(end(child).code, 130);
    assert!(!place.path().join("exit").exists());
}
