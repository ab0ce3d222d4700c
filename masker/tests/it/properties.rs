//! What holds for every input, on random cases.

use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::test_runner::Config;

use crate::case::Case;
use crate::check::{check_failure, check_stream, check_swap};

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
