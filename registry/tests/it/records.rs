//! Records of connections: what is stored, told, given and refused.

use std::collections::BTreeMap;

use subrosa_registry::{
    Action, Address, Expiry, Filter, InvalidRecord, LookupError, MustBe, Names, Outcome,
    RecordChange, RecordReader as _, RegistryError, SecretRef, SetOptions, Written,
};

use crate::model::ModelFiles;
use crate::support::{
    actor, address, admin, change, connection, lookup, made, model_of, now, open_record, parts,
    put, refresh, registry, secret, set, text_of,
};

type Done = Result<Written, RegistryError>;

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
    let contents = restored.contents().unwrap().0;
    assert_eq!((contents.secrets, contents.connections, contents.versions), (0, 1, 1));
    let checked = restored.check();
    assert_eq!((checked.secrets, checked.connections, checked.versions), (0, 1, 1));
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

#[test]
fn several_connections_are_stored_all_or_none() {
    let (_, registry) = made(Names::Open);
    let by = admin(&registry);
    let new = |name: &str, part: &str| {
        let parts = vec![(part.to_owned(), Some(secrecy::SecretSlice::from(b"hunter2".to_vec())))];
        let must_be = subrosa_registry::MustBe::New;
        (connection(name), RecordChange { parts, must_be, ..RecordChange::default() })
    };
    let some = |second: (_, RecordChange)| {
        by.put_records(Action::Import, &[new("one", "token"), second]).map(|written| written.len())
    };
    assert!(some(new("two", "No Name")).is_err());
    assert!(by.records().unwrap().is_empty());
    assert_eq!(some(new("two", "token")).unwrap(), 2);
    assert!(matches!(some(new("three", "token")), Err(RegistryError::Exists(_))));
    assert_eq!(by.records().unwrap().len(), 2);
    assert_eq!(by.put_records(Action::Import, &[]).unwrap().len(), 0);
}
