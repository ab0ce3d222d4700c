//! Canaries on their way in, out, into a backup and back: they are in the files that are meant to hold them,
//! and nowhere else.

use std::fs;
use std::process::Stdio;

use crate::backup::private;
use crate::export::{RECIPIENT, answered};
use crate::program::{Ended, Place};
use crate::secret_leaks::{VALUES, check, check_files_but, run};

const IDENTITY: &str = include_str!("../../../testdata/exchange/not-secret-identity.txt");

fn json_file() -> String {
    let pairs = ["one", "two", "three"].into_iter().zip(VALUES);
    let pairs: serde_json::Map<String, serde_json::Value> =
        pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
    serde_json::to_string(&pairs).unwrap()
}

/// Runs it with the values nowhere but in its files, and looks at its command line meanwhile.
fn ok(place: &Place, words: &[&str], code: i32) -> Ended {
    let ended = run(place, words, "");
    assert_eq!(ended.code, code, "{words:?} {ended:?}");
    ended
}

#[test]
fn no_value_goes_where_it_is_not_meant_to_be() {
    let place = Place::new();
    place.write("in.json", &json_file());
    ok(&place, &["secret", "import", "in.json"], 0);
    ok(&place, &["secret", "import", "in.json", "--json"], 0);
    ok(&place, &["secret", "import", "in.json", "--format", "yaml", "--apply"], 0);
    ok(&place, &["secret", "import", "in.json", "-w", "payments", "--apply", "--json"], 0);
    run(&place, &["secret", "import", "-", "--format", "dotenv"], VALUES[0]);
    for format in ["toml", "kubernetes", "dotenv"] {
        let words = ["secret", "import", "in.json", "--format", format, "--apply"];
        assert_ne!(run(&place, &words, "").code, 0, "{format}");
    }
    ok(&place, &["secret", "import", "in.json", "--move", "-e", "dev"], 0);
    assert!(!place.path().join("in.json").exists());

    for format in ["json", "yaml", "toml", "dotenv"] {
        let words = ["--format", format, "-o", "meant.out"];
        let (seen, code) = answered(&place, &words, "export\r");
        assert_eq!(code, 0, "{seen}");
        check("the terminal", seen.as_bytes());
        assert!(check_files_but(&place, &["meant.out"]) > 5);
        fs::remove_file(place.path().join("meant.out")).unwrap();
        answered(&place, &words, "no\r");
    }
    ok(&place, &["secret", "export", "--format", "json", "-o", "sealed", "-r", RECIPIENT], 0);
    ok(&place, &["backup", "b.age", "-r", RECIPIENT], 0);
    ok(&place, &["backup", "key.age", "-r", RECIPIENT, "--with-key", "--json"], 0);
    private(&place, "identity", IDENTITY);
    ok(&place, &["restore", "b.age", "-i", "identity", "--check"], 0);
    ok(&place, &["restore", "b.age", "-i", "identity"], 4);
    fs::remove_dir_all(place.home().join("secrets")).unwrap();
    ok(&place, &["restore", "key.age", "-i", "identity", "--json"], 0);
    assert!(check_files_but(&place, &[]) > 10);
}

#[test]
fn a_passphrase_and_a_key_are_told_to_nobody() {
    let place = Place::new();
    private(&place, "in.json", &json_file());
    ok(&place, &["secret", "import", "in.json", "--move"], 0);
    private(&place, "passphrase", VALUES[1]);
    let run = |words: &[&str]| {
        let mut command = place.command(words);
        command.env("SUBROSA_PASSPHRASE_FILE", "passphrase").stdin(Stdio::null());
        let output = command.output().unwrap();
        check("stdout", &output.stdout);
        check("stderr", &output.stderr);
        let key = fs::read_to_string(place.home().join("keys/master.key")).unwrap();
        let key = key.lines().find_map(|line| line.strip_prefix("key ")).unwrap().to_owned();
        for text in [&output.stdout, &output.stderr] {
            assert!(!String::from_utf8_lossy(text).contains(&key), "{words:?}");
        }
        Ended::of(&output).code
    };
    assert_eq!(run(&["backup", "b.age", "--passphrase", "--with-key"]), 0);
    assert_eq!(run(&["restore", "b.age", "--passphrase", "--check"]), 0);
    assert_eq!(run(&["restore", "passphrase", "--passphrase", "--check"]), 5);
    assert!(check_files_but(&place, &["passphrase"]) > 5);
}
