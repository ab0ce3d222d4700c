//! Steps of whole runs: time limits, failures that others survive, logs, records.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Ended, PATIENCE, Place, eventually};

fn run(place: &Place, workflow: &str) -> Ended {
    place.write("w.yaml", workflow);
    place.run(&["run", "w.yaml"])
}

fn json(place: &Place) -> serde_json::Value {
    serde_json::from_str(&place.run(&["status", "--json"]).stdout).unwrap()
}

#[test]
fn the_time_of_a_step_holds_for_all_of_its_commands_and_for_calls() {
    let since = Instant::now();
    let commands = "steps: [{name: a, timeout_sec: 1, run: [sleep 0.7, sleep 0.7, touch late]}]\n";
    let call = "steps: [{name: a, timeout_sec: 1, call: b}]\n---\nname: b\nsteps: [sleep 60]\n";
    for workflow in [commands, call] {
        let place = Place::new();
        let ended = run(&place, workflow);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stdout.contains("a: failed (timed out)"), "{ended:?}");
        assert!(!place.path().join("late").exists());
    }
    assert!(since.elapsed() < PATIENCE);
}

#[test]
fn a_step_that_cannot_be_prepared_is_a_failure_like_others() {
    let steps = "type: chain\nsteps:\n- {name: a, run: 'true', env: {A: '`false`'}, continue_on: failed}\n- {name: b, run: 'true'}\n";
    let ended = run(&Place::new(), steps);
    assert!(ended.stdout.contains("a: failed, went on"), "{ended:?}");
    assert!(ended.stdout.contains("b: succeeded"), "{ended:?}");
    let ended = run(&Place::new(), &steps.replace(", continue_on: failed", ""));
    assert!(ended.stdout.contains("b: not run"), "{ended:?}");
}

#[test]
fn a_condition_that_cannot_be_asked_is_a_failure_and_not_a_no() {
    let ended = run(&Place::new(), "shell: no-such-shell\npreconditions: ['true']\nsteps: [a]\n");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("`no-such-shell` not found"), "{ended:?}");
}

#[test]
fn a_second_attempt_and_another_step_have_logs_of_their_own() {
    let place = Place::new();
    run(
        &place,
        "steps:\n- {name: a, run: echo one; false, retry_policy: {limit: 1}}\n- {name: a.2, run: echo two}\n",
    );
    let logs = |step| place.run(&["logs", &run_id(&place), step]).stdout;
    assert!(logs("a").ends_with("one\n") && logs("a.2").ends_with("two\n"));
}

