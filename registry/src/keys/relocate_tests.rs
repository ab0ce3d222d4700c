use std::sync::Arc;

use super::*;
use crate::keys::fake::{self, Folder, Stop, answers, key, nobody, store};

/// The key of the store is the one that is made of ones.
fn is_wanted(key: &MasterKey, place: &str) -> Result<(), KeyError> {
    match key.bytes()[0] {
        1 => Ok(()),
        other => Err(KeyError::Wrong {
            place: place.to_owned(),
            found: other.to_string(),
            wanted: "1".to_owned(),
        }),
    }
}

fn file(path: Option<&str>) -> Source {
    Source::File { path: path.map(Into::into) }
}

fn protected() -> Source {
    Source::Passphrase { path: None }
}

fn command(script: &str) -> Source {
    Source::Command { argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec() }
}

/// A command that prints a key.
fn printing(byte: u8) -> Source {
    let text = String::from_utf8(key(byte).to_text(&store('a')).to_vec()).unwrap();
    command(&format!("printf '%s' '{text}'"))
}

/// A key folder with the key in it, another folder, and the places over both.
fn room() -> (Folder, Folder, Places) {
    let (folder, elsewhere) = (Folder::new(), Folder::new());
    folder.put("master.key", &key(1).to_text(&store('a')));
    let places = fake::places(&folder, &elsewhere, answers("hunter2").0);
    (folder, elsewhere, places)
}

fn go(places: &Places, to: &Source) -> Result<Moved, KeyError> {
    move_key(places, &store('a'), to, &is_wanted)
}

fn check_refused(places: &Places, to: &Source, expected: &str) {
    assert_eq!(go(places, to).unwrap_err().to_string(), expected);
    assert!(held(places), "the key is where it was");
}

/// Whether the place that is in use has the key.
fn held(places: &Places) -> bool {
    let place = places.place(&store('a')).unwrap();
    place.load(&store('a'), Slot::Current).unwrap().is_some_and(|found| found.is(&key(1)))
}

fn keys(folder: &Folder) -> Vec<String> {
    folder.names().into_iter().filter(|name| !name.starts_with("source")).collect()
}

#[test]
fn a_key_goes_from_place_to_place_and_leaves_none_behind() {
    let (folder, elsewhere, places) = room();
    let moved = |place: &str| Moved { place: place.to_owned(), left: None };
    let there = file(Some("/media/stick/a.key"));
    assert_eq!(go(&places, &there).unwrap(), moved("the file /keys/a.key"));
    assert_eq!((keys(&folder), keys(&elsewhere)), (vec![], vec!["a.key".to_owned()]));
    assert_eq!(go(&places, &protected()).unwrap(), moved("the file /keys/protected.key"));
    assert_eq!((keys(&folder), keys(&elsewhere)), (vec!["protected.key".to_owned()], vec![]));
    assert_eq!(go(&places, &file(None)).unwrap(), moved("the file /keys/master.key"));
    assert_eq!(keys(&folder), ["master.key"]);
    assert_eq!(go(&places, &file(None)).unwrap(), moved("the file /keys/master.key"));
    assert!(held(&places));
}

#[test]
fn a_program_must_give_the_key_and_the_old_copy_stays() {
    let (folder, _, places) = room();
    let why = "the command `/bin/sh` holds the key 2, and the registry needs the key 1";
    check_refused(&places, &printing(2), why);
    let why = "the command `/bin/sh`: ended with exit status: 1";
    check_refused(&places, &command("exit 1"), why);
    let moved = go(&places, &printing(1)).unwrap();
    assert_eq!(moved.place, "the command `/bin/sh`");
    assert_eq!(moved.left.as_deref(), Some("the file /keys/master.key"));
    assert!(held(&places));
    assert_eq!(keys(&folder), ["master.key"]);
    let moved = go(&places, &protected()).unwrap();
    assert_eq!(moved.left.as_deref(), Some("the command `/bin/sh`"));
    assert!(held(&places));
}

