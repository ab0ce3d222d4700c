//! A value that is stored is nowhere: in no answer, no line of the log, and not in the memory of the process
//! that listens; nor is the key.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};

use data_encoding::HEXLOWER;

use super::site::Site;
use crate::program::Place;

const STORED: &str = "canary-stored-before-5b1c9";

/// Whether the memory of a process holds some bytes; `None`: nobody may look.
fn holds(pid: u32, wanted: &[&[u8]]) -> Option<Vec<bool>> {
    let maps = File::open(format!("/proc/{pid}/maps")).ok()?;
    let mut memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut found = vec![false; wanted.len()];
    for line in BufReader::new(maps).lines().map_while(Result::ok) {
        let (range, rest) = line.split_once(' ')?;
        if !rest.starts_with("rw") {
            continue;
        }
        let (begin, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (begin, end) = (number(begin)?, number(end)?);
        memory.seek(SeekFrom::Start(begin)).ok()?;
        let mut bytes = Vec::new();
        // Parts that were never touched cannot be read, and hold nothing.
        (&mut memory).take(end - begin).read_to_end(&mut bytes).ok();
        for (is_found, wanted) in found.iter_mut().zip(wanted) {
            *is_found |= bytes.windows(wanted.len()).any(|window| window == *wanted);
        }
    }
    Some(found)
}

#[test]
fn the_process_that_listens_holds_neither_a_stored_value_nor_the_key() {
    let place = Place::new();
    assert_eq!(place.feed(&["secret", "set", "prod/of-memory"], STORED.as_bytes()).code, 0);
    let key = std::fs::read_to_string(place.home().join("keys/master.key")).unwrap();
    let key = key.lines().find_map(|line| line.strip_prefix("key ")).unwrap().to_owned();
    let bytes = HEXLOWER.decode(key.as_bytes()).unwrap();
    assert_eq!(bytes.len(), 32);
    let site = Site::start(place);
    let one = "/api/v1/secrets/prod%2Fof-memory";
    assert_eq!(site.get("/api/v1/secrets").status, 200);
    assert_eq!(site.write("POST", &format!("{one}/disable"), &[], "").status, 204);
    assert_eq!(site.write("POST", &format!("{one}/enable"), &[], "").status, 204);
    assert_eq!(site.write("POST", &format!("{one}/rollback"), &[], r#"{"version":1}"#).status, 200);
    assert_eq!(site.get("/api/v1/secrets").status, 200);
    let wanted = [b"prod/of-memory".as_slice(), STORED.as_bytes(), key.as_bytes(), &bytes];
    match holds(site.listener(), &wanted) {
        // The name is what shows that the others would have been found.
        Some(found) => assert_eq!(found, [true, false, false, false]),
        None => assert!(!rustix::process::geteuid().is_root(), "root can look"),
    }
}

#[test]
fn what_is_sent_comes_back_in_no_answer_and_no_line() {
    let place = Place::new();
    assert_eq!(place.feed(&["secret", "set", "prod/old"], STORED.as_bytes()).code, 0);
    let site = Site::start(place);
    let create = r#"{"ref": "prod/new", "value": "canary-created-77aa"}"#;
    let rotate = r#"{"value": "canary-rotated-88bb"}"#;
    let bytes = r#"{"value_base64": "Y2FuYXJ5LWJ5dGVzLTk5Y2M="}"#;
    let one = "/api/v1/secrets/prod%2Fnew";
    let key = [("idempotency-key", "canary-key-0123456789")];
    for _ in 0..2 {
        assert_eq!(site.write("POST", "/api/v1/secrets", &key, create).status, 201);
    }
    assert_eq!(site.write("POST", "/api/v1/secrets", &[], create).status, 409);
    assert_eq!(site.write("POST", &format!("{one}/rotate"), &[], rotate).status, 200);
    assert_eq!(site.write("POST", &format!("{one}/rotate"), &[], bytes).status, 200);
    let garbled = [("if-match", "\"1\"")];
    assert_eq!(site.write("POST", &format!("{one}/rotate"), &garbled, rotate).status, 412);
    let fields = [("ref", "prod/new"), ("value", "canary-form-11dd"), ("version", "3")];
    assert_eq!(site.post("/secrets/one/rotate", &fields).status, 303);
    let stale = [("ref", "prod/new"), ("lines", "canary-form-22ee"), ("version", "3")];
    assert_eq!(site.post("/secrets/one/rotate", &stale).status, 412);
    let refused = [("ref", "prod/new"), ("value", "canary-form-33ff"), ("description", "kept")];
    let refused = site.post("/secrets/new", &refused);
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("value=\"kept\""), "{refused:?}");
    for target in [
        "/secrets",
        "/secrets/one?ref=prod%2Fnew",
        "/secrets/one?ref=prod%2Fold",
        "/secrets/one/delete?ref=prod%2Fold",
        "/secrets/new",
        "/audit",
        "/api/v1/secrets",
        "/api/v1/secrets/prod%2Fold",
        "/api/v1/secrets/prod%2Fnew/versions",
        "/api/v1/audit",
        "/api/v1/audit/verify",
        "/api/v1/keys/status",
    ] {
        assert_eq!(site.get(target).status, 200, "{target}");
    }
    let kept = std::fs::read_to_string(site.place.home().join("server/writes.jsonl")).unwrap();
    let heard = site.heard.lock().unwrap();
    for text in [heard.as_str(), &site.said(), &kept] {
        assert!(!text.is_empty() && !text.contains("canary"), "{text}");
        assert!(!text.contains("Y2FuYXJ5"), "{text}");
    }
}
