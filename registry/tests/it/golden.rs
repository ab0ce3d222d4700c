//! Stores that earlier versions wrote, which stay readable for ever.
//!
//! `testdata/registry/vN` and `vN-connections`, each `open` and `sealed`, are whole stores with their keys, whose names say that they are not
//! secret; `expected.txt` beside them lists what is in them. They are never written anew: a change of
//! the format adds a folder. Where one is missing, `BLESS=1` makes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use subrosa_registry::{
    Action, Address, Names, PartInfo, RecordChange, RecordInfo, Registry, SecretInfo, SetOptions,
};
use tempfile::TempDir;

use crate::damage::Contents;
use crate::foreign::lay_on_disk;
use crate::support::{
    View, address, admin, connection, create, open_record, parts, prepared, put, registry_on_disk,
    resolve_one, secret, set, text_of,
};

fn folder(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/registry").join(format)
}

/// The files below a folder.
fn contents(folder: &Path) -> Contents {
    let mut contents = Contents::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                contents.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    contents
}

/// What a store has of everything, as lines of text.
fn told(registry: &Registry) -> String {
    let view = View::of(registry).unwrap();
    let value = |(at, n): &(Address, u64), value: &String| format!("{at}, version {n}: {value}\n");
    let mut text: String = view.values.iter().map(|(at, text)| value(at, text)).collect();
    for SecretInfo { address, version, is_disabled, description, .. } in &view.secrets {
        let state = if *is_disabled { "disabled" } else { "active" };
        let version = version.map_or("no version".into(), |n| format!("version {n}"));
        text += &format!("{address}: {state}, {version}, `{description}`\n");
    }
    for record in &view.records {
        let RecordInfo { info, public, parts } = record;
        let part = |part: &PartInfo| format!("{} of version {}", part.name, part.version);
        let parts: Vec<String> = parts.iter().map(part).collect();
        text += &format!("{}: `{public}`, {}\n", info.address, parts.join(", "));
    }
    for environment in &view.environments {
        let kind = if environment.is_protected { "protected" } else { "open to all" };
        text += &format!("environment `{}`: {kind}\n", environment.name);
    }
    text
}

fn make(registry: &Registry, names: Names) {
    create(registry, names).unwrap();
    for (at, value) in [
        ("not-secret/db", "not secret, first"),
        ("not-secret/db", "not secret, second"),
        ("not-secret/db@pay", "not secret, of pay"),
        ("not-secret/db@pay/prod", "not secret, of prod"),
        ("not-secret/off@pay", "not secret, of nobody"),
        ("not-secret/gone", "not secret, removed"),
        ("not-secret/token", "not secret, \u{6771}\u{4eac}"),
    ] {
        set(registry, at, value).unwrap();
    }
    let by = admin(registry);
    by.disable(&address("not-secret/off@pay")).unwrap();
    by.remove(&address("not-secret/gone")).unwrap();
    by.declare(&address("not-secret/later")).unwrap();
    by.describe(&address("not-secret/token"), "stra\u{df}e").unwrap();
    by.protect(&address("x@/prod").scope.environment.unwrap()).unwrap();
}

fn make_connections(registry: &Registry, names: Names) {
    create(registry, names).unwrap();
    set(registry, "not-secret/db", "not secret, beside them").unwrap();
    let jira = [("api_token", Some("not secret, first")), ("pin", Some("not secret, kept"))];
    put(registry, "not-secret/jira", Some("the \u{6771}\u{4eac} one"), &jira).unwrap();
    put(registry, "not-secret/jira", None, &[("api_token", Some("not secret, second"))]).unwrap();
    let token = |text: &str, overlap| RecordChange {
        parts: parts(&[("access_token", Some(text)), ("refresh_token", Some("not secret"))]),
        options: SetOptions { overlap, ..SetOptions::default() },
        replaces: true,
        ..RecordChange::default()
    };
    let at = connection("not-secret/oauth@pay/prod");
    let overlap = Some(Duration::from_secs(4_000_000_000));
    let by = admin(registry);
    by.put_record(Action::Authorize, &at, &token("not secret, granted", None)).unwrap();
    by.put_record(Action::Refresh, &at, &token("not secret, refreshed", overlap)).unwrap();
    put(registry, "not-secret/gone", Some("removed"), &[("key", Some("not secret"))]).unwrap();
    by.remove(&connection("not-secret/gone")).unwrap();
    put(registry, "not-secret/empty@pay", None, &[]).unwrap();
    by.disable(&connection("not-secret/empty@pay")).unwrap();
}

