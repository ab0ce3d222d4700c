//! Times of last use, over a folder in memory.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::{any, prop, proptest};

use super::{COMPACT_LEN_MIN, UsageKey, Used, UsedFile};
use crate::audit::fake::{Fails, Fake};
use crate::files::FileError;
use crate::keys::StoreId;
use crate::names::{Address, EnvironmentName, Scope, SecretRef, WorkspaceName};

const FORMAT: &str = include_str!("../FORMAT.md");

fn key() -> UsageKey {
    UsageKey::derive(&[7; 32], &StoreId::parse("000102030405060708090a0b0c0d0e0f").unwrap())
}

fn address(reference: &str, workspace: Option<&str>, environment: Option<&str>) -> Address {
    Address {
        reference: SecretRef::parse(reference).unwrap(),
        scope: Scope {
            workspace: workspace.map(|name| WorkspaceName::parse(name).unwrap()),
            environment: environment.map(|name| EnvironmentName::parse(name).unwrap()),
        },
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn seconds(used: &Used<'_>, address: &Address) -> Option<u64> {
    used.last(address).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs())
}

#[test]
fn the_lines_are_those_of_the_format_document() {
    let (files, key) = (Fake::default(), key());
    let addresses = [address("prod/db", Some("pay"), Some("prod")), address("prod/db", None, None)];
    UsedFile::new(&files, &key).note(&addresses, at(1_795_371_990)).unwrap();
    let text = String::from_utf8(files.content("used").unwrap()).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(FORMAT.contains(&text), "{text}");
}

#[test]
fn each_address_has_its_own_time() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    let addresses = [
        address("a", None, None),
        address("a", Some("b"), None),
        address("a", None, Some("b")),
        address("a", Some("b"), Some("b")),
        address("a/b", None, None),
    ];
    for (time, address) in addresses.iter().enumerate() {
        file.note(std::slice::from_ref(address), at(time as u64 + 1)).unwrap();
    }
    let used = file.load();
    let times = addresses.each_ref().map(|address| seconds(&used, address).unwrap());
    assert_eq!(times, [1, 2, 3, 4, 5]);
    assert_eq!(used.last(&address("b", None, None)), None);
}

#[test]
fn without_a_file_nothing_was_used() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    file.note(&[], at(1)).unwrap();
    assert_eq!(files.content("used"), None);
    let used = file.load();
    assert_eq!((used.last(&address("a", None, None)), used.damaged_lines), (None, 0));
    assert!(used.unread.is_none());
}

#[test]
fn the_newest_time_counts_whatever_the_order() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    let one = address("a", None, None);
    for time in [at(5), at(9), at(7), UNIX_EPOCH - Duration::from_secs(1)] {
        file.note(std::slice::from_ref(&one), time).unwrap();
    }
    assert_eq!(seconds(&file.load(), &one), Some(9));
}

#[test]
fn what_is_no_line_is_counted_and_passed_over() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    let one = address("a", None, None);
    file.note(std::slice::from_ref(&one), at(5)).unwrap();
    let good = String::from_utf8(files.content("used").unwrap()).unwrap();
    let id = &good[2..34];
    for bad in [
        "\n".to_owned(),
        "hello\n".to_owned(),
        format!("9{id}\n"),
        format!(" 9 {id}\n"),
        format!("-9 {id}\n"),
        format!("9 {}\n", id.to_uppercase()),
        format!("9  {id}\n"),
        format!("9 {id} \n"),
        format!(" {id}\n"),
        format!("253402300800 {id}\n"),
        format!("99999999999999999999 {id}\n"),
        format!("9 {id}"),
    ] {
        files.put("used", format!("{good}{bad}").as_bytes());
        let used = file.load();
        assert_eq!((seconds(&used, &one), used.damaged_lines), (Some(5), 1), "{bad:?}");
    }
}

#[test]
fn an_unfinished_line_costs_no_other_one() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    let one = address("a", None, None);
    files.put("used", b"1795");
    file.note(std::slice::from_ref(&one), at(5)).unwrap();
    assert_eq!((seconds(&file.load(), &one), file.load().damaged_lines), (Some(5), 1));
}

#[test]
fn a_file_that_cannot_be_read_is_no_failure() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    let one = address("a", None, None);
    file.note(std::slice::from_ref(&one), at(5)).unwrap();
    files.fail(Some(Fails::At(0)));
    let used = file.load();
    assert!(used.last(&one).is_none());
    assert!(matches!(used.unread, Some(FileError::Io { call: "read", .. })));
    assert_eq!(seconds(&file.load(), &one), Some(5));
}

