//! `secret export`: plain text after a question and into a new file only; encrypted without one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use crate::import::value;
use crate::program::{Ended, Place, SUBROSA};
use crate::secret::set;
use crate::terminal::Screen;

pub(crate) const RECIPIENT: &str = "age1haqdkxsm3gu7zx08d9m4ww5m64mhu8dud0wxjujave0j5yvhff5qcpfsdn";

fn start(place: &Place, words: &[&str], screen: &Screen) -> Child {
    let words = [&["__terminal", "--", SUBROSA, "secret", "export"], words].concat();
    screen.start(place.command(&words).stderr(screen.stream()))
}

fn filled() -> Place {
    let place = Place::new();
    set(&place, &["prod/db"], "hunter2");
    set(&place, &["prod/api"], "it's\nhunter3");
    set(&place, &["prod/db", "-w", "payments"], "hunter4");
    place.run(&["secret", "set", "prod/none", "--no-value"]);
    place
}

/// Exports after the answer; what was seen, and the exit code.
pub(crate) fn answered(place: &Place, words: &[&str], answer: &str) -> (String, i32) {
    let mut screen = Screen::new();
    let child = start(place, words, &screen);
    screen.wait_for("Type `export` to go on: ");
    screen.press(answer);
    let (seen, status) = screen.finish(child);
    (seen, status.code().unwrap())
}

#[test]
fn what_is_exported_can_be_imported_elsewhere() {
    for format in ["dotenv", "json", "yaml", "toml"] {
        let (here, there) = (filled(), Place::new());
        let path = there.path().join("out");
        let words = ["--format", format, "--output", path.to_str().unwrap()];
        let (seen, code) = answered(&here, &words, "export\r");
        assert_eq!(code, 0, "{seen}");
        assert!(seen.contains("2 values (global) will stand in plain text in "), "{seen}");
        assert!(seen.contains("left out 1 secret: without a value"), "{seen}");
        assert!(!seen.contains("hunter"), "{seen}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let ended = there.run(&["secret", "import", "out", "--format", format, "--move"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(value(&there, "prod/db", &[]), "hunter2");
        assert_eq!(value(&there, "prod/api", &[]), "it's\nhunter3");
    }
}

#[test]
fn the_wrong_answer_leaves_no_file() {
    let place = filled();
    for answer in ["\r", "y\r", "Export\r", "\x04"] {
        let (seen, code) = answered(&place, &["--format", "json", "-o", "out.json"], answer);
        assert_eq!(code, 4, "{seen}");
        assert!(seen.contains("nothing was written"), "{seen}");
        assert!(!place.path().join("out.json").exists());
    }
}

#[test]
fn without_a_terminal_nothing_is_written_in_plain_text() {
    let place = filled();
    let mut command = Command::new("setsid");
    command.args(["--wait", SUBROSA, "secret", "export", "--format", "json", "-o", "out.json"]);
    command.current_dir(place.path()).stdin(Stdio::null()).env("SUBROSA_HOME", place.home());
    let ended = Ended::of(&command.output().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
    assert!(ended.stderr.contains("`--recipient` or `--passphrase` encrypts"), "{ended:?}");
    assert!(!place.path().join("out.json").exists());
}

#[test]
fn an_encrypted_export_asks_nothing() {
    let place = filled();
    let words = ["secret", "export", "prod/db", "-w", "payments", "--format", "json", "-o", "out"];
    let ended = place.run(&[&words[..], &["-r", RECIPIENT, "--json"]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("\"secrets\":1,\"encrypted\":true"), "{ended:?}");
    let bytes = fs::read(place.path().join("out")).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
    assert!(!bytes.windows(7).any(|part| part == b"hunter4"));
    let again = place.run(&[&words[..], &["-r", RECIPIENT]].concat());
    assert_eq!(again.code, 2, "{again:?}");
    assert!(fs::read(place.path().join("out")).unwrap() == bytes, "never over a file");
}

#[test]
fn what_cannot_be_exported_leaves_no_file() {
    let place = filled();
    let secret_half = "AGE-SECRET-KEY-15ZLRTVFWCGYWT7VY66K6TC98KUEPNH08FLHDJ7CPMWYYHV9CCCFSSQEV7T";
    place.run(&["environment", "protect", "prod"]);
    place.feed(&["secret", "set", "x", "-e", "prod", "--allow-protected"], b"hunter5");
    for (words, code, said) in [
        (&["-r", RECIPIENT, "prod/else"][..], 4, "no secret `prod/else`"),
        (&["-r", RECIPIENT, "prod/none"], 4, "has no value"),
        (&["-r", RECIPIENT, "-w", "nobody"], 4, "there is no secret (workspace nobody)"),
        (&["-r", RECIPIENT, "-e", "prod"], 4, "is protected"),
        (&["-r", "age1x"], 2, "no recipient"),
        (&["-r", secret_half], 2, "this is a secret identity"),
        (&["-r", RECIPIENT, "--passphrase"], 2, "cannot be used with"),
    ] {
        let head = ["secret", "export", "--format", "json", "-o", "out"];
        let ended = place.run(&[&head[..], words].concat());
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stderr.contains(said), "{ended:?}");
        assert!(!ended.stderr.contains("AGE-SECRET"), "{ended:?}");
        assert!(!place.path().join("out").exists(), "{words:?}");
    }
    let words = ["secret", "export", "-o", "out", "-r", RECIPIENT, "--format"];
    let unnameable = place.run(&[&words[..], &["kubernetes", "prod/db"]].concat());
    assert_eq!(unnameable.code, 0, "{unnameable:?}");
    fs::remove_file(place.path().join("out")).unwrap();
    set(&place, &["alone"], "hunter6");
    let unnameable = place.run(&[&words[..], &["kubernetes", "alone"]].concat());
    assert_eq!(unnameable.code, 4, "{unnameable:?}");
    assert!(
        unnameable.stderr.contains("`alone` cannot be named in `kubernetes`"),
        "{unnameable:?}"
    );
    assert_eq!(place.run(&[&words[..], &["vault"]].concat()).code, 2);
    assert!(!place.path().join("out").exists());
}
