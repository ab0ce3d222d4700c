//! `secret`: what each verb does, what it refuses, and what it tells.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::at_rest::below;
use crate::program::{Ended, Place, SUBROSA};

/// Stores a value.
pub(crate) fn set(place: &Place, words: &[&str], value: &str) -> Ended {
    place.feed(&[&["secret", "set"], words].concat(), value.as_bytes())
}

/// Runs it and takes what it writes for JSON.
pub(crate) fn json(place: &Place, words: &[&str]) -> Value {
    let ended = place.run(words);
    assert_eq!(ended.code, 0, "{words:?} {ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn check(place: &Place, words: &[&str], line: &str) {
    let ended = place.run(words);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, line), "{words:?} {ended:?}");
}

fn refused(place: &Place, words: &[&str], code: i32, message: &str) {
    let ended = place.feed(words, b"a-value");
    assert_eq!(ended.code, code, "{words:?} {ended:?}");
    assert!(ended.stderr.contains(message), "{words:?} {ended:?}");
    assert_eq!(ended.stdout, "", "{words:?}");
}

/// A place with one secret of three versions.
fn stocked() -> Place {
    let place = Place::new();
    for value in ["one", "two", "three"] {
        assert_eq!(set(&place, &["prod/db"], value).code, 0);
    }
    place
}

/// What a run gets for the ref.
fn value_of(place: &Place, workspace: &str) -> Result<String, String> {
    let labels =
        if workspace.is_empty() { String::new() } else { format!("workspace={workspace}") };
    let text = format!(
        "labels: [{labels}]\nsecrets: [{{name: A, ref: prod/db}}]\nsteps: ['printf %s \"$A\" > got']\n"
    );
    place.write("w.yaml", &text);
    let ended = place.run(&["run", "w.yaml"]);
    match ended.code {
        0 => Ok(fs::read_to_string(place.path().join("got")).unwrap()),
        4 => Err(ended.stderr),
        _ => panic!("{ended:?}"),
    }
}

#[test]
fn the_first_value_makes_registry_and_key_and_says_where_they_are() {
    let place = Place::new();
    let ended = set(&place, &["prod/db"], "one");
    assert_eq!(ended.stdout, "prod/db: version 1 stored (global)\n");
    let home = place.home();
    for told in [home.join("secrets"), home.join("keys/master.key")] {
        assert!(ended.stderr.contains(&told.display().to_string()), "{ended:?}");
        assert!(told.exists());
    }
    assert!(ended.stderr.contains("keep a copy"), "{ended:?}");
    let ended = set(&place, &["prod/db", "-w", "payments", "--env", "prod"], "two");
    assert_eq!(ended.stdout, "prod/db: version 1 stored (workspace payments, environment prod)\n");
    assert_eq!(ended.stderr, "note: the environment prod is new\n");
    let ended = set(&place, &["prod/db"], "three");
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("prod/db: version 2 stored (global)\n", "")
    );
    assert_eq!(value_of(&place, ""), Ok("three".to_owned()));
}

