//! Canaries in connections: no output, no file and no command line has a value that was stored.

use crate::program::Place;
use crate::secret_leaks::{VALUES, check_files_but, run};

#[test]
fn a_secret_field_shows_nowhere() {
    let place = Place::new();
    let ok = |words: &[&str], input: &str| {
        let ended = run(&place, words, input);
        assert_eq!(ended.code, 0, "{words:?} {ended:?}");
    };
    let add = |name: &'static str| {
        [
            "connection",
            "add",
            "http_basic",
            name,
            "--set",
            "base_url=https://a.example",
            "--set",
            "username=u",
        ]
    };
    ok(&[&add("one")[..], &["--set", "password=-"]].concat(), VALUES[0]);
    place.write("value", VALUES[1]);
    ok(&[&add("two")[..], &["--set-file", "password=value"]].concat(), "");
    let scoped = ["--workspace", "payments", "--env", "prod"];
    ok(&[&add("one")[..], &["--set", "password=-"], &scoped].concat(), VALUES[1]);
    ok(&["connection", "rotate", "one", "--set", "password=-", "--overlap", "1h"], VALUES[1]);
    ok(&["connection", "edit", "two", "--set", "password=-", "--json"], VALUES[0]);
    ok(&["connection", "edit", "two", "--set", "username=v"], "");
    ok(&["connection", "add", "gcp_service_account", "gcp", "--set", "key_file=-"], &key_file());
    ok(&["ai-key", "set", "openai"], VALUES[1]);
    for words in [
        &["connection", "list"][..],
        &["connection", "list", "--json"],
        &["connection", "show", "one"],
        &["connection", "show", "one", "--json"],
        &["connection", "show", "gcp", "--json"],
        &["connection", "status", "--json"],
        &["connection", "types", "--show", "http_basic"],
        &["connection", "disable", "two"],
        &["connection", "enable", "two", "--json"],
        &["ai-key", "list", "--json"],
        &["secret", "list"],
        &["audit", "list", "--json"],
        &["connection", "rm", "one", "--yes"],
        &["ai-key", "rm", "openai", "--yes"],
    ] {
        ok(words, "");
    }
    for words in [
        &["connection", "add", "http_basic", "two", "--set", "password=-"][..],
        &["connection", "add", "http_basic", "three", "--set", "password=-"],
        &["connection", "add", "jira", "three", "--set", "site_url=-"],
        &["connection", "edit", "two", "--set", "base_url=-"],
        &["connection", "rotate", "else", "--set", "password=-"],
        &["connection", "edit", "gcp", "--set", "key_file=-"],
        &["ai-key", "set", "openai", "--json", "too", "many"],
    ] {
        assert_ne!(run(&place, words, VALUES[0]).code, 0, "{words:?}");
    }
    assert!(check_files_but(&place, &["value"]) > 10);
}

/// A key file with a canary in it.
fn key_file() -> String {
    let key = VALUES[2];
    serde_json::json!({
        "type": "service_account", "project_id": "acme", "private_key_id": "7", "private_key": key,
        "client_email": "robot@acme.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}
