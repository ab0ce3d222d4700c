//! `run`, `dry`, `validate` and `retry` on whole workflows: exit codes and what is shown.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Ended, Place, eventually};
use crate::terminal::Screen;

const WORKFLOW: &str = "\
name: demo
type: graph
secrets:
  - name: TOKEN
    provider: env
    key: SOURCE
steps:
  - name: good
    run: echo hello $TOKEN
  - name: bad
    run: echo \"no $TOKEN\" >&2; exit ${CODE:-3}
    depends: [good]
  - name: last
    run: echo last
    depends: [bad]
";

fn place() -> Place {
    let place = Place::new();
    place.write("demo.yaml", WORKFLOW);
    place
}

fn run(place: &Place, words: &[&str]) -> Ended {
    let output = place.command(words).env("SOURCE", "hunter2hunter2").output().unwrap();
    let ended = Ended::of(&output);
    assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"), "{ended:?}");
    ended
}

#[test]
fn a_failed_run_ends_with_1_and_says_where_to_look() {
    let place = place();
    let ended = run(&place, &["run", "demo.yaml"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for line in ["good: started", "✗ bad: exit 3", "  │ no *******", "masked   1 secret (TOKEN)"]
    {
        assert!(ended.stdout.lines().any(|shown| shown == line), "{line}: {}", ended.stdout);
    }
    let more = ended.stdout.lines().find_map(|line| line.strip_prefix("  more: subrosa ")).unwrap();
    let words: Vec<&str> = more.split(' ').collect();
    assert!(run(&place, &words).stdout.contains("no *******\n"), "{more}");
    assert!(run(&place, &["status"]).stdout.contains("✗ bad "));
}

#[test]
fn follow_shows_output_quiet_hides_success_json_is_for_programs() {
    let place = place();
    let followed = run(&place, &["run", "demo.yaml", "--follow"]);
    assert!(followed.stdout.contains("good | hello *******\n"), "{followed:?}");
    let plain = run(&place, &["run", "demo.yaml"]);
    assert!(!plain.stdout.contains("hello"), "{plain:?}");
    place.write("good.yaml", "steps: [{name: only, run: \"true\"}]\n");
    let quiet = run(&place, &["run", "good.yaml", "--quiet"]);
    assert_eq!((quiet.code, &*quiet.stdout, &*quiet.stderr), (0, "", ""));
    let json = run(&place, &["run", "demo.yaml", "--json"]);
    let events: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "run_started");
    assert_eq!(events.last().unwrap()["status"], "failed");
}

#[test]
fn a_missing_secret_ends_with_4_and_a_bad_file_with_3() {
    let place = place();
    for command in ["run", "dry"] {
        let ended = place.run(&[command, "demo.yaml"]);
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains(" --> demo.yaml:6:10\n"), "{ended:?}");
    }
    place.write("bad.yaml", "steps: [{name: a, run: \"true\", depends: nobody}]\nbogus: 1\n");
    for command in ["run", "dry", "validate"] {
        let ended = place.run(&[command, "bad.yaml"]);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains("nobody") && ended.stderr.contains("bogus"), "{ended:?}");
    }
    let json = place.run(&["validate", "demo.yaml", "bad.yaml", "--json"]);
    let files: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.code, 3);
    assert_eq!(files[0]["diagnostics"].as_array().unwrap().len(), 0);
    assert_eq!(files[1]["file"], "bad.yaml");
    assert!(files[1]["diagnostics"][0]["line"].is_u64());
}

#[test]
fn dry_shows_the_plan_and_runs_nothing() {
    let place = place();
    let ended = run(&place, &["dry", "demo.yaml"]);
    let expected = "\
demo: 3 steps in 3 waves, 1 secret resolved, nothing run

secrets
  TOKEN  env  SOURCE

steps, by wave
  1  good  command
  2  bad   command
  3  last  command
";
    assert_eq!((ended.code, ended.stdout.as_str()), (0, expected));
    assert!(!place.home().join("runs").exists());
}

