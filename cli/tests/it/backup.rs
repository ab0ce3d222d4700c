//! `backup` and `restore`: the whole circle, on another machine, and all that must not be put in place.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use subrosa_exchange::{EntryName, Recipient, Recipients, seal};

use crate::at_rest::below;
use crate::export::RECIPIENT;
use crate::import::value;
use crate::program::{Ended, Place, SUBROSA};
use crate::secret::{json, set};
use crate::terminal::Screen;

const IDENTITY: &str = include_str!("../../../testdata/exchange/not-secret-identity.txt");

pub(crate) fn private(place: &Place, name: &str, content: &str) -> PathBuf {
    let path = place.write(name, content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn filled() -> Place {
    let place = Place::new();
    for value in ["hunter1", "hunter2"] {
        set(&place, &["prod/db"], value);
    }
    set(&place, &["prod/db", "-w", "payments"], "hunter3");
    set(&place, &["prod/db", "-e", "dev"], "hunter4");
    private(&place, "identity", IDENTITY);
    place
}

fn backup(place: &Place, words: &[&str]) -> Ended {
    let ended = place.run(&[&["backup", "b.age"], words].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended
}

/// Restores in another place, as another user would on another machine.
fn restore(there: &Place, file: &Path, words: &[&str]) -> Ended {
    private(there, "identity", IDENTITY);
    let head = ["restore", file.to_str().unwrap(), "--identity", "identity"];
    there.run(&[&head[..], words].concat())
}

fn assert_untouched(place: &Place) {
    assert!(!place.home().exists(), "{:?}", below(&place.home()));
}

fn assert_all_there(place: &Place) {
    assert_eq!(value(place, "prod/db", &[]), "hunter2");
    assert_eq!(value(place, "prod/db", &["--env", "dev"]), "hunter4");
    place.write(
        "w.yaml",
        "labels: {workspace: payments}\nsecrets: [{name: A, ref: prod/db}]\n\
         steps: ['printf %s \"$A\" > got']\n",
    );
    assert_eq!(place.run(&["run", "w.yaml"]).code, 0);
    assert_eq!(fs::read_to_string(place.path().join("got")).unwrap(), "hunter3");
    let rolled = place.run(&["secret", "rollback", "prod/db"]);
    assert_eq!(rolled.code, 0, "{rolled:?}");
    assert_eq!(value(place, "prod/db", &[]), "hunter1");
}

#[test]
fn a_registry_comes_back_on_another_machine() {
    let (here, there) = (filled(), Place::new());
    let said = backup(&here, &["--recipient", RECIPIENT, "--with-key"]);
    assert!(said.stdout.contains("3 secrets, 4 versions, state 5 of "), "{said:?}");
    assert!(said.stderr.contains("whoever opens the backup has every secret"), "{said:?}");
    let file = here.path().join("b.age");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let checked = restore(&there, &file, &["--check", "--json"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked.stdout.contains("\"secrets\":3,\"versions\":4,\"generation\":5"),
        "{checked:?}"
    );
    assert!(checked.stdout.contains("\"key_included\":true"), "{checked:?}");
    assert_untouched(&there);
    let restored = restore(&there, &file, &[]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_all_there(&there);
    let names: Vec<String> = fs::read_dir(there.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("restore"))
        .collect();
    assert!(names.is_empty(), "{names:?}");
    for path in below(&there.home().join("secrets")) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn a_backup_brings_back_what_was_wiped_though_newer_was_seen() {
    let place = Place::new();
    let home = place.path().join("user");
    fs::create_dir(&home).unwrap();
    let run = |words: &[&str], input: Option<&str>| {
        let mut command = place.command(words);
        command.env_remove("SUBROSA_HOME").env("HOME", &home);
        private(&place, "value", input.unwrap_or("x"));
        Ended::of(&command.output().unwrap())
    };
    private(&place, "identity", IDENTITY);
    let set = ["secret", "set", "a", "--from-file", "value"];
    assert_eq!(run(&set, Some("hunter2")).code, 0);
    assert_eq!(run(&["backup", "b.age", "-r", RECIPIENT], None).code, 0);
    assert_eq!(run(&set, Some("hunter3")).code, 0);
    fs::remove_dir_all(home.join(".local/share/subrosa")).unwrap();
    let restored = run(&["restore", "b.age", "-i", "identity"], None);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(restored.stderr.contains("master.key"), "{restored:?}");
    let words = ["exec", "-s", "A=ref:a", "--", "sh", "-c", "printf %s \"$A\" > got"];
    let ended = run(&words, None);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(fs::read_to_string(place.path().join("got")).unwrap(), "hunter2");
    assert_eq!(run(&set, Some("hunter4")).code, 0, "and it goes on");
}

#[test]
fn a_passphrase_opens_what_it_sealed_and_no_other_does() {
    let (here, there) = (filled(), Place::new());
    let with = |place: &Place, passphrase: &str, words: &[&str]| {
        let file = private(place, "passphrase", passphrase);
        let mut command = place.command(words);
        Ended::of(&command.env("SUBROSA_PASSPHRASE_FILE", file).output().unwrap())
    };
    let made = with(&here, "correct horse\n", &["backup", "b.age", "--passphrase", "--with-key"]);
    assert_eq!(made.code, 0, "{made:?}");
    let file = here.path().join("b.age");
    let words = ["restore", file.to_str().unwrap(), "--passphrase"];
    let wrong = with(&there, "wrong horse\n", &words);
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(wrong.stderr.contains("cannot be opened with this key"), "{wrong:?}");
    assert!(!wrong.stderr.contains("horse"), "{wrong:?}");
    assert_untouched(&there);
    let other_kind = restore(&there, &file, &[]);
    assert_eq!(other_kind.code, 4, "{other_kind:?}");
    assert!(other_kind.stderr.contains("open it with `--passphrase`"), "{other_kind:?}");
    let right = with(&there, "correct horse", &words);
    assert_eq!(right.code, 0, "{right:?}");
    assert_all_there(&there);
    let loose = place_with_loose_passphrase();
    let mut command = loose.command(&["restore", file.to_str().unwrap(), "--passphrase"]);
    let refused = command.env("SUBROSA_PASSPHRASE_FILE", "passphrase").output().unwrap();
    let refused = Ended::of(&refused);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("chmod 600"), "{refused:?}");
}

/// As the key of a registry reads it: of a carriage return alone nobody knows that it ends a line.
#[test]
fn a_passphrase_is_what_stands_before_the_end_of_its_line() {
    let (here, there) = (filled(), Place::new());
    let with = |place: &Place, passphrase: &str, words: &[&str]| {
        let file = private(place, "passphrase", passphrase);
        let mut command = place.command(words);
        Ended::of(&command.env("SUBROSA_PASSPHRASE_FILE", file).output().unwrap()).code
    };
    assert_eq!(with(&here, "horse\r", &["backup", "b.age", "--passphrase", "--with-key"]), 0);
    let file = here.path().join("b.age");
    let words = ["restore", file.to_str().unwrap(), "--passphrase"];
    assert_eq!(with(&there, "horse", &words), 4);
    assert_eq!(with(&there, "horse\r\r\n", &words), 0);
}

fn place_with_loose_passphrase() -> Place {
    let place = Place::new();
    let path = place.write("passphrase", "correct horse");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    place
}

#[test]
fn a_backup_is_encrypted_and_never_over_a_file() {
    let place = filled();
    let plain = place.run(&["backup", "b.age"]);
    assert_eq!(plain.code, 2, "{plain:?}");
    assert!(plain.stderr.contains("a backup is always encrypted"), "{plain:?}");
    place.write("b.age", "precious");
    assert_eq!(place.run(&["backup", "b.age", "-r", RECIPIENT]).code, 2);
    assert_eq!(fs::read(place.path().join("b.age")).unwrap(), b"precious");
    let empty = Place::new();
    let none = empty.run(&["backup", "b.age", "-r", RECIPIENT]);
    assert_eq!(none.code, 4, "{none:?}");
    assert!(!empty.path().join("b.age").exists());
    for file in below(&place.home().join("secrets/idx")) {
        fs::write(file, "damaged").unwrap();
    }
    let damaged = place.run(&["backup", "new.age", "-r", RECIPIENT]);
    assert_eq!(damaged.code, 5, "{damaged:?}");
    assert!(!place.path().join("new.age").exists());
}

#[test]
fn a_backup_that_is_not_whole_puts_nothing_in_place() {
    let (here, there) = (filled(), Place::new());
    backup(&here, &["-r", RECIPIENT, "--with-key"]);
    let whole = fs::read(here.path().join("b.age")).unwrap();
    let file = there.path().join("b.age");
    let check = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let ended = restore(&there, &file, &[]);
        assert!([4, 5].contains(&ended.code), "{what}: {ended:?}");
        assert!(!ended.stderr.contains("hunter"), "{what}: {ended:?}");
        assert_untouched(&there);
    };
    let steps = 24;
    for step in 0..steps {
        let at = whole.len() * step / steps;
        check(&whole[..at], &format!("cut at {at}"));
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        check(&flipped, &format!("byte {at}"));
    }
    check(&whole[..whole.len() - 1], "without the last byte");
    check(&[&whole[..], b"x"].concat(), "with one more byte");
    fs::write(&file, &whole).unwrap();
    assert_eq!(restore(&there, &file, &[]).code, 0);
}

#[test]
fn what_somebody_else_put_into_an_archive_is_not_taken() {
    let there = Place::new();
    let made = |names: &[(&str, &str)]| {
        let recipients = Recipients::Keys(vec![Recipient::parse(RECIPIENT).unwrap()]);
        let mut archive = seal(Vec::new(), &recipients).unwrap();
        for (name, content) in names {
            let name = EntryName::parse(name).unwrap();
            archive.add(&name, content.len() as u64, &mut Cursor::new(content.as_bytes())).unwrap();
        }
        archive.finish().unwrap()
    };
    for names in [
        &[][..],
        &[("lock", "")],
        &[("idx/evil", "")],
        &[("root.prev", "x")],
        &[("key", "no key")],
        &[("root", "no root\n"), ("store.json", "{}")],
        &[("root", "")],
    ] {
        let file = there.path().join("b.age");
        fs::write(&file, made(names)).unwrap();
        let ended = restore(&there, &file, &[]);
        assert!([4, 5].contains(&ended.code), "{names:?} {ended:?}");
        assert_untouched(&there);
    }
}

#[test]
fn without_its_key_a_backup_is_of_no_use() {
    let (here, there) = (filled(), Place::new());
    let said = backup(&here, &["-r", RECIPIENT]);
    assert!(said.stderr.contains("the key is not in it"), "{said:?}");
    let file = here.path().join("b.age");
    for words in [&["--check"][..], &[]] {
        let missing = restore(&there, &file, words);
        assert_eq!(missing.code, 5, "{missing:?}");
        assert!(missing.stderr.contains("the backup does not hold the key"), "{missing:?}");
        assert_untouched(&there);
    }
    let key = here.home().join("keys/master.key");
    let other = filled().home().join("keys/master.key");
    assert!(!other.exists(), "its place is gone");
    let foreign = filled();
    let wrong = foreign.home().join("keys/master.key");
    let ended = restore(&there, &file, &["--key-file", wrong.to_str().unwrap()]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert_untouched(&there);
    let ended = restore(&there, &file, &["--key-file", key.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let listed = there.run(&["secret", "list", "--key-file", key.to_str().unwrap()]);
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, 4), "{listed:?}");
}

#[test]
fn a_registry_that_is_there_is_never_replaced() {
    let (here, there) = (filled(), Place::new());
    backup(&here, &["-r", RECIPIENT, "--with-key"]);
    let file = here.path().join("b.age");
    set(&there, &["mine"], "hunter9");
    let before = json(&there, &["secret", "list", "--json"]);
    let refused = restore(&there, &file, &[]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("never replaces one"), "{refused:?}");
    assert_eq!(json(&there, &["secret", "list", "--json"]), before);
    // The registry is gone, its key is not: that is not thrown away, either.
    fs::remove_dir_all(there.home().join("secrets")).unwrap();
    let key = fs::read(there.home().join("keys/master.key")).unwrap();
    let refused = restore(&there, &file, &[]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(fs::read(there.home().join("keys/master.key")).unwrap() == key);
    assert_eq!(fs::read_dir(there.home()).unwrap().count(), 1, "the keys only");
    fs::DirBuilder::new().mode(0o700).create(there.home().join("secrets")).unwrap();
    fs::write(there.home().join("secrets/mine"), "precious").unwrap();
    let refused = restore(&there, &file, &[]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("is not empty"), "{refused:?}");
}

#[test]
fn backups_and_restores_are_in_the_audit_log() {
    let (here, there) = (filled(), Place::new());
    backup(&here, &["-r", RECIPIENT, "--with-key"]);
    assert_eq!(restore(&there, &here.path().join("b.age"), &[]).code, 0);
    let log = fs::read_to_string(there.home().join("secrets/audit.log")).unwrap();
    let actions = ["\"backup\"", "\"key-export\"", "\"restore\""];
    let found: Vec<_> = actions.iter().map(|action| log.find(action).unwrap()).collect();
    assert!(found.is_sorted(), "{log}");
}

#[test]
fn a_passphrase_as_an_argument_is_not_repeated() {
    let place = Place::new();
    for words in [
        &["backup", "b.age", "--passphrase", "hunter2"][..],
        &["backup", "b.age", "--passphrase=hunter2"],
        &["restore", "b.age", "--passphrase", "hunter2"],
        &["restore", "b.age", "--passphrase", "--hunter2"],
    ] {
        let ended = place.run(words);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
        assert!(ended.stderr.contains("a passphrase is never an argument"), "{ended:?}");
    }
}

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    let place = filled();
    let ask = |words: &[&str], answers: &[(&str, &str)]| {
        let words = [&["__terminal", "--", SUBROSA], words].concat();
        let mut screen = Screen::new();
        let child = screen.start(place.command(&words).stderr(screen.stream()));
        for (question, answer) in answers {
            screen.wait_for(question);
            screen.press(answer);
        }
        let (seen, status) = screen.finish(child);
        assert!(!seen.contains("horse"), "{seen}");
        status.code().unwrap()
    };
    let backup = ["backup", "b.age", "--passphrase"];
    let (first, again) = ("new passphrase (not shown): ", "the same again: ");
    assert_eq!(ask(&backup, &[(first, "horse\r"), (again, "house\r")]), 2);
    assert_eq!(ask(&backup, &[(first, "\r")]), 2);
    assert_eq!(ask(&backup, &[(first, "\x03")]), 130);
    assert!(!place.path().join("b.age").exists());
    assert_eq!(ask(&backup, &[(first, "horse\r"), (again, "horse\r")]), 0);
    let check = ["restore", "b.age", "--passphrase", "--check"];
    let question = "passphrase of the backup (not shown): ";
    assert_eq!(ask(&check, &[(question, "house\r")]), 4);
    assert_eq!(ask(&check, &[(question, "horse\r")]), 0);
}