fn run_id(place: &Place) -> String {
    json(place)["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_step_that_goes_on_for_long_shows_as_running() {
    let place = Place::new();
    place.write("w.yaml", "steps: [{name: long, run: touch ready; sleep 60}]\n");
    let child =
        place.command(&["run", "w.yaml"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    eventually("the step is ready", || place.path().join("ready").exists());
    eventually("it shows", || json(&place)["steps"][0]["status"] == "running");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn a_folder_without_a_record_is_no_run() {
    let place = Place::new();
    run(&place, "name: a b\nsteps: ['true']\n");
    std::fs::create_dir_all(place.home().join("runs/x/99991231T235959-aaaaaa")).unwrap();
    assert_eq!(json(&place)["status"], "succeeded");
    let runs = place.run(&["runs"]);
    assert_eq!((runs.code, runs.stdout.lines().count()), (0, 2), "{runs:?}");
}

#[test]
fn a_retry_runs_a_step_again_whose_output_was_no_text() {
    let place = Place::new();
    let workflow = "steps:\n- {name: a, run: \"printf '\\\\377'\", output: A}\n\
                    - {name: b, depends: a, run: 'test -e ok; printf %s \"$A\" | od -An -tx1'}\n";
    assert_eq!(run(&place, workflow).code, 1);
    place.write("ok", "");
    let retried = place.run(&["retry", &run_id(&place), "--follow"]);
    assert!(retried.stdout.contains("a: started"), "{retried:?}");
    assert!(retried.stdout.contains("b |  ff\n"), "{retried:?}");
}

#[test]
fn what_a_step_leaves_behind_is_ended_within_seconds() {
    let place = Place::new();
    let since = Instant::now();
    let ended = run(&place, "steps: ['sleep 60 & echo $! > left; echo done']\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("kept its output open; they were ended"), "{ended:?}");
    assert!(since.elapsed() < Duration::from_secs(15));
    let left = std::fs::read_to_string(place.path().join("left")).unwrap();
    eventually("it is gone", || crate::signals::is_gone(left.trim()));
}

#[test]
fn a_script_with_a_line_for_a_shell_gets_references_through_its_environment() {
    let place = Place::new();
    place.write(
        "w.yaml",
        "secrets: [{name: LOGIN, provider: env, key: SOURCE}]\nsteps:\n  - name: work\n    script: |\n      #!/bin/sh\n      printf '%s' '${LOGIN.password}' > got.txt\n      cp \"$0\" copy.txt\n",
    );
    let mut command = place.command(&["run", "w.yaml"]);
    let output = command.env("SOURCE", r#"{"password": "it's $HOME"}"#).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(read("got.txt"), "it's $HOME");
    assert!(!read("copy.txt").contains("it's"), "{}", read("copy.txt"));
}

/// A pipe with a name, and its reader.
fn piped(place: &Place, name: &str) -> File {
    let path = place.path().join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // With a writer of its own it needs none to be opened.
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

#[test]
fn a_redirect_whose_reader_is_slow_gets_all_of_the_output() {
    let place = Place::new();
    let mut reader = piped(&place, "pipe");
    place.write(
        "w.yaml",
        "steps: [{name: a, run: 'yes | head -c 300000; touch ended', stdout: pipe}]\n",
    );
    let run = place.command(&["run", "w.yaml"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut read = vec![0; 1000];
    reader.read_exact(&mut read).unwrap();
    let mut rest = vec![0; 299_000];
    reader.read_exact(&mut rest).unwrap();
    read.append(&mut rest);
    assert!(read == b"y\n".repeat(150_000));
    let ended = Ended::of(&run.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(place.path().join("ended").exists());
}

#[test]
fn a_redirect_that_nobody_reads_stops_neither_time_nor_signals() {
    let since = Instant::now();
    let large = "yes | head -c 2000000";
    let check = |script: &str, told: &str| {
        let place = Place::new();
        let _reader = piped(&place, "pipe");
        let step = format!("{{name: a, timeout_sec: 1, run: '{script}', stdout: pipe}}");
        let ended = run(&place, &format!("steps: [{step}]\n"));
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stdout.contains(told), "{ended:?}");
        assert!(!ended.stderr.contains("left behind"), "{ended:?}");
    };
    check(large, "a: failed (timed out)");
    // The process is gone; what it wrote last is still in our hands.
    check("head -c 100000 /dev/zero", "a: failed (timed out)");
    let place = Place::new();
    let mut reader = piped(&place, "pipe");
    place.write("w.yaml", &format!("steps: [{{name: a, run: '{large}', stdout: pipe}}]\n"));
    let child = place.command(&["run", "w.yaml"]).stdout(Stdio::piped()).spawn().unwrap();
    reader.read_exact(&mut [0]).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(Ended::of(&child.wait_with_output().unwrap()).code, 143);
    assert!(since.elapsed() < PATIENCE);
}

#[test]
fn a_redirect_to_a_device_that_is_never_full_is_one_to_a_file() {
    let step = |to: &str| format!("steps: [{{name: a, run: echo, stdout: {to}}}]\n");
    assert_eq!(run(&Place::new(), &step("/dev/null")).code, 0);
    let full = run(&Place::new(), &step("/dev/full"));
    assert_eq!(full.code, 1, "{full:?}");
}

#[test]
fn an_event_of_output_has_whole_characters() {
    let place = Place::new();
    // As much as is read at once, less a byte of the character that follows.
    place.write("w.yaml", "steps: [{name: a, run: 'printf \"%4095s\u{e9}e\\303\" \"\"'}]\n");
    let ended = place.run(&["run", "--json", "--follow", "w.yaml"]);
    let events = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let text: String = events
        .filter_map(|event: serde_json::Value| event["data"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text.trim_start(), "\u{e9}e\u{fffd}");
}
