//! Where a value comes from, byte for byte: standard input and files.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::program::{Ended, Place};

const KIB_64: usize = 64 * 1024;

/// What a run gets for the ref `a`.
fn stored(place: &Place) -> Vec<u8> {
    let text = "secrets: [{name: A, ref: a}]\nsteps: ['printf %s \"$A\" > got']\n";
    place.write("w.yaml", text);
    let ended = place.run(&["run", "w.yaml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    fs::read(place.path().join("got")).unwrap()
}

#[test]
fn a_value_is_stored_byte_for_byte_but_for_one_newline() {
    let drop = "stored without the trailing newline\n";
    let keep = "kept the trailing newline\n";
    let check = |input: &[u8], flags: &[&str], value: &[u8], told: &str| {
        let place = Place::new();
        assert_eq!(place.run(&["init"]).code, 0);
        let ended = place.feed(&[&["secret", "set", "a"], flags].concat(), input);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, told), "{ended:?}");
        assert!(stored(&place) == value, "{told}");
    };
    check(b"hunter2", &[], b"hunter2", "");
    check(b"hunter2\n", &[], b"hunter2", drop);
    check(b"hunter2\r\n", &[], b"hunter2", drop);
    check(b"hunter2\n\n", &[], b"hunter2\n", drop);
    check(b"hunter2\n", &["--keep-newline"], b"hunter2\n", keep);
    check(b"hunter2", &["--keep-newline"], b"hunter2", "");
    check(b" two\nlines ", &[], b" two\nlines ", "");
    check(b"not \xff\xfe text", &[], b"not \xff\xfe text", "");
    let largest = vec![b'x'; KIB_64];
    check(&largest, &[], &largest, "");
    check(&[&largest[..], b"\n"].concat(), &[], &largest, drop);
    check(&[&largest[..], b"\r\n"].concat(), &[], &largest, drop);
}

#[test]
fn what_cannot_be_a_value_is_refused_and_makes_nothing() {
    let place = Place::new();
    let check = |input: &[u8], flags: &[&str], message: &str| {
        let ended = place.feed(&[&["secret", "set", "a"], flags].concat(), input);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:?}");
        assert!(ended.stderr.contains(message), "{message}: {ended:?}");
        assert!(!place.home().exists());
    };
    check(b"", &[], "the value is empty");
    check(b"\n", &[], "the value is empty");
    check(b"\r\n", &[], "the value is empty");
    check(b"a\0b", &[], "the value holds a NUL byte");
    check(&vec![b'x'; KIB_64 + 1], &[], "the value is larger than 64 KiB");
    check(&[&vec![b'x'; KIB_64][..], b"\n"].concat(), &["--keep-newline"], "larger than 64 KiB");
    check(&vec![b'x'; 10_000_000], &[], "the value is larger than 64 KiB");
    check(&vec![0; 10_000_000], &[], "the value is larger than 64 KiB");
}

#[test]
fn a_value_without_an_end_is_refused_at_once() {
    let place = Place::new();
    let zeros = || File::open("/dev/zero").unwrap();
    let ended = Ended::of(&place.command(&["secret", "set", "a"]).stdin(zeros()).output().unwrap());
    assert_eq!(ended.code, 2, "{ended:?}");
    let folder = File::open(place.path()).unwrap();
    let ended = Ended::of(&place.command(&["secret", "set", "a"]).stdin(folder).output().unwrap());
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.stderr.contains("cannot read standard input"), "{ended:?}");
}

#[test]
fn what_is_refused_anyway_is_refused_before_the_value_is_read() {
    let place = Place::new();
    assert_eq!(place.feed(&["secret", "set", "a", "--env", "prod"], b"x").code, 0);
    assert_eq!(place.run(&["environment", "protect", "prod"]).code, 0);
    for (words, code) in [
        (&["set", "Bad"][..], 2),
        (&["set", "a", "--seal-names"], 2),
        (&["set", "a", "--expires", "2020-01-01"], 2),
        (&["set", "a", "--env", "prod"], 4),
        (&["rotate", "b"], 4),
        (&["rotate", "a", "--env", "prod"], 4),
    ] {
        // The pipe stays open, so that a reader would wait for ever.
        let mut command = place.command(&[&["secret"], words].concat());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdin = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{words:?}");
        drop(stdin);
    }
}

#[test]
fn a_value_comes_from_a_file_or_a_pipe() {
    let place = Place::new();
    let file = place.write("value", "from a file\n");
    symlink(&file, place.path().join("link")).unwrap();
    let set = |path: &str| place.run(&["secret", "set", "a", "--from-file", path]);
    for path in ["value", "link", file.to_str().unwrap()] {
        let ended = set(path);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stderr.contains("without the trailing newline"), "{ended:?}");
        assert_eq!(stored(&place), b"from a file");
    }
    let pipe = place.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = place.command(&["secret", "set", "a", "--from-file", "pipe"]).spawn().unwrap();
    fs::write(&pipe, "from a pipe").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(stored(&place), b"from a pipe");
    place.write("large", &"x".repeat(KIB_64 + 1));
    let check = |path: &str, message: &str| {
        let ended = set(path);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(message), "{ended:?}");
    };
    check("nowhere", "cannot read `nowhere`");
    check(".", "`.` is a folder");
    check("/dev/zero", "`/dev/zero` is neither a file nor a pipe");
    check("large", "the value is larger than 64 KiB");
    assert_eq!(stored(&place), b"from a pipe");
}
