//! What holds for every input, on random cases and on those that the fuzzer kept.

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::test_runner::Config;

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

proptest! {
    #![proptest_config(Config { cases: 1000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_stream_equals_the_oracle_after_every_write(bytes in vec(any::<u8>(), 0..300)) {
        check_stream(&Case::from_bytes(&bytes));
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
