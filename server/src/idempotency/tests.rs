use std::fs;
use std::io::Write as _;

use super::journal::Journal;
use super::ledger::{Begun, Kept, Ledger, Met};
use super::{mac, what};

fn begun(id: &str) -> Begun {
    Begun { id: id.to_owned(), caller: "ada".to_owned(), what: "what".to_owned(), at: 100 }
}

fn kept() -> Kept {
    let (kind, tag) = (Some("application/json".to_owned()), Some("\"1\"".to_owned()));
    Kept { status: 201, kind, tag, place: None, body: "{\"version\":1}".to_owned() }
}

#[test]
fn what_was_done_is_known_after_a_restart_and_what_was_cut_off_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("writes.jsonl");
    let open = || Journal::open(path.clone(), 100).unwrap();
    let (mut journal, mut ledger) = open();
    for id in ["done", "bare", "refused", "cut"] {
        journal.begun(&begun(id)).unwrap();
        ledger.begin(begun(id));
    }
    journal.done("done", Some(&kept()), &ledger).unwrap();
    journal.done("bare", None, &ledger).unwrap();
    journal.forgotten("refused", &ledger).unwrap();
    drop(journal);
    // Whoever was killed while writing leaves half a line.
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"begun\":{\"id\":\"half").unwrap();
    let check = |ledger: &mut Ledger| {
        assert_eq!(ledger.meet(&begun("done")), Met::Same(Box::new(kept())));
        assert_eq!(ledger.meet(&begun("bare")), Met::NotKept);
        assert_eq!(ledger.meet(&begun("refused")), Met::New);
        assert_eq!(ledger.meet(&begun("cut")), Met::Lost);
        assert_eq!(ledger.len(), 3);
    };
    check(&mut open().1);
    let (mut journal, mut ledger) = open();
    check(&mut ledger);
    journal.begun(&begun("later")).unwrap();
    assert_eq!(open().1.meet(&begun("later")), Met::Lost);
    assert_eq!(Journal::open(path.clone(), 100 + 24 * 60 * 60).unwrap().1.len(), 0);
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn what_is_no_line_of_ours_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("writes.jsonl");
    drop(Journal::open(path.clone(), 100).unwrap());
    fs::write(&path, "{}\n").unwrap();
    assert!(Journal::open(path, 100).is_err());
}

#[test]
fn a_request_is_told_from_any_other() {
    let key = b"0123456789abcdef";
    let target = |method: &str, target: &str, tag: &str, body: &str| {
        let mut headers = axum::http::HeaderMap::new();
        if !tag.is_empty() {
            headers.insert("if-match", tag.parse().unwrap());
        }
        what(key, (&method.parse().unwrap(), target, &headers), body.as_bytes()).unwrap()
    };
    let all = [
        target("POST", "/a", "", ""),
        target("PUT", "/a", "", ""),
        target("POST", "/a?b", "", ""),
        target("POST", "/a", "\"1\"", ""),
        target("POST", "/a", "", "{}"),
        target("POST", "/", "", "a"),
    ];
    for (n, one) in all.iter().enumerate() {
        assert!(all[n + 1..].iter().all(|other| other != one), "{n}");
    }
    assert_eq!(all[0], target("POST", "/a", "", ""));
    assert_ne!(mac(key, &[b"x"]).unwrap(), mac(b"0123456789abcdeF", &[b"x"]).unwrap());
}
