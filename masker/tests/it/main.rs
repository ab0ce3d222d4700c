//! The masker from outside: against the oracle, the vectors and examples.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside `#[test]` functions")]

mod borders;
mod case;
mod check;
mod examples;
mod forms;
mod oracle;
mod properties;
mod sha256;
mod tally;
mod terminal;
mod vectors;
