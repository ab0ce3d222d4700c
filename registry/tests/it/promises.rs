//! What a store does where two of its promises meet: names that come back, protected environments, and
//! repairs that meet a second misfortune.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretSlice;
use sha2::{Digest as _, Sha256};
use subrosa_registry::{
    Actor, Address, Admin, Answer, Ask, Cost, Disk, EnvironmentName, Files, FindKeyPlace, KeyFile,
    KeyPlace, Lookup, Names, Passphrase, Reader as _, Registry, RegistryError, Scope, SecretRef,
    SetOptions, Surroundings,
};
use tempfile::TempDir;

use crate::model::{Crash, Fault, ModelFiles, Plan};

/// Behind the clock that the disk stamps files with.
fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

/// A user's folders.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.admin(&home.registry()).create_store(Names::Open).unwrap();
        home
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn registry(&self) -> Registry {
        self.registry_on(Arc::new(Disk::private(&self.path("secrets"))))
    }

    fn registry_on(&self, files: Arc<dyn Files>) -> Registry {
        let keys = self.path("keys");
        let find: FindKeyPlace = Arc::new(move |_| Ok(key_place(&keys)));
        Registry::new(Surroundings {
            files,
            keys: find,
            anchors: Some(Arc::new(Disk::private(&self.path("anchors")))),
            clock,
        })
    }

    fn admin<'a>(&self, registry: &'a Registry) -> Admin<'a> {
        registry.admin(Actor { user: "ada".to_owned(), ..Actor::default() })
    }
}

fn key_place(folder: &Path) -> Arc<dyn KeyPlace> {
    let nobody = |asked: Ask| panic!("nobody is asked: {asked:?}");
    let passphrase = Arc::new(Passphrase::new(Arc::new(nobody), Cost::default()));
    Arc::new(KeyFile::in_key_folder(Arc::new(Disk::private(folder)), passphrase))
}

fn address(reference: &str, environment: Option<&str>) -> Address {
    let environment = environment.map(|name| EnvironmentName::parse(name).unwrap());
    let reference = SecretRef::parse(reference).unwrap();
    Address { reference, scope: Scope { workspace: None, environment } }
}

fn set(admin: &Admin<'_>, address: &Address, value: &str) {
    let value = SecretSlice::from(value.as_bytes().to_vec());
    admin.set(address, &value, &SetOptions::default()).unwrap();
}

#[test]
fn a_secret_that_goes_to_and_fro_gets_new_numbers_but_not_ever_larger_steps() {
    let home = Home::new();
    let registry = home.registry();
    let admin = home.admin(&registry);
    let (a, b) = (address("a", None), address("b", None));
    set(&admin, &a, "one");
    set(&admin, &a, "two");
    let numbers = |address| {
        let info = admin.info(address).unwrap();
        info.versions.iter().map(|version| version.number).collect::<Vec<_>>()
    };
    let mut seen = numbers(&a);
    for _ in 0..50 {
        admin.move_to(&a, &b).unwrap();
        admin.move_to(&b, &a).unwrap();
        let now = numbers(&a);
        assert!(now[0] > *seen.last().unwrap(), "{now:?} after {seen:?}");
        assert_eq!(now[1], now[0] + 1);
        seen = now;
    }
    assert_eq!(seen, [101, 102]);
}

#[test]
fn a_value_leaves_a_protected_environment_only_with_leave() {
    let home = Home::new();
    let registry = home.registry();
    let mut admin = home.admin(&registry);
    let (guarded, free) = (address("a", Some("prod")), address("b", None));
    set(&admin, &guarded, "one");
    admin.protect(&EnvironmentName::parse("prod").unwrap()).unwrap();
    let is_refused = |result| matches!(result, Err(RegistryError::Protected(_)));
    assert!(is_refused(admin.copy(&guarded, &free)));
    assert!(is_refused(admin.move_to(&guarded, &free)));
    assert!(matches!(admin.info(&free), Err(RegistryError::NotFound(_))));
    admin.allow_protected = true;
    admin.copy(&guarded, &free).unwrap();
    admin.move_to(&guarded, &address("c", None)).unwrap();
}

