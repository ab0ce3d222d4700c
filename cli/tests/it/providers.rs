//! `check`, `providers`, `subrosa.toml` and `--verbose`, as a user meets them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

use serde_json::Value;

use crate::program::{Ended, Place};

const STEPS: &str = "steps: [{run: 'true'}]\n";

fn place(workflow: &str) -> Place {
    let place = Place::new();
    place.write("w.yaml", &format!("{workflow}{STEPS}"));
    place.write("token.txt", "canary-of-the-file");
    place
}

/// Lines with single blanks between the words.
fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

const ALL_GOOD: &str = "\
secrets:
  - {name: A, provider: env, key: PATH}
  - {name: B, provider: file, key: token.txt}
";

#[test]
fn a_check_tells_what_is_known_without_reading() {
    let place = place(&format!("{ALL_GOOD}  - {{name: C, provider: command, key: /bin/echo}}\n"));
    let looked = place.run(&["check", "w.yaml"]);
    assert_eq!(looked.code, 0, "{looked:?}");
    let last = words(&looked.stdout).pop().unwrap();
    assert_eq!(last, "3 secrets, 1 would have to be read to tell");
    let read = place.run(&["check", "--read", "w.yaml"]);
    assert_eq!(
        words(&read.stdout),
        [
            "SECRET FROM KEY RESULT",
            "A env PATH read was read",
            "B file token.txt read was read",
            "C command /bin/echo read was read",
            "3 secrets, nothing stands in the way"
        ]
    );
    assert_eq!(read.code, 0);
    assert!(!format!("{read:?}").contains("canary"));
}

