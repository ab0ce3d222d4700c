//! Words on the command line of `secret set` and `secret rotate` that could be a value.
//!
//! Clap repeats what it does not know, and a value may well begin with a dash.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::command::secret::NO_ARGUMENT;
use crate::failure::Failure;

/// The refusal in place of clap's, if that would repeat a word that could be a value.
pub(crate) fn refusal(words: &[OsString], error: &clap::Error) -> Option<Failure> {
    let repeats = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::TooManyValues);
    if !repeats || !takes_value(words) {
        return None;
    }
    let failure = Failure::usage("there is a word too many, or an option that is not known");
    Some(match error.get(ContextKind::SuggestedArg) {
        // One of ours.
        Some(ContextValue::String(near)) => {
            failure.help(format!("is `{near}` meant?\n{NO_ARGUMENT}"))
        }
        _ => failure.help(NO_ARGUMENT),
    })
}

fn takes_value(words: &[OsString]) -> bool {
    let mut words = words.iter().skip_while(|word| *word != "secret");
    words.any(|word| word == "set" || word == "rotate")
}
