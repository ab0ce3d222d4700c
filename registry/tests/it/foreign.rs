//! Files that are whole and belong elsewhere: to an older state of the store, to another store, to another
//! key, to a newer program; and what is no file at all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};
use subrosa_registry::{Actor, KeyError, LookupError, Names, RegistryError};

use crate::damage::{Contents, Judge, fill, seen, small};
use crate::model::ModelFiles;
use crate::support::{
    View, admin, create, model_of, prepared, registry, registry_on_disk, registry_unanchored,
    resolve_one, set, text_of,
};

/// A store, and the same after some changes.
fn older_and_newer(names: Names) -> (Contents, Contents) {
    let older = small(names);
    let files = model_of(&older);
    fill(&registry(&files), ", newer");
    (older, files.snapshot())
}

#[test]
fn no_file_of_an_older_state_is_taken_for_one_of_this() {
    for names in [Names::Open, Names::Sealed] {
        let (older, newer) = older_and_newer(names);
        let judge = Judge::of(&newer);
        for (path, bytes) in &older {
            let mut mixed = newer.clone();
            mixed.insert(path.clone(), bytes.clone());
            judge.judge(&registry(&model_of(&mixed)), path);
        }
    }
}

#[test]
fn no_file_of_another_store_is_taken_for_one_of_this() {
    for names in [Names::Open, Names::Sealed] {
        let contents = small(names);
        let other = prepared(|registry| {
            create(registry, names).unwrap();
            fill(registry, " elsewhere");
            admin(registry).rotate_key(Some(names)).unwrap();
            registry.tidy(&Actor::default()).unwrap();
        });
        let judge = Judge::of(&contents);
        let index = |contents: &Contents| {
            contents.keys().find(|path| path.starts_with("secrets/idx")).cloned().unwrap()
        };
        let mut theirs = other.clone();
        let bytes = theirs.remove(&index(&other)).unwrap();
        theirs.insert(index(&contents), bytes);
        for (path, bytes) in theirs {
            let mut mixed = contents.clone();
            mixed.insert(path.clone(), bytes);
            judge.judge(&registry(&model_of(&mixed)), &path);
        }
    }
}

fn replaced(contents: &Contents, part: &str, with: &Contents) -> ModelFiles {
    let mut mixed = contents.clone();
    mixed.retain(|path, _| !path.starts_with(part));
    mixed.extend(with.clone().into_iter().filter(|(path, _)| path.starts_with(part)));
    model_of(&mixed)
}

#[test]
fn a_store_that_was_taken_back_as_a_whole_is_refused_until_it_is_accepted() {
    let (older, newer) = older_and_newer(Names::Open);
    let files = replaced(&newer, "secrets/", &older);
    let taken_back = registry(&files);
    let is_refused = |result: Result<_, RegistryError>| matches!(result, Err(RegistryError::RolledBack { found, seen }) if found < seen);
    assert!(is_refused(resolve_one(&taken_back, "", "db").map(drop)));
    assert!(is_refused(set(&taken_back, "db", "value").map(drop)));
    assert!(!taken_back.check().findings.is_empty());
    taken_back.accept(&Actor::default()).unwrap();
    let expected = View::of(&registry(&model_of(&older))).unwrap();
    assert_eq!(View::of(&registry(&files)).unwrap(), expected);
    set(&registry(&files), "db", "value").unwrap();
}

#[test]
fn without_an_anchor_a_store_that_was_taken_back_as_a_whole_is_an_older_one() {
    let (older, newer) = older_and_newer(Names::Open);
    let files = replaced(&newer, "secrets/", &older);
    let expected = View::of(&registry(&model_of(&older))).unwrap();
    assert_eq!(View::of(&registry_unanchored(&files)).unwrap(), expected);
}

