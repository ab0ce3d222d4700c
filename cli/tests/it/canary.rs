//! Canaries: secrets of the awkward kinds, sent through every exit at once. No stream of ours and no
//! file below the record, the temporary folder or the workflow's may hold one, as it is or as JSON has it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use crate::program::{Ended, Place};
use crate::terminal::Screen;

const QUOTED: &str = "q\"uo\\te' $HOME `id` ${PATH} pässwörd→{hunter2}";
const PLAIN: &str = "canary-plain-hunter2";
const PEM: &str =
    "-----BEGIN KEY-----\nfirst\"line\"hunter2\nsecond\\line\\hunter2\n-----END KEY-----\n";
const TAIL: &str = "trailing-hunter2\r\n";
const BYTES: &[u8] = b"bytes-\xff\xfe-hunter2";
const JSON: &str =
    r#"{"user":"json-user-hunter2","pin":"4711x9","nest":["deep\"quoted\\hunter2"]}"#;
const LIST: &str = "item-one x7y8z9 \"item\"\\three";

/// What none of our streams and files may hold.
fn needles() -> Vec<Vec<u8>> {
    let lossy = String::from_utf8_lossy(BYTES);
    let texts = [QUOTED, PLAIN, PEM.trim(), TAIL.trim(), &lossy, JSON, LIST, "json-user-hunter2"];
    let lines = ["first\"line\"hunter2", "second\\line\\hunter2", "deep\"quoted\\hunter2"];
    let parts = ["4711x9", "item-one", "x7y8z9", "\"item\"\\three"];
    let mut needles = vec![BYTES.to_vec()];
    for text in texts.into_iter().chain(lines).chain(parts) {
        let mut form = text.to_owned();
        // As it is, in JSON, and in JSON that is a string of JSON.
        for _ in 0..3 {
            needles.push(form.as_bytes().to_vec());
            let json = serde_json::to_string(&form).unwrap();
            form = json[1..json.len() - 1].to_owned();
        }
    }
    needles
}

fn check(place: &str, bytes: &[u8]) {
    for needle in needles() {
        let found = bytes.windows(needle.len()).position(|window| window == needle);
        let Some(at) = found else { continue };
        let around = &bytes[at.saturating_sub(80)..(at + needle.len() + 80).min(bytes.len())];
        panic!("{place} holds a secret: {:?}", String::from_utf8_lossy(around));
    }
}

/// Checks every file below a folder, and its name; links are not followed.
fn check_files(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().display().to_string();
        check(&name, entry.path().as_os_str().as_bytes());
        if entry.file_type().unwrap().is_dir() {
            count += check_files(&entry.path());
        } else {
            check(&name, &fs::read(entry.path()).unwrap());
            count += 1;
        }
    }
    count
}

/// A place whose secrets lie beside it, so that every file in it can be checked.
struct Cage {
    place: Place,
    secrets: Place,
}

impl Cage {
    fn new() -> Cage {
        let (place, secrets) = (Place::new(), Place::new());
        let pem = secrets.write("pem", PEM);
        let tail = secrets.write("tail", TAIL);
        let bytes = secrets.write("bytes", "");
        fs::write(&bytes, BYTES).unwrap();
        let mut text = include_str!("canary.yaml").to_owned();
        for (key, path) in [("pem", pem), ("tail", tail), ("bytes", bytes)] {
            text = text.replace(&format!("key: {key}}}"), &format!("key: {}}}", path.display()));
        }
        secrets.write("everywhere.yaml", &text);
        fs::create_dir(place.path().join("tmp")).unwrap();
        Cage { place, secrets }
    }

    fn workflow(&self) -> String {
        self.secrets.path().join("everywhere.yaml").display().to_string()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.place.command(words);
        command
            .envs([("SRC_QUOTED", QUOTED), ("SRC_PLAIN", PLAIN)])
            .envs([("SRC_JSON", JSON), ("SRC_LIST", LIST)])
            .envs([("RUST_BACKTRACE", "full"), ("RUST_LOG", "trace")])
            .env("TMPDIR", self.place.path().join("tmp"));
        command
    }

    fn run(&self, words: &[&str]) -> Ended {
        let output = self.command(words).output().unwrap();
        check(&format!("stdout of {words:?}"), &output.stdout);
        check(&format!("stderr of {words:?}"), &output.stderr);
        Ended::of(&output)
    }
}

