//! `connection import`: what a file of another tool would bring, and storing it.

use serde_json::{Value, json as object};

use crate::program::Place;
use crate::secret::json;

const SECRETS: &str = "[sources.github]\naccess_token = \"hunter2\"\n\n\
                       [sources.my_pg]\nhost = \"db\"\nport = 5432\ndatabase = \"shop\"\n\
                       username = \"app\"\npassword = \"hunter3\"\n";

#[test]
fn a_file_is_shown_first_and_stored_when_that_is_said() {
    let place = Place::new();
    place.write("secrets.toml", SECRETS);
    let shown: Value = {
        let ended = place.run(&["connection", "import", "secrets.toml", "--json"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!format!("{ended:?}").contains("hunter"), "{ended:?}");
        assert!(ended.stderr.contains("`--apply` stores it"), "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    };
    assert!(!place.home().exists());
    let names: Vec<&Value> = shown.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(names.contains(&&object!("github")), "{shown}");
    let ended = place.run(&["connection", "import", "secrets.toml", "--apply"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(json(&place, &["connection", "show", "github", "--json"])["state"], "ready");
    let ended = place.run(&["connection", "import", "secrets.toml", "--apply"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("is there already"), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_used_is_refused_without_its_text() {
    let place = Place::new();
    for (name, content) in [
        ("a.toml", "hunter2"),
        ("b.toml", "[sources.x]\nwhatever = \"hunter2\"\n"),
        ("c.json", "{\"hunter2\": "),
        ("d.json", "{\"whatever\": \"hunter2\"}"),
    ] {
        place.write(name, content);
        let ended = place.run(&["connection", "import", name, "--apply"]);
        assert_eq!(ended.code, 3, "{name} {ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    }
    assert!(!place.home().exists());
}

#[test]
fn a_large_file_is_read_to_its_end_and_a_larger_one_refused() {
    let place = Place::new();
    let of = |length: usize| {
        let (first, second) = SECRETS.split_at(SECRETS.find("[sources.my_pg]").unwrap());
        format!("{first}# {}\n{second}", "x".repeat(length))
    };
    place.write("secrets.toml", &of(70_000));
    let ended = place.run(&["connection", "import", "secrets.toml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("github") && ended.stdout.contains("my-pg"), "{ended:?}");
    place.write("secrets.toml", &of(1024 * 1024));
    let ended = place.run(&["connection", "import", "secrets.toml"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("larger than 1 MiB"), "{ended:?}");
}

#[test]
fn all_of_a_file_is_stored_or_nothing() {
    let place = Place::new();
    let quotes = "'".to_owned() + &"\"".repeat(33_000) + "'";
    let large = SECRETS.replace("\"shop\"", &quotes);
    assert_ne!(large, SECRETS);
    place.write("secrets.toml", &large);
    let ended = place.run(&["connection", "import", "secrets.toml", "--apply"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("larger than 64 KiB"), "{ended:?}");
    assert_eq!(ended.stdout, "", "nothing is told as if it had been stored");
    assert!(!place.home().exists());
    place.write("secrets.toml", SECRETS);
    let ended = place.run(&["connection", "import", "secrets.toml", "--apply"]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn who_else_can_read_or_change_a_file_counts() {
    let place = Place::new();
    let path = place.write("secrets.toml", SECRETS);
    let with = |mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, mode).unwrap();
        place.run(&["connection", "import", "secrets.toml"])
    };
    let ended = with(0o600);
    assert!(ended.code == 0 && !ended.stderr.contains("can be read"), "{ended:?}");
    let ended = with(0o644);
    assert!(ended.code == 0 && ended.stderr.contains("can be read by every user"), "{ended:?}");
    let ended = with(0o666);
    assert!(ended.code == 2 && ended.stderr.contains("can be changed by every user"), "{ended:?}");
    let words = ["connection", "add", "github_token", "--set-file", "token=secrets.toml"];
    let ended = place.run(&words);
    assert!(ended.code == 2 && ended.stderr.contains("can be changed by every user"), "{ended:?}");
}

/// Each shape of a file that the docs list: file, type, further words, fields.
const SHAPES: &[(&str, &str, &[&str], &[&str])] = &[
    (r#"{"bearer_auth": "hunter2"}"#, "http_bearer", &["base_url=https://a.example"], &["token"]),
    (
        r#"{"basic_auth": {"username": "u", "password": "hunter2"}}"#,
        "http_basic",
        &["base_url=https://a.example"],
        &["username", "password"],
    ),
    (
        "-----BEGIN NATS USER JWT-----\nhunter2\n------END NATS USER JWT------\n",
        "nats",
        &["host=nats.example"],
        &["creds"],
    ),
    (r#"{"nkey": {"seed": "hunter2"}}"#, "nats", &["host=nats.example"], &["nkey_seed"]),
    (
        r#"{"client_id": "c", "client_secret": "hunter2",
            "instance_url": "https://acme.my.salesforce.com", "tenant_id": "t"}"#,
        "salesforce",
        &[],
        &["client_id", "client_secret", "instance_url"],
    ),
    (
        r#"{"host": "db.example", "port": 1433, "database": "d", "username": "u",
            "password": "hunter2", "encrypt": true}"#,
        "sqlserver",
        &[],
        &["host", "port", "database", "username", "password"],
    ),
    (
        r#"{"aws_access_key_id": "AKIA0", "aws_secret_access_key": "hunter2",
            "aws_region": "eu-central-1"}"#,
        "s3",
        &["endpoint=https://s3.eu-central-1.amazonaws.com", "bucket=b"],
        &["access_key_id", "secret_access_key", "region"],
    ),
    (
        r#"{"azure_storage_account_name": "acme", "azure_storage_account_key": "aHVudGVyMg=="}"#,
        "azure_blob",
        &["container=c"],
        &["account", "account_key"],
    ),
    (
        r#"{"token": "hunter2", "username": "git"}"#,
        "git_https",
        &["url=https://git.example/r.git"],
        &["token", "username"],
    ),
    (
        r#"{"type": "service_account", "private_key": "hunter2",
            "client_email": "robot@acme.example"}"#,
        "gcp_service_account",
        &[],
        &["key_file", "client_email"],
    ),
    (
        r#"{"installed": {"client_id": "c", "client_secret": "hunter2"}}"#,
        "google",
        &[],
        &["client_id", "client_secret"],
    ),
];

#[test]
fn each_shape_of_a_file_makes_a_connection_both_ways() {
    let place = Place::new();
    for (index, (text, kind, words, fields)) in SHAPES.iter().enumerate() {
        let path = place.write("credentials", text);
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private).unwrap();
        let (added, imported) = (format!("added-{index}"), format!("imported-{index}"));
        let mut add = vec!["connection", "add", kind, &added, "--from-file", "credentials"];
        words.iter().for_each(|word| add.extend(["--set", word]));
        let ended = place.run(&add);
        assert_eq!(ended.code, 0, "{kind} {ended:?}");
        let import = ["connection", "import", "credentials", "--name", &imported, "--apply"];
        let ended = place.run(&import);
        assert_eq!(ended.code, 0, "{kind} {ended:?}");
        for name in [&added, &imported] {
            let shown = json(&place, &["connection", "show", name, "--json"]);
            assert_eq!(shown["type"], **kind);
            for field in *fields {
                let (public, secret) = (&shown["fields"][field], &shown["secrets"][field]);
                assert!(!public.is_null() || !secret.is_null(), "{kind} {field} {shown}");
            }
            assert!(!shown.to_string().contains("hunter2"), "{shown}");
        }
    }
}