#[test]
fn what_is_not_the_key_of_the_store_is_not_moved() {
    let (folder, elsewhere, places) = room();
    folder.put("master.key", &key(2).to_text(&store('a')));
    let why = "the file /keys/master.key holds the key 2, and the registry needs the key 1";
    assert_eq!(go(&places, &protected()).unwrap_err().to_string(), why);
    folder.put("master.key", &key(1).to_text(&store('a')));
    folder.put("master.key.next", &key(2).to_text(&store('a')));
    let why = "the file /keys/master.key: there is a next key beside it, \
               of a rotation that is not finished";
    check_refused(&places, &protected(), why);
    let empty = fake::places(&Folder::new(), &elsewhere, nobody());
    let why = "the key of the registry is missing: the file /keys/master.key";
    assert_eq!(go(&empty, &protected()).unwrap_err().to_string(), why);
}

/// Also how it is noticed that both are one file under two names.
#[test]
fn a_place_that_has_a_key_is_refused() {
    let (_, elsewhere, mut places) = room();
    let there = file(Some("/media/stick/a.key"));
    elsewhere.put("a.key", &key(1).to_text(&store('a')));
    check_refused(&places, &there, "there is a key already: the file /keys/a.key");
    let (folder, _, _) = room();
    places.folder = Arc::new(folder.clone());
    places.open_folder = Arc::new(move |_| Ok(Arc::new(folder.clone())));
    let again = file(Some("/keys/master.key"));
    check_refused(&places, &again, "there is a key already: the file /keys/master.key");
}

#[test]
fn a_passphrase_that_nobody_gives_leaves_the_key_where_it_was() {
    let (folder, elsewhere, _) = room();
    let places = fake::places(&folder, &elsewhere, nobody());
    check_refused(&places, &protected(), "the passphrase: there is no terminal to ask at");
    assert_eq!(keys(&folder), ["master.key"]);
}

/// Stops both folders at every call of a move, and finishes it after that or moves elsewhere.
fn check_stops(to: &Source, then: &Source, expected: (&[&str], &[&str])) {
    let stops = [Stop::Kill, Stop::PowerCut, Stop::PowerCutNamesKept];
    for calls in 0.. {
        let mut any_stopped = false;
        for (key_folder_stops, stop) in stops.iter().flat_map(|&stop| [(true, stop), (false, stop)])
        {
            let (folder, elsewhere, places) = room();
            let stopping = if key_folder_stops { &folder } else { &elsewhere };
            stopping.stop_after(calls);
            let done = go(&places, to).is_ok();
            let stopped = stopping.has_stopped();
            any_stopped |= stopped;
            let (folder, elsewhere) = (folder.after(stop), elsewhere.after(stop));
            let case = format!("{to:?}, {calls} calls, {key_folder_stops}, {stop:?}");
            let places = fake::places(&folder, &elsewhere, answers("hunter2").0);
            assert!(held(&places), "{case}: the key is lost");
            let source = places.source(&store('a')).unwrap();
            assert!(!done || stopped || source == *to, "{case}: {source:?}");
            go(&places, then).unwrap();
            assert!(held(&places), "{case}: the key is lost later");
            assert_eq!((keys(&folder), keys(&elsewhere)), owned(expected), "{case}");
            let settings = KeySettings::read(&folder).unwrap();
            assert_eq!(settings.source(&store('a')), *then, "{case}");
            assert_eq!(settings.left(&store('a')), None, "{case}");
        }
        if !any_stopped {
            return;
        }
    }
}

fn owned((some, others): (&[&str], &[&str])) -> (Vec<String>, Vec<String>) {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    (owned(some), owned(others))
}

#[test]
fn a_move_that_was_stopped_anywhere_loses_no_key_and_is_finished_by_the_next() {
    let there = file(Some("/media/stick/a.key"));
    check_stops(&protected(), &protected(), (&["protected.key"], &[]));
    check_stops(&there, &there, (&[], &["a.key"]));
    let there = Source::Passphrase { path: Some("/media/stick/a.key".into()) };
    check_stops(&there, &there, (&[], &["a.key"]));
}

#[test]
fn a_move_that_was_stopped_anywhere_is_taken_back_by_one_to_elsewhere() {
    let there = file(Some("/media/stick/a.key"));
    check_stops(&there, &protected(), (&["protected.key"], &[]));
    check_stops(&protected(), &there, (&[], &["a.key"]));
    check_stops(&there, &file(None), (&["master.key"], &[]));
}
