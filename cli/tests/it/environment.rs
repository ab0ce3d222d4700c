//! `environment`: which there are, and which take a flag.

use serde_json::{Value, json};

use crate::program::Place;
use crate::secret::{json as told, set};

fn check(place: &Place, words: &[&str], line: &str) {
    let ended = place.run(words);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, line), "{words:?} {ended:?}");
}

fn refused(place: &Place, words: &[&str], message: &str) {
    let ended = place.feed(words, b"a-value");
    assert_eq!(ended.code, 4, "{words:?} {ended:?}");
    assert!(ended.stderr.contains(message), "{words:?} {ended:?}");
}

#[test]
fn environments_are_listed() {
    let place = Place::new();
    let ended = place.run(&["environment", "list"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""));
    assert_eq!(told(&place, &["environment", "list", "--json"]), json!([]));
    set(&place, &["prod/db", "--env", "dev"], "one");
    place.run(&["environment", "protect", "prod"]);
    let listed = told(&place, &["environment", "list", "--json"]);
    let of = |index: usize| -> (Value, Value) {
        (listed[index]["environment"].clone(), listed[index]["protected"].clone())
    };
    assert_eq!((of(0), of(1)), (("dev".into(), false.into()), ("prod".into(), true.into())));
    assert!(listed[0]["created"].is_string());
    let table = place.run(&["environment", "list"]).stdout;
    assert!(table.contains("\nprod         yes        2"), "{table}");
}

#[test]
fn a_protected_environment_is_changed_with_a_flag_only() {
    let place = Place::new();
    set(&place, &["prod/db", "--env", "prod"], "one");
    check(&place, &["environment", "protect", "prod"], "prod: protected\n");
    check(&place, &["environment", "protect", "prod"], "prod: protected already\n");
    check(&place, &["environment", "protect", "new"], "new: made, and protected\n");
    set(&place, &["prod/free"], "two");
    for words in [
        &["secret", "set", "prod/db", "--env", "prod"][..],
        &["secret", "rotate", "prod/db", "--env", "prod"],
        &["secret", "disable", "prod/db", "--env", "prod"],
        &["secret", "rm", "prod/db", "--env", "prod"],
        &["secret", "describe", "prod/db", "text", "--env", "prod"],
        &["secret", "copy", "prod/free", "prod/free", "--to-env", "prod"],
        &["secret", "mv", "prod/db", "prod/db", "--env", "prod", "--to-no-env"],
        &["environment", "unprotect", "prod"],
        &["environment", "rm", "prod"],
    ] {
        refused(&place, words, "the environment `prod` is protected");
        refused(&place, words, "`--allow-protected`");
    }
    let words = ["secret", "set", "prod/db", "--env", "prod", "--allow-protected"];
    assert_eq!(place.feed(&words, b"two").stdout.lines().count(), 1);
    let words = ["environment", "unprotect", "prod", "--allow-protected"];
    check(&place, &words, "prod: no longer protected\n");
    check(&place, &words, "prod: not protected anyway\n");
    assert_eq!(set(&place, &["prod/db", "--env", "prod"], "three").code, 0);
}

#[test]
fn an_environment_is_removed_once_it_is_empty() {
    let place = Place::new();
    refused(&place, &["environment", "rm", "dev"], "there is no secrets registry");
    set(&place, &["prod/db", "--env", "dev"], "one");
    let message = "the environment `dev` is not empty: it has `prod/db`";
    refused(&place, &["environment", "rm", "dev"], message);
    place.run(&["secret", "rm", "prod/db", "--env", "dev"]);
    check(&place, &["environment", "rm", "dev"], "dev: removed\n");
    refused(&place, &["environment", "rm", "dev"], "there is no environment `dev`");
    refused(&place, &["environment", "unprotect", "dev"], "there is no environment `dev`");
    assert_eq!(place.run(&["environment", "rm", "a/b"]).code, 2);
}
