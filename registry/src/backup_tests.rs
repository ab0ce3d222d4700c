//! Backups: a full circle, copies that are not whole, and copies taken while others write.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

use super::{BackupKey, HeldKey, KEY_ENTRY};
use crate::audit::{Action, Actor, Filter, Names};
use crate::error::RegistryError;
use crate::files::Disk;
use crate::keys::{Cost, KeyFile, KeyPlace, Passphrase};
use crate::names::{Address, Scope, SecretRef};
use crate::store::{Registry, Surroundings};
use crate::{AuditEntry, SetOptions};

type Copy = BTreeMap<String, Vec<u8>>;

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn with_key(folder: &Path, key: Arc<dyn KeyPlace>) -> Registry {
    Registry::new(Surroundings {
        files: Arc::new(Disk::private(&folder.join("secrets"))),
        keys: Arc::new(move |_| Ok(key.clone())),
        anchors: Some(Arc::new(Disk::private(&folder.join("anchors")))),
        clock,
    })
}

fn registry(folder: &Path) -> Registry {
    let nobody = Arc::new(|_| Ok(Zeroizing::new(Vec::new())));
    let passphrase = Arc::new(Passphrase::new(nobody, Cost::default()));
    let keys = Arc::new(Disk::private(&folder.join("keys")));
    with_key(folder, Arc::new(KeyFile::in_key_folder(keys, passphrase)))
}

pub(crate) fn actor() -> Actor {
    Actor { user: "ada".to_owned(), ..Actor::default() }
}

pub(crate) fn address(reference: &str) -> Address {
    Address { reference: SecretRef::parse(reference).unwrap(), scope: Scope::default() }
}

pub(crate) fn value(text: &str) -> SecretSlice<u8> {
    SecretSlice::from(text.as_bytes().to_vec())
}

pub(crate) fn filled(folder: &Path) -> Registry {
    let registry = registry(folder);
    let admin = registry.admin(actor());
    admin.create_store(Names::Open).unwrap();
    for text in ["one", "two"] {
        admin.set(&address("prod/db"), &value(text), &SetOptions::default()).unwrap();
    }
    admin.set(&address("prod/api"), &value("three"), &SetOptions::default()).unwrap();
    registry
}

fn copy(registry: &Registry, key: BackupKey) -> Copy {
    let mut copy = Copy::new();
    let contents = registry.backup(&actor(), key, &mut |name, len, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, len, "{name}");
        assert!(copy.insert(name.to_owned(), bytes).is_none(), "{name}");
        Ok::<(), RegistryError>(())
    });
    assert_eq!(contents.unwrap().store, registry.marker().unwrap().unwrap());
    copy
}

fn unpacked(folder: &Path, copy: &Copy) -> Registry {
    let key: Arc<dyn KeyPlace> = Arc::new(HeldKey::from_text(&copy[KEY_ENTRY]).unwrap());
    let registry = with_key(folder, key);
    for (name, bytes) in copy.iter().filter(|(name, _)| *name != KEY_ENTRY) {
        registry.unpack(name, &mut Cursor::new(bytes)).unwrap();
    }
    registry
}

#[expect(clippy::disallowed_methods, reason = "a test looks at what came back")]
pub(crate) fn exported(registry: &Registry, references: &[&str]) -> Vec<String> {
    let addresses: Vec<Address> = references.iter().copied().map(address).collect();
    let values = registry.export(&registry.admin(actor()).access(), &addresses).unwrap();
    values.iter().map(|v| String::from_utf8(v.expose_secret().to_vec()).unwrap()).collect()
}

fn actions(registry: &Registry) -> Vec<Action> {
    let mut actions = Vec::new();
    let visit = |entry: Result<AuditEntry, _>| actions.push(entry.unwrap().event.action);
    registry.each_event(Filter::default(), visit).unwrap();
    actions
}

#[test]
fn a_copy_has_every_version_and_the_log_and_is_the_newest_state_once_adopted() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let registry = filled(here.path());
    let copy = copy(&registry, BackupKey::In);
    let restored = unpacked(there.path(), &copy);
    let (contents, report) = restored.contents().unwrap();
    assert_eq!(report.problems, []);
    assert_eq!((contents.secrets, contents.versions, contents.generation), (2, 3, 4));
    assert_eq!(restored.adopt(&actor()).unwrap(), 5);
    assert_eq!(exported(&restored, &["prod/db", "prod/api"]), ["two", "three"]);
    assert_eq!(restored.verify_audit().unwrap().problems, []);
    let log = actions(&restored);
    assert_eq!(
        log[log.len() - 5..],
        [Action::Backup, Action::KeyExport, Action::Restore, Action::Export, Action::Export]
    );
    // It lives on: new versions, new numbers.
    let written =
        restored.admin(actor()).set(&address("prod/db"), &value("four"), &SetOptions::default());
    assert_eq!(written.unwrap().version, 3);
}

