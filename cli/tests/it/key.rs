//! `key`: each verb, what it refuses, and that no text of a key gets where it does not belong.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::at_rest::below;
use crate::program::{Ended, Place, SUBROSA};
use crate::secret::{json, set};
use crate::terminal::Screen;

const PASSPHRASE: &str = "correct horse battery";

/// A place with one secret.
fn stocked() -> Place {
    let place = Place::new();
    assert_eq!(set(&place, &["prod/db"], "hunter2").code, 0);
    place
}

fn master(place: &Place) -> PathBuf {
    place.home().join("keys/master.key")
}

/// A run still gets the value.
fn is_usable(place: &Place) -> bool {
    let got = place.path().join("got");
    fs::remove_file(&got).ok();
    let words = ["exec", "--secret", "A=ref:prod/db", "--", "sh", "-c", "printf %s \"$A\" > got"];
    place.run(&words).code == 0 && fs::read_to_string(got).unwrap() == "hunter2"
}

fn ok(place: &Place, words: &[&str]) -> Ended {
    let ended = place.run(words);
    assert_eq!(ended.code, 0, "{words:?} {ended:?}");
    ended
}

fn refused(place: &Place, words: &[&str], code: i32, message: &str) {
    let ended = place.run(words);
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{words:?} {ended:?}");
    assert!(ended.stderr.contains(message), "{words:?} {ended:?}");
}

fn status(place: &Place) -> Value {
    serde_json::from_str(&place.run(&["key", "status", "--json"]).stdout).unwrap()
}

fn actions(place: &Place) -> Vec<String> {
    let listed = ok(place, &["audit", "list", "--json"]).stdout;
    let action = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        format!("{} {}", line["action"].as_str().unwrap(), line["outcome"].as_str().unwrap())
    };
    listed.lines().map(action).collect()
}