#[test]
fn what_was_stored_is_told_to_programs() {
    let place = Place::new();
    let told = |words: &[&str]| -> Value {
        let ended = set(&place, words, "value");
        assert_eq!(ended.code, 0, "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    };
    let first = told(&["prod/db", "--json", "--expires", "2100-01-31"]);
    assert_eq!(
        first,
        serde_json::json!({
            "ref": "prod/db", "workspace": null, "environment": null, "version": 1,
            "state": "active", "new": true, "new_registry": true, "new_environment": false,
            "lost_expiry": false,
        })
    );
    let second = told(&["prod/db", "--json"]);
    assert_eq!((&second["version"], &second["lost_expiry"]), (&2.into(), &true.into()));
    assert_eq!(second["new_registry"], false);
}

#[test]
fn names_outside_the_grammar_are_refused_before_anything_is_made() {
    let place = Place::new();
    for name in ["Prod/DB", "prod//db", "../escape", "prod/db_x", "prod%2fdb", "/prod", ""] {
        refused(&place, &["secret", "set", name], 2, "no ref");
        refused(&place, &["secret", "rm", name], 2, "no ref");
        refused(&place, &["secret", "mv", "prod/db", name], 2, "no ref");
    }
    refused(&place, &["secret", "set", "prod/db", "--workspace", "a/b"], 2, "a/b");
    refused(&place, &["secret", "set", "prod/db", "--env", ""], 2, "--env");
    assert!(!place.home().exists());
}

#[test]
fn a_value_as_an_argument_is_refused_and_not_repeated() {
    let place = stocked();
    for verb in ["set", "rotate"] {
        for words in [
            &["prod/db", "hunter2"][..],
            &["hunter2!", "prod/db"],
            &["prod/db", "--", "hunter2"],
            &["prod/db", "--", "--hunter2"],
            &["prod/db=hunter2"],
            &["prod/db", "--hunter2"],
            &["prod/db", "--value", "hunter2"],
            &["prod/db", "--value=hunter2"],
            &["prod/db", "-hunter2"],
            &["prod/db", "-xhunter2"],
            &["prod/db", "--json=hunter2"],
        ] {
            let words = [&["secret", verb], words].concat();
            let ended = place.feed(&words, b"");
            if words.contains(&"-hunter2") {
                // That is `-h` and more, and help repeats nothing either.
                assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
            } else {
                assert_eq!(ended.code, 2, "{words:?} {ended:?}");
                assert_eq!(ended.stdout, "");
            }
            assert!(!ended.stderr.contains("hunter2"), "{words:?} {ended:?}");
        }
    }
    let ended = place.feed(&["secret", "set", "prod/db", "--workspce", "w"], b"x");
    assert!(ended.stderr.contains("is `--workspace` meant?"), "{ended:?}");
    assert_eq!(json(&place, &["secret", "get-metadata", "prod/db", "--json"])["version"], 3);
}

#[test]
fn rotate_demands_that_the_secret_is_there() {
    let place = Place::new();
    refused(&place, &["secret", "rotate", "prod/db"], 4, "there is no secrets registry");
    assert_eq!(set(&place, &["prod/else"], "x").code, 0);
    refused(&place, &["secret", "rotate", "prod/db"], 4, "no secret `prod/db` in the global scope");
    assert_eq!(set(&place, &["prod/db"], "one").code, 0);
    let words = ["secret", "rotate", "prod/db", "--overlap", "24h"];
    let ended = place.feed(&words, b"two");
    assert_eq!(ended.stdout, "prod/db: version 2 stored (global)\n", "{ended:?}");
    assert!(ended.stderr.contains("version 1 is masked as well until 2"), "{ended:?}");
    let ended = place.feed(&["secret", "rotate", "prod/db", "--overlap", "9000000years"], b"two");
    assert!(ended.stderr.contains("until 9999-12-31 23:59 UTC"), "{ended:?}");
    place.run(&["secret", "prune", "prod/db", "--keep", "1"]);
    let versions = json(&place, &["secret", "versions", "prod/db", "--json"]);
    assert_eq!((&versions[0]["version"], &versions[0]["current"]), (&3.into(), &true.into()));
    assert!(versions[1]["in_use_until"].is_string(), "{versions}");
    assert_eq!(value_of(&place, ""), Ok("two".to_owned()));
}

#[test]
fn list_is_a_table_for_people_and_an_array_for_programs() {
    let place = Place::new();
    let ended = place.run(&["secret", "list"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:?}");
    assert_eq!(json(&place, &["secret", "list", "--json"]), serde_json::json!([]));
    set(&place, &["prod/db", "--description", "the shop", "--max-age", "90d"], "one");
    set(&place, &["prod/db", "-w", "payments"], "two");
    set(&place, &["ci/token", "-w", "payments", "-e", "dev"], "three");
    place.run(&["secret", "disable", "ci/token", "-w", "payments", "-e", "dev"]);
    let listed = json(&place, &["secret", "list", "--json"]);
    let first = &listed[0];
    let of = |name: &str| first[name].clone();
    assert_eq!((of("ref"), of("workspace")), ("ci/token".into(), "payments".into()));
    assert_eq!((of("environment"), of("version")), ("dev".into(), 1.into()));
    assert_eq!((of("state"), of("last_used")), ("disabled".into(), Value::Null));
    assert_eq!((of("expires"), of("versions")), (Value::Null, 1.into()));
    let second = &listed[1];
    assert_eq!((&second["workspace"], &second["environment"]), (&Value::Null, &Value::Null));
    assert_eq!((&second["state"], &second["description"]), (&"active".into(), &"the shop".into()));
    for time in ["created", "updated", "expires"] {
        let time = second[time].as_str().unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
    }
    let table = place.run(&["secret", "list"]).stdout;
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..4], ["REF", "WORKSPACE", "ENVIRONMENT", "VERSION"]);
    assert_eq!(rows[1][..5], ["ci/token", "payments", "dev", "1", "disabled"]);
    assert_eq!(rows[2][..5], ["prod/db", "(global)", "-", "1", "active"]);
}

#[test]
fn list_can_be_narrowed() {
    let place = Place::new();
    set(&place, &["prod/db"], "one");
    set(&place, &["prod/db", "-w", "payments"], "two");
    set(&place, &["ci/token", "-w", "payments", "-e", "dev"], "three");
    place.run(&["secret", "expire", "prod/db", "--at", "2020-01-01"]);
    let check = |words: &[&str], count: usize| {
        let words = [&["secret", "list", "--json"], words].concat();
        assert_eq!(json(&place, &words).as_array().unwrap().len(), count, "{words:?}");
    };
    check(&["--all"], 3);
    check(&["--global"], 1);
    check(&["--workspace", "payments"], 2);
    check(&["--workspace", "sales"], 0);
    check(&["--env", "dev"], 1);
    check(&["--prefix", "prod/"], 2);
    check(&["--expired"], 1);
    check(&["--unused", "--global"], 1);
    refused(&place, &["secret", "list", "--global", "--all"], 2, "cannot be used with");
    refused(&place, &["secret", "list", "--global", "-w", "payments"], 2, "cannot be used with");
}

#[test]
fn metadata_and_versions_tell_all_but_values() {
    let place = stocked();
    let text = place.run(&["secret", "get-metadata", "prod/db"]).stdout;
    for line in ["ref        prod/db\n", "version    3\n", "kept       3 of 10\n"] {
        assert!(text.contains(line), "{text}");
    }
    let versions = place.run(&["secret", "versions", "prod/db"]).stdout;
    assert_eq!(versions.lines().count(), 4, "{versions}");
    assert!(versions.lines().nth(1).unwrap().ends_with("current"), "{versions}");
    let words = ["secret", "get-metadata", "prod/db", "--workspace", "payments"];
    refused(&place, &words, 4, "no secret `prod/db` in workspace `payments`");
    refused(&place, &["secret", "versions", "prod/x"], 4, "no secret `prod/x`");
}

#[test]
fn an_earlier_value_comes_back_as_a_new_version() {
    let place = stocked();
    let line = "prod/db: version 4 stored, with the value of version 2 (global)\n";
    check(&place, &["secret", "rollback", "prod/db"], line);
    assert_eq!(value_of(&place, ""), Ok("two".to_owned()));
    let told = json(&place, &["secret", "rollback", "prod/db", "--to", "1", "--json"]);
    assert_eq!((&told["version"], &told["from_version"]), (&5.into(), &1.into()));
    assert_eq!(value_of(&place, ""), Ok("one".to_owned()));
    refused(&place, &["secret", "rollback", "prod/db", "--to", "9"], 4, "has no version 9");
    let line = "prod/db: 4 versions dropped, 1 kept from now on (global)\n";
    check(&place, &["secret", "prune", "prod/db", "--keep", "1"], line);
    refused(&place, &["secret", "rollback", "prod/db"], 4, "no version before the current one");
    refused(&place, &["secret", "prune", "prod/db", "--keep", "0"], 2, "--keep");
    refused(&place, &["secret", "prune", "prod/db"], 2, "--keep");
}

#[test]
fn a_disabled_secret_stops_runs_until_it_is_enabled() {
    let place = stocked();
    set(&place, &["prod/db", "-w", "payments"], "narrow");
    let scope = ["--workspace", "payments"];
    let words = [&["secret", "disable", "prod/db"][..], &scope].concat();
    check(&place, &words, "prod/db: disabled (workspace payments)\n");
    check(&place, &words, "prod/db: disabled already (workspace payments)\n");
    assert!(value_of(&place, "payments").unwrap_err().contains("disabled"));
    assert_eq!(value_of(&place, ""), Ok("three".to_owned()));
    let ended = set(&place, &["prod/db", "-w", "payments"], "newer");
    assert!(ended.stderr.contains("it is still disabled"), "{ended:?}");
    let words = [&["secret", "enable", "prod/db"][..], &scope].concat();
    check(&place, &words, "prod/db: enabled (workspace payments)\n");
    check(&place, &words, "prod/db: enabled already (workspace payments)\n");
    assert_eq!(value_of(&place, "payments"), Ok("newer".to_owned()));
    for verb in ["disable", "enable", "rm"] {
        refused(&place, &["secret", verb, "prod/else"], 4, "no secret `prod/else`");
    }
}

#[test]
fn a_declared_secret_stops_runs_until_it_has_a_value() {
    let place = stocked();
    let words = ["secret", "set", "prod/db", "-w", "payments", "--no-value"];
    check(&place, &words, "prod/db: declared without a value (workspace payments)\n");
    assert!(value_of(&place, "payments").unwrap_err().contains("no value"));
    refused(&place, &words, 4, "there is a secret `prod/db` in workspace `payments` already");
    let with_more = [&words[..], &["--keep", "3"]].concat();
    refused(&place, &with_more, 2, "cannot be used with");
    let info = json(&place, &["secret", "get-metadata", "prod/db", "-w", "payments", "--json"]);
    assert_eq!((&info["version"], &info["versions"]), (&Value::Null, &0.into()));
    assert_eq!(set(&place, &["prod/db", "-w", "payments"], "now").code, 0);
    assert_eq!(value_of(&place, "payments"), Ok("now".to_owned()));
}

#[test]
fn removing_lets_the_wider_scope_apply_again_and_says_so() {
    let place = stocked();
    set(&place, &["prod/db", "-w", "payments"], "narrow");
    let ended = place.run(&["secret", "rm", "prod/db", "-w", "payments"]);
    assert_eq!(ended.stdout, "prod/db: removed (workspace payments)\n");
    let note = "note: runs in workspace `payments` get the one in the global scope again\n";
    assert_eq!(ended.stderr, note);
    assert_eq!(value_of(&place, "payments"), Ok("three".to_owned()));
    let ended = place.run(&["secret", "rm", "prod/db"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert!(value_of(&place, "").is_err());
    set(&place, &["prod/db", "-w", "payments", "-e", "dev"], "narrowest");
    set(&place, &["prod/db", "-w", "payments"], "narrow");
    let words = ["secret", "rm", "prod/db", "-w", "payments", "-e", "dev", "--json"];
    let wider = serde_json::json!({"workspace": "payments", "environment": null});
    assert_eq!(json(&place, &words)["falls_back_to"], wider);
    let words = ["secret", "rm", "prod/db", "-w", "payments", "--json"];
    assert_eq!(json(&place, &words)["falls_back_to"], Value::Null);
    // Numbers are not given again.
    let ended = set(&place, &["prod/db"], "four");
    assert_eq!(ended.stdout, "prod/db: version 4 stored (global)\n");
}

#[test]
fn a_secret_can_be_moved_and_copied() {
    let place = stocked();
    let words = ["secret", "mv", "prod/db", "prod/database", "--to-workspace", "payments"];
    check(&place, &words, "prod/db: moved to prod/database (workspace payments)\n");
    refused(&place, &words, 4, "no secret `prod/db`");
    let from = ["secret", "copy", "prod/database", "prod/db", "-w", "payments"];
    check(&place, &from, "prod/database: copied to prod/db (workspace payments)\n");
    refused(&place, &from, 4, "there is a secret `prod/db` in workspace `payments` already");
    let words = [&from[..], &["--to-global", "--json"]].concat();
    let told = json(&place, &words);
    assert_eq!((&told["ref"], &told["workspace"]), (&"prod/db".into(), &Value::Null));
    assert_eq!(told["from"]["workspace"], "payments");
    let words = ["secret", "mv", "prod/db", "prod/db", "--to-env", "dev", "-w", "payments"];
    check(&place, &words, "prod/db: moved to prod/db (workspace payments, environment dev)\n");
    let words = ["secret", "mv", "prod/db", "prod/db", "-w", "payments", "-e", "dev"];
    let back = [&words[..], &["--to-no-env"]].concat();
    check(&place, &back, "prod/db: moved to prod/db (workspace payments)\n");
    assert_eq!(value_of(&place, "payments"), Ok("three".to_owned()));
    let both = [&words[..], &["--to-no-env", "--to-env", "x"]].concat();
    refused(&place, &both, 2, "cannot be used with");
    let versions =
        json(&place, &["secret", "versions", "prod/database", "-w", "payments", "--json"]);
    assert_eq!(versions.as_array().unwrap().len(), 3);
}

#[test]
fn a_secret_is_described_and_expires() {
    let place = stocked();
    check(&place, &["secret", "describe", "prod/db", "the shop"], "prod/db: described (global)\n");
    refused(&place, &["secret", "describe", "prod/db", "a\nb"], 2, "control characters");
    refused(&place, &["secret", "describe", "prod/db", &"x".repeat(1025)], 2, "1024 bytes");
    let line = "prod/db: description removed (global)\n";
    check(&place, &["secret", "describe", "prod/db", ""], line);
    let line = "prod/db: expires 2100-01-31 00:00 UTC (global)\n";
    check(&place, &["secret", "expire", "prod/db", "--at", "2100-01-31"], line);
    let line = "prod/db: expired 2020-01-31 12:00 UTC (global)\n";
    check(&place, &["secret", "expire", "prod/db", "--at", "2020-01-31T12:00:00Z"], line);
    assert!(value_of(&place, "").unwrap_err().contains("expired"));
    check(&place, &["secret", "expire", "prod/db", "--never"], "prod/db: never expires (global)\n");
    assert_eq!(value_of(&place, ""), Ok("three".to_owned()));
    let line = "prod/db: expires 9999-12-31 23:59 UTC (global)\n";
    check(&place, &["secret", "expire", "prod/db", "--after", "500000000years"], line);
    for words in [&["--after", "30d"][..], &["--max-age", "1h"]] {
        let words = [&["secret", "expire", "prod/db"], words].concat();
        assert!(place.run(&words).stdout.contains("expires 2"), "{words:?}");
    }
    refused(&place, &["secret", "expire", "prod/db"], 2, "required");
    refused(&place, &["secret", "expire", "prod/db", "--at", "soon"], 2, "wanted a date");
    refused(&place, &["secret", "expire", "prod/db", "--never", "--after", "1d"], 2, "cannot");
    refused(&place, &["secret", "set", "prod/db", "--expires", "2020-01-01"], 2, "in the past");
    // An age goes with the secret, a date with one value.
    let ended = set(&place, &["prod/db"], "four");
    assert_eq!(ended.stderr, "");
    place.run(&["secret", "expire", "prod/db", "--at", "2100-01-31"]);
    assert!(set(&place, &["prod/db"], "five").stderr.contains("this one has none"));
}

#[test]
fn a_change_whose_outcome_cannot_be_told_ends_with_6() {
    let place = stocked();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for words in [&["secret", "disable", "prod/db"][..], &["environment", "protect", "prod"]] {
        let mut command = place.command(words);
        let ended = Ended::of(&command.stdout(full()).output().unwrap());
        assert_eq!(ended.code, 6, "{ended:?}");
        assert!(ended.stderr.contains("the change was made"), "{ended:?}");
    }
    assert_eq!(json(&place, &["secret", "get-metadata", "prod/db", "--json"])["state"], "disabled");
    // A list changes nothing.
    let ended = Ended::of(&place.command(&["secret", "list"]).stdout(full()).output().unwrap());
    assert_eq!(ended.code, 5, "{ended:?}");
}

#[test]
fn what_is_wrong_with_the_store_is_told_with_its_cure() {
    let place = stocked();
    let (secrets, key) = (place.home().join("secrets"), place.home().join("keys/master.key"));
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let cure = |cure: &str| {
        for words in [&["secret", "list"][..], &["secret", "set", "prod/db"]] {
            refused(&place, words, 5, cure);
        }
    };
    mode(&secrets, 0o755);
    cure(&format!("`chmod 700 {}`", secrets.display()));
    mode(&secrets, 0o700);
    mode(&key, 0o644);
    cure(&format!("`chmod 600 {}`", key.display()));
    mode(&key, 0o600);
    fs::rename(&key, key.with_extension("away")).unwrap();
    cure("`subrosa key import`");
    fs::rename(key.with_extension("away"), &key).unwrap();
    assert_eq!(value_of(&place, ""), Ok("three".to_owned()));
    fs::remove_file(secrets.join("root")).unwrap();
    cure("`subrosa doctor`");
}

#[test]
fn init_makes_an_empty_registry_once() {
    let place = Place::new();
    let key = place.path().join("elsewhere.key");
    let key = key.to_str().unwrap();
    let told = json(&place, &["init", "--seal-names", "--key-file", "elsewhere.key", "--json"]);
    assert_eq!(told["names"], "sealed");
    assert!(told["key"].as_str().unwrap().contains(key), "{told}");
    refused(&place, &["init", "--key-file", key], 2, "already");
    refused(&place, &["init"], 5, "key");
    let ended = place.feed(&["secret", "set", "prod/db", "--key-file", key], b"one");
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut command = place.command(&["secret", "list"]);
    let ended = Ended::of(&command.env("SUBROSA_KEY_FILE", "elsewhere.key").output().unwrap());
    assert!(ended.stdout.contains("prod/db"), "{ended:?}");
    let words = ["secret", "set", "prod/x", "--seal-names", "--key-file", key];
    refused(&place, &words, 2, "there is one already");
    for file in below(&place.home().join("secrets")) {
        let name = file.display().to_string();
        assert!(!name.contains("prod"), "{name}");
        if file.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains("prod/db"), "{name}");
        }
    }
    let plain = Place::new();
    let ended = plain.run(&["init"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("back up both"), "{ended:?}");
}

#[test]
fn store_key_and_anchor_are_in_folders_of_their_own_and_an_old_copy_is_noticed() {
    let place = Place::new();
    let home = place.path().join("ada");
    fs::create_dir(&home).unwrap();
    let run = |words: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask 000; printf x | \"$0\" {words}"), SUBROSA]);
        Ended::of(&command.env_clear().env("HOME", &home).output().unwrap())
    };
    assert_eq!(run("secret set prod/db").code, 0);
    let (data, keys) = (home.join(".local/share/subrosa"), home.join(".config/subrosa"));
    let anchors = home.join(".local/state/subrosa/anchors");
    assert!(data.join("secrets/root").exists() && keys.join("keys/master.key").exists());
    for folder in [&data.join("secrets"), &keys.join("keys"), &anchors] {
        let found = below(folder);
        assert!(!found.is_empty(), "{}", folder.display());
        for path in found.iter().chain([folder]) {
            let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        }
    }
    let copy = Command::new("cp").arg("-a").args([&data, &home.join("copy")]).status().unwrap();
    assert!(copy.success());
    assert_eq!(run("secret set prod/db").code, 0);
    fs::remove_dir_all(&data).unwrap();
    fs::rename(home.join("copy"), &data).unwrap();
    for words in ["secret list", "secret set prod/db", "environment list"] {
        let ended = run(words);
        assert_eq!(ended.code, 5, "{words} {ended:?}");
        assert!(ended.stderr.contains("the registry is older than it was"), "{ended:?}");
    }
}
