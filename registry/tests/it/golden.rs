//! Stores that earlier versions wrote, which stay readable for ever.
//!
//! `testdata/registry/vN/{open,sealed}` are whole stores with their keys, whose names say that they are not
//! secret; `expected.txt` beside them lists what is in them. They are never written anew: a change of
//! the format adds a folder. Where one is missing, `BLESS=1` makes it.

use std::fs;
use std::path::{Path, PathBuf};

use subrosa_registry::{Address, Names, Registry, SecretInfo};
use tempfile::TempDir;

use crate::damage::Contents;
use crate::foreign::lay_on_disk;
use crate::support::{
    View, address, admin, create, prepared, registry_on_disk, resolve_one, secret, set, text_of,
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

/// Makes a store that is missing, if that is asked for.
#[expect(clippy::disallowed_methods, reason = "a person asks for it by a variable")]
fn bless(format: &str, names: Names, kind: &str) {
    let folder = folder(format);
    if folder.join(kind).exists() || std::env::var_os("BLESS").is_none() {
        return;
    }
    for (path, bytes) in prepared(|registry| make(registry, names)) {
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

fn check(format: &str, names: Names, kind: &str) {
    bless(format, names, kind);
    let folder = folder(format);
    let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
    // A checkout has other modes, and no store is written where it lies.
    let copy = TempDir::new().unwrap();
    lay_on_disk(copy.path(), &contents(&folder.join(kind)));
    let registry = registry_on_disk(copy.path());
    assert_eq!(told(&registry), expected);
    let findings = registry.check().findings;
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(registry.verify_audit().unwrap().problems, []);
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

#[test]
fn stores_of_format_1_are_read() {
    check("v1", Names::Open, "open");
}

#[test]
fn stores_of_format_1_with_hidden_names_are_read() {
    check("v1", Names::Sealed, "sealed");
}