/// Makes a store that is missing, if that is asked for.
#[expect(clippy::disallowed_methods, reason = "a person asks for it by a variable")]
fn bless(format: &str, kind: &str, make: impl Fn(&Registry)) {
    let folder = folder(format);
    if folder.join(kind).exists() || std::env::var_os("BLESS").is_none() {
        return;
    }
    for (path, bytes) in prepared(make) {
        let path = folder.join(kind).join(path);
        // Locks are empty, and made when they are wanted.
        if !bytes.is_empty() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let copy = TempDir::new().unwrap();
    lay_on_disk(copy.path(), &contents(&folder.join(kind)));
    fs::write(folder.join("expected.txt"), told(&registry_on_disk(copy.path()))).unwrap();
}

/// Lays a store down where it may be written, and looks whether it is whole and has what is expected.
fn laid_down(copy: &Path, format: &str, kind: &str) -> Registry {
    let folder = folder(format);
    let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
    // A checkout has other modes, and no store is written where it lies.
    lay_on_disk(copy, &contents(&folder.join(kind)));
    let registry = registry_on_disk(copy);
    assert_eq!(told(&registry), expected);
    let findings = registry.check().findings;
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(registry.verify_audit().unwrap().problems, []);
    registry
}

fn check(format: &str, names: Names, kind: &str) {
    bless(format, kind, |registry| make(registry, names));
    let copy = TempDir::new().unwrap();
    let registry = laid_down(copy.path(), format, kind);
    let found = resolve_one(&registry, "pay/prod", "not-secret/db").unwrap().unwrap();
    assert_eq!(text_of(&found.value), "not secret, of prod");
    // It is not only read: it goes on, under a new key as well.
    let at = address("not-secret/gone");
    let written = admin(&registry).set(&at, &secret("again"), &Default::default()).unwrap();
    assert_eq!(written.version, 2);
    admin(&registry).rotate_key(None).unwrap();
    let found = resolve_one(&registry_on_disk(copy.path()), "", "not-secret/gone").unwrap();
    assert_eq!(text_of(&found.unwrap().value), "again");
}

fn check_connections(format: &str, names: Names, kind: &str) {
    bless(format, kind, |registry| make_connections(registry, names));
    let copy = TempDir::new().unwrap();
    let registry = laid_down(copy.path(), format, kind);
    let found = open_record(&registry, "pay/prod", "not-secret/oauth").unwrap();
    let tokens = [("access_token", "not secret, refreshed"), ("refresh_token", "not secret")];
    assert_eq!(found.parts(), tokens);
    assert_eq!(found.retired, ["not secret, granted", "not secret"]);
    let written = put(&registry, "not-secret/gone", None, &[("key", Some("again"))]).unwrap();
    assert_eq!(written.version, 2);
    admin(&registry).rotate_key(None).unwrap();
    let registry = registry_on_disk(copy.path());
    let found = open_record(&registry, "", "not-secret/jira").unwrap();
    assert_eq!(found.parts(), [("api_token", "not secret, second"), ("pin", "not secret, kept")]);
}

#[test]
fn stores_of_format_1_are_read() {
    check("v1", Names::Open, "open");
}

#[test]
fn stores_of_format_1_with_hidden_names_are_read() {
    check("v1", Names::Sealed, "sealed");
}

#[test]
fn connections_of_format_1_are_read() {
    check_connections("v1-connections", Names::Open, "open");
}

#[test]
fn connections_of_format_1_with_hidden_names_are_read() {
    check_connections("v1-connections", Names::Sealed, "sealed");
}
