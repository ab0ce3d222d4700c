//! Keys in a real GNOME keyring. `with-gnome-keyring` beside this file starts one, brings it into each
//! of its states, and says in `SUBROSA_TEST_KEYRING` which; each test is about one of them.
#![cfg(feature = "keyring")]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io::Write;
use std::process::{Command, Stdio};

use subrosa_registry::{KeyError, KeyPlace, KeyRing, MasterKey, Slot, StoreId};
use zeroize::Zeroizing;

/// The states of the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It was open in this session.
    Locked,
    /// It was not open in this session.
    Unopened,
    /// There is no session bus.
    None,
}

/// Whether it is this state's turn. A run without a keyring is nobody's: `cargo test` alone has none,
/// and `./test` runs `with-gnome-keyring`, which fails if it cannot give one.
#[expect(clippy::disallowed_methods, reason = "the script beside this file says what it prepared")]
fn is_turn_of(state: State) -> bool {
    match std::env::var("SUBROSA_TEST_KEYRING").as_deref() {
        Ok("open") => state == State::Open,
        Ok("locked") => state == State::Locked,
        Ok("unopened") => state == State::Unopened,
        Ok("none") => state == State::None,
        Ok(other) => panic!("no such state: {other}"),
        Err(_) => false,
    }
}

fn store(digits: &str) -> StoreId {
    StoreId::parse(&digits.repeat(8)).unwrap()
}

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(Zeroizing::new([byte; 32]))
}

fn check_slots(store: &StoreId, current: Option<u8>, next: Option<u8>) {
    for (slot, expected) in [(Slot::Current, current), (Slot::Next, next)] {
        let found = KeyRing.load(store, slot).unwrap();
        let is_expected = match (&found, expected) {
            (Some(found), Some(byte)) => found.is(&key(byte)),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(is_expected, "{slot:?}");
    }
}

fn check_error(result: Result<impl Sized, KeyError>, expected: &str) {
    assert_eq!(result.err().map(|error| error.to_string()).as_deref(), Some(expected));
}

/// Puts something into an entry with another program.
fn put(account: &str, secret: &str) {
    let mut tool = Command::new("secret-tool")
        .args(["store", "--label=test", "service", "subrosa", "username", account])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
    assert!(tool.wait().unwrap().success());
}

/// What another program finds in an entry.
fn found(account: &str) -> String {
    let arguments = ["lookup", "service", "subrosa", "username", account];
    let output = Command::new("secret-tool").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_key_goes_round() {
    if !is_turn_of(State::Open) {
        return;
    }
    let store = store("a001");
    check_slots(&store, None, None);
    KeyRing.keep(&store, Slot::Current, &key(1)).unwrap();
    KeyRing.keep(&store, Slot::Next, &key(2)).unwrap();
    check_slots(&store, Some(1), Some(2));
    KeyRing.promote(&store).unwrap();
    check_slots(&store, Some(2), None);
    KeyRing.keep(&store, Slot::Next, &key(3)).unwrap();
    KeyRing.forget(&store, Slot::Next).unwrap();
    KeyRing.forget(&store, Slot::Next).unwrap();
    check_slots(&store, Some(2), None);
    KeyRing.forget(&store, Slot::Current).unwrap();
    check_slots(&store, None, None);
}

#[test]
fn an_entry_holds_the_text_that_a_file_would_hold() {
    if !is_turn_of(State::Open) {
        return;
    }
    let (store, other) = (store("a002"), store("a003"));
    KeyRing.keep(&store, Slot::Current, &key(1)).unwrap();
    let text = String::from_utf8(key(1).to_text(&store).to_vec()).unwrap();
    // The tool ends its output with no line end of its own.
    assert_eq!(found(store.as_str()), text);
    put(other.as_str(), std::str::from_utf8(&key(2).to_text(&other)).unwrap());
    check_slots(&other, Some(2), None);
}

#[test]
fn a_key_that_is_there_is_not_replaced() {
    if !is_turn_of(State::Open) {
        return;
    }
    let store = store("a004");
    KeyRing.keep(&store, Slot::Current, &key(1)).unwrap();
    let taken = "there is a key already: the keyring of the system";
    check_error(KeyRing.keep(&store, Slot::Current, &key(2)), taken);
    check_slots(&store, Some(1), None);
}

#[test]
fn what_is_no_key_of_the_registry_is_refused_and_stays() {
    if !is_turn_of(State::Open) {
        return;
    }
    let (store, other) = (store("a005"), store("a006"));
    put(store.as_str(), "canary");
    let damaged = "the key of the registry is damaged: the keyring of the system: is no key";
    check_error(KeyRing.load(&store, Slot::Current), damaged);
    let taken = "there is a key already: the keyring of the system";
    check_error(KeyRing.keep(&store, Slot::Current, &key(1)), taken);
    put(&format!("{}.next", store.as_str()), "canary");
    check_error(KeyRing.promote(&store), damaged);
    assert_eq!(found(store.as_str()), "canary");

    put(other.as_str(), std::str::from_utf8(&key(2).to_text(&store)).unwrap());
    let error = KeyRing.load(&other, Slot::Current).err().unwrap();
    assert!(matches!(error, KeyError::OtherStore { .. }), "{error}");
    let missing = "the key of the registry is missing: the next key in the keyring of the system";
    check_error(KeyRing.promote(&other), missing);
}

const LOCKED: &str = "the keyring of the system: it is locked, or does not let us in";

#[test]
fn a_locked_keyring_gives_and_takes_nothing_and_says_why() {
    if !is_turn_of(State::Locked) && !is_turn_of(State::Unopened) {
        return;
    }
    let store = store("10cd");
    check_error(KeyRing.load(&store, Slot::Current), LOCKED);
    check_error(KeyRing.keep(&store, Slot::Current, &key(1)), LOCKED);
    check_error(KeyRing.forget(&store, Slot::Current), LOCKED);
}

#[test]
fn a_locked_keyring_has_nothing_that_it_does_not_know_of() {
    if !is_turn_of(State::Locked) && !is_turn_of(State::Unopened) {
        return;
    }
    let store = store("a008");
    check_slots(&store, None, None);
    assert!(KeyRing.absent_means().unwrap().contains("locked"));
    check_error(KeyRing.keep(&store, Slot::Current, &key(1)), LOCKED);
    let missing = "the key of the registry is missing: the next key in the keyring of the system";
    check_error(KeyRing.promote(&store), missing);
    KeyRing.forget(&store, Slot::Current).unwrap();
}

#[test]
fn without_a_session_there_is_no_keyring() {
    if !is_turn_of(State::None) {
        return;
    }
    let store = store("a007");
    let results = [
        KeyRing.load(&store, Slot::Current).map(drop),
        KeyRing.keep(&store, Slot::Current, &key(1)),
        KeyRing.promote(&store),
        KeyRing.forget(&store, Slot::Current),
    ];
    for result in results {
        let error = result.unwrap_err().to_string();
        let reached = "the keyring of the system: it cannot be reached: ";
        assert!(error.starts_with(reached) && error.len() > reached.len(), "{error}");
    }
}
