//! Completions and manual pages.

use std::process::Stdio;

use crate::program::Place;

#[test]
fn completions_name_the_commands_and_not_the_helpers() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]);
        assert_eq!(script.code, 0, "{script:?}");
        assert!(script.stdout.contains("validate"), "{shell}");
        assert!(!script.stdout.contains("__guard"), "{shell}");
    }
}

#[test]
fn the_manual_has_a_page_per_command() {
    let place = Place::new();
    let page = place.run(&["man"]);
    assert_eq!(page.code, 0, "{page:?}");
    assert!(page.stdout.contains(".TH subrosa 1"), "{page:?}");
    let written = place.run(&["man", "--dir", "pages/man1"]);
    assert_eq!((written.code, written.stdout.as_str()), (0, ""), "{written:?}");
    for name in ["subrosa.1", "subrosa-run.1", "subrosa-exec.1", "subrosa-logs.1"] {
        assert!(place.path().join("pages/man1").join(name).is_file(), "{name}");
    }
}

#[test]
fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = place.command(&["man"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["man"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error: standard output cannot be written: "), "{told}");
}
