//! The masker against the oracle: random values, texts, splits, swaps and failures.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../masker/tests/it/case.rs"]
mod case;
#[path = "../../masker/tests/it/check.rs"]
mod check;
#[path = "../../masker/tests/it/oracle.rs"]
mod oracle;

fuzz_target!(|bytes: &[u8]| {
    let case = case::Case::from_bytes(bytes);
    check::check_stream(&case);
    check::check_swap(&case);
    check::check_failure(&case);
});
