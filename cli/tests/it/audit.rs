//! `audit`: what is listed of what was done, and what is noticed of what was done to the log.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::program::{Ended, Place};
use crate::secret::{json, set};
use crate::terminal::Screen;

/// A place where a few things were done.
fn stocked() -> Place {
    let place = Place::new();
    set(&place, &["prod/db"], "hunter2");
    set(&place, &["prod/api", "-w", "payments", "-e", "dev"], "hunter2");
    place.run(&["secret", "disable", "prod/db"]);
    place.run(&["exec", "--secret", "A=ref:prod/db", "--", "true"]);
    place.run(&["secret", "rm", "prod/none"]);
    place
}

fn log(place: &Place) -> PathBuf {
    place.home().join("secrets/audit.log")
}

fn listed(place: &Place, words: &[&str]) -> Vec<Value> {
    let ended = place.run(&[&["audit", "list", "--json"], words].concat());
    assert_eq!(ended.code, 0, "{words:?} {ended:?}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_done_is_listed_for_programs() {
    let place = stocked();
    let all = listed(&place, &[]);
    let told: Vec<String> = all
        .iter()
        .map(|line| {
            format!("{} {} {}", line["action"], line["ref"], line["outcome"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        told,
        [
            "set prod/db ok",
            "set prod/api ok",
            "disable prod/db ok",
            "read prod/db disabled",
            "remove prod/none not-found",
        ]
    );
    assert_eq!(all[1]["workspace"], "payments");
    assert_eq!((&all[1]["environment"], &all[1]["version"]), (&"dev".into(), &1.into()));
    assert_eq!((&all[0]["seq"], &all[0]["command"]), (&1.into(), &"secret set".into()));
}

#[test]
fn what_is_listed_can_be_chosen() {
    let place = stocked();
    let check = |words: &[&str], count: usize| {
        assert_eq!(listed(&place, words).len(), count, "{words:?}");
    };
    check(&["--ref", "prod/db"], 3);
    check(&["--workspace", "payments"], 1);
    check(&["--env", "dev"], 1);
    check(&["--env", "prod"], 0);
    check(&["--action", "set"], 2);
    check(&["--outcome", "not-found"], 1);
    check(&["--run", "none"], 0);
    check(&["--since", "1h"], 5);
    check(&["--since", "2100-01-01"], 0);
    check(&["-n", "2"], 2);
    assert_eq!(listed(&place, &["-n", "1"])[0]["seq"], 5);
    check(&["--ref", "prod/db", "--action", "read"], 1);
}

#[test]
fn what_was_done_is_listed_for_people() {
    let place = stocked();
    let screen = Screen::new();
    let child = screen.start(place.command(&["audit", "list"]).stderr(screen.stream()));
    let (seen, ended) = screen.finish(child);
    assert_eq!(ended.code(), Some(0));
    assert!(seen.contains("OUTCOME") && seen.contains("prod/api (workspace payments,"), "{seen}");
    let ended = Place::new().run(&["audit", "list"]);
    let expected = (0, "", "no events\n");
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), expected);
}

fn check_spoiled(spoil: &dyn Fn(&mut Vec<String>), why: &str) {
    let place = stocked();
    let text = fs::read_to_string(log(&place)).unwrap();
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    spoil(&mut lines);
    fs::write(log(&place), lines.concat()).unwrap();
    let ended = place.run(&["audit", "verify"]);
    assert_eq!(ended.code, 1, "{why}: {ended:?}");
    assert!(ended.stdout.contains(why), "{why}: {ended:?}");
    assert!(ended.stdout.contains("the log is not what was written"), "{ended:?}");
    let told = place.run(&["audit", "verify", "--json"]);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["whole"], false);
    assert!(told["problems"][0]["line"].as_u64().is_some(), "{told}");
}

#[test]
fn a_log_that_is_whole_is_proven_and_one_that_is_not_is_noticed() {
    let place = stocked();
    let ended = place.run(&["audit", "verify"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("5 lines, from 20"), "{ended:?}");
    assert!(ended.stdout.contains("has the end that the registry's root names"), "{ended:?}");
    let told = json(&place, &["audit", "verify", "--json"]);
    assert_eq!(
        (&told["whole"], &told["lines"], &told["root"]),
        (&true.into(), &5.into(), &3.into())
    );
    check_spoiled(
        &|lines| lines[1] = lines[1].replace("payments", "paiments"),
        "line 2 was changed",
    );
    check_spoiled(&|lines| drop(lines.remove(1)), "line 2 was changed");
    check_spoiled(&|lines| lines.swap(0, 1), "line 1 was changed");
    check_spoiled(&|lines| lines.truncate(2), "the log was cut");
    check_spoiled(&|lines| lines.insert(2, "noise\n".to_owned()), "line 3 is no line");
    let ended = Place::new().run(&["audit", "verify"]);
    assert_eq!(ended.code, 4, "{ended:?}");
}

#[test]
fn with_a_place_to_remember_the_anchor_is_compared_too() {
    let place = stocked();
    let with_state = |words: &[&str]| {
        let mut command = place.command(words);
        Ended::of(&command.env("XDG_STATE_HOME", place.path().join("state")).output().unwrap())
    };
    assert_eq!(with_state(&["secret", "enable", "prod/db"]).code, 0);
    let ended = with_state(&["audit", "verify"]);
    assert!(ended.stdout.contains("the registry's root and its anchor name"), "{ended:?}");
}

#[test]
fn lines_that_do_not_hold_are_told_and_the_others_listed() {
    let place = stocked();
    let text = fs::read_to_string(log(&place)).unwrap();
    fs::write(log(&place), text.replacen("payments", "paiments", 1)).unwrap();
    let ended = place.run(&["audit", "list", "--json"]);
    assert_eq!((ended.code, ended.stdout.lines().count()), (1, 4), "{ended:?}");
    assert!(ended.stderr.contains("warning: line 2 was changed"), "{ended:?}");
    assert!(ended.stderr.contains("`subrosa audit verify`"), "{ended:?}");
}
