use super::*;
use crate::keys::fake::{Folder, Stop, answers, key, nobody, store};

fn plain(folder: &Folder) -> KeyFile {
    KeyFile::in_key_folder(Arc::new(folder.clone()), nobody())
}

fn with(folder: &Folder, passphrase: &str) -> KeyFile {
    KeyFile::in_key_folder(Arc::new(folder.clone()), answers(passphrase).0).protected()
}

/// What a slot holds, by the byte that the key was made of; 0 for nothing.
fn held(place: &KeyFile, slot: Slot) -> u8 {
    place.load(&store('a'), slot).unwrap().map_or(0, |key| key.bytes()[0])
}

fn check_error(result: Result<impl Sized, KeyError>, expected: &str) {
    assert_eq!(result.err().map(|error| error.to_string()).as_deref(), Some(expected));
}

#[test]
fn a_key_goes_round() {
    for protected in [false, true] {
        let folder = Folder::new();
        let place = || if protected { with(&folder, "hunter2") } else { plain(&folder) };
        assert_eq!(held(&place(), Slot::Current), 0);
        place().keep(&store('a'), Slot::Current, &key(1)).unwrap();
        place().keep(&store('a'), Slot::Next, &key(2)).unwrap();
        assert_eq!((held(&place(), Slot::Current), held(&place(), Slot::Next)), (1, 2));
        place().promote(&store('a')).unwrap();
        assert_eq!((held(&place(), Slot::Current), held(&place(), Slot::Next)), (2, 0));
        place().keep(&store('a'), Slot::Next, &key(3)).unwrap();
        place().forget(&store('a'), Slot::Next).unwrap();
        place().forget(&store('a'), Slot::Next).unwrap();
        assert_eq!((held(&place(), Slot::Current), held(&place(), Slot::Next)), (2, 0));
        place().forget(&store('a'), Slot::Current).unwrap();
        assert_eq!(folder.names(), Vec::<String>::new());
    }
}

#[test]
fn both_kinds_have_files_of_their_own() {
    let folder = Folder::new();
    plain(&folder).keep(&store('a'), Slot::Current, &key(1)).unwrap();
    with(&folder, "hunter2").keep(&store('a'), Slot::Current, &key(1)).unwrap();
    assert_eq!(folder.names(), ["master.key", "protected.key"]);
    assert_eq!(plain(&folder).describe(), "the file /keys/master.key");
}

#[test]
fn a_key_that_is_there_is_never_replaced() {
    let folder = Folder::new();
    plain(&folder).keep(&store('a'), Slot::Current, &key(1)).unwrap();
    let taken = "there is a key already: the file /keys/master.key";
    check_error(plain(&folder).keep(&store('a'), Slot::Current, &key(2)), taken);
    let other = format!(
        "the file /keys/master.key holds the key of the registry {}, not of the registry {}",
        store('a').as_str(),
        store('b').as_str()
    );
    check_error(plain(&folder).keep(&store('b'), Slot::Current, &key(2)), &other);
    check_error(plain(&folder).load(&store('b'), Slot::Current), &other);
    assert_eq!(held(&plain(&folder), Slot::Current), 1);
    folder.put("master.key.next", b"hunter2\n");
    let taken = "there is a key already: the file /keys/master.key.next";
    check_error(plain(&folder).keep(&store('a'), Slot::Next, &key(2)), taken);
}

#[test]
fn a_name_that_is_taken_meanwhile_is_told() {
    let folder = Folder::new();
    folder.put("master.key", &key(1).to_text(&store('a')));
    let place = plain(&folder);
    let error = place.put("master.key", b"other").unwrap_err();
    assert!(matches!(error, FileError::Io { call: "link", .. }), "{error:?}");
    assert_eq!(folder.names(), ["master.key"]);
}

#[test]
fn only_a_next_key_of_the_same_registry_is_promoted() {
    let folder = Folder::new();
    let place = plain(&folder);
    place.keep(&store('a'), Slot::Current, &key(1)).unwrap();
    let missing = "the key of the registry is missing: the file /keys/master.key.next";
    check_error(place.promote(&store('a')), missing);
    place.keep(&store('b'), Slot::Next, &key(2)).unwrap();
    assert!(matches!(place.promote(&store('a')), Err(KeyError::OtherStore { .. })));
    assert_eq!(held(&place, Slot::Current), 1);
}

#[test]
fn only_what_is_a_key_of_the_same_registry_is_removed() {
    let folder = Folder::new();
    let place = plain(&folder);
    place.keep(&store('b'), Slot::Current, &key(1)).unwrap();
    place.forget(&store('a'), Slot::Current).unwrap();
    assert_eq!(folder.names(), ["master.key"]);
    place.forget(&store('b'), Slot::Current).unwrap();
    assert_eq!(folder.names(), Vec::<String>::new());
    folder.put("master.key", b"notes");
    assert!(place.forget(&store('a'), Slot::Current).is_err());
    assert_eq!(folder.names(), ["master.key"]);
}

