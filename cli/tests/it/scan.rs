//! `scan` as a user meets it.

use std::fs;
use std::process::Command;

use crate::program::{Ended, Place};

fn repository() -> Place {
    let place = Place::new();
    let init = Command::new("git").args(["init", "-q"]).arg(place.path()).status().unwrap();
    assert!(init.success());
    place
}

fn install(place: &Place) -> Ended {
    let mut command = place.command(&["scan", "--install-hook"]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    Ended::of(&command.output().unwrap())
}

#[test]
fn the_hook_is_installed_and_told_where() {
    let place = repository();
    let first = install(&place);
    assert_eq!((first.code, first.stderr.as_str()), (0, ""), "{first:?}");
    assert!(first.stdout.ends_with(".git/hooks/pre-commit`\n"), "{first:?}");
    let again = install(&place);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.ends_with("is installed already\n"), "{again:?}");
}

#[test]
fn a_hook_of_someone_else_ends_with_5() {
    let place = repository();
    let hook = place.write(".git/hooks/pre-commit", "#!/bin/sh\nmake\n");
    let ended = install(&place);
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{ended:?}");
    assert!(ended.stderr.contains("help: add this line"), "{ended:?}");
    assert_eq!(fs::read_to_string(hook).unwrap(), "#!/bin/sh\nmake\n");
}

#[test]
fn without_a_repository_there_is_no_place_for_a_hook() {
    let ended = install(&Place::new());
    assert_eq!((ended.code, ended.stdout.as_str()), (5, ""), "{ended:?}");
    assert!(ended.stderr.contains("not a git repository"), "{ended:?}");
}

#[test]
fn a_value_of_the_registry_is_found_by_name_raw_and_encoded_and_never_shown() {
    const VALUE: &str = "quartz-lantern-90817263";
    let place = repository();
    let set = place.feed(&["secret", "set", "prod/db", "--workspace", "pay"], VALUE.as_bytes());
    assert_eq!(set.code, 0, "{set:?}");
    let scan = |place: &Place| {
        let mut command = place.command(&["scan", "code"]);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        Ended::of(&command.output().unwrap())
    };
    place.write("code/clean.txt", "nothing here\n");
    let clean = scan(&place);
    assert_eq!((clean.code, clean.stdout.as_str()), (0, ""), "{clean:?}");

    place.write("code/config.ini", &format!("[db]\npassword = {VALUE}\n"));
    place.write("code/pod.yaml", "data: {password: cXVhcnR6LWxhbnRlcm4tOTA4MTcyNjM=}\n");
    let found = scan(&place);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(found.stdout.contains("config.ini:2:12"), "{found:?}");
    assert!(found.stdout.contains("pod.yaml:1:18"), "{found:?}");
    assert_eq!(found.stdout.matches("prod/db (version 1, workspace pay)").count(), 2, "{found:?}");
    assert!(found.stdout.contains("base64"), "{found:?}");
    for said in [&found.stdout, &found.stderr] {
        assert!(!said.contains(VALUE) && !said.contains("cXVhcnR6"), "{found:?}");
    }
    let audit = fs::read_to_string(place.home().join("secrets/audit.log")).unwrap();
    assert!(audit.contains("\"action\":\"scan\""), "{audit}");
}

#[test]
fn without_a_registry_credential_files_are_looked_for_all_the_same() {
    let place = repository();
    let mut command = place.command(&["scan", "code"]);
    place.write("code/.env", "TOKEN=abc\n");
    let ended = Ended::of(&command.output().unwrap());
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("there is no registry in"), "{ended:?}");
    assert!(ended.stdout.contains(".env"), "{ended:?}");
}
