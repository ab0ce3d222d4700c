//! Records of connections: what is stored, told, given and refused.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use subrosa_registry::{
    Action, Address, Expiry, Filter, InvalidRecord, LookupError, MustBe, Names, Outcome,
    RecordChange, RecordReader as _, Registry, RegistryError, SecretRef, SetOptions, Written,
};

use crate::model::ModelFiles;
use crate::support::{
    START_S, actor, address, admin, connection, create, lookup, model_of, now, open_record, parts,
    put, registry, registry_on_disk, secret, set, set_now_s, text_of,
};

type Done = Result<Written, RegistryError>;

fn made(names: Names) -> (ModelFiles, Registry) {
    set_now_s(START_S);
    let files = ModelFiles::new();
    let registry = registry(&files);
    create(&registry, names).unwrap();
    (files, registry)
}

fn change(registry: &Registry, at: &str, change: RecordChange) -> Done {
    admin(registry).put_record(Action::Set, &connection(at), &change)
}

/// Exchanges the tokens of a connection, as a refresh does.
fn refresh(registry: &Registry, at: &str, token: &str, overlap_s: Option<u64>) -> Done {
    let overlap = overlap_s.map(Duration::from_secs);
    let change = RecordChange {
        parts: parts(&[("access_token", Some(token))]),
        options: SetOptions { overlap, ..SetOptions::default() },
        must_be: MustBe::Present,
        replaces: true,
        ..RecordChange::default()
    };
    admin(registry).put_record(Action::Refresh, &connection(at), &change)
}

fn versions(registry: &Registry, at: &str) -> Vec<u64> {
    let record = admin(registry).record(&connection(at)).unwrap();
    record.info.versions.iter().map(|version| version.number).collect()
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let (_, registry) = made(Names::Open);
    let first =
        put(&registry, "jira", Some("url"), &[("token", Some("one")), ("pin", Some("two"))]);
    assert!(first.is_ok_and(|written| written.is_new && written.version == 1));
    put(&registry, "jira", None, &[("token", Some("three"))]).unwrap();
    put(&registry, "jira", Some("other url"), &[("pin", None), ("key", Some("four"))]).unwrap();
    let found = open_record(&registry, "", "jira").unwrap();
    assert_eq!((found.version, found.public.as_str()), (3, "other url"));
    assert_eq!(found.parts(), [("key", "four"), ("token", "three")]);
    assert_eq!(found.retired, [""; 0]);
    let record = admin(&registry).record(&connection("jira")).unwrap();
    let told: Vec<_> = record.parts.iter().map(|part| (part.name.as_str(), part.version)).collect();
    assert_eq!(told, [("key", 3), ("token", 2)]);
    assert_eq!(record.public, "other url");
    assert_eq!(record.info.address, connection("jira"));
    assert!(record.info.last_used.is_some(), "it was opened");
}

