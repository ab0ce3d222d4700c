//! Records that a run left, shown by `status`, `runs` and `logs`.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

use crate::program::{Place, eventually};

const FIRST: &str = "20261122t155847-ab12";
const SECOND: &str = "20261122t160000-cd34";

/// Leaves a record of two steps, the second of which failed.
fn leave(place: &Place, run: &str, status: &str) -> String {
    let folder = format!("home/runs/deploy/{run}");
    let finished = if status == "running" { "null" } else { "\"2026-11-22T15:58:50.000Z\"" };
    place.write(
        &format!("{folder}/status.json"),
        &format!(
            r#"{{"format": 1, "run": "{run}", "retry_of": null, "workflow": "deploy",
            "file": "/w/deploy.yaml", "status": "{status}", "reason": null,
            "started": "2026-11-22T15:58:47.000Z", "finished": {finished}, "pid": 1,
            "params": [{{"name": "KEY", "value": "*******", "masked": true}}],
            "secrets": [{{"name": "TOKEN", "provider": "env"}}],
            "steps": [
              {{"name": "build", "status": "succeeded", "attempts": 1, "started": null,
                "finished": null, "exit_code": 0, "signal": null, "message": null,
                "stdout": "steps/build.log", "stderr": "steps/build.log", "outputs": [], "called": []}},
              {{"name": "ship", "status": "failed", "attempts": 1, "started": null,
                "finished": null, "exit_code": 3, "signal": null, "message": null,
                "stdout": "steps/ship.out", "stderr": "steps/ship.err", "outputs": [], "called": []}}]}}"#
        ),
    );
    place.write(&format!("{folder}/events.jsonl"), "");
    place.write(&format!("{folder}/steps/build.log"), "built\n");
    place.write(&format!("{folder}/steps/ship.out"), "shipping\n");
    place.write(&format!("{folder}/steps/ship.err"), "no harbour\n");
    folder
}

