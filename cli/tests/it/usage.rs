//! Help, and command lines that make no sense.

use std::process::Command;

use crate::program::Place;

const COMMANDS: [&str; 20] = [
    "run",
    "dry",
    "validate",
    "explain",
    "exec",
    "status",
    "runs",
    "logs",
    "retry",
    "mask",
    "scan",
    "secret",
    "environment",
    "init",
    "key",
    "audit",
    "doctor",
    "schema",
    "completions",
    "man",
];

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = Place::new().run(&["--help"]);
    assert_eq!(help.code, 0, "{help:?}");
    for command in COMMANDS {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}: {}", help.stdout);
    }
    assert!(help.stdout.contains("Exit codes:"), "{}", help.stdout);
    assert!(!help.stdout.contains("__"), "{}", help.stdout);
}

#[test]
fn every_command_has_help_with_examples() {
    let place = Place::new();
    for command in COMMANDS {
        let help = place.run(&[command, "--help"]);
        assert_eq!(help.code, 0, "{command}: {help:?}");
        assert_eq!(help.stderr, "", "{command}");
        assert!(help.stdout.contains("Examples:"), "{command}: {}", help.stdout);
    }
}

#[test]
fn no_arguments_show_the_help_and_are_an_error() {
    let bare = Place::new().run(&[]);
    assert_eq!(bare.code, 2, "{bare:?}");
    assert!(bare.stderr.contains("Usage:"), "{bare:?}");
}

#[test]
fn command_lines_without_sense_end_with_2() {
    let place = Place::new();
    for words in [
        &["frobnicate"][..],
        &["run"],
        &["run", "a.yaml", "b.yaml"],
        &["run", "a.yaml", "--follow", "--quiet"],
        &["run", "a.yaml", "--short", "sometimes"],
        &["run", "a.yaml", "--env"],
        &["explain", "a.yaml", "--allow-protected"],
        &["validate", "a.yaml", "--env", "prod"],
        &["validate"],
        &["exec"],
        &["exec", "true"],
        &["exec", "--param", "A=b", "--", "true"],
        &["logs"],
        &["logs", "x", "--stdout", "--stderr"],
        &["runs", "-n", "many"],
        &["scan", "--staged", "--history"],
        &["scan", "--staged", "file"],
        &["scan", "--install-hook", "--json"],
        &["completions", "tcsh"],
        &["key"],
        &["key", "move"],
        &["key", "move", "--to", "moon"],
        &["key", "move", "--to", "command"],
        &["key", "move", "--to", "file", "--", "cat"],
        &["key", "move", "--to", "keyring", "--key-file", "k"],
        &["key", "rotate", "--seal-names", "--show-names"],
        &["key", "export"],
        &["key", "import"],
        &["audit", "list", "--since", "soon"],
        &["audit", "list", "--action", "steal"],
        &["audit", "list", "--outcome", "fine"],
        &["audit", "list", "--ref", "Prod/DB"],
        &["doctor", "--accept-rollback", "--restore-previous-root"],
    ] {
        let ended = place.run(words);
        assert_eq!(ended.code, 2, "{words:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{words:?}");
    }
}

#[test]
fn a_value_given_as_a_secret_is_not_repeated() {
    let place = Place::new();
    for word in ["TOKEN=hunter2", "hunter2", "hunter2:", "TOKEN=:hunter2", "TOKEN=hunter2:"] {
        let ended = place.run(&["exec", "--secret", word, "--", "true"]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
        assert!(ended.stderr.contains("NAME=provider:key"), "{ended:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_with_3() {
    let place = Place::new();
    place.write("latin.yaml", "");
    std::fs::write(place.path().join("latin.yaml"), b"a: 1\nb: \xe9\n").unwrap();
    place.write("large.yaml", &"#".repeat(1024 * 1024 + 1));
    let check = |file: &str, message: &str| {
        for command in ["validate", "run", "dry", "explain"] {
            let ended = place.run(&[command, file]);
            assert_eq!(ended.code, 3, "{ended:?}");
            assert!(ended.stderr.contains(message), "{ended:?}");
        }
    };
    check("nowhere.yaml", "error: workflow file `nowhere.yaml` does not exist");
    check(".", "error: `.` is a folder; name the workflow file in it");
    let pipe = place.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    check("pipe", "error: cannot read `pipe`: nothing came through this pipe");
    check("latin.yaml", "not UTF-8");
    check("large.yaml", "error: `large.yaml` is larger than 1 MiB");
}

#[test]
fn helpers_are_not_for_people() {
    let place = Place::new();
    assert_eq!(place.run(&["__terminal"]).code, 2);
    assert_eq!(place.run(&["__terminal", "true"]).code, 2);
    // Without a terminal on standard input there is none to take.
    assert_eq!(place.run(&["__terminal", "--", "true"]).code, 5);
}