#[test]
fn going_back_to_the_former_root_can_be_tried_again_wherever_it_stops() {
    let a = address("a", None);
    for stop in 0.. {
        let home = Home(tempfile::tempdir().unwrap());
        let files = ModelFiles::new();
        {
            let registry = home.registry_on(Arc::new(files.clone()));
            let admin = home.admin(&registry);
            admin.create_store(Names::Open).unwrap();
            set(&admin, &a, "one");
            set(&admin, &a, "two");
        }
        files.put("root", b"damaged");
        files.arm(Some(Plan::Once(stop, Fault::StopAfter)));
        let stopped =
            home.registry_on(Arc::new(files.clone())).restore_previous_root(&Actor::default());
        let is_over = files.kind_of(stop).is_none();
        let found = home.registry_on(Arc::new(files.crash(Crash::Kill)));
        if found.restore_previous_root(&Actor::default()).is_err() {
            // It had happened already.
            assert_eq!(home.admin(&found).info(&a).unwrap().version, Some(1), "{}", files.dump());
        }
        if is_over {
            stopped.unwrap();
            break;
        }
    }
}

#[test]
fn no_store_is_made_over_what_is_left_of_another() {
    let check = |lost: &[&str], is_refused: bool| {
        let home = Home::new();
        set(&home.admin(&home.registry()), &address("a", None), "one");
        let secrets = home.path("secrets");
        for name in lost {
            let path = secrets.join(name);
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        // The key would be in the way of a new store, too; it may have been lost with the rest.
        std::fs::remove_dir_all(home.path("keys")).unwrap();
        std::fs::remove_dir_all(home.path("anchors")).unwrap();
        let made = home.admin(&home.registry()).create_store(Names::Open);
        assert_eq!(matches!(made, Err(RegistryError::Missing { .. })), is_refused, "{lost:?}");
        assert_eq!(made.is_ok(), !is_refused, "{lost:?}");
    };
    check(&["root", "store.json"], true);
    check(&["root", "store.json", "idx"], true);
    check(&["root", "store.json", "root.prev"], true);
    check(&["root", "store.json", "root.prev", "idx"], false);
}

#[test]
fn an_anchor_that_no_generation_can_follow_is_refused_and_nothing_is_written() {
    let home = Home::new();
    let registry = home.registry();
    set(&home.admin(&registry), &address("a", None), "one");
    let mut entries = std::fs::read_dir(home.path("anchors")).unwrap();
    let path = entries.find_map(|entry| {
        let path = entry.unwrap().path();
        path.extension().is_none().then_some(path)
    });
    let path = path.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, rest) = text.split_once("\"generation\":").unwrap();
    let (_, rest) = rest.lines().next().unwrap().split_once(',').unwrap();
    let json = format!("{start}\"generation\":{},{rest}", u64::MAX);
    let sum = Sha256::digest([b"subrosa/anchor/1\0", json.as_bytes()].concat());
    std::fs::write(&path, format!("{json}\n{}\n", data_encoding::HEXLOWER.encode(&sum))).unwrap();
    assert!(matches!(registry.accept(&Actor::default()), Err(RegistryError::Damaged { .. })));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(registry.accept(&Actor::default()).unwrap(), 3);
}

#[test]
fn hidden_names_are_gone_from_the_index_whatever_the_clock_says() {
    let home = Home::new();
    let registry = home.registry();
    let admin = home.admin(&registry);
    set(&admin, &address("tell-tale", None), "one");
    let told = || {
        let index = std::fs::read_dir(home.path("secrets/idx")).unwrap();
        let holds = |bytes: Vec<u8>| bytes.windows(9).any(|part| part == b"tell-tale");
        index.filter(|entry| holds(std::fs::read(entry.as_ref().unwrap().path()).unwrap())).count()
    };
    assert_eq!(told(), 1);
    admin.rotate_key(Some(Names::Sealed)).unwrap();
    assert_eq!(told(), 0);
    admin.info(&address("tell-tale", None)).unwrap();
}

