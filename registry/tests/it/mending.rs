//! What is found wrong with a store, and what is mended of it.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use subrosa_registry::{
    Action, Disk, Files as _, Finding, Oddity, Outcome, Presence, Tidied, Unanchored,
};

use crate::home::{Home, actor, now};

#[test]
fn an_older_copy_of_the_store_is_noticed_and_can_be_accepted() {
    let home = Home::stocked();
    let root = fs::read(home.path("secrets/root")).unwrap();
    home.set("prod/other");
    fs::write(home.path("secrets/root"), root).unwrap();
    let report = home.registry.check();
    assert!(matches!(&report.findings[..], [Finding::TakenBack(_), ..]), "{:?}", report.findings);
    assert_eq!(report.secrets, 1, "the older state is checked all the same");
    home.registry.tidy(&actor()).unwrap_err();
    home.registry.accept(&actor()).unwrap();
    assert!(home.is_whole() && home.registry.check().findings.is_empty());
    assert_eq!(home.recorded(Action::Accept), [Outcome::Ok]);
    assert_eq!(home.registry.verify_audit().unwrap().problems, []);
}

fn age(path: &Path) {
    let long_ago = now() - Duration::from_secs(7200);
    File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
}

#[test]
fn tidying_removes_rubbish_and_writes_what_says_nothing() {
    let home = Home::stocked();
    assert_eq!(home.registry.tidy(&actor()).unwrap(), Tidied::default());
    assert_eq!(home.recorded(Action::Repair), []);
    let rubbish = ["secrets/tmp-0123456789abcdef", "secrets/idx/0000000000ff-01234567"];
    for name in rubbish {
        fs::write(home.path(name), "").unwrap();
        fs::set_permissions(home.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(home.registry.tidy(&actor()).unwrap().removed, 0, "they may be in the making");
    rubbish.iter().for_each(|name| age(&home.path(name)));
    fs::write(home.path("secrets/store.json"), "{").unwrap();
    let mut anchors =
        fs::read_dir(home.path("anchors")).unwrap().map(|entry| entry.unwrap().path());
    let anchor = anchors.find(|path| path.extension().is_none()).unwrap();
    fs::write(&anchor, "").unwrap();
    let findings = home.registry.check().findings;
    assert!(findings.iter().any(|it| matches!(it, Finding::Rubbish { files: 2 })), "{findings:?}");
    let damaged = |it: &Finding| matches!(it, Finding::Anchor(Unanchored::Damaged));
    assert!(findings.iter().any(damaged), "{findings:?}");
    let tidied = home.registry.tidy(&actor()).unwrap();
    let wrote = Tidied { removed: 2, wrote_marker: true, wrote_anchor: true, ..Tidied::default() };
    assert_eq!(tidied, wrote);
    assert_eq!(home.recorded(Action::Repair), [Outcome::Ok]);
    assert!(home.is_whole());
    let findings = home.registry.check().findings;
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn damage_is_found_without_the_key() {
    let home = Home::stocked();
    let index = fs::read_dir(home.path("secrets/idx")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(home.key()).unwrap();
    let home = home.again();
    let parts = |home: &Home| {
        let findings = home.registry.check().findings;
        assert!(matches!(findings[0], Finding::Unusable(_)), "{findings:?}");
        findings.iter().filter(|it| matches!(it, Finding::DamagedPart { .. })).count()
    };
    assert_eq!(parts(&home), 0);
    let mut bytes = fs::read(&index).unwrap();
    bytes[0] ^= 1;
    fs::write(&index, bytes).unwrap();
    assert_eq!(parts(&home), 1);
    fs::remove_file(&index).unwrap();
    assert_eq!(parts(&home), 1, "of a branch that is missing nobody knows the leaves");
}

#[test]
fn a_store_is_there_or_not_or_there_are_remains() {
    let home = Home::new();
    assert_eq!(home.registry.presence().unwrap(), Presence::Absent);
    home.set("prod/db");
    assert_eq!(home.registry.presence().unwrap(), Presence::Present);
    fs::remove_file(home.path("secrets/root")).unwrap();
    assert_eq!(home.registry.presence().unwrap(), Presence::Present);
    fs::remove_file(home.path("secrets/store.json")).unwrap();
    assert_eq!(home.registry.presence().unwrap(), Presence::Remains);
}

#[test]
fn what_is_left_of_writing_a_key_is_removed_once_it_is_old() {
    let home = Home::stocked();
    let left = home.path("keys/.master.key.0123456789abcdef");
    let foreign = home.path("keys/.master.key.notes");
    for path in [&left, &foreign] {
        fs::copy(home.key(), path).unwrap();
    }
    assert_eq!(home.places.left_over(now()).unwrap(), Vec::<String>::new());
    [&left, &foreign].into_iter().for_each(|path| age(path));
    assert_eq!(home.places.left_over(now()).unwrap(), [".master.key.0123456789abcdef"]);
    assert_eq!(home.places.remove_left_over(now()).unwrap(), 1);
    assert!(!left.exists() && foreign.exists() && home.is_whole());
}

#[test]
fn a_survey_tells_what_is_odd_and_what_is_ours_can_be_closed() {
    let home = Home::stocked();
    let disk = Disk::private(&home.path("secrets"));
    assert!(disk.survey().odd.is_empty() && disk.survey().exists);
    assert!(!Disk::private(&home.path("nowhere")).survey().exists);
    let chmod = |path: &str, mode| {
        fs::set_permissions(home.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod("secrets", 0o755);
    chmod("secrets/idx", 0o770);
    chmod("secrets/root", 0o644);
    chmod("secrets/lock", 0o400);
    symlink("root", home.path("secrets/link")).unwrap();
    let odd = disk.survey().odd;
    let mut found: Vec<(String, u32)> = odd
        .iter()
        .map(|odd| match odd.why {
            Oddity::Lax { mode, .. } => (odd.path.clone(), mode),
            Oddity::Shut { mode, .. } => (odd.path.clone(), mode | 0o10000),
            _ => (odd.path.clone(), 0),
        })
        .collect();
    assert_eq!(found[0], (String::new(), 0o755), "folders come first");
    found.sort();
    let expected = [("", 0o755), ("idx", 0o770), ("link", 0), ("lock", 0o10400), ("root", 0o644)];
    assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
    for path in ["", "idx", "root", "lock"] {
        disk.close(path).unwrap();
    }
    assert!(disk.close("link").is_err() && disk.close("nothing").is_err());
    assert_eq!(disk.survey().odd.len(), 1);
    assert_eq!(fs::metadata(home.path("secrets/lock")).unwrap().mode() & 0o7777, 0o600);
    assert!(disk.space().is_some_and(|space| !space.is_read_only));
}

#[test]
fn who_holds_the_lock_is_told() {
    let home = Home::stocked();
    let disk = Disk::private(&home.path("secrets"));
    assert_eq!(disk.holder("lock").unwrap(), None);
    assert_eq!(disk.holder("nothing").unwrap(), None);
    let held = disk.lock("lock").unwrap();
    let holder = disk.holder("lock").unwrap().unwrap();
    assert_eq!((holder.pid, holder.is_here), (Some(std::process::id()), true));
    drop(held);
    assert_eq!(disk.holder("lock").unwrap(), None);
}
