//! Random events against the plain meaning of the words, and random content.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use super::{LOG, Store, of};
use crate::audit::{Action, Actor, Event, Filter, Outcome, Why};
use crate::names::{EnvironmentName, Scope, SecretRef, WorkspaceName};

/// Texts as they come, and such that try to end a field or a line.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("\",\"outcome\":\"ok\"}\n{\"seq\":2,".to_owned()),
        Just("\u{2028}\u{85}\u{9b}2J\u{7f}\0\r\n\\".to_owned()),
        Just("😀".repeat(65)),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let actor = (texts(), texts(), prop::option::of(texts()), prop::option::of(texts()));
    let names = (prop::option::of("[a-c]"), prop::option::of("[ab]"), prop::option::of("[ab]"));
    let words =
        (prop::sample::select(vec![Action::Read, Action::Set, Action::Backup]), any::<bool>());
    (actor, names, words, 0_u64..9, any::<Option<u64>>()).prop_map(
        |(actor, names, (action, is_ok), time, version)| Event {
            time: UNIX_EPOCH + Duration::from_secs(time),
            actor: Actor {
                user: actor.0,
                command: actor.1,
                run: actor.2,
                workflow: actor.3.clone(),
                step: actor.3,
            },
            action,
            reference: names.0.map(|text| SecretRef::parse(&text).unwrap()),
            scope: Scope {
                workspace: names.1.map(|text| WorkspaceName::parse(&text).unwrap()),
                environment: names.2.map(|text| EnvironmentName::parse(&text).unwrap()),
            },
            version,
            outcome: if is_ok { Outcome::Ok } else { Outcome::Disabled },
        },
    )
}

fn cut(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        if kept.len() + c.len_utf8() > 256 {
            break;
        }
        kept.push(c);
    }
    kept
}

fn expected(event: &Event) -> Event {
    let mut event = event.clone();
    let actor = &mut event.actor;
    for text in [&mut actor.user, &mut actor.command] {
        *text = cut(text);
    }
    for text in [&mut actor.run, &mut actor.workflow, &mut actor.step].into_iter().flatten() {
        *text = cut(text);
    }
    event
}

proptest! {
    #[test]
    fn whatever_the_names_each_event_is_one_line_of_printable_ascii(
        events in prop::collection::vec(events(), 1..8),
    ) {
        let store = Store::new();
        store.log().append(&events).unwrap();
        let text = store.text();
        assert_eq!(text.lines().count(), events.len());
        assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
        store.sealed_log().append(&events).unwrap();
        assert_eq!(store.problems(), []);
        let wanted = [&events[..], &events[..]].concat();
        let found = store.listed(Filter::default()).into_iter().map(|entry| entry.event);
        assert!(found.eq(wanted.iter().map(expected)));
    }

    #[test]
    fn a_filter_gives_what_it_says(
        events in prop::collection::vec(events(), 0..40),
        like in events(),
        parts in prop::array::uniform6(any::<bool>()),
        last in prop::option::of(0_usize..6),
    ) {
        let store = Store::new();
        store.log().append(&events).unwrap();
        let like = expected(&like);
        let filter = Filter {
            reference: like.reference.clone().filter(|_| parts[0]),
            workspace: like.scope.workspace.clone().filter(|_| parts[1]),
            environment: like.scope.environment.clone().filter(|_| parts[2]),
            run: like.actor.run.clone().filter(|_| parts[3]),
            action: parts[4].then_some(like.action),
            outcome: parts[5].then_some(like.outcome),
            since: Some(like.time),
            last,
        };
        let mut wanted: Vec<Event> = events.iter().map(expected).collect();
        wanted.retain(|event| {
            (filter.reference.is_none() || event.reference == filter.reference)
                && (filter.workspace.is_none() || event.scope.workspace == filter.workspace)
                && (filter.environment.is_none() || event.scope.environment == filter.environment)
                && (filter.run.is_none() || event.actor.run == filter.run)
                && (!parts[4] || event.action == like.action)
                && (!parts[5] || event.outcome == like.outcome)
                && event.time >= like.time
        });
        let from = last.map_or(0, |last| wanted.len().saturating_sub(last));
        let found: Vec<Event> =
            store.listed(filter).into_iter().map(|entry| entry.event).collect();
        assert_eq!(found, &wanted[from..]);
    }

    #[test]
    fn no_content_makes_it_panic_and_appending_always_works(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(0_usize), Just(1), Just(2), Just(3), Just(4)
            ].prop_flat_map(|kind| (Just(kind), any::<Vec<u8>>())),
            0..12,
        ),
    ) {
        let store = Store::with(&["a", "b", "c"]);
        let lines = store.lines();
        let mut content = Vec::new();
        for (kind, bytes) in pieces {
            match kind {
                0..=2 => content.extend_from_slice(lines[kind].as_bytes()),
                3 => content.extend_from_slice(&bytes),
                _ => content.push(b'\n'),
            }
        }
        store.files.put(LOG, &content);
        let before = store.report();
        let head = store.log().append(&[of("d")]).unwrap();
        let after = store.log().verify(Some(&head)).unwrap();
        assert_eq!(after.head, head);
        let torn = before.problems.iter().filter(|problem| problem.why == Why::Torn).count();
        assert!(after.problems.len() + torn >= before.problems.len());
        assert_eq!(store.log().append(&[of("e")]).unwrap().seq, head.seq + 1);
    }
}
