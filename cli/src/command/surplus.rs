//! Words on the command line of `secret set` and `secret rotate`, and of the verbs that make or change
//! connections, that could be a value, and on those of `backup` and `restore` that could be a passphrase.
//!
//! Clap repeats what it does not know, and a value may well begin with a dash.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::command::secret::NO_ARGUMENT;
use crate::failure::Failure;

/// Where a passphrase comes from instead.
const NO_PASSPHRASE: &str = "a passphrase is never an argument, as these can be read by every user of \
                             the machine; it comes from a prompt or the file that \
                             `SUBROSA_PASSPHRASE_FILE` names";

/// The refusal in place of clap's, if that would repeat a word that could be a value.
pub(crate) fn refusal(words: &[OsString], error: &clap::Error) -> Option<Failure> {
    let repeats = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::TooManyValues);
    if !repeats {
        return None;
    }
    let help = if takes_value(words) {
        NO_ARGUMENT
    } else if takes_passphrase(words) {
        NO_PASSPHRASE
    } else {
        return None;
    };
    let failure = Failure::usage("there is a word too many, or an option that is not known");
    Some(match error.get(ContextKind::SuggestedArg) {
        // One of ours.
        Some(ContextValue::String(near)) => failure.help(format!("is `{near}` meant?\n{help}")),
        _ => failure.help(help),
    })
}

fn takes_value(words: &[OsString]) -> bool {
    let is_connection = |word: &OsString| word == "connection" || word == "ai-key";
    let mut behind = words.iter().skip_while(|word| !is_connection(word));
    if behind.any(|word| ["add", "edit", "rotate", "set"].iter().any(|verb| word == verb)) {
        return true;
    }
    let mut words = words.iter().skip_while(|word| *word != "secret");
    words.any(|word| word == "set" || word == "rotate")
}

fn takes_passphrase(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "backup" || word == "restore")
}