#[test]
fn a_retry_runs_what_did_not_succeed() {
    let place = place();
    run(&place, &["run", "demo.yaml"]);
    place.write("demo.yaml", &WORKFLOW.replace("${CODE:-3}", "0"));
    let first = run(&place, &["runs", "--json", "-n", "1"]).stdout;
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    let retried = run(&place, &["retry", first["run"].as_str().unwrap()]);
    assert_eq!(retried.code, 0, "{retried:?}");
    assert!(!retried.stdout.contains("good: started"), "{retried:?}");
    assert!(retried.stdout.contains("last: succeeded"), "{retried:?}");
}

#[test]
fn a_signal_ends_the_run_with_its_code() {
    let place = Place::new();
    place.write("slow.yaml", "steps: [{name: slow, run: \"touch ready; exec sleep 60\"}]\n");
    let child = place.command(&["run", "slow.yaml"]).stdout(Stdio::piped()).spawn().unwrap();
    eventually("the step is ready", || place.path().join("ready").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, 143, "{ended:?}");
    assert!(place.run(&["status"]).stdout.contains("status    aborted\n"));
}

#[test]
fn a_lost_reader_does_not_end_a_run() {
    let place = place();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.command(&["run", "demo.yaml"]);
    let status = command.env("SOURCE", "hunter2hunter2").stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(place.run(&["status"]).stdout.contains("status    failed\n"));
}

#[test]
fn a_terminal_gets_the_live_view_and_its_cursor_back() {
    let (place, screen) = (place(), Screen::new());
    let mut command = place.command(&["run", "demo.yaml"]);
    let child = screen.start(command.env("SOURCE", "hunter2hunter2").stderr(screen.stream()));
    let (seen, status) = screen.finish(child);
    assert_eq!(status.code(), Some(1));
    assert!(seen.contains("✓"), "{seen}");
    let hidden = seen.matches("\x1b[?25l").count();
    assert_eq!(hidden, seen.matches("\x1b[?25h").count(), "{seen:?}");
    assert!(!seen.contains("hunter2"), "{seen}");
}

#[test]
fn a_run_that_could_not_start_is_recorded_and_can_be_tried_again() {
    let place = place();
    place.write(
        "two.yaml",
        "secrets:\n  - {name: TOKEN, provider: env, key: SOURCE}\n  - {name: GONE, provider: file, key: 'gone'}\nsteps:\n  - name: work\n    run: echo \"worked with $TOKEN\"\n",
    );
    let ended = run(&place, &["run", "two.yaml", "--", "NOTE=hunter2hunter2"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let status = run(&place, &["status"]).stdout;
    for part in ["failed", "nothing was started", "could not resolve secret `GONE`", "work"] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(run(&place, &["runs"]).stdout.contains("two"), "{status}");
    for file in ["status.json", "events.jsonl"] {
        let found = place.find(file);
        assert!(!found.contains("hunter2") && found.contains("nothing was started"), "{found}");
    }
    assert!(place.find("status.json").contains(r#""value": "*******""#), "{status}");
    place.write("gone", "back again");
    let id = status.split_whitespace().nth(1).unwrap().to_owned();
    let again = run(&place, &["retry", &id, "--", "NOTE=x"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.contains("work: succeeded"), "{again:?}");
}

#[test]
fn a_parameter_is_not_recorded_where_no_secret_is_known_to_mask_it() {
    let place = Place::new();
    place.write(
        "w.yaml",
        "params: [{name: N, type: integer}]\nsecrets: [{name: TOKEN, provider: env, key: SOURCE}]\nsteps: ['true']\n",
    );
    // The parameter is wrong, so that the secret it equals is not even asked for.
    let ended = run(&place, &["run", "w.yaml", "--", "N=hunter2hunter2"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(!place.find("status.json").contains("hunter2"), "{}", place.find("status.json"));
    let id = run(&place, &["runs", "--json"]).stdout;
    assert!(id.contains("failed"), "{id}");
}
