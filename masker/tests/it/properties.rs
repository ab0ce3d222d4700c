//! What holds for every input, on random cases and on those that the fuzzer kept.

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::test_runner::Config;
use subrosa_masker::Policy;

use crate::case::Case;
use crate::check::{check_failure, check_stream, check_swap};

#[test]
fn the_cases_that_the_fuzzer_kept_hold() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/kept/mask.txt");
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(kept.lines().count() > 100);
    for line in kept.lines() {
        let case = Case::from_bytes(&data_encoding::BASE64.decode(line.as_bytes()).unwrap());
        check_stream(&case);
        check_swap(&case);
    }
}

/// A value of repetitive lines, and a text of its beginnings with various gaps.
fn repetitive(
    part: &str,
    end: &str,
    times: usize,
    cuts: &[(usize, usize)],
    write_len: usize,
) -> Case {
    let value = part.repeat(times) + end;
    let text: String = cuts
        .iter()
        .map(|&(cut, gap)| {
            let begin = &value[..cut.min(value.len())];
            begin.replace('\n', ["\n", " ", "\\n", " \\n ", "\r\n"][gap])
        })
        .collect();
    Case {
        policy: Policy::default(),
        values: vec![value.into_bytes()],
        later_values: Vec::new(),
        writes: text.as_bytes().chunks(write_len).map(<[u8]>::to_vec).collect(),
        swap: 0,
        failing_after: 0,
    }
}

proptest! {
    #![proptest_config(Config { cases: 1000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_stream_equals_the_oracle_after_every_write(bytes in vec(any::<u8>(), 0..300)) {
        check_stream(&Case::from_bytes(&bytes));
    }

    #[test]
    fn beginnings_of_repetitive_lines_equal_the_oracle(
        part in "[ab]{1,3}\n[ab]{0,3}\\\\?n?\n?",
        end in "[abc]{1,2}",
        times in 2..12_usize,
        cuts in vec((0..60_usize, 0..5_usize), 1..8),
        write_len in 1..90_usize,
    ) {
        check_stream(&repetitive(&part, &end, times, &cuts, write_len));
    }

    #[test]
    fn a_swap_keeps_what_was_found_and_searches_the_tail_again(bytes in vec(any::<u8>(), 0..300)) {
        check_swap(&Case::from_bytes(&bytes));
    }

    #[test]
    fn nothing_follows_a_failure(bytes in vec(any::<u8>(), 0..300)) {
        check_failure(&Case::from_bytes(&bytes));
    }
}
