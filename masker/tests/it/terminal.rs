//! Terminals: values with control sequences in them; `|` ends a write, `^` stands for ESC, `~` for a pause.

use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::{Strategy, proptest};
use proptest::test_runner::Config;
use subrosa_masker::{End, Policy, TerminalWriter};

use crate::check::set;

const VALUES: [&str; 2] = ["hunter2-hunter2", "5;31"];

fn after(text: &str, end: Option<End>) -> String {
    let values = VALUES.map(|value| value.as_bytes().to_vec());
    let mut writer = TerminalWriter::new(set(&values, &Policy::default()), Vec::new());
    let mut out = Vec::new();
    for part in text.replace('^', "\x1b").split_inclusive(['|', '~']) {
        writer.write_all(part.trim_end_matches(['|', '~']).as_bytes()).unwrap();
        if part.ends_with('~') {
            writer.pause().unwrap();
        }
        writer.flush().unwrap();
    }
    match end {
        Some(end) => out.extend(writer.finish(end).unwrap()),
        None => out.extend(writer.get_ref()),
    }
    String::from_utf8(out).unwrap().replace('\x1b', "^")
}

fn check(text: &str, expected: &str) {
    assert_eq!(after(text, Some(End::Whole)), expected, "{text}");
    // However it was cut.
    let bytes: Vec<String> = text.chars().map(|one| one.to_string()).collect();
    assert_eq!(after(&bytes.join("|"), Some(End::Whole)), expected, "{text}");
}

#[test]
fn control_sequences_within_a_value_do_not_hide_it() {
    check("a hunter2-hunter2 b", "a ******* b");
    check("^[1mhunter2-^[0;32mhunter2^[0m.", "^[1m*******^[0;32m^[0m.");
    check("h^[Cu^[1;1Hn^7t^8er2-hunter2!", "*******^[C^[1;1H^7^8!");
    check("^(Bhunter2-hunter2^[K", "^(B*******^[K");
    check("hunt^[31m er", "hunt^[31m er");
}

#[test]
fn values_within_control_sequences_are_masked() {
    check("^[5;31m red", "^[*******m red");
    check("^]0;hunter2-hunter2\x07 title", "^]0;*******\x07 title");
    check("^P+q hunter2-hunter2^\\", "^P+q *******^\\");
}

#[test]
fn what_is_no_sequence_passes() {
    check("^^[m ^\u{1}x^", "^^[m ^\u{1}x^");
    check("^[", "^[");
    let endless = format!("^[{}", "1".repeat(1000));
    check(&endless, &endless);
}

fn check_out(text: &str, expected: &str) {
    assert_eq!(after(text, None), expected, "{text}");
}

#[test]
fn a_pause_shows_three_bytes_and_matching_goes_on() {
    check_out("$ h", "$ ");
    check_out("$ h~", "$ h");
    check_out("$ h~u~n~", "$ hun");
    check_out("$ h~u~n~t~", "$ hun");
    check_out("$ h~u~n~t~ ", "$ hunt ");
    check_out("$ h~unter2-hunter2 ", "$ h******* ");
    check_out("$ hunte~", "$ hun");
    check_out("h^[31m", "");
    check_out("h^[31m~", "h^[31m");
    check_out("^[3~", "");
    check_out("hunter2^[3~1m-hunter2 ", "hun*******^[31m ");
}

#[test]
fn what_waits_is_bounded_and_the_rest_of_a_cut_value_is_masked() {
    let many = "^[31m".repeat(20_000);
    check_out(&format!("hunt{many}"), &format!("hunt{many}"));
    let cut = after(&format!("hunter2-hun{many}ter2"), Some(End::Whole));
    assert_eq!(cut.replace("^[31m", ""), "*******ter2");
    assert_eq!(after("hunter2-hun", Some(End::Cut)), "*******");
    assert_eq!(after("hunter2-hun", Some(End::Whole)), "hunter2-hun");
}

#[test]
fn a_new_set_applies_from_then_on() {
    let first = set(&[b"hunter2".to_vec()], &Policy::default());
    let mut writer = TerminalWriter::new(first, Vec::new());
    writer.write_all(b"hunter2 ").unwrap();
    writer.set_masks(set(&[b"later".to_vec()], &Policy::default())).unwrap();
    writer.write_all(b"late\x1b[mr hunter2").unwrap();
    assert_eq!(writer.finish(End::Whole).unwrap(), b"******* *******\x1b[m hunter2");
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn without_its_sequences_the_output_is_that_of_the_text(
        parts in vec(
            proptest::sample::select(vec!["hunter2-", "hunter2", "hun", " ", "\x1b[31m", "\x1b7", "x"]),
            0..20,
        ).prop_map(|parts| parts.concat())
    ) {
        let values = VALUES.map(|value| value.as_bytes().to_vec());
        let masks = set(&values, &Policy::default());
        let mut writer = TerminalWriter::new(masks.clone(), Vec::new());
        writer.write_all(parts.as_bytes()).unwrap();
        let out = String::from_utf8(writer.finish(End::Whole).unwrap()).unwrap();
        let bare = |text: &str| text.replace("\x1b[31m", "").replace("\x1b7", "");
        let expected = masks.mask_bytes(bare(&parts).as_bytes());
        assert_eq!(bare(&out).as_bytes(), expected);
        assert_eq!(out.matches('\x1b').count(), parts.matches('\x1b').count());
    }
}
