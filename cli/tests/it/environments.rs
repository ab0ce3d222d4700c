//! `--env` and its relatives, as far as they go without a registry.

use serde_json::Value;

use crate::program::{Ended, Place};

const FAILING: &str = "name: demo\nenvironment: dev\nsteps: [{name: one, run: exit 3}]\n";

fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

/// The record of the newest run.
fn newest(place: &Place) -> Value {
    json(&place.run(&["status", "--json"]).stdout)
}

#[test]
fn the_flags_are_in_the_help_of_what_asks_the_registry() {
    let place = Place::new();
    for command in ["run", "dry", "exec", "retry"] {
        let help = place.run(&[command, "--help"]).stdout;
        for flag in ["--env <NAME>", "--allow-protected", "--allow-expired"] {
            assert!(help.contains(flag), "{command}: {help}");
        }
    }
    let help = place.run(&["explain", "--help"]).stdout;
    assert!(help.contains("--env <NAME>") && !help.contains("--allow-"), "{help}");
}

#[test]
fn what_is_no_name_of_an_environment_is_refused() {
    let place = Place::new();
    place.write("demo.yaml", FAILING);
    let check = |words: &[&str], why: &str| {
        let ended = place.run(words);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
    };
    check(&["run", "demo.yaml", "--env", "pro/d"], "`/` is not allowed");
    check(&["dry", "demo.yaml", "--env", ""], "it is empty");
    check(&["explain", "demo.yaml", "--env=-x"], "it may not start with `-`");
    place.write("bad.yaml", "environment: pro/d\nsteps: [one]\n");
    let bad = place.run(&["run", "bad.yaml"]);
    assert_eq!(bad.code, 3, "{bad:?}");
    assert!(bad.stderr.contains("`pro/d` is no name of an environment"), "{bad:?}");
}

#[test]
fn a_run_shows_and_records_its_environment_and_a_retry_keeps_it() {
    let place = Place::new();
    place.write("demo.yaml", FAILING);
    let run = place.run(&["run", "demo.yaml"]);
    assert!(run.stdout.contains(", environment dev, 1 step"), "{run:?}");
    assert!(place.run(&["status"]).stdout.contains("\nenvironment  dev\n"));
    let first = newest(&place);
    let retry = |words: &[&str]| {
        let ended =
            place.run(&[&["retry", first["run"].as_str().unwrap(), "--json"], words].concat());
        json(&ended.stdout)["environment"].clone()
    };
    place.write("demo.yaml", &FAILING.replace("dev", "other"));
    assert_eq!(retry(&[]), "dev");
    assert_eq!(retry(&["--env", "prod"]), "prod");
    let given = place.run(&["run", "demo.yaml", "--env", "prod", "--json"]);
    assert_eq!(json(&given.stdout)["environment"], "prod");
}

#[test]
fn dry_and_explain_name_the_environment() {
    let place = Place::new();
    place.write("demo.yaml", FAILING);
    let dry = |words: &[&str]| place.run(&[&["dry", "demo.yaml"], words].concat()).stdout;
    assert!(dry(&[]).starts_with("demo, environment dev: 1 step"), "{}", dry(&[]));
    let given = dry(&["--env", "prod"]);
    assert!(given.starts_with("demo, environment prod: 1 step"), "{given}");
    place.write("ref.yaml", "secrets: [{name: A, ref: prod/db}]\nsteps: [one]\n");
    let explained = place.run(&["explain", "ref.yaml", "--env", "prod"]).stdout;
    assert!(explained.contains("ref prod/db, environment prod, ref.yaml:1"), "{explained}");
}

#[test]
fn a_ref_without_a_registry_names_the_command_that_stores_it() {
    let place = Place::new();
    let text = "labels: [workspace=pay]\nsecrets: [{name: A, ref: prod/db}]\nsteps: [one]\n";
    place.write("ref.yaml", text);
    let check = |ended: Ended, command: &str| {
        assert_eq!(ended.code, 4, "{ended:?}");
        assert!(ended.stderr.contains(command), "{ended:?}");
    };
    let command = "| subrosa secret set prod/db --workspace pay`";
    check(place.run(&["run", "ref.yaml"]), command);
    check(place.run(&["dry", "ref.yaml"]), command);
    let exec = place.run(&["exec", "--secret", "A=ref:prod/db", "--", "true"]);
    check(exec, "| subrosa secret set prod/db`");
}