/// The sealed parts of the newest line of a connection in the index, as they are written.
fn sealed_parts(files: &ModelFiles, n: usize) -> BTreeMap<String, serde_json::Value> {
    let contents = files.snapshot();
    let newest = contents.iter().rfind(|(path, _)| path.starts_with("secrets/idx/")).unwrap();
    let text = String::from_utf8_lossy(newest.1);
    let line = text.lines().find(|line| line.starts_with("connection:jira\t")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(line.rsplit_once('\t').unwrap().1).unwrap();
    let parts = entry["versions"][n]["parts"].as_object().unwrap();
    parts.iter().map(|(name, part)| (name.clone(), part.clone())).collect()
}

#[test]
fn a_part_that_is_not_named_stays_sealed_as_it_was() {
    let (files, registry) = made(Names::Open);
    put(&registry, "jira", Some("url"), &[("token", Some("one")), ("pin", Some("two"))]).unwrap();
    let before = sealed_parts(&files, 0);
    put(&registry, "jira", Some("other"), &[("token", Some("three"))]).unwrap();
    let after = sealed_parts(&files, 1);
    assert_eq!(before["pin"], after["pin"]);
    assert_ne!(before["token"], after["token"]);
    assert_eq!((&after["pin"]["n"], &after["token"]["n"]), (&1.into(), &2.into()));
    admin(&registry).rollback(&connection("jira"), Some(1)).unwrap();
    assert_eq!(sealed_parts(&files, 2), before);
    assert_eq!(
        open_record(&registry, "", "jira").unwrap().parts(),
        [("pin", "two"), ("token", "one")]
    );
}

#[test]
fn a_store_shows_no_value_and_no_name_of_a_connection() {
    let has = |files: &ModelFiles, text: &str| {
        let find = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|it| it == text.as_bytes());
        files.snapshot().values().any(find)
    };
    for names in [Names::Open, Names::Sealed] {
        let (files, registry) = made(names);
        put(
            &registry,
            "canary-name",
            Some("canary-public"),
            &[("canary_part", Some("canary-value"))],
        )
        .unwrap();
        open_record(&registry, "", "canary-name").unwrap();
        drop(registry.hold(&connection("canary-name")).unwrap());
        assert!(!has(&files, "canary-value"));
        for text in ["canary-name", "canary-public", "canary_part"] {
            assert_eq!(has(&files, text), names == Names::Open, "{text}");
        }
        let shown = files.snapshot().into_keys().any(|path| path.contains("canary"));
        assert!(!shown);
    }
}

#[test]
fn a_connection_is_no_secret_and_a_secret_is_no_connection() {
    let (_, registry) = made(Names::Open);
    put(&registry, "jira", Some("url"), &[("token", Some("one"))]).unwrap();
    set(&registry, "jira", "a secret").unwrap();
    let by = admin(&registry);
    let (at, other) = (connection("jira"), address("jira"));
    let wrong = |result: Result<(), RegistryError>| {
        assert!(matches!(result, Err(RegistryError::WrongKind(_))), "{result:?}");
    };
    let value = secret("x");
    let import = || subrosa_registry::Import { address: at.clone(), value: secret("x") };
    wrong(by.set(&at, &value, &SetOptions::default()).map(drop));
    wrong(by.rotate(&at, &value, &SetOptions::default()).map(drop));
    wrong(by.declare(&connection("new")).map(drop));
    wrong(by.info(&at).map(drop));
    wrong(by.import(&[import()]).map(drop));
    wrong(by.import_by(&[import()], subrosa_registry::OnConflict::Replace).map(drop));
    wrong(by.import_plan(&[import()]).map(drop));
    wrong(by.copy(&at, &address("copied")));
    wrong(by.move_to(&other, &connection("moved")));
    wrong(registry.reveal(&by.access(), &at).map(drop));
    wrong(registry.export(&by.access(), &[other.clone(), at.clone()]).map(drop));
    wrong(
        subrosa_registry::Reader::resolve(
            &registry,
            &lookup(""),
            std::slice::from_ref(&at.reference),
        )
        .map(drop),
    );
    wrong(
        subrosa_registry::Reader::look(&registry, &lookup(""), std::slice::from_ref(&at.reference))
            .map(drop),
    );
    wrong(by.put_record(Action::Set, &other, &RecordChange::default()).map(drop));
    wrong(by.record(&other).map(drop));
    wrong(by.note_record(Action::Test, &other, Outcome::Ok));
    wrong(registry.hold(&other).map(drop));
    wrong(registry.open_records(&lookup(""), std::slice::from_ref(&other.reference)).map(drop));
    wrong(registry.look_records(&lookup(""), std::slice::from_ref(&other.reference)).map(drop));
    let secrets: Vec<Address> = by.list().unwrap().into_iter().map(|info| info.address).collect();
    let records: Vec<Address> =
        by.records().unwrap().into_iter().map(|record| record.info.address).collect();
    assert_eq!((secrets, records), (vec![other], vec![at]));
}

