//! Every write operation, on a store that has something of everything.

use std::time::Duration;

use subrosa_registry::{
    Action, Expiry, Import, MustBe, Names, RecordChange, Registry, RegistryError, SetOptions,
    Written,
};

use crate::support::{address, admin, connection, create, now, parts, put, secret, set};

/// A write operation on a store that [`prepare`] made.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// What it says of itself in the audit log, and how many lines of it.
    pub(crate) lines: (Action, usize),
    pub(crate) act: fn(&Registry) -> Result<(), RegistryError>,
}

fn done<T>(result: Result<T, RegistryError>) -> Result<(), RegistryError> {
    result.map(drop)
}

fn overlap() -> SetOptions {
    SetOptions { overlap: Some(Duration::from_secs(86_400)), ..SetOptions::default() }
}

/// Makes that store.
pub(crate) fn prepare(registry: &Registry) {
    create(registry, Names::Open).unwrap();
    for value in ["first", "second", "third"] {
        set(registry, "db", value).unwrap();
    }
    for (at, value) in [("db@pay", "of pay"), ("db@pay/prod", "of prod"), ("off", "unused")] {
        set(registry, at, value).unwrap();
    }
    let by = admin(registry);
    by.disable(&address("off")).unwrap();
    by.protect(&address("x@/locked").scope.environment.unwrap()).unwrap();
    by.declare(&address("later")).unwrap();
    put(registry, "jira", Some("url"), &[("token", Some("first")), ("pin", Some("1"))]).unwrap();
    put(registry, "jira", None, &[("token", Some("second"))]).unwrap();
}

/// Exchanges the token of that connection.
fn refresh(registry: &Registry, overlap_s: Option<u64>) -> Result<Written, RegistryError> {
    let overlap = overlap_s.map(Duration::from_secs);
    let change = RecordChange {
        public: Some("refreshed".into()),
        parts: parts(&[("token", Some("third")), ("refresh_token", Some("rotated"))]),
        options: SetOptions { overlap, ..SetOptions::default() },
        must_be: MustBe::Present,
        expect: Some(2),
        replaces: true,
    };
    admin(registry).put_record(Action::Refresh, &connection("jira"), &change)
}

/// All of them.
pub(crate) fn operations() -> Vec<Operation> {
    let operation = |name, action, lines, act| Operation { name, lines: (action, lines), act };
    vec![
        operation("set a new secret", Action::Set, 1, |r| done(set(r, "new", "n"))),
        operation("set again", Action::Set, 1, |r| done(set(r, "db", "fourth"))),
        operation("set in a new environment", Action::Set, 1, |r| done(set(r, "db@/dev", "d"))),
        operation("rotate", Action::Rotate, 1, |r| {
            done(admin(r).rotate(&address("db"), &secret("fourth"), &overlap()))
        }),
        operation("import", Action::Import, 20, |r| {
            let import = |n: usize| Import {
                address: address(&format!("import-{}", n % 19)),
                value: secret(&format!("value {n}")),
            };
            done(admin(r).import(&(0..20).map(import).collect::<Vec<_>>()))
        }),
        operation("declare", Action::Set, 1, |r| done(admin(r).declare(&address("new")))),
        operation("disable", Action::Disable, 1, |r| done(admin(r).disable(&address("db")))),
        operation("enable", Action::Enable, 1, |r| done(admin(r).enable(&address("off")))),
        operation("remove", Action::Remove, 1, |r| admin(r).remove(&address("db"))),
        operation("describe", Action::Describe, 1, |r| {
            admin(r).describe(&address("db"), "the database")
        }),
        operation("expire", Action::Expire, 1, |r| {
            let at = Expiry::At(now() + Duration::from_secs(60));
            admin(r).expire(&address("db"), at)
        }),
        operation("prune", Action::Prune, 1, |r| done(admin(r).prune(&address("db"), 1))),
        operation("rollback", Action::Rollback, 1, |r| {
            done(admin(r).rollback(&address("db"), Some(1)))
        }),
        operation("move", Action::Move, 2, |r| {
            admin(r).move_to(&address("db"), &address("moved@pay"))
        }),
        operation("copy", Action::Copy, 2, |r| {
            admin(r).copy(&address("db"), &address("copied@pay"))
        }),
        operation("protect", Action::EnvironmentProtect, 1, |r| {
            done(admin(r).protect(&address("x@/prod").scope.environment.unwrap()))
        }),
        operation("remove an environment", Action::EnvironmentRemove, 1, |r| {
            let mut by = admin(r);
            by.allow_protected = true;
            by.remove_environment(&address("x@/locked").scope.environment.unwrap())
        }),
        operation("rotate the key", Action::KeyRotate, 1, |r| done(admin(r).rotate_key(None))),
        operation("seal names", Action::KeyRotate, 1, |r| {
            done(admin(r).rotate_key(Some(Names::Sealed)))
        }),
        operation("add a connection", Action::Set, 1, |r| {
            done(put(r, "new@pay", Some("text"), &[("token", Some("t")), ("pin", Some("p"))]))
        }),
        operation("edit a connection", Action::Set, 1, |r| {
            done(put(r, "jira", Some("other url"), &[("pin", None)]))
        }),
        operation("refresh", Action::Refresh, 1, |r| done(refresh(r, None))),
        operation("refresh with an overlap", Action::Refresh, 1, |r| done(refresh(r, Some(60)))),
        operation("roll a connection back", Action::Rollback, 1, |r| {
            done(admin(r).rollback(&connection("jira"), None))
        }),
        operation("move a connection", Action::Move, 2, |r| {
            admin(r).move_to(&connection("jira"), &connection("moved@pay"))
        }),
    ]
}