fn private(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn status_tells_where_the_key_is_looked_for_and_why() {
    let place = Place::new();
    refused(&place, &["key", "status"], 4, "there is no secrets registry");
    set(&place, &["prod/db"], "hunter2");
    let text = ok(&place, &["key", "status"]).stdout;
    assert!(text.contains("keys/master.key (nothing else was chosen)"), "{text}");
    assert!(text.contains("state  the one that the registry needs"), "{text}");
    let told = status(&place);
    assert_eq!((&told["chosen_by"], &told["state"]), (&"default".into(), &"in-use".into()));
    assert_eq!(told["key"], told["wanted"]);
    fs::copy(master(&place), place.path().join("k")).unwrap();
    let by_option = json(&place, &["key", "status", "--json", "--key-file", "k"]);
    assert_eq!(by_option["chosen_by"], "option");
    let mut command = place.command(&["key", "status", "--json"]);
    let by_variable = Ended::of(&command.env("SUBROSA_KEY_FILE", "k").output().unwrap());
    assert!(by_variable.stdout.contains(r#""chosen_by":"variable""#), "{by_variable:?}");
    let ended = place.run(&["key", "status", "--key-file", "nowhere.key"]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stdout.contains("there is none"), "{ended:?}");
    assert!(ended.stdout.contains("`subrosa key import FILE`"), "{ended:?}");
    ok(&place, &["key", "move", "--to", "file", "--key-file", "moved.key"]);
    assert_eq!(status(&place)["chosen_by"], "settings");
}

#[test]
fn a_key_that_cannot_be_used_is_told_by_status() {
    let check = |spoil: &dyn Fn(&Path), state: &str| {
        let place = stocked();
        spoil(&master(&place));
        let ended = place.run(&["key", "status", "--json"]);
        assert_eq!(ended.code, 5, "{ended:?}");
        assert_eq!(status(&place)["state"], state);
    };
    check(&|path| fs::remove_file(path).unwrap(), "missing");
    check(&|path| fs::write(path, "no key").unwrap(), "failed");
    check(&|path| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap(), "failed");
    let other = stocked();
    check(&|path| fs::copy(master(&other), path).map(drop).unwrap(), "failed");
    // One of before a rotation.
    let place = stocked();
    let old = fs::read(master(&place)).unwrap();
    ok(&place, &["key", "rotate"]);
    fs::write(master(&place), old).unwrap();
    assert_eq!(status(&place)["state"], "wrong");
    // A rotation that was cut off before anything was changed.
    let place = stocked();
    fs::copy(master(&place), master(&place).with_extension("key.next")).unwrap();
    assert_eq!(status(&place)["rotation"], "in-use");
}

#[test]
fn rotating_takes_all_secrets_over() {
    let place = stocked();
    let before = status(&place)["key"].clone();
    let told = json(&place, &["key", "rotate", "--json"]);
    assert_eq!((&told["from"], &told["versions"]), (&before, &1.into()));
    assert_eq!(status(&place)["key"], told["key"]);
    assert!(is_usable(&place));
    ok(&place, &["key", "rotate", "--seal-names"]);
    let names = |place: &Place| {
        let files = below(&place.home().join("secrets")).into_iter().filter(|path| path.is_file());
        let has =
            |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).contains("prod/db");
        files.filter(|path| path.parent().unwrap().ends_with("idx")).any(has)
    };
    assert!(!names(&place) && is_usable(&place));
    ok(&place, &["key", "rotate", "--show-names"]);
    assert!(names(&place) && is_usable(&place));
    refused(&Place::new(), &["key", "rotate"], 4, "there is no secrets registry");
}

#[test]
fn a_move_takes_the_key_along() {
    let place = stocked();
    let moved = place.path().join("stick.key");
    let told = ok(&place, &["key", "move", "--to", "file", "--key-file", "stick.key"]);
    assert_eq!(told.stdout, format!("the key is in the file {}\n", moved.display()));
    assert!(is_usable(&place) && !master(&place).exists());
    assert_eq!(fs::metadata(&moved).unwrap().mode() & 0o7777, 0o600);
    let words = ["key", "move", "--to", "command", "--json", "--", "cat", "stick.key"];
    let told = json(&place, &words);
    assert_eq!(told["place"], "the command `cat`");
    assert!(told["left"].as_str().unwrap().ends_with("stick.key"));
    assert!(moved.exists() && is_usable(&place));
    refused(&place, &["key", "rotate"], 5, "a key can only be read from the command `cat`");
    ok(&place, &["key", "move", "--to", "file"]);
    assert!(master(&place).exists() && is_usable(&place));
    fs::write(place.path().join("taken.key"), "somebody's").unwrap();
    private(&place.path().join("taken.key"));
    refused(&place, &["key", "move", "--to", "file", "--key-file", "taken.key"], 5, "taken.key");
    refused(&place, &["key", "move", "--to", "command", "--", "false"], 5, "the command `false`");
    assert!(is_usable(&place));
    assert_eq!(fs::read_to_string(place.path().join("taken.key")).unwrap(), "somebody's");
    assert!(actions(&place).contains(&"key-move failed".to_owned()));
}

#[test]
fn a_variable_that_names_a_key_file_is_said_to_win() {
    let place = stocked();
    fs::copy(master(&place), place.path().join("k")).unwrap();
    let mut command = place.command(&["key", "move", "--to", "file", "--key-file", "new.key"]);
    let ended = Ended::of(&command.env("SUBROSA_KEY_FILE", "k").output().unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("`SUBROSA_KEY_FILE` is set, and wins"), "{ended:?}");
    assert!(is_usable(&place), "without the variable, the new place counts");
}

#[test]
fn a_copy_of_the_key_is_a_new_file_for_us_alone() {
    let place = stocked();
    let copy = place.path().join("copy.key");
    let told = json(&place, &["key", "export", "copy.key", "--json"]);
    assert_eq!(told["key"], status(&place)["key"]);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(master(&place)).unwrap());
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o600);
    refused(&place, &["key", "export", "copy.key"], 2, "already");
    std::os::unix::fs::symlink("elsewhere", place.path().join("link")).unwrap();
    refused(&place, &["key", "export", "link"], 2, "already");
    refused(&place, &["key", "export", "nowhere/copy.key"], 5, "nowhere/copy.key");
    assert_eq!(fs::read(&copy).unwrap(), fs::read(master(&place)).unwrap());
    let ended = ok(&place, &["key", "export", "-"]);
    assert_eq!(ended.stdout.as_bytes(), fs::read(&copy).unwrap());
    assert!(ended.stderr.contains("whoever has this copy and the registry has every secret"));
    let screen = Screen::new();
    let child = screen.start(place.command(&["key", "export", "-"]).stderr(screen.stream()));
    let (seen, ended) = screen.finish(child);
    assert_eq!(ended.code(), Some(2), "{seen}");
    assert!(seen.contains("standard output is a terminal") && !seen.contains("\nkey "), "{seen}");
    let exports = actions(&place).into_iter().filter(|action| action == "key-export ok").count();
    assert_eq!(exports, 3, "one that could not be written is recorded, too");
    refused(&Place::new(), &["key", "export", "x"], 4, "there is no secrets registry");
}

