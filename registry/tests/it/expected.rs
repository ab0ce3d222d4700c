//! Changes that are made only if nobody was there before: at a version, or where nothing is.

use subrosa_registry::{
    Action, Address, Admin, Amendment, Expiry, Filter, Names, Outcome, Registry, RegistryError,
    SetOptions,
};

use crate::support::{
    View, address, admin, connection, made, now, put, registry_interrupted, secret, set,
};

type Change = fn(&Admin<'_>, &Address) -> Result<(), RegistryError>;

/// Each change that looks at the version first.
const CHANGES: [(&str, Change); 12] = [
    ("set", |admin, at| admin.set(at, &secret("new"), &SetOptions::default()).map(drop)),
    ("rotate", |admin, at| admin.rotate(at, &secret("new"), &SetOptions::default()).map(drop)),
    ("enable", |admin, at| admin.enable(at).map(drop)),
    ("disable", |admin, at| admin.disable(at).map(drop)),
    ("remove", |admin, at| admin.remove(at)),
    ("rollback", |admin, at| admin.rollback(at, Some(1)).map(drop)),
    ("describe", |admin, at| admin.describe(at, "what for")),
    ("expire", |admin, at| admin.expire(at, Expiry::Never)),
    ("prune", |admin, at| admin.prune(at, 1).map(drop)),
    ("amend", |admin, at| admin.amend(at, &Amendment::default())),
    ("move", |admin, at| admin.move_to(at, &address("elsewhere"))),
    ("copy", |admin, at| admin.copy(at, &address("elsewhere"))),
];

fn at_version(registry: &Registry, expected: u64) -> Admin<'_> {
    let mut admin = admin(registry);
    admin.expect = Some(expected);
    admin
}

fn refused(error: RegistryError) -> (u64, Option<u64>) {
    match error {
        RegistryError::Changed { expected, found, .. } => (expected, found),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_of_what_is_at_another_version_is_refused_and_changes_nothing() {
    for (name, change) in CHANGES {
        let (_, registry) = made(Names::Open);
        set(&registry, "prod/db", "one").unwrap();
        set(&registry, "prod/db", "two").unwrap();
        let before = View::of(&registry).unwrap();
        let error = change(&at_version(&registry, 1), &address("prod/db")).unwrap_err();
        assert_eq!(refused(error), (1, Some(2)), "{name}");
        assert_eq!(View::of(&registry).unwrap(), before, "{name}");
        change(&at_version(&registry, 2), &address("prod/db")).unwrap();
    }
}

#[test]
fn what_is_not_there_is_at_no_version() {
    for (name, change) in CHANGES {
        let (_, registry) = made(Names::Open);
        let error = change(&at_version(&registry, 1), &address("prod/db")).unwrap_err();
        assert!(matches!(error, RegistryError::NotFound(_)), "{name}: {error:?}");
    }
}

#[test]
fn what_was_declared_without_a_value_is_at_version_0() {
    let (_, registry) = made(Names::Open);
    let at = address("prod/db");
    admin(&registry).declare(&at).unwrap();
    assert_eq!(refused(at_version(&registry, 1).disable(&at).unwrap_err()), (1, None));
    at_version(&registry, 0).disable(&at).unwrap();
}

/// Somebody else comes first, after the change was prepared and before it takes the lock.
#[test]
fn of_two_who_read_the_same_version_one_is_refused() {
    let (files, registry) = made(Names::Open);
    set(&registry, "prod/db", "one").unwrap();
    let other = crate::support::registry(&files);
    let mine = registry_interrupted(
        &files,
        Box::new(move || assert!(set(&other, "prod/db", "theirs").is_ok())),
    );
    let options = SetOptions::default();
    let late = at_version(&mine, 1).rotate(&address("prod/db"), &secret("mine"), &options);
    assert_eq!(refused(late.unwrap_err()), (1, Some(2)));
    assert_eq!(admin(&registry).info(&address("prod/db")).unwrap().version, Some(2));
}

#[test]
fn of_two_who_create_the_same_secret_one_is_refused() {
    let (files, registry) = made(Names::Open);
    let other = crate::support::registry(&files);
    let mine = registry_interrupted(
        &files,
        Box::new(move || assert!(set(&other, "prod/db", "theirs").is_ok())),
    );
    let late = admin(&mine).create(&address("prod/db"), &secret("mine"), &SetOptions::default());
    assert!(matches!(late, Err(RegistryError::Exists(_))), "{late:?}");
    admin(&registry).remove(&address("prod/db")).unwrap();
    let again =
        admin(&registry).create(&address("prod/db"), &secret("mine"), &SetOptions::default());
    assert_eq!(again.unwrap().version, 2);
}

#[test]
fn connections_are_changed_at_a_version_as_well() {
    let (_, registry) = made(Names::Open);
    put(&registry, "jira", Some("url"), &[]).unwrap();
    let at = connection("jira");
    assert_eq!(refused(at_version(&registry, 7).disable(&at).unwrap_err()), (7, Some(1)));
    at_version(&registry, 1).disable(&at).unwrap();
}

#[test]
fn an_amendment_makes_all_its_changes_or_none_and_each_is_recorded() {
    let (_, registry) = made(Names::Open);
    for value in ["one", "two", "three"] {
        set(&registry, "prod/db", value).unwrap();
    }
    let at = address("prod/db");
    let end = now() + std::time::Duration::from_secs(60);
    let all = Amendment {
        description: Some("the database".to_owned()),
        expiry: Some(Expiry::At(end)),
        keep: Some(1),
    };
    let too_long = Amendment { description: Some("x".repeat(2000)), ..all.clone() };
    assert!(admin(&registry).amend(&at, &too_long).is_err());
    assert_eq!(admin(&registry).info(&at).unwrap().versions.len(), 3);
    admin(&registry).amend(&at, &all).unwrap();
    let info = admin(&registry).info(&at).unwrap();
    assert_eq!((info.description.as_str(), info.expires), ("the database", Some(end)));
    assert_eq!((info.keep, info.versions.len()), (Some(1), 1));
    let mut recorded = Vec::new();
    let filter = Filter { outcome: Some(Outcome::Ok), ..Filter::default() };
    registry.each_event(filter, |entry| recorded.push(entry.unwrap().event.action)).unwrap();
    assert_eq!(recorded[3..], [Action::Describe, Action::Expire, Action::Prune]);
}
