//! The key of a store: where it is, taking it elsewhere, out and in.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use subrosa_registry::{Action, KeyFound, Outcome, Protection, Source};

use crate::home::{Home, actor};

fn file(path: Option<PathBuf>) -> Source {
    Source::File { path }
}

#[test]
fn a_key_is_known_by_where_and_which_it_is() {
    let home = Home::stocked();
    let status = home.registry.key_status().unwrap();
    let KeyFound::Key { id, is_wanted: true } = status.current else { panic!("{status:?}") };
    assert_eq!(status.wanted, Some(id));
    assert!(matches!(status.next, KeyFound::Absent));
    assert!(status.place.ends_with("keys/master.key"), "{}", status.place);
    let other = Home::stocked();
    fs::copy(home.key(), other.key()).unwrap();
    let status = other.registry.key_status().unwrap();
    assert!(matches!(status.current, KeyFound::Failed(_)), "{status:?}");
    fs::remove_file(other.key()).unwrap();
    let status = other.registry.key_status().unwrap();
    assert!(matches!(status.current, KeyFound::Absent), "{status:?}");
    // Without a root, the marker says whose key is looked for.
    fs::remove_file(home.path("secrets/root")).unwrap();
    let status = home.registry.key_status().unwrap();
    assert!(matches!(status.current, KeyFound::Key { is_wanted: false, .. }), "{status:?}");
    assert_eq!(status.wanted, None);
    assert!(Home::new().registry.key_status().is_err());
}

#[test]
fn a_key_is_moved_there_and_back_and_each_move_is_recorded() {
    let home = Home::stocked();
    let elsewhere = home.path("elsewhere.key");
    for to in
        [file(Some(elsewhere.clone())), Source::Passphrase { path: None }, file(None), file(None)]
    {
        home.registry.move_key(&actor(), &home.places, &to).unwrap();
        assert!(home.is_whole(), "{to:?}");
    }
    assert!(!elsewhere.exists() && !home.path("keys/protected.key").exists());
    assert_eq!(home.recorded(Action::KeyMove), [Outcome::Ok; 4]);
    assert!(home.again().is_whole());
}

#[test]
fn a_key_stays_where_it_is_if_it_cannot_be_moved() {
    let home = Home::stocked();
    let taken = home.path("taken.key");
    fs::write(&taken, "somebody's").unwrap();
    fs::set_permissions(&taken, fs::Permissions::from_mode(0o600)).unwrap();
    let other = Home::stocked();
    let print = ["cat".to_owned(), other.key().display().to_string()];
    for to in [file(Some(taken)), Source::Command { argv: print.to_vec() }] {
        home.registry.move_key(&actor(), &home.places, &to).unwrap_err();
        assert!(home.is_whole() && home.key().exists(), "{to:?}");
    }
    // It is said before it is done, and once more if it then was not.
    let twice = [Outcome::Ok, Outcome::Failed, Outcome::Ok, Outcome::Failed];
    assert_eq!(home.recorded(Action::KeyMove), twice);
}

#[test]
fn a_copy_of_the_key_brings_it_back() {
    for protected in [false, true] {
        let home = Home::stocked();
        let protection = match protected {
            true => Protection::Passphrase(&home.places.passphrase),
            false => Protection::None,
        };
        let copy = home.registry.export_key(&actor(), &protection, "a file").unwrap();
        let is_plain = copy.text.windows(5).any(|bytes| bytes == b"\nkey ");
        assert_eq!(is_plain, !protected);
        assert!(home.import(&copy.text).unwrap_err().contains("there is a key already"));
        fs::remove_file(home.key()).unwrap();
        let home = home.again();
        assert_eq!(home.registry.check().secrets, 0);
        assert_eq!(home.import(&copy.text), Ok(copy.id));
        assert!(home.is_whole());
        assert_eq!(home.recorded(Action::KeyExport), [Outcome::Ok]);
        assert_eq!(home.recorded(Action::KeyImport), [Outcome::Ok]);
    }
}

#[test]
fn only_the_key_that_opens_the_root_is_taken() {
    let home = Home::stocked();
    let copy = home.registry.export_key(&actor(), &Protection::None, "a file").unwrap().text;
    let other = Home::stocked();
    let foreign = other.registry.export_key(&actor(), &Protection::None, "a file").unwrap().text;
    home.registry.admin(actor()).rotate_key(None).unwrap();
    let newer = fs::read(home.key()).unwrap();
    fs::remove_file(home.key()).unwrap();
    let home = home.again();
    let check = |text: &[u8], why: &str| {
        let error = home.import(text).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert!(!home.key().exists());
    };
    check(&copy, "and the registry needs the key");
    check(&foreign, "not of the registry");
    check(b"no key", "is no key");
    check(&newer[..newer.len() - 2], "the copy");
    home.import(&newer).unwrap();
    assert!(home.is_whole());
}

#[test]
fn a_copy_comes_back_also_if_the_root_is_damaged() {
    let home = Home::stocked();
    home.set("prod/other");
    let copy = home.registry.export_key(&actor(), &Protection::None, "a file").unwrap().text;
    fs::remove_file(home.key()).unwrap();
    fs::write(home.path("secrets/root"), "").unwrap();
    let home = home.again();
    home.import(&copy).unwrap();
    assert!(home.registry.check().previous.is_some());
    home.registry.restore_previous_root(&actor()).unwrap();
    assert!(home.is_whole(), "the second secret is undone");
    assert_eq!(home.recorded(Action::Repair), [Outcome::Ok]);
}

#[test]
fn nothing_is_exported_unrecorded() {
    let home = Home::stocked();
    fs::remove_file(home.path("secrets/audit.lock")).unwrap();
    symlink("nowhere", home.path("secrets/audit.lock")).unwrap();
    let export = home.registry.export_key(&actor(), &Protection::None, "a file");
    assert!(export.err().unwrap().to_string().contains("audit log cannot be written"));
}