#[test]
fn no_exit_lets_a_secret_out() {
    let cage = Cage::new();
    let (file, given) = (cage.workflow(), format!("GIVEN={QUOTED}"));
    for flags in [&[][..], &["--json"], &["--follow"], &["--quiet"]] {
        let words = [&["run", &file][..], flags, &["--", &given]].concat();
        let ended = cage.run(&words);
        assert_eq!(ended.code, 1, "{words:?} {ended:?}");
    }
    let listed = cage.run(&["runs", "--json"]);
    let newest: serde_json::Value =
        serde_json::from_str(listed.stdout.lines().next().unwrap()).unwrap();
    let id = newest["run"].as_str().unwrap();
    for words in
        [&["status", id][..], &["status", id, "--json"], &["logs", id], &["logs", id, "-f"]]
    {
        assert_eq!(cage.run(words).code, 0, "{words:?}");
    }
    assert!(cage.run(&["logs", id]).stdout.contains("Bearer *******"));
    assert_eq!(cage.run(&["retry", id]).code, 2);
    assert_eq!(cage.run(&["retry", id, "--", &given]).code, 1);
    assert_eq!(cage.run(&["dry", &file, "--", &given]).code, 0);
    assert!(check_files(&cage.place.home()) > 200);
    check_files(&cage.place.path().join("tmp"));
    for made in ["merged.txt", "same.txt"] {
        let path = cage.secrets.path().join(made);
        check(made, &fs::read(path).unwrap());
    }
}

#[test]
fn a_terminal_shows_no_secret() {
    let cage = Cage::new();
    let (file, given) = (cage.workflow(), format!("GIVEN={QUOTED}"));
    for words in [&["run", &file, "--", &given][..], &["run", &file, "--follow", "--", &given]] {
        let screen = Screen::new();
        let child = screen.start(cage.command(words).stderr(screen.stream()));
        let (seen, status) = screen.finish(child);
        check("the terminal", seen.as_bytes());
        assert_eq!(status.code(), Some(1), "{seen}");
    }
    let script =
        "printf '%s\\n' \"$QUOTED\"; printf '%s\\n' \"$QUOTED\" >&2; exec \"/nowhere/$QUOTED\"";
    let secret = ["exec", "--secret", "QUOTED=env:SRC_QUOTED", "--"];
    let missing = format!("/nowhere/{QUOTED}");
    for words in [&["sh", "-c", script][..], &[missing.as_str()]] {
        let words = [&secret[..], words].concat();
        assert_eq!(cage.run(&words).code, 127);
        let screen = Screen::new();
        let child = screen.start(cage.command(&words).stderr(screen.stream()));
        let (seen, status) = screen.finish(child);
        check("the terminal of exec", seen.as_bytes());
        assert_eq!(status.code(), Some(127), "{seen}");
    }
}

#[test]
fn what_cannot_be_resolved_tells_no_value() {
    let cage = Cage::new();
    let head = "secrets:\n  - {name: A, provider: env, key: SRC_PLAIN}\n  - {name: Q, provider: env, key: SRC_QUOTED}\n";
    let key = serde_json::to_string(QUOTED).unwrap();
    let tails = [
        format!("  - {{name: B, provider: file, key: /nowhere/{PLAIN}}} # {PLAIN}\n"),
        format!("  - {{name: B, provider: env, key: {key}}}\n"),
        format!("  - {{name: B, provider: file, key: {key}}}\n"),
        format!("  - {{name: B, provider: {PLAIN}, key: x, options: {{token: {PLAIN}}}}}\n"),
    ];
    for tail in tails {
        cage.place.write("broken.yaml", &format!("{head}{tail}steps: [{{run: echo}}]\n"));
        for command in ["run", "dry"] {
            assert_eq!(cage.run(&[command, "broken.yaml"]).code, 4, "{tail}");
        }
    }
    let options = format!(
        "secrets:\n  - {{name: A, provider: x, key: k, options: {{token: {PLAIN}}}}}\n  - {{name: A, provider: x, key: k, options: {{token: {PLAIN}}}}}\nsteps: [{{run: echo}}]\n"
    );
    cage.place.write("twice.yaml", &options);
    for words in [
        &["validate", "twice.yaml"][..],
        &["validate", "twice.yaml", "--json"],
        &["run", "twice.yaml"],
    ] {
        assert_eq!(cage.run(words).code, 3);
    }
    let secret = "secrets: [{name: A, provider: env, key: SRC_PLAIN}]\nsteps: [{run: echo}]\n";
    fs::create_dir(cage.place.path().join(format!("{PLAIN}.env"))).unwrap();
    for early in [
        "working_dir: \"/nowhere/${SRC_PLAIN}\"",
        "env: [X: \"/nowhere/${SRC_PLAIN}\"]\nworking_dir: $X",
        "dotenv: \"${SRC_PLAIN}.env\"",
        "env: [X: \"`echo $SRC_PLAIN >&2; false`\"]",
    ] {
        cage.place.write("early.yaml", &format!("{early}\n{secret}"));
        for command in ["run", "dry", "explain"] {
            let ended = cage.run(&[command, "early.yaml"]);
            assert!(ended.code == 3 || command != "run", "{early} {ended:?}");
        }
    }
    cage.place.write("dot.yaml", "dotenv: [.env]\nsteps: [{run: echo}]\n");
    for line in [format!("PASSWORD {PLAIN}\n"), format!("A=\"{PLAIN}\n"), format!("{PLAIN}=1\n")] {
        cage.place.write(".env", &line);
        assert_eq!(cage.run(&["run", "dot.yaml"]).code, 3, "{line}");
    }
}