#[test]
fn a_record_outside_the_limits_is_refused() {
    let (_, registry) = made(Names::Open);
    let many: Vec<String> = (0..33).map(|n| format!("part_{n}")).collect();
    let many: Vec<(&str, Option<&str>)> = many.iter().map(|name| (&**name, Some("x"))).collect();
    let (long, long_name) = ("x".repeat(65_537), "x".repeat(65));
    let refused = |public: &str, parts: &[(&str, Option<&str>)], why: InvalidRecord| {
        let result = put(&registry, "jira", Some(public), parts);
        assert!(matches!(result, Err(RegistryError::InvalidRecord(found)) if found == why));
    };
    refused(&long, &[], InvalidRecord::PublicTooLarge);
    refused("a\tb", &[], InvalidRecord::PublicControl);
    refused("", &many, InvalidRecord::TooManyParts);
    for name in ["", "Token", "to-ken", "to ken", "t\u{f6}ken", &long_name] {
        refused("", &[(name, Some("x"))], InvalidRecord::PartName);
    }
    for value in ["", "a\0b", &long] {
        let result = put(&registry, "jira", None, &[("token", Some(value))]);
        assert!(matches!(result, Err(RegistryError::InvalidValue(_))));
    }
    assert!(matches!(
        admin(&registry).record(&connection("jira")),
        Err(RegistryError::NotFound(found)) if found == connection("jira")
    ));
    // What is just within them is stored.
    put(&registry, "jira", Some(&format!("{}\n", &long[..65_535])), &many[..32]).unwrap();
    put(&registry, "jira", None, &[(&long_name[..64], Some(&long[..65_536])), (many[0].0, None)])
        .unwrap();
    assert_eq!(open_record(&registry, "", "jira").unwrap().parts.len(), 32);
    put(&registry, "empty", None, &[]).unwrap();
    assert_eq!(open_record(&registry, "", "empty").unwrap().parts(), []);
}

#[test]
fn what_must_be_is_looked_at_in_the_same_moment() {
    let (_, registry) = made(Names::Open);
    let with = |must_be, expect| RecordChange { must_be, expect, ..RecordChange::default() };
    let put = |must_be, expect| change(&registry, "jira", with(must_be, expect));
    let changed = |result: Done, version: Option<u64>| {
        assert!(
            matches!(&result, Err(RegistryError::Changed { found, .. }) if *found == version),
            "{result:?}"
        );
    };
    assert!(matches!(put(MustBe::Present, None), Err(RegistryError::NotFound(_))));
    changed(put(MustBe::Either, Some(1)), None);
    assert_eq!(put(MustBe::New, None).unwrap().version, 1);
    assert!(matches!(put(MustBe::New, None), Err(RegistryError::Exists(_))));
    assert_eq!(put(MustBe::Present, Some(1)).unwrap().version, 2);
    changed(put(MustBe::Present, Some(1)), Some(2));
    admin(&registry).remove(&connection("jira")).unwrap();
    changed(put(MustBe::Either, Some(2)), None);
    assert_eq!(put(MustBe::New, None).unwrap().version, 3, "no number is given twice");
}

#[test]
fn of_two_who_change_the_same_version_one_is_told() {
    let (files, one) = made(Names::Open);
    put(&one, "jira", None, &[("token", Some("first"))]).unwrap();
    let from_first = |token: &str| RecordChange {
        parts: parts(&[("token", Some(token))]),
        expect: Some(1),
        ..RecordChange::default()
    };
    // The other one is done between the preparation of this one and its lock.
    let other = files.another_process();
    let theirs = from_first("theirs");
    let mine = crate::support::registry_interrupted(
        &files,
        Box::new(move || assert!(change(&registry(&other), "jira", theirs).is_ok())),
    );
    let result = change(&mine, "jira", from_first("mine"));
    assert!(matches!(result, Err(RegistryError::Changed { expected: 1, found: Some(2), .. })));
    assert_eq!(open_record(&one, "", "jira").unwrap().parts(), [("token", "theirs")]);
}

