//! Whatever was done to a log is reported, and is not papered over by what is appended later.

use super::{LOG, Store, of};
use crate::audit::line::LINE_LEN_MAX;
use crate::audit::{Action, AuditKeys, AuditLog, Filter, ListError, Names, Outcome, Problem, Why};
use crate::keys::StoreId;

#[test]
fn each_flipped_bit_of_a_log_is_reported() {
    let store = Store::with(&["a", "b"]);
    store.sealed_log().append(&[of("c")]).unwrap();
    let content = store.files.content(LOG).unwrap();
    let expected = store.report().head;
    for at in 0..content.len() {
        for bit in [0, 5] {
            let mut changed = content.clone();
            changed[at] ^= 1 << bit;
            store.files.put(LOG, &changed);
            let report = store.log().verify(Some(&expected)).unwrap();
            assert!(!report.problems.is_empty(), "bit {bit} of byte {at}");
        }
    }
    store.files.put(LOG, &content);
    assert_eq!(store.log().verify(Some(&expected)).unwrap().problems, []);
}

#[test]
fn each_cut_of_a_log_is_reported() {
    let store = Store::with(&["a", "b", "c"]);
    let content = store.files.content(LOG).unwrap();
    let expected = store.report().head;
    for len in 0..content.len() {
        store.files.put(LOG, &content[..len]);
        let report = store.log().verify(Some(&expected)).unwrap();
        let cut = Problem { line: report.lines + 1, why: Why::Cut { seq: 3 } };
        assert_eq!(report.problems.last(), Some(&cut), "{len} bytes");
    }
}

#[test]
fn the_line_that_was_tampered_with_is_named() {
    let store = Store::with(&["a", "b", "c", "d"]);
    let lines = store.lines();
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| lines[at].as_str());
    let forged = b.replace("\"b\"", "\"x\"");
    let unsigned = b.replace(&b[b.len() - 67..b.len() - 3], &"0".repeat(64));
    let overlong = format!("{}\n", "x".repeat(LINE_LEN_MAX + 1));
    let long = forged.replace("\"ada\"", &format!("\"{}\"", "x".repeat(LINE_LEN_MAX)));
    let huge = format!("{}\n", "x".repeat(600_000));
    for (name, log, problems) in [
        ("whole", vec![a, b, c, d], vec![]),
        ("changed", vec![a, &forged, c, d], vec![(2, Why::Chain)]),
        ("another MAC", vec![a, &unsigned, c, d], vec![(2, Why::Chain), (3, Why::Chain)]),
        ("removed", vec![a, c, d], vec![(2, Why::Chain)]),
        ("first removed", vec![b, c, d], vec![(1, Why::Chain)]),
        ("reordered", vec![a, c, b, d], vec![(2, Why::Chain), (4, Why::Chain)]),
        ("twice", vec![a, b, b, c, d], vec![(3, Why::Chain)]),
        ("added", vec![a, &forged, b, c, d], vec![(2, Why::Chain)]),
        ("no line", vec![a, "\n", b, "hello\n", c, d], vec![(2, Why::Shape), (4, Why::Shape)]),
        ("long line", vec![a, &overlong, b, c, d], vec![(2, Why::Shape)]),
        ("well-formed long line", vec![a, &long, b, c, d], vec![(2, Why::Shape)]),
        ("longer line", vec![a, &huge, b, c, d], vec![(2, Why::Shape)]),
        ("torn", vec![a, b, c, &d[..9]], vec![(4, Why::Torn)]),
        ("torn garbage", vec![a, b, c, d, huge.trim_end()], vec![(5, Why::Torn)]),
    ] {
        store.put(&log);
        assert_eq!(store.problems(), problems, "{name}");
    }
}

#[test]
fn the_line_that_the_store_knows_must_be_there() {
    let other = Store::with(&["a", "x", "c"]);
    let expected = other.report().head;
    let store = Store::with(&["a", "b"]);
    let why = |store: &Store| store.log().verify(Some(&expected)).unwrap().problems;
    assert_eq!(why(&store), [Problem { line: 3, why: Why::Cut { seq: 3 } }]);
    store.log().append(&[of("c")]).unwrap();
    assert_eq!(why(&store), [Problem { line: 3, why: Why::Replaced { seq: 3 } }]);
    store.log().append(&[of("d")]).unwrap();
    assert_eq!(why(&store), [Problem { line: 4, why: Why::Replaced { seq: 3 } }]);
    other.log().append(&[of("d")]).unwrap();
    assert_eq!(why(&other), []);
}

