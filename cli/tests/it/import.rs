//! `secret import`: shown first, stored as a whole, and the file removed only when all is safe.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::program::{Ended, Place};
use crate::secret::{json, set};

/// What a step finds in the variable of a ref.
pub(crate) fn value(place: &Place, reference: &str, words: &[&str]) -> String {
    let secret = format!("A=ref:{reference}");
    let head = ["exec", "--secret", &secret];
    let tail = ["--", "sh", "-c", "printf %s \"$A\" > got"];
    let ended = place.run(&[&head, words, &tail].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    fs::read_to_string(place.path().join("got")).unwrap()
}

fn outcomes(place: &Place, words: &[&str]) -> Vec<(String, String)> {
    let said = json(place, &[&["secret", "import", "--json"], words].concat());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let secrets = said["secrets"].as_array().unwrap().iter();
    secrets.map(|row| (text(&row["ref"]), text(&row["outcome"]))).collect()
}

#[test]
fn nothing_is_stored_before_it_was_shown_and_wanted() {
    let place = Place::new();
    place.write(".env", "DATABASE_URL=hunter2\nAPI__KEY='k e y'\n");
    let shown = place.run(&["secret", "import", ".env", "-w", "payments"]);
    assert_eq!(
        (shown.code, shown.stdout.as_str(), shown.stderr.as_str()),
        (
            0,
            "NAME          REF           OUTCOME\n\
             DATABASE_URL  database-url  new\n\
             API__KEY      api/key       new\n\
             2 secrets: 2 new (workspace payments): nothing was stored\n",
            "note: `--apply` does it\n"
        )
    );
    assert!(!place.home().exists());
    let stored = place.run(&["secret", "import", ".env", "--prefix", "prod", "--apply"]);
    assert_eq!(stored.code, 0, "{stored:?}");
    assert!(stored.stdout.ends_with("2 secrets: 2 new (global): stored\n"), "{stored:?}");
    assert!(stored.stderr.contains("made the registry"), "{stored:?}");
    assert_eq!(value(&place, "prod/database-url", &[]), "hunter2");
    assert_eq!(value(&place, "prod/api/key", &[]), "k e y");
    assert!(place.path().join(".env").exists());
}

#[test]
fn what_is_there_already_is_met_as_it_was_asked_for() {
    let place = Place::new();
    set(&place, &["same"], "hunter2");
    set(&place, &["other"], "hunter3");
    place.run(&["secret", "set", "empty", "--no-value"]);
    place.write("s.json", r#"{"same": "hunter2", "other": "hunter4", "empty": "x", "new": "y"}"#);
    let row = |name: &str, outcome: &str| (name.to_owned(), outcome.to_owned());
    let stopped = place.run(&["secret", "import", "s.json", "--apply"]);
    assert_eq!(stopped.code, 1, "{stopped:?}");
    assert!(stopped.stdout.contains("other  other  conflict, another value (1)\n"), "{stopped:?}");
    assert!(stopped.stderr.contains("--on-conflict replace"), "{stopped:?}");
    assert_eq!(place.run(&["secret", "import", "s.json"]).code, 1);
    assert_eq!(
        outcomes(&place, &["s.json", "--on-conflict", "skip"]),
        [row("same", "same"), row("other", "kept"), row("empty", "first_value"), row("new", "new")]
    );
    assert_eq!(json(&place, &["secret", "list", "--json"]).as_array().unwrap().len(), 3);
    assert_eq!(
        outcomes(&place, &["s.json", "--on-conflict", "skip", "--apply"])[1..],
        [row("other", "kept"), row("empty", "new_version"), row("new", "new")]
    );
    assert_eq!(value(&place, "other", &[]), "hunter3");
    let words = ["s.json", "--on-conflict", "replace", "--apply"];
    assert_eq!(outcomes(&place, &words)[1], row("other", "new_version"));
    assert_eq!(value(&place, "other", &[]), "hunter4");
    assert!(outcomes(&place, &words).iter().all(|(_, outcome)| outcome == "same"));
    let versions = json(&place, &["secret", "versions", "same", "--json"]);
    assert_eq!(versions.as_array().unwrap().len(), 1, "the same value makes no version");
}

#[test]
fn formats_are_guessed_or_named_and_pipes_are_read() {
    let place = Place::new();
    let feed = |words: &[&str], input: &str| {
        let ended =
            place.feed(&[&["secret", "import", "-", "--apply"], words].concat(), input.as_bytes());
        assert_eq!(ended.code, 0, "{ended:?}");
    };
    feed(
        &["--format", "vault", "--vault-path", "payments/stripe"],
        r#"{"lease_id": "", "data": {"data": {"secret_key": "hunter2"}, "metadata": {"version": 1}}}"#,
    );
    assert_eq!(value(&place, "payments/stripe/secret-key", &[]), "hunter2");
    let manifest = "kind: Secret\napiVersion: v1\nmetadata: {name: db, namespace: prod}\n\
                    stringData: {password: hunter3}\n";
    feed(&["--format", "kubernetes", "--namespaces"], manifest);
    assert_eq!(value(&place, "prod/db/password", &[]), "hunter3");
    place.write("secrets.toml", "[sources.stripe]\nsecret_key = \"${FROM_HERE}\"\n");
    let mut command = place.command(&["secret", "import", "secrets.toml", "--apply", "-e", "dev"]);
    let ended = Ended::of(&command.env("FROM_HERE", "hunter4").output().unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("the environment dev is new"), "{ended:?}");
    assert_eq!(value(&place, "stripe/secret-key", &["--env", "dev"]), "hunter4");
    place.write("x.txt", "A=1");
    for words in [&["x.txt"][..], &["-"], &["none.env"], &["x.txt", "--format", "ini"]] {
        let ended = place.run(&[&["secret", "import"], words].concat());
        assert_eq!(ended.code, 2, "{ended:?}");
    }
}

#[test]
fn a_file_with_a_problem_stores_nothing_and_is_not_repeated() {
    let place = Place::new();
    place.write("s.json", "{\"fine\": \"hunter2\", \"list\": [\"hunter3\"], \"none\": null}");
    place.write("nul.json", r#"{"fine": "hunter2", "nul": "hunter3\u0000"}"#);
    place.write("long.json", &format!(r#"{{"long": "{}"}}"#, "hunter4".repeat(10_000)));
    for (file, said) in [
        ("s.json", "s.json:1:21: a list, which is not one value"),
        ("nul.json", "nul (line 1): the value holds a NUL byte"),
        ("long.json", "long (line 1): the value is larger than 64 KiB"),
    ] {
        let ended = place.run(&["secret", "import", file, "--apply"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (3, ""), "{ended:?}");
        assert!(ended.stderr.contains(said) && !ended.stderr.contains("hunter"), "{ended:?}");
    }
    assert!(!place.home().exists());
}

#[test]
fn a_protected_environment_is_not_filled_unasked() {
    let place = Place::new();
    set(&place, &["b"], "hunter3");
    place.run(&["environment", "protect", "prod"]);
    place.write(".env", "A=hunter2\n");
    let words = ["secret", "import", ".env", "--env", "prod", "--apply"];
    assert_eq!(place.run(&words).code, 4);
    assert_eq!(place.run(&[&words[..], &["--allow-protected"]].concat()).code, 0);
}

#[test]
fn a_moved_file_goes_when_its_values_are_safe() {
    let place = Place::new();
    let path = place.write("app.env", "A=hunter2\nB=hunter3\n");
    let moved = place.run(&["secret", "import", "app.env", "--move", "--json"]);
    assert_eq!(moved.code, 0, "{moved:?}");
    assert!(moved.stdout.contains("\"removed\":true"), "{moved:?}");
    assert!(moved.stderr.contains("that wipes no disk"), "{moved:?}");
    assert!(!path.exists());
    assert_eq!(value(&place, "b", &[]), "hunter3");
    // All of it is there already: nothing to store, and nothing to keep the file for.
    place.write("app.env", "A=hunter2\n");
    assert_eq!(place.run(&["secret", "import", "app.env", "--move"]).code, 0);
    assert!(!path.exists());
}

#[test]
fn a_file_that_cannot_safely_go_is_not_even_imported() {
    let place = Place::new();
    set(&place, &["a"], "hunter4");
    let path = place.write("app.env", "A=hunter2\nB=hunter3\n");
    symlink(&path, place.path().join("link.env")).unwrap();
    place.write("two.env", "C=hunter2\n");
    fs::hard_link(place.path().join("two.env"), place.path().join("names.env")).unwrap();
    place.write("empty.env", "# nothing\n");
    for (words, code, said) in [
        (&["app.env"][..], 1, "--on-conflict"),
        (&["app.env", "--on-conflict", "skip"], 4, "values that would not be stored"),
        (&["link.env"], 4, "is a link"),
        (&["two.env"], 4, "has other names"),
        (&["empty.env"], 2, "there is no secret in"),
    ] {
        let ended = place.run(&[&["secret", "import", "--move"], words].concat());
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    let piped = place.feed(&["secret", "import", "-", "--move", "--format", "dotenv"], b"D=x\n");
    assert_eq!(piped.code, 2, "{piped:?}");
    for file in ["app.env", "link.env", "two.env", "names.env", "empty.env"] {
        assert!(place.path().join(file).exists(), "{file}");
    }
    assert_eq!(json(&place, &["secret", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_lost_outcome_has_its_own_code() {
    let place = Place::new();
    place.write(".env", "A=hunter2\n");
    let full = || Stdio::from(fs::File::options().write(true).open("/dev/full").unwrap());
    let run = |words: &[&str]| {
        let mut command = place.command(&[&["secret", "import", ".env"], words].concat());
        Ended::of(&command.stdout(full()).stderr(Stdio::piped()).output().unwrap()).code
    };
    assert_eq!(run(&[]), 5);
    assert_eq!(run(&["--apply"]), 6);
    assert_eq!(value(&place, "a", &[]), "hunter2");
}