#[test]
fn exchanged_tokens_push_out_nothing_that_people_wrote() {
    let (_, registry) = made(Names::Open);
    for url in ["one", "two", "three"] {
        put(&registry, "jira", Some(url), &[]).unwrap();
    }
    for n in 0..20 {
        refresh(&registry, "jira", &format!("token {n}"), None).unwrap();
    }
    assert_eq!(versions(&registry, "jira"), [1, 2, 23]);
    // In an overlap the former token is masked still; what replaced it goes by and by.
    for n in 20..40 {
        refresh(&registry, "jira", &format!("token {n}"), Some(60)).unwrap();
    }
    let found = open_record(&registry, "", "jira").unwrap();
    assert_eq!((found.retired.len(), versions(&registry, "jira").len()), (20, 23));
    assert_eq!((&*found.retired[0], &*found.retired[19]), ("token 19", "token 38"));
    set_now_s(START_S + 60);
    assert_eq!(open_record(&registry, "", "jira").unwrap().retired, [""; 0]);
    put(&registry, "jira", Some("four"), &[]).unwrap();
    assert_eq!(versions(&registry, "jira"), [1, 2, 43, 44]);
    assert_eq!(admin(&registry).rollback(&connection("jira"), None).unwrap(), (43, 45));
}

#[test]
fn what_is_masked_after_a_change_is_what_it_took_away() {
    let (_, registry) = made(Names::Open);
    put(&registry, "jira", None, &[("a", Some("a1")), ("b", Some("b1")), ("c", Some("c1"))])
        .unwrap();
    let options = SetOptions { overlap: Some(Duration::from_secs(60)), ..SetOptions::default() };
    let next = parts(&[("a", Some("a2")), ("b", None)]);
    change(&registry, "jira", RecordChange { parts: next, options, ..Default::default() }).unwrap();
    let found = open_record(&registry, "", "jira").unwrap();
    assert_eq!(found.parts(), [("a", "a2"), ("c", "c1")]);
    assert_eq!(found.retired, ["a1", "b1"]);
}

#[test]
fn scopes_and_states_are_those_of_secrets() {
    let (_, registry) = made(Names::Open);
    for (at, token) in [("jira", "all"), ("jira@pay", "pay"), ("jira@pay/prod", "prod")] {
        put(&registry, at, Some(token), &[("token", Some(token))]).unwrap();
    }
    let token = |scope| open_record(&registry, scope, "jira").map(|found| found.public);
    assert_eq!(token("other").unwrap(), "all");
    assert_eq!(token("pay").unwrap(), "pay");
    assert_eq!(token("pay/prod").unwrap(), "prod");
    let by = admin(&registry);
    by.disable(&connection("jira@pay")).unwrap();
    assert_eq!(token("pay").err(), Some(LookupError::Disabled(connection("jira@pay"))));
    by.enable(&connection("jira@pay")).unwrap();
    by.expire(&connection("jira@pay"), Expiry::At(now())).unwrap();
    assert!(matches!(token("pay").err(), Some(LookupError::Expired { .. })));
    // A date is about the connection, and is not lost by a change of it.
    put(&registry, "jira@pay", None, &[("token", Some("newer"))]).unwrap();
    assert!(matches!(token("pay").err(), Some(LookupError::Expired { .. })));
    by.remove(&connection("jira@pay")).unwrap();
    assert_eq!(token("pay").unwrap(), "all");
    by.protect(&address("x@/prod").scope.environment.unwrap()).unwrap();
    let refused = put(&registry, "jira@pay/prod", None, &[("token", Some("x"))]);
    assert!(matches!(refused, Err(RegistryError::Protected(_))));
    let reference = SecretRef::connection(&SecretRef::parse("jira").unwrap());
    let seen = registry.look_records(&lookup("pay"), &[reference]).unwrap().remove(0).unwrap();
    assert_eq!((seen.public.as_str(), seen.version, seen.parts), ("all", 1, vec!["token".into()]));
}

