//! One at a time for a connection, over threads, processes and what is left of those that were killed.

use std::path::Path;
use std::process::Child;

use subrosa_registry::{
    Action, BackupKey, Disk, FileError, Finding, MustBe, Names, RecordChange, Registry,
    RegistryError,
};

use crate::crash::lines;
use crate::support::{
    actor, admin, connection, create, made, open_record, parts, put, refresh, registry,
    registry_on_disk,
};
use crate::writers::{start, task, wait};

#[test]
fn only_one_holds_a_connection_and_others_go_on() {
    let (files, one) = made(Names::Open);
    put(&one, "jira", None, &[("token", Some("t"))]).unwrap();
    let other = registry(&files.another_process().impatient());
    let held = one.hold(&connection("jira")).unwrap();
    let busy = |result: Result<_, RegistryError>| {
        matches!(result.map(drop), Err(RegistryError::File(FileError::Busy { .. })))
    };
    assert!(busy(other.hold(&connection("jira"))));
    assert!(busy(other.hold(&connection("jira@pay"))), "of whichever scope");
    refresh(&other, "jira", "newer", None).unwrap();
    drop(other.hold(&connection("github")).unwrap());
    drop(held);
    drop(other.hold(&connection("jira")).unwrap());
    // The files that stand for it are nobody's rubbish, and no part of a backup.
    let left = files.snapshot().into_keys().filter(|path| path.starts_with("secrets/hold-"));
    assert_eq!(left.count(), 2);
    let findings = one.check().findings;
    let foreign = |it: &_| matches!(it, Finding::Foreign { .. });
    assert!(!findings.iter().any(foreign), "{findings:?}");
    one.tidy(&actor()).unwrap();
    let mut names = Vec::new();
    one.backup(&actor(), BackupKey::Out, &mut |name, _, _| {
        names.push(name.to_owned());
        Ok::<(), RegistryError>(())
    })
    .unwrap();
    assert!(names.iter().all(|name| !name.contains("hold")), "{names:?}");
}

#[test]
fn a_connection_is_held_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry_on_disk(folder.path());
    create(&registry, Names::Sealed).unwrap();
    let held = registry.hold(&connection("jira")).unwrap();
    let disk = Disk::private(&folder.path().join("secrets"));
    assert!(disk.survey().odd.is_empty());
    let name = std::fs::read_dir(folder.path().join("secrets")).unwrap();
    let name = name.map(|it| it.unwrap().file_name().into_string().unwrap());
    let name = name.into_iter().find(|name| name.starts_with("hold-")).unwrap();
    let pid = std::process::id();
    assert_eq!(disk.holder(&name).unwrap().and_then(|holder| holder.pid), Some(pid));
    drop(held);
    assert_eq!(disk.holder(&name).unwrap(), None);
    assert!(registry.check().findings.is_empty());
}

/// What a process does that finds a token expired.
fn refresh_once(registry: &Registry) {
    let _held = registry.hold(&connection("jira")).unwrap();
    let found = open_record(registry, "", "jira").unwrap();
    if found.public == "expired" {
        let change = RecordChange {
            public: Some("fresh".into()),
            parts: parts(&[("token", Some("newer"))]),
            must_be: MustBe::Present,
            expect: Some(found.version),
            replaces: true,
            ..RecordChange::default()
        };
        admin(registry).put_record(Action::Refresh, &connection("jira"), &change).unwrap();
    }
}

#[test]
fn one_of_many_that_refresh() {
    let Some((folder, _)) = task() else { return };
    refresh_once(&registry_on_disk(&folder));
    // It is ended while it holds: that keeps nobody waiting.
    let registry = registry_on_disk(&folder);
    let _held = registry.hold(&connection("jira")).unwrap();
    std::process::exit(0);
}

fn started(folder: &Path) -> Vec<Child> {
    (0..12).map(|n| start("hold::one_of_many_that_refresh", folder, n)).collect()
}

#[test]
fn of_many_processes_one_refreshes() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry_on_disk(folder.path());
    create(&registry, Names::Sealed).unwrap();
    put(&registry, "jira", Some("expired"), &[("token", Some("old"))]).unwrap();
    wait(started(folder.path()));
    let found = open_record(&registry, "", "jira").unwrap();
    assert_eq!((found.version, found.parts()), (2, vec![("token", "newer")]));
    assert_eq!(lines(&registry, Action::Refresh), 1);
    assert_eq!(registry.verify_audit().unwrap().problems, []);
    assert!(registry.check().findings.is_empty());
}
