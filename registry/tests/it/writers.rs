//! Many processes on a real disk at once: nothing is lost, versions have no gaps, nobody reads an older
//! value after a newer one, and the audit log is one chain.
//!
//! A process is this very program, asked for one test by name, with the folder in a variable.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};

use subrosa_registry::{Action, Filter, Names};
use tempfile::TempDir;

use crate::support::{
    View, address, admin, create, registry_on_disk, resolve, resolve_one, set, text_of,
};

const WRITERS: usize = 16;
const READERS: usize = 3;
const OWN: usize = 25;
const SHARED: usize = 10;
const FOLDER: &str = "SUBROSA_TEST_FOLDER";
const NUMBER: &str = "SUBROSA_TEST_NUMBER";

/// Starts this program for one test.
pub(crate) fn start(test: &str, folder: &Path, number: usize) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .env(NUMBER, number.to_string())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// The folder and number that this process was started with, if it was started by another test.
#[expect(clippy::disallowed_methods, reason = "a child of a test is told so by its environment")]
pub(crate) fn task() -> Option<(std::path::PathBuf, usize)> {
    let folder = std::env::var_os(FOLDER)?;
    Some((folder.into(), std::env::var(NUMBER).ok()?.parse().ok()?))
}

pub(crate) fn wait(children: Vec<Child>) {
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn one_of_many_writers() {
    let Some((folder, number)) = task() else { return };
    for n in 0..OWN.max(SHARED) {
        let registry = registry_on_disk(&folder);
        if n < OWN {
            let at = format!("own-{number}");
            let written = set(&registry, &at, &format!("value {}", n + 1)).unwrap();
            assert_eq!(written.version, n as u64 + 1);
        }
        if n < SHARED {
            let at = address("shared@pay");
            let before = admin(&registry).info(&at).ok().and_then(|info| info.version);
            let written = set(&registry, "shared@pay", &format!("of {number}, {n}")).unwrap();
            assert!(Some(written.version) > before);
        }
    }
}

#[test]
fn one_of_many_readers() {
    let Some((folder, _)) = task() else { return };
    let registry = registry_on_disk(&folder);
    let references: Vec<String> =
        (0..WRITERS).map(|n| format!("own-{n}")).chain(["shared".to_owned()]).collect();
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let mut newest = vec![0; references.len()];
    while !folder.join("done").exists() {
        let answer = resolve(&registry, "pay", &references).unwrap();
        assert_eq!(answer.warnings, [""; 0]);
        for (result, newest) in answer.results.iter().zip(&mut newest) {
            // Before its first value a ref is not there; afterwards it always is.
            match result {
                Ok(found) => {
                    assert!(found.version >= *newest);
                    let own = format!("value {}", found.version);
                    let is_shared = found.address.reference.as_str() == "shared";
                    assert!(is_shared || text_of(&found.value) == own);
                    *newest = found.version;
                }
                Err(error) => assert!(
                    *newest == 0 && *error == subrosa_registry::LookupError::NotFound,
                    "{error}"
                ),
            }
        }
    }
}

#[test]
fn one_that_exchanges_the_key() {
    let Some((folder, _)) = task() else { return };
    while !folder.join("done").exists() {
        admin(&registry_on_disk(&folder)).rotate_key(None).unwrap();
    }
}

#[test]
fn sixteen_writers_lose_nothing() {
    let folder = TempDir::new().unwrap();
    create(&registry_on_disk(folder.path()), Names::Open).unwrap();
    let readers = (0..READERS).map(|n| start("writers::one_of_many_readers", folder.path(), n));
    let mut others: Vec<Child> = readers.collect();
    others.push(start("writers::one_that_exchanges_the_key", folder.path(), 0));
    wait((0..WRITERS).map(|n| start("writers::one_of_many_writers", folder.path(), n)).collect());
    std::fs::write(folder.path().join("done"), "").unwrap();
    wait(others);

    let registry = registry_on_disk(folder.path());
    let view = View::of(&registry).unwrap();
    for n in 0..WRITERS {
        let kept = OWN as u64 - 9..=OWN as u64;
        for version in kept {
            let value = &view.values[&(address(&format!("own-{n}")), version)];
            assert_eq!(*value, format!("value {version}"));
        }
    }
    let shared = admin(&registry).info(&address("shared@pay")).unwrap();
    assert_eq!(shared.version, Some((WRITERS * SHARED) as u64));
    check_log(folder.path());
    let findings = registry.check().findings;
    assert!(findings.is_empty(), "{findings:?}");
}

/// One chain without a gap, in which each version of each secret was given once.
fn check_log(folder: &Path) {
    let registry = registry_on_disk(folder);
    let report = registry.verify_audit().unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.head.seq, report.lines);
    let mut given = BTreeSet::new();
    let filter = Filter { action: Some(Action::Set), ..Filter::default() };
    registry
        .each_event(filter, |entry| {
            let event = entry.unwrap().event;
            assert!(given.insert((event.reference.unwrap(), event.version.unwrap())));
        })
        .unwrap();
    assert_eq!(given.len(), WRITERS * (OWN + SHARED));
    let shared = given.iter().filter(|(reference, _)| reference.as_str() == "shared");
    assert!(shared.map(|(_, version)| *version).eq(1..=(WRITERS * SHARED) as u64));
}

#[test]
fn one_of_many_that_make_the_store() {
    let Some((folder, number)) = task() else { return };
    let registry = registry_on_disk(&folder);
    create(&registry, Names::Open).unwrap();
    set(&registry, &format!("own-{number}"), "value").unwrap();
}

#[test]
fn sixteen_that_make_the_store_at_once_make_one() {
    for _ in 0..3 {
        let folder = TempDir::new().unwrap();
        wait(
            (0..WRITERS)
                .map(|n| start("writers::one_of_many_that_make_the_store", folder.path(), n))
                .collect(),
        );
        let registry = registry_on_disk(folder.path());
        for n in 0..WRITERS {
            let found = resolve_one(&registry, "", &format!("own-{n}")).unwrap().unwrap();
            assert_eq!(text_of(&found.value), "value");
        }
        let keys = std::fs::read_dir(folder.path().join("keys")).unwrap();
        let keys: Vec<_> = keys.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(keys, ["master.key"]);
        let findings = registry.check().findings;
        assert!(findings.is_empty(), "{findings:?}");
    }
}
