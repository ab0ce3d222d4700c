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
