use super::*;
use crate::keys::fake::{Folder, Stop, store};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn read(text: &str) -> Result<KeySettings, KeyError> {
    let folder = Folder::new();
    folder.put(NAME, text.as_bytes());
    KeySettings::read(&folder)
}

fn check(source: &str, expected: Source) {
    let settings = read(&format!(r#"{{"format":1,"stores":{{"{A}":{source}}}}}"#)).unwrap();
    assert_eq!(settings.source(&store('a')), expected);
}

fn check_refused(text: &str, why: &str) {
    let error = read(text).unwrap_err().to_string();
    let damaged = "the key of the registry is damaged: /keys/source.json: ";
    assert_eq!(error, format!("{damaged}{why}"), "{text}");
    assert!(!error.contains("hunter2"));
}

fn command(argv: &[&str]) -> Source {
    Source::Command { argv: argv.iter().map(|&argument| argument.to_owned()).collect() }
}

#[test]
fn every_kind_of_source_is_read() {
    check(r#"{"source":"file"}"#, Source::File { path: None });
    check(r#"{"source":"file","path":"/k"}"#, Source::File { path: Some("/k".into()) });
    check(r#"{"source":"passphrase"}"#, Source::Passphrase { path: None });
    check(r#"{"source":"passphrase","path":"/k"}"#, Source::Passphrase { path: Some("/k".into()) });
    check(r#"{"source":"keyring"}"#, Source::Keyring);
    check(r#"{"source":"command","argv":["pass","show"]}"#, command(&["pass", "show"]));
}

#[test]
fn a_store_that_is_not_named_has_its_key_in_the_key_folder() {
    let file = Source::File { path: None };
    assert_eq!(KeySettings::read(&Folder::new()).unwrap().source(&store('a')), file);
    let settings = read(r#"{"format":1,"stores":{}}"#).unwrap();
    assert_eq!(settings.source(&store('a')), file);
}

#[test]
fn settings_that_are_not_ours_are_refused_without_repeating_them() {
    check_refused("", "it is no JSON");
    check_refused(r#"{"format":1,"stores":{"hunter2"#, "it is no JSON");
    check_refused("[]", "it has no format that is known");
    check_refused(r#"{"format":0,"stores":{}}"#, "it has no format that is known");
    check_refused(r#"{"format":"hunter2","stores":{}}"#, "it has no format that is known");
    let field = "it has a field that is missing, unknown or of another type";
    check_refused(r#"{"format":1}"#, field);
    check_refused(r#"{"format":1,"stores":{},"hunter2":1}"#, field);
    let check = |source: &str, why| {
        check_refused(&format!(r#"{{"format":1,"stores":{{"{A}":{source}}}}}"#), why);
    };
    check("{}", field);
    check(r#"{"source":"hunter2"}"#, field);
    check(r#"{"source":"keyring","hunter2":1}"#, field);
    check(r#"{"source":"command","argv":"hunter2"}"#, field);
    check(r#"{"source":"keyring","left":{"source":"file","left":{"source":"file"}}}"#, field);
    let kind = "a source has another path or command than its kind takes";
    check(r#"{"source":"keyring","path":"/hunter2"}"#, kind);
    check(r#"{"source":"file","path":"hunter2"}"#, kind);
    check(r#"{"source":"file","argv":["hunter2"]}"#, kind);
    check(r#"{"source":"command"}"#, kind);
    check(r#"{"source":"command","argv":[]}"#, kind);
    check(r#"{"source":"keyring","left":{"source":"command"}}"#, kind);
    let other = r#"{"format":1,"stores":{"hunter2":{"source":"file"}}}"#;
    check_refused(other, "it names what is no registry");
}

#[test]
fn a_newer_format_is_named() {
    let error = read(r#"{"format":2,"shops":[]}"#).unwrap_err().to_string();
    assert_eq!(error, "/keys/source.json has format 2, and this subrosa reads up to format 1");
}

#[test]
fn what_is_settled_is_read_again_and_others_keep_theirs() {
    let folder = Folder::new();
    let settled = [
        Chosen::only(Source::Keyring),
        Chosen {
            source: Source::File { path: Some("/k \"\u{e9}".into()) },
            moving_to: Some(command(&["pass", ""])),
            left: Some(Source::Passphrase { path: None }),
        },
        Chosen::only(Source::Passphrase { path: Some("/p".into()) }),
    ];
    change(&folder, &store('b'), &Chosen::only(Source::Keyring)).unwrap();
    for chosen in settled {
        change(&folder, &store('a'), &chosen).unwrap();
        let settings = KeySettings::read(&folder).unwrap();
        assert_eq!(settings.chosen(&store('a')), chosen);
        assert_eq!(settings.source(&store('b')), Source::Keyring);
    }
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let folder = Folder::new();
    let bad = [
        Source::File { path: Some("relative".into()) },
        command(&[]),
        Source::Passphrase { path: Some(non_utf8()) },
    ];
    for source in bad {
        let error = change(&folder, &store('a'), &Chosen::only(source)).unwrap_err().to_string();
        let why = "it takes absolute paths in UTF-8, and commands that are not empty";
        assert_eq!(error, format!("/keys/source.json: {why}"));
    }
    assert_eq!(folder.content(NAME), None);
}

fn non_utf8() -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(b"/\xff".to_vec()).into()
}

#[test]
fn a_change_is_all_or_nothing() {
    for calls in 0.. {
        let folder = Folder::new();
        change(&folder, &store('a'), &Chosen::only(Source::Keyring)).unwrap();
        folder.stop_after(calls);
        let after = Chosen::only(Source::Passphrase { path: None });
        let done = change(&folder, &store('a'), &after).is_ok();
        for stop in [Stop::Kill, Stop::PowerCut, Stop::PowerCutNamesKept] {
            let folder = folder.after(stop);
            let source = KeySettings::read(&folder).unwrap().source(&store('a'));
            let old = source == Source::Keyring && !done;
            assert!(old || source == after.source, "after {calls} calls and {stop:?}");
            change(&folder, &store('a'), &after).unwrap();
        }
        if !folder.has_stopped() {
            return;
        }
    }
}