#[test]
fn status_shows_the_newest_run_or_the_one_asked_for() {
    let place = Place::new();
    leave(&place, FIRST, "failed");
    leave(&place, SECOND, "succeeded");
    let newest = place.run(&["status"]);
    assert!(newest.stdout.starts_with(&format!("run       {SECOND}\n")), "{newest:?}");
    assert_eq!(newest.code, 0);
    let first = place.run(&["status", "20261122t15"]);
    assert!(first.stdout.contains("status    failed\n"), "{first:?}");
    assert!(first.stdout.contains("✗ ship   failed       exit 3\n"), "{first:?}");
    let json = place.run(&["status", FIRST, "--json"]);
    assert!(json.stdout.contains(r#""status":"failed""#), "{json:?}");
}

#[test]
fn an_unknown_or_ambiguous_run_is_told() {
    let place = Place::new();
    let none = place.run(&["status"]);
    assert_eq!((none.code, none.stderr.as_str()), (2, "error: there are no runs yet\n"));
    leave(&place, FIRST, "failed");
    leave(&place, SECOND, "succeeded");
    let unknown = place.run(&["logs", "1999"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.starts_with("error: no run `1999`\n"), "{unknown:?}");
    let ambiguous = place.run(&["status", "2026"]);
    let expected =
        format!("error: `2026` is the start of 2 runs\n  help: which one: {SECOND}, {FIRST}\n");
    assert_eq!((ambiguous.code, ambiguous.stderr), (2, expected));
}

#[test]
fn a_record_that_says_running_without_an_engine_was_interrupted() {
    let place = Place::new();
    let folder = leave(&place, FIRST, "running");
    assert!(place.run(&["runs"]).stdout.contains("interrupted"));
    let events = File::open(place.path().join(folder).join("events.jsonl")).unwrap();
    flock(&events, FlockOperation::LockExclusive).unwrap();
    let alive = place.run(&["runs"]).stdout;
    assert!(alive.contains("running") && !alive.contains("interrupted"), "{alive}");
}

#[test]
fn runs_are_a_table_or_lines_of_json() {
    let place = Place::new();
    assert_eq!(place.run(&["runs"]).stderr, "no runs\n");
    leave(&place, FIRST, "failed");
    leave(&place, SECOND, "succeeded");
    let table = place.run(&["runs"]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("RUN "), "{table}");
    assert!(lines[1].starts_with(SECOND) && lines[2].starts_with(FIRST), "{table}");
    assert!(
        lines[2].contains("deploy    failed     2026-11-22 15:58:47  3.0s  1 failed"),
        "{table}"
    );
    assert_eq!(place.run(&["runs", "-n", "1", "--json"]).stdout.lines().count(), 1);
    assert_eq!(place.run(&["runs", "--workflow", "other"]).stderr, "no runs\n");
}

#[test]
fn a_damaged_record_is_told_and_the_others_are_listed() {
    let place = Place::new();
    leave(&place, FIRST, "failed");
    place.write(&format!("home/runs/deploy/{SECOND}/status.json"), "{");
    let runs = place.run(&["runs"]);
    assert_eq!(runs.code, 5, "{runs:?}");
    assert!(runs.stderr.contains("status.json is damaged"), "{runs:?}");
    assert!(runs.stdout.contains(FIRST), "{runs:?}");
}

#[test]
fn logs_show_all_steps_one_step_or_one_stream() {
    let place = Place::new();
    leave(&place, FIRST, "failed");
    let all = "==> build (output) <==\nbuilt\n\n==> ship (stdout) <==\nshipping\n\
               \n==> ship (stderr) <==\nno harbour\n";
    assert_eq!(place.run(&["logs", FIRST]).stdout, all);
    assert_eq!(place.run(&["logs", FIRST, "build"]).stdout, "built\n");
    assert_eq!(place.run(&["logs", FIRST, "ship", "--stderr"]).stdout, "no harbour\n");
    assert_eq!(place.run(&["logs", FIRST, "ship", "--stdout"]).stdout, "shipping\n");
    let unknown = place.run(&["logs", FIRST, "sail"]);
    assert_eq!(unknown.code, 2);
    assert_eq!(
        unknown.stderr,
        "error: no step `sail` in the run\n  help: its steps are: build, ship\n"
    );
}

#[test]
fn followed_logs_end_with_the_run() {
    use std::io::Write;
    let place = Place::new();
    let folder = place.path().join(leave(&place, FIRST, "running"));
    let events = File::open(folder.join("events.jsonl")).unwrap();
    flock(&events, FlockOperation::LockExclusive).unwrap();
    let seen = place.path().join("seen");
    let mut follower = place
        .command(&["logs", FIRST, "ship", "--stdout", "-f"])
        .stdout(File::create(&seen).unwrap())
        .spawn()
        .unwrap();
    let read = || std::fs::read_to_string(&seen).unwrap();
    eventually("the first line", || read() == "shipping\n");
    let mut log = File::options().append(true).open(folder.join("steps/ship.out")).unwrap();
    log.write_all(b"shipped\n").unwrap();
    eventually("the second line", || read() == "shipping\nshipped\n");
    log.write_all(b"last").unwrap();
    leave_finished(&place);
    assert!(follower.wait().unwrap().success());
    assert_eq!(read(), "shipping\nshipped\nlast");
}

/// Replaces `status.json` alone, as an engine does.
fn leave_finished(place: &Place) {
    let path = place.home().join("runs/deploy").join(FIRST).join("status.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"running\"", "\"failed\"");
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[test]
fn a_retry_asks_for_a_parameter_that_was_masked() {
    let place = Place::new();
    leave(&place, FIRST, "failed");
    let retry = place.run(&["retry", FIRST]);
    let expected = "error: parameter `KEY` held a secret and is masked in the record\n  \
                    help: give it again: `-- KEY=value`\n";
    assert_eq!((retry.code, retry.stderr.as_str()), (2, expected));
    let given = place.run(&["retry", FIRST, "--", "KEY=real"]);
    assert_eq!(given.code, 3, "{given:?}");
    assert!(given.stderr.contains("workflow file `/w/deploy.yaml` does not exist"), "{given:?}");
}
