//! What becomes of the versions of a connection: what a change keeps, drops and masks, and where they go.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use subrosa_registry::{Expiry, LookupError, Names, RecordChange, Registry, SetOptions};

use crate::support::{
    START_S, actor, admin, change, connection, made, open_record, parts, put, refresh, set_now_s,
};

fn versions(registry: &Registry, at: &str) -> Vec<u64> {
    let record = admin(registry).record(&connection(at)).unwrap();
    record.info.versions.iter().map(|version| version.number).collect()
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
