use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use subrosa_masker::Policy;
use tempfile::TempDir;

use super::{BYTES_MAX, MaskFile, MaskFileError, VALUES_MAX};
use crate::config::Settings;
use crate::host::{Host, Limits};
use crate::kind::Runners;
use crate::masks::Masks;
use crate::provider::Providers;
use crate::structured::KeyRules;

/// A file and the masks it fills.
struct World {
    _folder: TempDir,
    masks: Arc<Masks>,
    host: Host,
    file: MaskFile,
}

fn world() -> World {
    let folder = TempDir::new().unwrap();
    let masks = Arc::new(Masks::new(Policy::default(), KeyRules::default()));
    let host = Host {
        process_env: Vec::new(),
        current_dir: PathBuf::from("/"),
        data_dir: folder.path().to_path_buf(),
        providers: Providers::default(),
        runners: Runners::default(),
        registry: None,
        cache: None,
        user: "somebody".to_owned(),
        clock: || SystemTime::UNIX_EPOCH,
        random: || u64::MAX,
        guard: None,
        short: None,
        limits: Limits::default(),
        settings: Settings::default(),
    };
    let file = MaskFile::create(masks.clone(), &host, folder.path()).unwrap();
    World { _folder: folder, masks, host, file }
}

impl World {
    fn append(&self, text: &[u8]) {
        let mut file = OpenOptions::new().append(true).open(self.file.path()).unwrap();
        file.write_all(text).unwrap();
    }

    fn check(&self, text: &str, expected: &str) {
        self.file.look().unwrap();
        assert_eq!(self.masks.text(text).as_str(), expected);
    }
}

#[test]
fn what_is_in_the_file_is_masked_after_a_look() {
    let world = world();
    world.check("first-one", "first-one");
    world.append(b"first-one\n\n  \nsecond one \r\n");
    world.check("first-one, second one, third-one", "*******, *******, third-one");
    world.append(b"\"third\\none-\\u0041\"\n");
    world.check("third\none-A", "*******");
    assert_eq!(world.file.finish(), Ok(3));
}

#[test]
fn a_line_counts_before_it_ends() {
    let world = world();
    world.append(b"first-one");
    world.check("first-one", "*******");
    world.append(b"-and-more");
    world.check("first-one-and-more", "*******");
    world.append(b"\n\"json");
    world.check("json-string", "json-string");
    world.append(b"-string\"");
    world.check("json-string", "*******");
    assert_eq!(world.file.finish(), Ok(3), "a beginning that was masked counts");
}

#[test]
fn a_file_that_is_overwritten_is_refused() {
    let check = |first: &str, then: &str, expected| {
        let world = world();
        // As `>` of a shell; of the same length and at once, too.
        fs::write(world.file.path(), first).unwrap();
        world.check(first.trim(), "*******");
        fs::write(world.file.path(), then).unwrap();
        assert_eq!(world.file.look().err(), expected, "{then}");
    };
    check("aaaaaaaa\n", "aaaaaaaa\nbbbbbbbb", None);
    for then in ["bbbbbbbb\n", "", "aaaa", "bbbbbbbb\naaaaaaaa\n"] {
        check("aaaaaaaa\n", then, Some(MaskFileError::Overwritten));
    }
    check("aaaaaaaa", "bbbbbbbb", Some(MaskFileError::Overwritten));
}

#[test]
fn what_another_step_registered_counts_all_the_same() {
    let world = world();
    let other = MaskFile::create(world.masks.clone(), &world.host, &world.host.data_dir).unwrap();
    world.append(b"first-one\nfirst-one\n");
    assert_eq!(world.file.finish(), Ok(1), "each value counts once");
    let set = world.masks.current();
    fs::write(other.path(), "first-one\n\n").unwrap();
    assert_eq!(other.finish(), Ok(1));
    assert!(Arc::ptr_eq(&set, &world.masks.current()));
}