#[test]
fn an_age_is_that_of_the_oldest_part() {
    let (_, registry) = made(Names::Open);
    put(&registry, "jira", None, &[("key", Some("k")), ("token", Some("t"))]).unwrap();
    let age = Expiry::Age(Duration::from_secs(100));
    admin(&registry).expire(&connection("jira"), age).unwrap();
    set_now_s(START_S + 90);
    refresh(&registry, "jira", "newer", None).unwrap();
    put(&registry, "jira", Some("text"), &[("token", None)]).unwrap();
    set_now_s(START_S + 100);
    let found = open_record(&registry, "", "jira").map(drop);
    assert!(matches!(found, Err(LookupError::Expired { .. })));
    put(&registry, "jira", None, &[("key", Some("rotated"))]).unwrap();
    let found = open_record(&registry, "", "jira").map(|found| found.version);
    assert!(matches!(found, Ok(4)), "the token of a moment ago is 10 seconds old");
}

#[test]
fn a_connection_moves_and_is_copied_with_its_parts() {
    let (files, registry) = made(Names::Open);
    put(&registry, "jira", Some("one"), &[("a", Some("a1")), ("b", Some("b1"))]).unwrap();
    put(&registry, "jira", Some("two"), &[("b", Some("b2"))]).unwrap();
    let by = admin(&registry);
    by.prune(&connection("jira"), 1).unwrap();
    by.copy(&connection("jira"), &connection("copied@pay")).unwrap();
    by.move_to(&connection("jira"), &connection("moved@pay")).unwrap();
    for (name, numbers) in [("copied", [1, 1]), ("moved", [1, 2])] {
        let found = open_record(&registry, "pay", name).unwrap();
        assert_eq!(found.public, "two");
        assert_eq!(found.parts(), [("a", "a1"), ("b", "b2")]);
        let record = by.record(&connection(&format!("{name}@pay"))).unwrap();
        assert_eq!(record.parts.iter().map(|part| part.version).collect::<Vec<_>>(), numbers);
    }
    // The numbers of the parts as well are none that the name has had before.
    by.move_to(&connection("moved@pay"), &connection("jira")).unwrap();
    let record = by.record(&connection("jira")).unwrap();
    assert_eq!(record.parts.iter().map(|part| part.version).collect::<Vec<_>>(), [3, 4]);
    by.rotate_key(Some(Names::Sealed)).unwrap();
    let again = crate::support::registry(&files);
    assert_eq!(open_record(&again, "", "jira").unwrap().parts(), [("a", "a1"), ("b", "b2")]);
    let findings = again.check().findings;
    let harmless = |it: &subrosa_registry::Finding| {
        use subrosa_registry::Finding::{NoPrevious, Rubbish};
        matches!(it, Rubbish { .. } | NoPrevious { .. })
    };
    assert!(findings.iter().all(harmless), "{findings:?}");
}

