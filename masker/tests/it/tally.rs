//! What was found is counted, whatever the writes.

use std::io::Write;

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::test_runner::Config;
use subrosa_masker::{End, MaskSet, MaskWriter, Policy, Tally};

use crate::case::Case;
use crate::check::set;

fn tally(values: &[Vec<u8>], policy: &Policy, writes: &[Vec<u8>]) -> Tally {
    let mut writer = MaskWriter::new(set(values, policy), Vec::new());
    writes.iter().for_each(|write| writer.write_all(write).unwrap());
    writer.finish_counted(End::Whole).unwrap().1
}

fn check(values: &[&str], text: &str, expected: &str) {
    let values: Vec<_> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    let whole = tally(&values, &Policy::default(), &[text.as_bytes().to_vec()]);
    let found = whole.iter().map(|(found, times)| {
        format!("{}:{}:{times}", values[found.value].escape_ascii(), found.shape.name())
    });
    assert_eq!(found.collect::<Vec<_>>().join(" "), expected);
    let bytes: Vec<_> = text.bytes().map(|byte| vec![byte]).collect();
    assert_eq!(tally(&values, &Policy::default(), &bytes), whole);
}

#[test]
fn every_occurrence_counts_once_for_its_value_and_shape() {
    check(&["hunter2"], "nothing", "");
    check(&["hunter2", "", "on"], "hunter2 hunter2 on once", "hunter2:value:2 on:value:1");
    check(&["hunter2"], "aHVudGVyMg== 68756e74657232", "hunter2:base64:1 hunter2:hex:1");
    check(&["password", "word"], "password", "password:value:1 word:value:1");
    check(&["same", "same"], "same", "same:value:1 same:value:1");
    check(&["on"], "a on", "on:value:1");
    check(
        &["first line\nsecond line"],
        "first line  second line | second line",
        r"first line\nsecond line:line:3 first line\nsecond line:layout:1",
    );
}

#[test]
fn a_wrapped_form_counts_once() {
    let value = "a-value-that-is-long-enough-to-be-wrapped-in-base64-and-then-some";
    let base64 = data_encoding::BASE64.encode(value.as_bytes());
    for at in 8..base64.len() - 4 {
        let text = format!("{}\n{}\n", &base64[..at], &base64[at..]);
        check(&[value], &text, &format!("{value}:base64:1"));
    }
    check(&[value], &base64, &format!("{value}:base64:1"));
}

#[test]
fn what_is_met_on_several_occasions_counts_once() {
    let base64 = |value: &str| data_encoding::BASE64_NOPAD.encode(value.as_bytes());
    // Lines are probed after the rest, and a text that repeats itself is met by two finders.
    let form = base64("hunter2Qxy");
    for (at, pad, gap) in (1..form.len()).flat_map(|at| (0..12).map(move |pad| (at, pad, 12 - pad)))
    {
        let one = format!("{}\n{}", &form[..at], &form[at..]);
        let text = format!("{}{one}{}{one} ", " ".repeat(pad), " ".repeat(gap));
        check(&["hunter2Qxy"], &text, "hunter2Qxy:base64:2");
    }
    let same = "a".repeat(24);
    check(&[&same], &format!("{0} {0} ", base64(&same)), &format!("{same}:base64:2"));
    let head = "abababababab\nxyzzy";
    let text = format!(" {} ", "ab".repeat(20));
    check(&[head], &text, &format!("{}:line:15", head.escape_default()));
}

#[test]
fn a_line_that_a_value_repeats_counts_once_where_it_stands() {
    let value = "some-line\n".repeat(50) + "last line";
    let name = value.escape_default();
    check(&[&value], "a some-line b", &format!("{name}:line:1"));
    check(&[&value], "some-line some-line.", &format!("{name}:line:2"));
}

#[test]
fn what_a_swap_searches_again_counts_once() {
    let values = [b"hunter2".to_vec(), b"xhunter2yyyy".to_vec()];
    let mut writer = MaskWriter::new(set(&values, &Policy::default()), Vec::new());
    writer.write_all(b"xhunter2").unwrap();
    writer.set_masks(set(&values, &Policy::default())).unwrap();
    writer.write_all(b" ").unwrap();
    let tally = writer.finish_counted(End::Whole).unwrap().1;
    assert_eq!(tally.iter().map(|(_, times)| times).sum::<u64>(), 1);
}

#[test]
fn the_alignment_of_base64_is_told() {
    for (before, offset) in [("", 0), ("x", 1), ("xx", 2), ("xxx", 0)] {
        let text = data_encoding::BASE64.encode(format!("{before}hunter2-hunter2").as_bytes());
        let found = tally(&[b"hunter2-hunter2".to_vec()], &Policy::default(), &[text.into()]);
        let shapes: Vec<_> = found.iter().map(|(found, _)| found.shape).collect();
        let form = subrosa_masker::forms::Form::Base64;
        assert_eq!(shapes, [subrosa_masker::Shape::Encoded { form, offset }]);
    }
}

#[test]
fn counts_outlive_a_swap_of_sets_and_add_up() {
    let mut writer = MaskWriter::new(set(&[b"hunter2".to_vec()], &Policy::default()), Vec::new());
    writer.write_all(b"hunter2 and hun").unwrap();
    let values = [&b"hunter2"[..], b"later"];
    let later = MaskSet::new(values, &Policy::default()).unwrap();
    writer.set_masks(later.into()).unwrap();
    writer.write_all(b"ter2 later").unwrap();
    let (out, mut tally) = writer.finish_counted(End::Whole).unwrap();
    assert_eq!(out, b"******* and ******* *******");
    let counts = |tally: &Tally| tally.iter().map(|(_, times)| times).collect::<Vec<_>>();
    assert_eq!(counts(&tally), [2, 1]);
    tally.add(&tally.clone());
    assert_eq!(counts(&tally), [4, 2]);
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_counts_do_not_depend_on_the_writes(bytes in vec(any::<u8>(), 0..300)) {
        let case = Case::from_bytes(&bytes);
        let whole = tally(&case.values, &case.policy, &[case.text()]);
        assert_eq!(tally(&case.values, &case.policy, &case.writes), whole);
        assert_eq!(whole.is_empty(), !set(&case.values, &case.policy).finds(&case.text()));
    }
}