#[test]
fn a_registered_form_of_a_secret_has_forms_of_its_own() {
    let world = world();
    world.append(b"xx~~>>?? yyy\n");
    world.check("eHh+fj4+Pz8geXl5", "*******");
    world.check("eHh%2Bfj4%2BPz8geXl5", "eHh%2Bfj4%2BPz8geXl5");
    world.append(b"eHh+fj4+Pz8geXl5\n");
    world.check("eHh%2Bfj4%2BPz8geXl5", "*******");
}

#[test]
fn a_file_that_cannot_be_read_as_values_stays_refused() {
    let check = |text: &[u8], expected| {
        let world = world();
        world.append(text);
        let found = world.file.look().and_then(|()| world.file.finish());
        assert_eq!(found.err(), expected);
        if let Some(error) = expected {
            fs::write(world.file.path(), "").unwrap();
            assert_eq!(world.file.look(), Err(error), "also when it is mended");
        }
    };
    check(b"good\n\"bad\nmore\n", Some(MaskFileError::Malformed { line: 2 }));
    check(b"\"never ends", Some(MaskFileError::Malformed { line: 1 }));
    check(b"\"a\" b\n", Some(MaskFileError::Malformed { line: 1 }));
    check(b"a \"b\"\n", None);
    let many = |count: usize| -> Vec<u8> {
        (0..count).flat_map(|n| format!("value-{n:04}\n").into_bytes()).collect()
    };
    check(&many(VALUES_MAX), None);
    check(&many(VALUES_MAX + 1), Some(MaskFileError::TooMany));
    check(&vec![b'x'; BYTES_MAX + 1], Some(MaskFileError::TooLarge));
}

#[test]
fn the_line_of_an_error_counts_from_the_start_of_the_file() {
    let world = world();
    world.append(b"one-value\ntwo-values\n");
    world.file.look().unwrap();
    world.append(b"\"bad\n");
    assert_eq!(world.file.look(), Err(MaskFileError::Malformed { line: 3 }));
}

#[test]
fn the_bounds_are_those_of_the_run() {
    let world = world();
    let other = MaskFile::create(world.masks.clone(), &world.host, &world.host.data_dir).unwrap();
    let lines = |from: usize| -> String {
        (from..from + VALUES_MAX / 2 + 1).map(|n| format!("value-{n:04}\n")).collect()
    };
    world.append(lines(0).as_bytes());
    world.file.look().unwrap();
    fs::write(other.path(), lines(VALUES_MAX)).unwrap();
    assert_eq!(other.look(), Err(MaskFileError::TooMany));
}

#[test]
fn a_file_that_was_replaced_is_refused() {
    let world = world();
    let next = world.host.data_dir.join("next");
    fs::write(&next, "value").unwrap();
    fs::remove_file(world.file.path()).unwrap();
    fs::copy(&next, world.file.path()).unwrap();
    assert_eq!(world.file.look(), Err(MaskFileError::Replaced));
}

#[test]
fn a_file_that_was_moved_away_is_refused() {
    let check = |in_its_place: Option<&str>| {
        let world = world();
        world.append(b"first-one\n");
        world.file.look().unwrap();
        let moved = world.file.path().with_extension("moved");
        fs::rename(world.file.path(), &moved).unwrap();
        if let Some(text) = in_its_place {
            fs::write(world.file.path(), text).unwrap();
        }
        let found = world.file.look();
        fs::remove_file(moved).unwrap();
        assert_eq!(found, Err(MaskFileError::Replaced));
        assert_eq!(world.file.finish(), Err(MaskFileError::Replaced));
    };
    check(None);
    check(Some("second-one\n"));
}

#[test]
fn the_file_is_private_and_goes_with_its_attempt() {
    let world = world();
    let path = world.file.path().to_path_buf();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(world.file);
    assert!(!path.exists());
}

#[test]
fn errors_quote_nothing() {
    let mut told = BTreeMap::new();
    let malformed = MaskFileError::Malformed { line: 7 };
    for error in [malformed, MaskFileError::TooMany, MaskFileError::Replaced] {
        told.insert(error.to_string(), error);
    }
    assert_eq!(told.len(), 3);
    let expected = "line 7 of the file SUBROSA_MASK_FILE begins with a quote and is no JSON string";
    assert_eq!(malformed.to_string(), expected);
}