#[test]
fn every_part_is_there_once_for_a_search() {
    let (_, registry) = made(Names::Open);
    put(&registry, "jira", None, &[("a", Some("a1")), ("b", Some("b1"))]).unwrap();
    put(&registry, "jira", None, &[("b", Some("b2"))]).unwrap();
    set(&registry, "db", "value").unwrap();
    let values = registry.every_value(&actor()).unwrap();
    let found: Vec<(String, u64, String)> = values
        .iter()
        .map(|(at, n, value)| (at.reference.to_string(), *n, text_of(value)))
        .collect();
    let expected =
        [("connection:jira", 1, "a1"), ("connection:jira", 1, "b1"), ("connection:jira", 2, "b2")];
    let expected = expected.into_iter().chain([("db", 1, "value")]);
    let expected: Vec<_> =
        expected.map(|(at, n, value)| (at.to_owned(), n, value.to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_audit_log_names_the_connection_and_what_was_done() {
    for names in [Names::Open, Names::Sealed] {
        let (_, registry) = made(names);
        let at = connection("jira");
        put(&registry, "jira", None, &[("token", Some("one"))]).unwrap();
        refresh(&registry, "jira", "two", None).unwrap();
        open_record(&registry, "", "jira").unwrap();
        open_record(&registry, "", "absent").err().unwrap();
        let by = admin(&registry);
        by.note_record(Action::Revoke, &at, Outcome::Failed).unwrap();
        by.put_record(
            Action::Authorize,
            &at,
            &RecordChange { expect: Some(1), ..RecordChange::default() },
        )
        .unwrap_err();
        let mut told = Vec::new();
        let visit = |entry: Result<subrosa_registry::AuditEntry, _>| {
            let event = entry.unwrap().event;
            let reference = event.reference.map(|reference| reference.to_string());
            told.push((
                event.action.to_string(),
                reference.unwrap_or_default(),
                event.version,
                event.outcome,
            ));
        };
        registry.each_event(Filter::default(), visit).unwrap();
        let jira = |action: &str, version, outcome| {
            (action.to_owned(), "connection:jira".to_owned(), version, outcome)
        };
        assert_eq!(
            told[told.len() - 6..],
            [
                jira("set", Some(1), Outcome::Ok),
                jira("refresh", Some(2), Outcome::Ok),
                jira("read", Some(2), Outcome::Ok),
                ("read".to_owned(), "connection:absent".to_owned(), None, Outcome::NotFound),
                jira("revoke", None, Outcome::Failed),
                jira("authorize", None, Outcome::Changed),
            ]
        );
        assert_eq!(registry.verify_audit().unwrap().problems, []);
    }
}

#[test]
fn only_one_holds_a_connection_and_others_go_on() {
    let (files, one) = made(Names::Open);
    put(&one, "jira", None, &[("token", Some("t"))]).unwrap();
    let other = registry(&files.another_process().impatient());
    let held = one.hold(&connection("jira")).unwrap();
    let busy = |result: Result<_, RegistryError>| {
        matches!(
            result.map(drop),
            Err(RegistryError::File(subrosa_registry::FileError::Busy { .. }))
        )
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
    let foreign = |it: &_| matches!(it, subrosa_registry::Finding::Foreign { .. });
    assert!(!findings.iter().any(foreign), "{findings:?}");
    one.tidy(&actor()).unwrap();
    let mut names = Vec::new();
    one.backup(&actor(), subrosa_registry::BackupKey::Out, &mut |name, _, _| {
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
    let disk = subrosa_registry::Disk::private(&folder.path().join("secrets"));
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

#[test]
fn a_backup_brings_a_connection_back() {
    let (files, registry) = made(Names::Sealed);
    put(&registry, "jira", Some("url"), &[("token", Some("one"))]).unwrap();
    let mut copy = BTreeMap::new();
    registry
        .backup(&actor(), subrosa_registry::BackupKey::Out, &mut |name, _, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).unwrap();
            copy.insert(name.to_owned(), bytes);
            Ok::<(), RegistryError>(())
        })
        .unwrap();
    let mut kept = files.snapshot();
    kept.retain(|path, _| path.starts_with("keys/"));
    let restored = crate::support::registry(&model_of(&kept));
    for (name, bytes) in copy {
        restored.unpack(&name, &mut bytes.as_slice()).unwrap();
    }
    assert_eq!(restored.contents().unwrap().0.versions, 1);
    restored.adopt(&actor()).unwrap();
    let found = open_record(&restored, "", "jira").unwrap();
    assert_eq!((found.public.as_str(), found.parts()), ("url", vec![("token", "one")]));
}

#[test]
fn a_part_that_was_exchanged_opens_nowhere() {
    let (files, registry) = made(Names::Open);
    put(&registry, "jira", None, &[("a", Some("same len")), ("b", Some("len same"))]).unwrap();
    let parts = sealed_parts(&files, 0);
    assert_ne!(parts["a"]["dek"], parts["b"]["dek"]);
    assert_ne!(parts["a"]["value"], parts["b"]["value"]);
    // Without the key no root can be made that names other bytes; any change of them is damage.
    let mut contents = files.snapshot();
    let index = contents.iter_mut().rfind(|(path, _)| path.starts_with("secrets/idx/")).unwrap();
    let text = String::from_utf8(index.1.clone()).unwrap();
    let of = |name: &str| parts[name]["value"].as_str().unwrap().to_owned();
    let swapped = text.replace(&of("a"), "#").replace(&of("b"), &of("a")).replace('#', &of("b"));
    *index.1 = swapped.into_bytes();
    let found = open_record(&crate::support::registry(&model_of(&contents)), "", "jira").map(drop);
    assert!(matches!(found, Err(LookupError::Damaged { .. })));
}

/// What is done to one connection.
#[derive(Clone, Debug)]
enum Step {
    Put(Option<u8>, Vec<(usize, Option<u8>)>),
    Refresh(u8),
    Rollback,
    RotateKey,
    ToAndFro,
}

fn step() -> impl Strategy<Value = Step> {
    let part = (0_usize..4, any::<Option<u8>>());
    prop_oneof![
        4 => (any::<Option<u8>>(), prop::collection::vec(part, 0..4))
            .prop_map(|(public, parts)| Step::Put(public, parts)),
        2 => any::<u8>().prop_map(Step::Refresh),
        1 => Just(Step::Rollback),
        1 => Just(Step::RotateKey),
        1 => Just(Step::ToAndFro),
    ]
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Known {
    public: String,
    parts: BTreeMap<String, String>,
}

const PARTS: [&str; 4] = ["access_token", "a", "b_2", "refresh_token"];

/// Does a step on the store and on a list of what each version had.
fn take(registry: &Registry, history: &mut Vec<Known>, step: &Step) {
    let by = admin(registry);
    let mut next = history.last().cloned().unwrap_or_default();
    match step {
        Step::Put(public, changes) => {
            let public = public.map(|n| format!("public {n}"));
            let value = |n: &Option<u8>| n.map(|n| format!("value {n}"));
            let changes: Vec<(&str, Option<String>)> =
                changes.iter().map(|(at, n)| (PARTS[*at], value(n))).collect();
            let given: Vec<(&str, Option<&str>)> =
                changes.iter().map(|(name, value)| (*name, value.as_deref())).collect();
            put(registry, "jira", public.as_deref(), &given).unwrap();
            next.public = public.unwrap_or(next.public);
            for (name, value) in changes {
                match value {
                    Some(value) => next.parts.insert(name.to_owned(), value),
                    None => next.parts.remove(name),
                };
            }
            history.push(next);
        }
        Step::Refresh(n) => {
            let done = refresh(registry, "jira", &format!("token {n}"), None).is_ok();
            assert_eq!(done, !history.is_empty());
            if history.pop().is_some() {
                next.parts.insert("access_token".into(), format!("token {n}"));
                history.push(next);
            }
        }
        Step::Rollback => {
            let done = by.rollback(&connection("jira"), None).is_ok();
            assert_eq!(done, history.len() > 1);
            if done {
                history.push(history[history.len() - 2].clone());
            }
        }
        Step::RotateKey => drop(by.rotate_key(None).unwrap()),
        Step::ToAndFro => {
            let (here, there) = (connection("jira"), connection("there@pay"));
            let moved = by.move_to(&here, &there).is_ok();
            assert_eq!(moved, !history.is_empty());
            if moved {
                by.move_to(&there, &here).unwrap();
            }
        }
    }
    let excess = history.len().saturating_sub(10);
    history.drain(..excess);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_record_is_a_map_with_a_history(steps in prop::collection::vec(step(), 1..25)) {
        let (_, registry) = made(Names::Open);
        let mut history: Vec<Known> = Vec::new();
        for step in &steps {
            take(&registry, &mut history, step);
            match (open_record(&registry, "", "jira"), history.last()) {
                (Ok(found), Some(known)) => {
                    prop_assert_eq!(&found.public, &known.public);
                    let expected: Vec<_> = known.parts.clone().into_iter().collect();
                    prop_assert_eq!(found.parts, expected);
                }
                (Err(LookupError::NotFound), None) => {}
                (found, known) => panic!("{:?} instead of {known:?}", found.map(|it| it.version)),
            }
        }
        if !history.is_empty() {
            prop_assert_eq!(versions(&registry, "jira").len(), history.len());
        }
        prop_assert!(registry.every_value(&actor()).is_ok());
    }
}