#[test]
fn a_copy_brings_a_lost_key_back() {
    let place = stocked();
    ok(&place, &["key", "export", "copy.key"]);
    refused(&place, &["key", "import", "copy.key"], 5, "there is a key already");
    fs::remove_file(master(&place)).unwrap();
    assert!(!is_usable(&place));
    let other = stocked();
    refused(&place, &["key", "import", master(&other).to_str().unwrap()], 5, "not of the registry");
    refused(&place, &["key", "import", "nowhere"], 2, "cannot read");
    refused(&place, &["key", "import", "/dev/zero"], 5, "is no key");
    fs::set_permissions(place.path().join("copy.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = ok(&place, &["key", "import", "copy.key"]);
    assert!(ended.stdout.ends_with("keys/master.key\n"), "{ended:?}");
    assert!(ended.stderr.contains("is open to others (mode 0644)"), "{ended:?}");
    assert!(is_usable(&place));
    let text = fs::read(master(&place)).unwrap();
    fs::remove_file(master(&place)).unwrap();
    let ended = place.feed(&["key", "import", "-"], &text);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(is_usable(&place));
    // A copy of before a rotation is not the key of now.
    ok(&place, &["key", "rotate"]);
    fs::remove_file(master(&place)).unwrap();
    refused(&place, &["key", "import", "copy.key"], 5, "the registry needs the key");
    assert!(actions(&stocked()).iter().all(|action| action == "set ok"));
}

fn with_passphrase(place: &Place, words: &[&str], file: &str) -> Ended {
    let mut command = place.command(words);
    Ended::of(&command.env("SUBROSA_PASSPHRASE_FILE", file).output().unwrap())
}

#[test]
fn a_passphrase_can_come_from_a_private_file() {
    let place = stocked();
    let file = place.write("passphrase", &format!("{PASSPHRASE}\n"));
    let words = ["key", "move", "--to", "passphrase"];
    let ended = with_passphrase(&place, &words, "passphrase");
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("is open to others"), "{ended:?}");
    private(&file);
    assert_eq!(with_passphrase(&place, &words, "passphrase").code, 0);
    assert!(!master(&place).exists());
    let list = |file| with_passphrase(&place, &["secret", "list"], file);
    assert_eq!(list("passphrase").code, 0);
    let wrong = place.write("wrong", "another");
    private(&wrong);
    let ended = list("wrong");
    assert!(ended.code == 5 && ended.stderr.contains("the passphrase does not open"), "{ended:?}");
    let ended = list("nowhere");
    assert!(ended.code == 5 && ended.stderr.contains("it is not there"), "{ended:?}");
    // A copy under the same passphrase, and without.
    let export = ["key", "export", "--passphrase", "copy.key"];
    assert_eq!(with_passphrase(&place, &export, "passphrase").code, 0);
    let copy = fs::read_to_string(place.path().join("copy.key")).unwrap();
    assert!(copy.contains("\nargon2id ") && !copy.contains("\nkey "), "{copy}");
    assert_eq!(with_passphrase(&place, &["key", "rotate"], "passphrase").code, 0);
    assert_eq!(with_passphrase(&place, &["key", "move", "--to", "file"], "passphrase").code, 0);
    assert!(is_usable(&place));
}

/// Starts it on a terminal of its own, answers, and gives what was seen and the exit code.
fn answer(place: &Place, words: &[&str], answers: &[(&str, &str)]) -> (String, i32) {
    let mut screen = Screen::new();
    let words = [&["__terminal", "--", SUBROSA], words].concat();
    let child = screen.start(place.command(&words).stderr(screen.stream()));
    for (question, keys) in answers {
        screen.wait_for(question);
        screen.press(keys);
    }
    let (seen, ended) = screen.finish(child);
    assert!(!seen.contains("horse"), "{seen}");
    (seen, ended.code().unwrap())
}

#[test]
fn a_passphrase_is_asked_for_without_echo_and_twice_if_it_is_new() {
    let place = stocked();
    let typed = format!("{PASSPHRASE}\r");
    let new = "new passphrase for the key in the file";
    let words = ["key", "move", "--to", "passphrase"];
    let (seen, code) = answer(&place, &words, &[(new, &typed), ("the same again: ", "other\r")]);
    assert!(code == 5 && seen.contains("the two passphrases differ"), "{seen}");
    assert!(is_usable(&place));
    let (seen, code) = answer(&place, &words, &[(new, &typed), ("the same again: ", &typed)]);
    assert_eq!(code, 0, "{seen}");
    assert!(place.home().join("keys/protected.key").exists() && !master(&place).exists());
    let ask = "passphrase of the key in the file";
    let (seen, code) = answer(&place, &["secret", "list"], &[(ask, &typed)]);
    assert!(code == 0 && seen.contains("prod/db"), "{seen}");
    let (seen, code) = answer(&place, &["secret", "list"], &[(ask, "horses\r")]);
    assert!(code == 5 && seen.contains("the passphrase does not open"), "{seen}");
    let (seen, code) = answer(&place, &["key", "rotate"], &[(ask, &typed)]);
    assert!(code == 0 && seen.matches("passphrase of").count() == 1, "{seen}");
    // Without a terminal nobody can be asked.
    let mut command = std::process::Command::new("setsid");
    command.args(["--wait", SUBROSA, "secret", "list"]).stdin(Stdio::null());
    let ended = Ended::of(&command.env("SUBROSA_HOME", place.home()).output().unwrap());
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("no passphrase: there is no terminal to ask on"), "{ended:?}");
}