#[test]
fn a_check_tells_each_secret_that_would_not_resolve() {
    let place = place(
        "secrets:\n  - {name: A, provider: env, key: NOBODY}\n  - {name: B, provider: vualt, key: x}\n  \
         - {name: C, ref: prod/c}\n",
    );
    place.feed(&["secret", "set", "other"], b"value-of-another");
    let ended = place.run(&["check", "w.yaml", "--json"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    let secrets = json(&ended)["secrets"].as_array().unwrap().clone();
    let results: Vec<&str> = secrets.iter().map(|one| one["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["not-found", "invalid", "not-found"]);
    let (absent, unknown) = (&secrets[0], &secrets[1]);
    assert_eq!(
        (&absent["reachable"], &absent["exists"]),
        (&Value::Bool(true), &Value::Bool(false))
    );
    assert_eq!((&unknown["reachable"], &unknown["ok"]), (&Value::Null, &Value::Bool(false)));
    assert!(unknown["message"].as_str().unwrap().contains("unknown secret provider: vualt"));
    // A look is no read: the log has the value that was stored, and nothing else.
    let audit = place.run(&["audit", "list"]);
    assert!(!audit.stdout.contains("read"), "{audit:?}");
}

#[test]
fn a_check_of_a_bad_file_tells_what_is_bad() {
    let place = Place::new();
    place.write("w.yaml", "secrets: [{name: A}]\nsteps: [{run: x}]\n");
    assert_eq!(place.run(&["check", "w.yaml"]).code, 3);
    assert_eq!(place.run(&["check"]).code, 2);
}

#[test]
fn providers_are_listed_and_the_files_that_configure_them() {
    let place = Place::new();
    let plain = place.run(&["providers"]);
    assert_eq!(plain.code, 0, "{plain:?}");
    let lines = words(&plain.stdout);
    assert_eq!(lines[..3], ["PROVIDER INSTANCE CONFIGURED ANSWERS", "env - - yes", "file - - yes"]);
    assert!(lines.iter().any(|line| line.ends_with("home/subrosa.toml (not there)")), "{lines:?}");
    place.write("home/subrosa.toml", "[provider.elsewhere.instance.eu]\naddress = 'canary'\n");
    let offline = place.run(&["providers", "--offline", "--json"]);
    assert_eq!(offline.code, 0, "{offline:?}");
    let all = json(&offline)["providers"].as_array().unwrap().clone();
    assert!(all.iter().all(|one| one["answers"] == Value::Null));
    let eu = all.iter().find(|one| one["instance"] == "eu").unwrap();
    assert_eq!(eu["built_in"], Value::Bool(false));
    assert_eq!(eu["configured"][0], "home/subrosa.toml:2");
    assert!(!format!("{offline:?}").contains("canary"));
}

#[test]
fn a_plugin_in_path_is_a_provider() {
    let place = place(
        "secrets:\n  - {name: A, provider: ini, key: database/password, options: {file: s.ini}}\n",
    );
    let text = fs::read_to_string(place.path().join("w.yaml")).unwrap();
    place.write("w.yaml", &text.replace("'true'", "'echo \"got $A\"'"));
    place.write("s.ini", "[database]\npassword = canary-of-the-plugin\n");
    let ended = |words: &[&str], path: &str| {
        let mut command = place.command(words);
        Ended::of(&command.env("PATH", path).output().unwrap())
    };
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/provider-plugin");
    let with = format!("{example}:/usr/local/bin:/usr/bin:/bin");
    for words in [&["run", "w.yaml"][..], &["dry", "w.yaml"], &["check", "--read", "w.yaml"]] {
        let without = ended(words, "/usr/bin:/bin");
        assert_eq!(without.code, 4, "{without:?}");
        let told = format!("{without:?}");
        assert!(told.contains("unknown secret provider: ini"), "{told}");
        let plugged = ended(words, &with);
        assert_eq!(plugged.code, 0, "{plugged:?}");
        assert!(!format!("{plugged:?}").contains("canary"), "{plugged:?}");
    }
    // The value went to the step, which said it.
    let run = ended(&["run", "w.yaml"], &with);
    assert!(run.stdout.contains("masked   1 secret (A)"), "{run:?}");
    // Configured, it is asked whether it answers.
    let config = format!("[provider.ini]\nfile = '{}'\n", place.path().join("s.ini").display());
    place.write("home/subrosa.toml", &config);
    let listed = ended(&["providers", "--json"], &with);
    let all = json(&listed)["providers"].as_array().unwrap().clone();
    let ini = all.iter().find(|one| one["name"] == "ini").unwrap();
    assert_eq!((&ini["plugin"], &ini["answers"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(listed.code, 0, "{listed:?}");
}

#[test]
fn the_configuration_that_the_page_shows_is_one() {
    let page = include_str!("../../../docs/config.md");
    let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let place = Place::new();
    place.write("home/subrosa.toml", text);
    let ended = place.run(&["providers", "--offline", "--profile", "prod"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    assert!(words(&ended.stdout).iter().any(|line| line.starts_with("vault eu home/subrosa.toml")));
}

#[test]
fn a_slip_in_the_configuration_is_told_with_its_place_and_stops() {
    let place = place(ALL_GOOD);
    place.write(
        "home/subrosa.toml",
        "[provider.file]\ntoken = 'canary'\n[resolve]\nrequets = '1s'\n",
    );
    for command in ["run", "dry", "check"] {
        let ended = place.run(&[command, "w.yaml"]);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains("--> home/subrosa.toml:4:1"), "{ended:?}");
        assert!(ended.stderr.contains("did you mean `request`?"), "{ended:?}");
        assert!(!format!("{ended:?}").contains("canary"));
    }
    // What asks nobody needs no configuration.
    assert_eq!(place.run(&["validate", "w.yaml"]).code, 0);
    assert_eq!(place.run(&["explain", "w.yaml"]).code, 0);
}

#[test]
fn what_is_no_toml_is_told_without_its_text() {
    let place = place(ALL_GOOD);
    place.write("home/subrosa.toml", "[provider.vault]\ntoken = canary\n");
    let ended = place.run(&["dry", "w.yaml"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("home/subrosa.toml:2:"), "{ended:?}");
    assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
}

#[test]
fn a_file_that_others_may_change_does_not_say_where_credentials_go() {
    let place = place(ALL_GOOD);
    let path = place.write("home/subrosa.toml", "[resolve]\nrequest = '3s'\n");
    assert_eq!(place.run(&["dry", "w.yaml"]).code, 0);
    for mode in [0o620, 0o602] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let ended = place.run(&["dry", "w.yaml"]);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.stderr.contains("help: chmod go-w"), "{ended:?}");
    }
}

#[test]
fn a_project_has_no_say_in_where_credentials_go() {
    let place = place(ALL_GOOD);
    place.write("subrosa.toml", "[provider.vault]\naddress = 'https://canary'\n");
    let ended = place.run(&["dry", "w.yaml"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("`address` cannot be set by a project"), "{ended:?}");
    assert!(ended.stderr.contains("--> subrosa.toml:2:1"), "{ended:?}");
    assert!(!ended.stderr.contains("canary"), "{ended:?}");
}

#[test]
fn the_projects_file_is_looked_for_up_to_the_root_of_its_work_tree() {
    let place = place(ALL_GOOD);
    place.write("a/b/w.yaml", &format!("{ALL_GOOD}{STEPS}"));
    place.write("a/b/token.txt", "canary-of-the-file");
    place.write("a/subrosa.toml", "[cache]\nmax_age = '1h'\n");
    let code = || place.run(&["dry", "a/b/w.yaml"]).code;
    // No work tree: only what is beside the workflow counts.
    assert_eq!(code(), 0);
    fs::create_dir(place.path().join("a/b/.git")).unwrap();
    assert_eq!(code(), 0);
    fs::remove_dir(place.path().join("a/b/.git")).unwrap();
    fs::create_dir(place.path().join("a/.git")).unwrap();
    assert_eq!(code(), 3);
    place.write("a/b/subrosa.toml", "[resolve]\nretries = 1\n");
    assert_eq!(code(), 0);
}

#[test]
fn what_others_own_or_can_change_is_neither_a_projects_file_nor_a_work_tree() {
    let place = place(ALL_GOOD);
    place.write("a/w.yaml", &format!("{ALL_GOOD}{STEPS}"));
    place.write("a/token.txt", "canary-of-the-file");
    let (file, git) =
        (place.write("subrosa.toml", "[cache]\n[cache]\n"), place.path().join(".git"));
    fs::create_dir(&git).unwrap();
    let check = |code: i32, is_told: bool| {
        let ended = place.run(&["dry", "a/w.yaml"]);
        assert_eq!(ended.code, code, "{ended:?}");
        let told = "subrosa.toml` is not used: others own it, or can change it";
        assert_eq!(ended.stderr.contains(told), is_told, "{ended:?}");
    };
    check(3, false);
    for (path, usual, is_told) in [(&file, 0o644, true), (&git, 0o755, false)] {
        fs::set_permissions(path, Permissions::from_mode(usual | 0o002)).unwrap();
        check(0, is_told);
        fs::set_permissions(path, Permissions::from_mode(usual)).unwrap();
        check(3, false);
        // Only the administrator can give a file away.
        if chown(path, Some(4711), None).is_ok() {
            check(0, is_told);
            chown(path, Some(0), None).unwrap();
        }
    }
}

#[test]
fn a_configuration_of_one_very_long_line_ends_in_a_message() {
    let place = place(ALL_GOOD);
    let options: Vec<String> = (0..3000).map(|number| format!("a{number}=1")).collect();
    place.write("subrosa.toml", &format!("provider={{vault={{{}}}}}\n", options.join(",")));
    let ended = place.run(&["dry", "w.yaml"]);
    assert_eq!(ended.code, 3);
    assert_eq!(ended.stderr.matches("error[").count(), 101);
}

#[test]
fn a_profile_is_chosen_by_the_flag_or_the_environment() {
    let place = place(ALL_GOOD);
    place.write("home/subrosa.toml", "[profile.prod.provider.file]\nx = 1\n");
    assert_eq!(place.run(&["dry", "w.yaml", "--profile", "prod"]).code, 0);
    let ended = place.run(&["dry", "w.yaml", "--profile", "prdo"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("did you mean `prod`?"), "{ended:?}");
    let from_environment = |name: &str| {
        let mut command = place.command(&["dry", "w.yaml"]);
        Ended::of(&command.env("SUBROSA_PROFILE", name).output().unwrap()).code
    };
    assert_eq!([from_environment("prod"), from_environment("x"), from_environment("")], [0, 2, 0]);
}

#[test]
fn an_instance_that_is_not_configured_stops_the_run() {
    let place = place(
        "secrets: [{name: A, provider: file, key: token.txt, options: {instance: canary}}]\n",
    );
    let ended = place.run(&["dry", "w.yaml"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(ended.stderr.contains("[provider.file.instance.NAME]"), "{ended:?}");
    assert!(!ended.stderr.contains("canary"), "{ended:?}");
    place.write("home/subrosa.toml", "[provider.file.instance.canary]\nx = 1\n");
    assert_eq!(place.run(&["dry", "w.yaml"]).code, 0);
}

#[test]
fn verbose_tells_counts_and_times_in_one_line() {
    let place = place(ALL_GOOD);
    for words in [
        &["run", "-v", "w.yaml"][..],
        &["dry", "--verbose", "w.yaml"],
        &["exec", "-v", "--file", "w.yaml", "--", "true"],
    ] {
        let ended = place.run(words);
        assert_eq!(ended.code, 0, "{ended:?}");
        let line = ended.stderr.lines().find(|line| line.starts_with("resolved")).unwrap();
        assert!(line.starts_with("resolved 2 secrets in "), "{line}");
        assert!(line.contains(" ms: env 1, 1 request, "), "{line}");
    }
    assert!(!place.run(&["dry", "w.yaml"]).stderr.contains("resolved"));
}

#[test]
fn a_cache_that_is_not_wanted_any_more_goes_and_nothing_else() {
    let place = place(ALL_GOOD);
    let (entry, other) = ("0123456789abcdef".repeat(4), "letter");
    for name in [entry.as_str(), other] {
        place.write(&format!("home/offline-cache/{name}"), "of an earlier run");
    }
    let folder = place.home().join("offline-cache");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let names = || {
        let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    place.write("home/subrosa.toml", "[cache]\nmax_age = '1h'\n");
    assert_eq!(place.run(&["dry", "w.yaml"]).code, 0);
    assert_eq!(names(), [entry.as_str(), other]);
    place.write("home/subrosa.toml", "");
    assert_eq!(place.run(&["dry", "w.yaml"]).code, 0);
    assert_eq!(names(), [other]);
}
