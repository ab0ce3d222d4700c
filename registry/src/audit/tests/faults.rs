//! Crashes, full disks, many at once, and a log that is long.

use super::{LOG, Store, of};
use crate::audit::fake::Fails;
use crate::audit::{Event, Filter};
use crate::files::{FileError, Files as _};

#[test]
fn an_unfinished_line_is_cut_off_and_the_chain_goes_on() {
    let store = Store::with(&["a", "b", "c"]);
    let content = store.files.content(LOG).unwrap();
    let two = store.lines()[..2].concat().len();
    for len in two..content.len() {
        store.files.put(LOG, &content[..len]);
        assert_eq!(store.log().append(&[of("d")]).unwrap().seq, 3);
        assert_eq!(store.problems(), [], "{len} bytes");
        assert_eq!(store.workflows(), ["a", "b", "d"]);
    }
    store.files.put(LOG, b"{\"seq\":1,");
    store.log().append(&[of("e")]).unwrap();
    assert_eq!((store.problems(), store.workflows()), (vec![], vec!["e".to_owned()]));
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    let store = Store::with(&["a", "b"]);
    let before = store.text();
    let batch = [of("c"), of("d"), of("e")];
    let len = {
        let whole = Store::with(&["a", "b"]);
        whole.log().append(&batch).unwrap();
        whole.text().len() - before.len()
    };
    for room in 0..len {
        store.files.fill(Some(room));
        let error = store.log().append(&batch).unwrap_err();
        assert!(matches!(error, FileError::Io { call: "write", .. }), "{error}");
        assert_eq!(store.text(), before, "{room} bytes");
    }
    store.files.fill(Some(len));
    store.log().append(&batch).unwrap();
    assert_eq!((store.problems(), store.workflows().concat()), (vec![], "abcde".to_owned()));
}

#[test]
fn a_call_that_fails_or_a_kill_at_any_call_leaves_a_log_that_goes_on() {
    for fails in [Fails::At, Fails::From] {
        for torn in ["", "{\"seq\":3"] {
            for room in [None, Some(450)] {
                let mut call = 0;
                loop {
                    let store = Store::with(&["a", "b"]);
                    store.put(&[&store.text(), torn]);
                    store.files.fill(room);
                    store.files.fail(Some(fails(call)));
                    let done = store.log().append_durably(&[of("c"), of("d")]);
                    let calls = store.files.calls().len() as u64;
                    store.files.fail(None);
                    store.files.fill(None);
                    store.log().append(&[of("e")]).unwrap();
                    assert_eq!(store.problems(), [], "call {call}");
                    let workflows = store.workflows().concat();
                    assert!(workflows.starts_with("ab") && workflows.ends_with('e'));
                    assert!(done.is_err() || workflows == "abcde", "call {call}: {workflows}");
                    if call > calls {
                        assert_eq!(done.is_ok(), room.is_none());
                        break;
                    }
                    call += 1;
                }
            }
        }
    }
}

#[test]
fn a_batch_is_one_write_and_only_a_durable_one_is_synced() {
    let store = Store::new();
    let write = |events: &[Event]| {
        store.files.calls();
        store.log().append(events).unwrap();
        store.files.calls()
    };
    let new = ["lock", "append", "len", "sync_folder", "read_at", "write"];
    assert_eq!(write(&[of("a"), of("b"), of("c")]), new);
    let next = ["lock", "append", "len", "read_at", "write"];
    assert_eq!(write(&[of("d")]), next);
    store.log().append_durably(&[of("e"), of("f")]).unwrap();
    assert_eq!(store.files.calls(), [&next[..], &["sync"]].concat());
}

#[test]
fn many_who_append_at_once_keep_one_chain() {
    let store = Store::new();
    // Each line takes several writes: whoever looks without the lock sees halves.
    store.files.shorten_writes(150);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..20 {
                    let event = of(&format!("{writer}-{round}"));
                    let log = if round % 2 == 0 { store.log() } else { store.sealed_log() };
                    let head = log.append_durably(&[event.clone(), event]).unwrap();
                    assert!(store.log().verify(Some(&head)).unwrap().problems.is_empty());
                }
            });
        }
    });
    let entries = store.listed(Filter::default());
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=320).collect::<Vec<_>>());
    for writer in 0..8 {
        let prefix = format!("{writer}-");
        let of_writer = store.workflows().into_iter().filter(|name| name.starts_with(&prefix));
        let rounds = (0..20).flat_map(|round| vec![format!("{writer}-{round}"); 2]);
        assert!(of_writer.eq(rounds), "writer {writer}");
    }
}

#[test]
fn a_line_that_is_being_written_is_waited_for() {
    let store = Store::with(&["a", "b"]);
    let content = store.files.content(LOG).unwrap();
    let lock = store.files.lock("audit.lock").unwrap();
    store.files.put(LOG, &content[..content.len() - 20]);
    store.files.calls();
    std::thread::scope(|scope| {
        let verifying = scope.spawn(|| store.report());
        while !store.files.calls().contains(&"lock") && !verifying.is_finished() {
            std::thread::yield_now();
        }
        store.files.put(LOG, &content);
        drop(lock);
        let report = verifying.join().unwrap();
        assert_eq!((report.lines, report.problems), (2, vec![]));
    });
}

#[test]
fn where_nothing_can_be_locked_a_log_is_verified_all_the_same() {
    let store = Store::with(&["a", "b"]);
    store.files.calls();
    store.files.fail(Some(Fails::At(1)));
    let report = store.report();
    assert_eq!((report.lines, report.problems), (2, vec![]));
    assert_eq!(store.files.calls(), ["list", "lock", "read_at"]);
}

#[test]
fn a_long_log_is_verified_in_bounded_memory() {
    let store = Store::new();
    let batch: Vec<Event> = (0..1000).map(|number| of(&format!("w{number}"))).collect();
    for _ in 0..100 {
        store.log().append(&batch).unwrap();
    }
    let report = store.report();
    assert_eq!((report.lines, report.head.seq, report.problems), (100_000, 100_000, vec![]));
    assert!(store.files.read_len_max() <= 256 * 1024);
    // As many problems as lines are counted, and not kept.
    let content = store.files.content(LOG).unwrap();
    let bad =
        content.iter().map(|byte| if *byte == b'{' { b'[' } else { *byte }).collect::<Vec<_>>();
    store.files.put(LOG, &bad);
    let report = store.report();
    assert_eq!((report.problems.len(), report.problems_unlisted), (100, 99_900));
}