/// The hex digits of a plain key text.
fn digits(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("key ")).unwrap().to_owned()
}

#[test]
fn neither_key_nor_passphrase_is_where_it_does_not_belong() {
    let place = stocked();
    let key = digits(&fs::read_to_string(master(&place)).unwrap());
    let pass = place.write("passphrase", PASSPHRASE);
    private(&pass);
    let check = |words: &[&str]| {
        let mut command = place.command(words);
        command.envs([("RUST_BACKTRACE", "full"), ("SUBROSA_PASSPHRASE_FILE", "passphrase")]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let line = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        let output = child.wait_with_output().unwrap();
        let ended = Ended::of(&output);
        assert_eq!(ended.code, 0, "{words:?} {ended:?}");
        for seen in [String::from_utf8_lossy(&line).into_owned(), ended.stdout, ended.stderr] {
            for hidden in [key.as_str(), PASSPHRASE, "hunter2"] {
                assert!(!seen.contains(hidden), "{words:?} {seen}");
            }
        }
    };
    check(&["key", "status"]);
    check(&["key", "status", "--json"]);
    check(&["key", "export", "copy.key"]);
    check(&["key", "move", "--to", "file", "--key-file", "moved.key"]);
    check(&["key", "move", "--to", "passphrase", "--json"]);
    check(&["key", "export", "wrapped.key", "--passphrase"]);
    check(&["doctor", "--repair"]);
    check(&["doctor", "--json"]);
    check(&["audit", "list"]);
    check(&["audit", "verify", "--json"]);
    let holds = |path: &PathBuf, hidden: &str| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes())
    };
    let files: Vec<PathBuf> =
        below(place.path()).into_iter().filter(|path| path.is_file()).collect();
    let with = |hidden: &str| -> Vec<&PathBuf> {
        files.iter().filter(|path| holds(path, hidden)).collect()
    };
    assert_eq!(with(&key), [&place.path().join("copy.key")]);
    assert_eq!(with(PASSPHRASE), [&pass]);
    assert_eq!(with("hunter2"), Vec::<&PathBuf>::new());
}