#[test]
fn a_marker_is_refused_by_its_format_whatever_else_is_in_it() {
    let check = |marker: &str, is_expected: fn(&RegistryError) -> bool| {
        let home = Home(tempfile::tempdir().unwrap());
        let files = ModelFiles::new();
        files.put("store.json", marker.as_bytes());
        let registry = home.registry_on(Arc::new(files));
        let refused = home.admin(&registry).create_store(Names::Open).unwrap_err();
        assert!(is_expected(&refused), "{marker}: {refused}");
    };
    let id = "00112233445566778899aabbccddeeff";
    let too_new = |error: &RegistryError| matches!(error, RegistryError::TooNew { found: 2, .. });
    let damaged = |error: &RegistryError| matches!(error, RegistryError::Damaged { .. });
    check(r#"{"subrosa":"store","format":2,"id":7,"more":[]}"#, too_new);
    check(&format!(r#"{{"subrosa":"store","format":0,"id":"{id}"}}"#), damaged);
    check(&format!(r#"{{"subrosa":"other","format":1,"id":"{id}"}}"#), damaged);
    check(&format!(r#"{{"subrosa":"store","format":1,"id":"{id}","more":1}}"#), damaged);
}

#[test]
fn a_read_that_begins_again_asks_for_the_environment_again() {
    let check = |allow_protected: bool, is_expected: fn(Result<Answer, RegistryError>) -> bool| {
        let home = Arc::new(Home::new());
        let registry = home.registry();
        let admin = home.admin(&registry);
        let (prod, address) = (EnvironmentName::parse("prod").unwrap(), address("a", Some("prod")));
        set(&admin, &address, "one");
        let index = home.path("secrets/idx");
        let files = || std::fs::read_dir(&index).unwrap().map(|file| file.unwrap().path());
        let before: Vec<_> = files().collect();
        admin.protect(&EnvironmentName::parse("else").unwrap()).unwrap();
        let settings = files().find(|file| !before.contains(file)).unwrap();

        // Between root and settings, `prod` is protected and the former settings are swept away.
        let (other, is_over) = (home.clone(), AtomicBool::new(false));
        let find: FindKeyPlace = Arc::new(move |_| {
            if !is_over.swap(true, Ordering::Relaxed) {
                other.admin(&other.registry()).protect(&prod).unwrap();
                std::fs::remove_file(&settings).unwrap();
            }
            Ok(key_place(&other.path("keys")))
        });
        let files = Arc::new(Disk::private(&home.path("secrets")));
        let reader = Registry::new(Surroundings { files, keys: find, anchors: None, clock });
        let lookup = Lookup {
            scope: address.scope,
            allow_protected,
            allow_expired: false,
            allow_disabled: false,
            audit_required: false,
            actor: Actor::default(),
        };
        assert!(is_expected(reader.resolve(&lookup, &[address.reference])));
    };
    check(false, |refused| matches!(refused, Err(RegistryError::Protected(_))));
    check(true, |answer| answer.is_ok_and(|answer| answer.results[0].is_ok()));
}

#[test]
fn names_that_were_to_be_hidden_are_gone_once_a_rotation_that_was_stopped_is_finished() {
    for stop in 0.. {
        let home = Home(tempfile::tempdir().unwrap());
        let files = ModelFiles::new();
        // Nothing is old enough to be swept for its age.
        files.set_now(clock());
        {
            let registry = home.registry_on(Arc::new(files.clone()));
            let admin = home.admin(&registry);
            admin.create_store(Names::Open).unwrap();
            set(&admin, &address("tell-tale", None), "one");
        }
        files.arm(Some(Plan::Once(stop, Fault::StopAfter)));
        let registry = home.registry_on(Arc::new(files.clone()));
        let stopped = home.admin(&registry).rotate_key(Some(Names::Sealed));
        let found = files.crash(Crash::Kill);
        home.registry_on(Arc::new(found.clone())).tidy(&Actor::default()).unwrap();
        let found = found.snapshot();
        let is_sealed = found["root"].windows(17).any(|part| part == br#""names":"sealed","#);
        // The audit log keeps what was written before.
        let mut index = found.iter().filter(|(path, _)| path.starts_with("idx/"));
        let is_told = index.any(|(_, bytes)| bytes.windows(9).any(|part| part == b"tell-tale"));
        assert_eq!(is_told, !is_sealed, "stopped after {stop}:\n{}", files.dump());
        if files.kind_of(stop).is_none() {
            stopped.unwrap();
            assert!(is_sealed);
            break;
        }
    }
}