#[test]
fn a_log_of_another_store_or_key_does_not_hold() {
    let store = Store::with(&["a", "b"]);
    let id = StoreId::parse(&"f".repeat(32)).unwrap();
    for (keys, id) in [
        (AuditKeys::derive(&[8; 32], &store.id), &store.id),
        (AuditKeys::derive(&[7; 32], &id), &id),
    ] {
        let log = AuditLog::new(&store.files, &keys, id, Names::Open);
        assert_eq!(log.verify(None).unwrap().problems.len(), 2);
        assert!(log.list(Filter::default()).unwrap().all(|entry| entry.is_err()));
    }
}

#[test]
fn a_damaged_log_is_continued_as_a_new_chain_that_says_so() {
    let garbage = "x".repeat(100_000);
    for (name, change, problems) in [
        ("changed", "changed", vec![(3, Why::Chain), (4, Why::Restart)]),
        ("no line", "hello\n", vec![(3, Why::Shape), (4, Why::Restart)]),
        ("empty line", "\n", vec![(3, Why::Shape), (4, Why::Restart)]),
        ("no line feed", &garbage, vec![(3, Why::Shape), (4, Why::Restart)]),
    ] {
        let store = Store::with(&["a", "b", "c"]);
        let [a, b, c] = [0, 1, 2].map(|at| store.lines()[at].clone());
        let change = if change == "changed" { c.replace("\"c\"", "\"x\"") } else { change.into() };
        store.put(&[&a, &b, &change]);
        assert_eq!(store.log().append(&[of("d")]).unwrap().seq, 4, "{name}");
        assert_eq!(store.log().append(&[of("e")]).unwrap().seq, 5, "{name}");
        assert_eq!(store.problems(), problems, "{name}");
        let mut entries = store.log().list(Filter::default()).unwrap().skip(2);
        assert!(matches!(entries.next(), Some(Err(ListError::Line(Problem { line: 3, .. })))));
        let restart = entries.next().unwrap().unwrap().event;
        assert_eq!((restart.action, restart.outcome), (Action::ChainRestart, Outcome::Damaged));
        let rest: Vec<_> = entries.map(|entry| entry.unwrap().event).collect();
        assert_eq!(rest, [of("d"), of("e")], "{name}");
    }
}

#[test]
fn after_a_restart_as_the_last_line_no_other_one_follows() {
    let store = Store::with(&["a", "b"]);
    store.put(&[&store.lines()[0], "hello\n"]);
    store.log().append(&[of("c")]).unwrap();
    let lines = store.lines();
    store.put(&[&lines[0], &lines[1], &lines[2]]);
    store.log().append(&[of("d")]).unwrap();
    assert_eq!(store.problems(), [(2, Why::Shape), (3, Why::Restart)]);
}

#[test]
fn lines_before_a_restart_cannot_be_removed_unnoticed() {
    let store = Store::with(&["a", "b"]);
    store.put(&[&store.lines().concat(), "hello\n"]);
    store.log().append(&[of("c")]).unwrap();
    let lines = store.lines();
    store.put(&[&lines[0], &lines[2], &lines[3], &lines[4]]);
    assert_eq!(store.problems(), [(2, Why::Shape), (3, Why::Chain)]);
}

#[test]
fn a_log_that_was_cut_is_not_continued_as_if_nothing_had_happened() {
    let store = Store::with(&["a", "b", "c"]);
    let head = store.report().head;
    store.put(&[&store.lines()[0]]);
    assert_eq!(store.log().after(head).append(&[of("d")]).unwrap().seq, 5);
    assert_eq!(store.log().after(head).append(&[of("e")]).unwrap().seq, 6);
    assert_eq!(store.problems(), [(2, Why::Restart)]);
    // The same head in a log that has it, and one that has gone further.
    let store = Store::with(&["a", "b", "c"]);
    assert_eq!(store.log().after(head).append(&[of("d")]).unwrap().seq, 4);
    assert_eq!(store.log().after(head).append(&[of("e")]).unwrap().seq, 5);
    assert_eq!(store.problems(), []);
}