#[test]
fn the_key_of_another_store_and_another_key_of_this_are_told() {
    let contents = small(Names::Open);
    let files = replaced(&contents, "keys/", &small(Names::Open));
    let Err(RegistryError::Key(KeyError::OtherStore { .. })) =
        resolve_one(&registry(&files), "", "db")
    else {
        panic!("the key of another store is refused");
    };
    // The store as it was before its key was exchanged, with the key after it.
    let files = model_of(&contents);
    admin(&registry(&files)).rotate_key(None).unwrap();
    let files = replaced(&contents, "keys/", &files.snapshot());
    let Err(RegistryError::Key(KeyError::Wrong { .. })) = resolve_one(&registry(&files), "", "db")
    else {
        panic!("another key is refused");
    };
}

#[test]
fn newer_formats_are_told_by_their_numbers() {
    for path in ["secrets/root", "secrets/store.json", "keys/master.key"] {
        let mut contents = small(Names::Open);
        let content = contents.get_mut(path).unwrap();
        let text = String::from_utf8(content.clone()).unwrap();
        let (text, rest) = text.split_once('\n').unwrap();
        let newer = text.replace("\"format\":1", "\"format\":2").replace("key 1", "key 2");
        assert_ne!(newer, text);
        *content = format!("{newer}\n{rest}").into_bytes();
        let registry = registry(&model_of(&contents));
        let found = format!("{:?}", registry.check().findings);
        let is_told = match path {
            "secrets/store.json" => matches!(
                registry_without_root(&contents).exists(),
                Err(RegistryError::TooNew { found: 2, known: 1, .. })
            ),
            _ => found.contains("TooNew { ") && found.contains("found: 2, known: 1"),
        };
        assert!(is_told, "{path}: {found}");
    }
}

fn registry_without_root(contents: &Contents) -> subrosa_registry::Registry {
    let mut contents = contents.clone();
    contents.remove("secrets/root");
    registry(&model_of(&contents))
}

/// Puts files into a real folder, closed to others.
pub(crate) fn lay_on_disk(folder: &Path, contents: &Contents) {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    for (path, bytes) in contents {
        let path = folder.join(path);
        let mut folders = fs::DirBuilder::new();
        folders.recursive(true).mode(0o700).create(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn links_pipes_and_folders_in_place_of_files_are_not_followed() {
    let contents = small(Names::Open);
    let right = seen(&registry(&model_of(&contents)));
    let plants: [fn(&Path, &Path); 3] = [
        |path, copy| symlink(copy, path).unwrap(),
        |path, _| {
            rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        },
        |path, _| fs::create_dir(path).unwrap(),
    ];
    for path in contents.keys() {
        for plant in plants {
            let folder = tempfile::TempDir::new().unwrap();
            lay_on_disk(folder.path(), &contents);
            let (path, copy) = (folder.path().join(path), folder.path().join("copy"));
            fs::rename(&path, &copy).unwrap();
            plant(&path, &copy);
            let shown = folder.path().display().to_string();
            for (found, right) in seen(&registry_on_disk(folder.path())).into_iter().zip(&right) {
                match (found, right) {
                    (Ok(found), Ok(right)) => {
                        for (found, right) in found.iter().zip(right) {
                            let is_told = matches!(found, Err(LookupError::Damaged { file, .. })
                                if file.contains(&shown));
                            assert!(found == right || is_told, "{path:?}: {found:?}");
                        }
                    }
                    (Err(error), _) => assert!(error.to_string().contains(&shown), "{error:?}"),
                    (Ok(_), Err(error)) => panic!("{error:?}"),
                }
            }
        }
    }
}

#[test]
fn a_store_on_a_disk_that_takes_nothing_is_still_read() {
    let contents = small(Names::Open);
    let files = model_of(&contents);
    files.arm(Some(crate::model::Plan::From(0, rustix::io::Errno::ROFS)));
    let found = resolve_one(&registry(&files), "pay", "db").unwrap().unwrap();
    assert_eq!(text_of(&found.value), "of pay");
    assert!(matches!(set(&registry(&files), "db", "value"), Err(RegistryError::File(_))));
}