#[test]
fn noting_is_one_write_without_sync() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    file.note(&[address("a", None, None), address("b", None, None)], at(1)).unwrap();
    assert_eq!(files.calls(), ["lock", "append", "len", "read_at", "write"]);
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    let (one, two) = (address("a", None, None), address("b", None, None));
    file.note(std::slice::from_ref(&one), at(5)).unwrap();
    let before = files.content("used");
    files.fill(Some(20));
    assert!(file.note(std::slice::from_ref(&two), at(6)).is_err());
    assert_eq!(files.content("used"), before);
    files.fill(None);
    file.note(std::slice::from_ref(&two), at(6)).unwrap();
    let used = file.load();
    assert_eq!((seconds(&used, &one), seconds(&used, &two)), (Some(5), Some(6)));
}

/// A file a little shorter than the length from which on it is made smaller, with `distinct` other
/// addresses in it, each line of 44 bytes.
fn nearly_full(files: &Fake, distinct: u64) {
    let lines = COMPACT_LEN_MIN / 44;
    let text: String =
        (0..lines).map(|line| format!("1000000000 {:032x}\n", line % distinct)).collect();
    files.put("used", text.as_bytes());
}

#[test]
fn a_long_file_is_made_smaller_if_half_of_it_is_superseded() {
    let (files, key) = (Fake::default(), key());
    let file = UsedFile::new(&files, &key);
    let one = address("a", None, None);
    nearly_full(&files, 45_000);
    files.put("used.new", b"left behind");
    file.note(std::slice::from_ref(&one), at(1_700_000_000)).unwrap();
    assert_eq!(files.content("used").unwrap().len(), 45_001 * 44);
    assert_eq!(files.content("used.new"), None);
    assert_eq!(seconds(&file.load(), &one), Some(1_700_000_000));

    nearly_full(&files, 50_000);
    file.note(std::slice::from_ref(&one), at(1_700_000_000)).unwrap();
    assert!(files.content("used").unwrap().len() as u64 > COMPACT_LEN_MIN);
    // Until it has grown by another MiB, it is not looked through again.
    files.calls();
    file.note(std::slice::from_ref(&one), at(1_700_000_001)).unwrap();
    assert_eq!(files.calls(), ["lock", "append", "len", "read_at", "write"]);
}

#[test]
fn a_failure_while_it_is_made_smaller_loses_nothing() {
    let key = key();
    for fails in [Fails::At, Fails::From] {
        for call in 5..10 {
            let files = Fake::default();
            let file = UsedFile::new(&files, &key);
            let one = address("a", None, None);
            nearly_full(&files, 30_000);
            files.fail(Some(fails(call)));
            assert!(file.note(std::slice::from_ref(&one), at(1_700_000_000)).is_err(), "{call}");
            files.fail(None);
            assert_eq!(seconds(&file.load(), &one), Some(1_700_000_000), "call {call}");
        }
    }
}

proptest! {
    #[test]
    fn it_says_what_a_map_says(
        notes in prop::collection::vec((prop::collection::vec(0_usize..6, 0..4), 0_u64..1000), 0..30),
    ) {
        let (files, key) = (Fake::default(), key());
        let file = UsedFile::new(&files, &key);
        let address = |number: usize| {
            address("a", ["v", "w"].get(number % 3).copied(), ["e"].get(number / 3).copied())
        };
        let mut oracle = HashMap::new();
        for (numbers, time) in notes {
            let addresses: Vec<Address> = numbers.iter().map(|number| address(*number)).collect();
            file.note(&addresses, at(time)).unwrap();
            for number in numbers {
                let newest = oracle.entry(number).or_insert(time);
                *newest = time.max(*newest);
            }
        }
        let used = file.load();
        for number in 0..6 {
            assert_eq!(seconds(&used, &address(number)), oracle.get(&number).copied());
        }
    }

    #[test]
    fn no_content_makes_it_fail(content in any::<Vec<u8>>()) {
        let (files, key) = (Fake::default(), key());
        files.put("used", &content);
        let file = UsedFile::new(&files, &key);
        let one = address("a", None, None);
        file.note(std::slice::from_ref(&one), at(5)).unwrap();
        assert_eq!(seconds(&file.load(), &one), Some(5));
    }
}