#[test]
fn the_key_stays_out_unless_it_is_wanted() {
    let here = tempfile::tempdir().unwrap();
    let registry = filled(here.path());
    assert!(!copy(&registry, BackupKey::Out).contains_key(KEY_ENTRY));
    let key = std::fs::read(here.path().join("keys/master.key")).unwrap();
    let with = copy(&registry, BackupKey::In);
    assert!(with[KEY_ENTRY] == key);
}

#[test]
fn an_older_copy_is_newer_than_what_was_seen_once_it_is_adopted() {
    let here = tempfile::tempdir().unwrap();
    let registry = filled(here.path());
    let copy = copy(&registry, BackupKey::In);
    registry.admin(actor()).remove(&address("prod/api")).unwrap();
    std::fs::remove_dir_all(here.path().join("secrets")).unwrap();
    let restored = unpacked(here.path(), &copy);
    assert_eq!(restored.contents().unwrap().0.generation, 4);
    let refused = restored.admin(actor()).list();
    assert!(matches!(refused, Err(RegistryError::RolledBack { found: 4, seen: 5 })));
    assert_eq!(restored.adopt(&actor()).unwrap(), 6);
    assert_eq!(exported(&restored, &["prod/api"]), ["three"]);
    assert_eq!(restored.verify_audit().unwrap().problems, []);
}

#[test]
fn a_copy_that_lacks_or_changes_a_file_is_not_whole() {
    let here = tempfile::tempdir().unwrap();
    let copy = copy(&filled(here.path()), BackupKey::In);
    for name in copy.keys().filter(|name| !["key", "audit.log"].contains(&name.as_str())) {
        let there = tempfile::tempdir().unwrap();
        let mut less = copy.clone();
        less.remove(name);
        assert!(unpacked(there.path(), &less).contents().is_err(), "without {name}");
        for at in [0, copy[name].len() / 2, copy[name].len() - 1] {
            let there = tempfile::tempdir().unwrap();
            let mut changed = copy.clone();
            changed.get_mut(name).unwrap()[at] ^= 1;
            let found = unpacked(there.path(), &changed).contents();
            // Dead bytes of an index file are nobody's.
            let is_fine = name.starts_with("idx/") && found.is_ok();
            assert!(found.is_err() || is_fine, "{name} at {at}");
        }
    }
}

#[test]
fn only_names_of_a_copy_are_unpacked() {
    let there = tempfile::tempdir().unwrap();
    let registry = registry(there.path());
    for name in ["lock", "key", "root.prev", "idx/x", "idx/../root", "idx", "", "Root"] {
        assert!(registry.unpack(name, &mut std::io::empty()).is_err(), "{name}");
    }
    assert!(!there.path().join("secrets").exists());
    registry.unpack("root", &mut std::io::empty()).unwrap();
    assert!(registry.unpack("root", &mut std::io::empty()).is_err(), "twice");
}

#[test]
fn a_damaged_store_is_not_backed_up() {
    let here = tempfile::tempdir().unwrap();
    let registry = filled(here.path());
    for file in std::fs::read_dir(here.path().join("secrets/idx")).unwrap() {
        std::fs::write(file.unwrap().path(), b"").unwrap();
    }
    let mut files = 0;
    let found = registry.backup(&actor(), BackupKey::Out, &mut |_, _, _| {
        files += 1;
        Ok::<(), RegistryError>(())
    });
    assert!(matches!(found, Err(RegistryError::Damaged { .. })));
    assert_eq!(files, 0);
}

#[test]
fn a_copy_taken_while_others_write_is_one_moment() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let registry = filled(here.path());
    let mut copy = Copy::new();
    let taken = registry.backup(&actor(), BackupKey::In, &mut |name, _, content| {
        let admin = registry.admin(actor());
        admin.set(&address("prod/db"), &value(name), &SetOptions::default())?;
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        copy.insert(name.to_owned(), bytes);
        Ok::<(), RegistryError>(())
    });
    let restored = unpacked(there.path(), &copy);
    assert_eq!(restored.contents().unwrap().0, taken.unwrap());
    restored.adopt(&actor()).unwrap();
    assert_eq!(exported(&restored, &["prod/db"]), ["two"]);
    assert_eq!(restored.verify_audit().unwrap().problems, []);
}