#[test]
fn damage_is_told_and_never_a_key() {
    let folder = Folder::new();
    let text = key(1).to_text(&store('a'));
    for at in 0..text.len() {
        let mut text = text.to_vec();
        text[at] ^= 1;
        folder.put("master.key", &text);
        assert!(plain(&folder).load(&store('a'), Slot::Current).is_err(), "byte {at}");
    }
    folder.put("master.key", b"");
    let damaged = "the key of the registry is damaged: the file /keys/master.key: is no key";
    check_error(plain(&folder).load(&store('a'), Slot::Current), damaged);
    folder.put("master.key", &[b'x'; 2000]);
    let large = "`/keys/master.key` is larger than it can be";
    check_error(plain(&folder).load(&store('a'), Slot::Current), large);
}

#[test]
fn a_protected_place_takes_no_key_without_a_passphrase() {
    let folder = Folder::new();
    folder.put("protected.key", &key(1).to_text(&store('a')));
    let error = "the file /keys/protected.key: no passphrase protects it";
    check_error(with(&folder, "hunter2").load(&store('a'), Slot::Current), error);
}

#[test]
fn the_three_ways_in_which_a_protected_key_does_not_open_differ() {
    let folder = Folder::new();
    with(&folder, "hunter2").keep(&store('a'), Slot::Current, &key(1)).unwrap();
    let load = |passphrase| with(&folder, passphrase).load(&store('a'), Slot::Current);
    assert!(load("hunter2").unwrap().unwrap().is(&key(1)));
    check_error(load("hunter3"), "the passphrase does not open the file /keys/protected.key");
    let mut text = folder.content("protected.key").unwrap();
    text[100] ^= 1;
    folder.put("protected.key", &text);
    let error = "the key of the registry is damaged: the file /keys/protected.key: \
                 does not match its checksum";
    check_error(load("hunter2"), error);
}

#[test]
fn a_key_elsewhere_keeps_its_passphrase_over_a_rotation() {
    let folder = Folder::new();
    with(&folder, "hunter2").keep(&store('a'), Slot::Current, &key(1)).unwrap();
    let (passphrase, asked) = answers("hunter2");
    let place = KeyFile::at(Arc::new(folder.clone()), "protected.key".to_owned(), passphrase);
    place.keep(&store('a'), Slot::Next, &key(2)).unwrap();
    place.promote(&store('a')).unwrap();
    assert_eq!(held(&place, Slot::Current), 2);
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(held(&with(&folder, "hunter2"), Slot::Current), 2);
}

#[test]
fn what_stopped_writers_left_is_removed_and_nothing_else() {
    let folder = Folder::new();
    let kept =
        [".master.key.swp", ".master.key.0123456789abcdeg", "notes", ".other.key.0123456789abcdef"];
    for name in kept {
        folder.put(name, b"");
    }
    folder.put(".master.key.0123456789abcdef", b"half a k");
    folder.put(".master.key.next.0123456789abcdef", b"half a k");
    plain(&folder).keep(&store('a'), Slot::Current, &key(1)).unwrap();
    let mut expected = kept.to_vec();
    expected.push("master.key");
    expected.sort_unstable();
    assert_eq!(folder.names(), expected);
}

/// Stops at every call of an operation in every way, and looks at what is there then.
fn check_stops(
    prepare: impl Fn(&KeyFile),
    operate: impl Fn(&KeyFile) -> Result<(), KeyError>,
    expected: impl Fn(u8, u8, bool) -> bool,
) {
    for calls in 0.. {
        let folder = Folder::new();
        prepare(&plain(&folder));
        folder.stop_after(calls);
        let done = operate(&plain(&folder)).is_ok();
        for stop in [Stop::Kill, Stop::PowerCut, Stop::PowerCutNamesKept] {
            let place = plain(&folder.after(stop));
            let (current, next) = (held(&place, Slot::Current), held(&place, Slot::Next));
            assert!(
                expected(current, next, done),
                "after {calls} calls and {stop:?}: {current}, {next}, acknowledged: {done}"
            );
        }
        if !folder.has_stopped() {
            return;
        }
    }
}

#[test]
fn keeping_a_key_is_all_or_nothing() {
    check_stops(
        |_| {},
        |place| place.keep(&store('a'), Slot::Current, &key(1)),
        |current, next, done| next == 0 && (current == 1 || current == 0 && !done),
    );
}

#[test]
fn keeping_the_next_key_leaves_the_current_one() {
    check_stops(
        |place| place.keep(&store('a'), Slot::Current, &key(1)).unwrap(),
        |place| place.keep(&store('a'), Slot::Next, &key(2)),
        |current, next, done| current == 1 && (next == 2 || next == 0 && !done),
    );
}

#[test]
fn promoting_leaves_no_moment_without_the_next_key() {
    check_stops(
        |place| {
            place.keep(&store('a'), Slot::Current, &key(1)).unwrap();
            place.keep(&store('a'), Slot::Next, &key(2)).unwrap();
        },
        |place| place.promote(&store('a')),
        |current, next, done| (current, next) == (2, 0) || (current, next) == (1, 2) && !done,
    );
}
