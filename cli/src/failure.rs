//! Exit codes, and what the program says when it gives up.
//!
//! The one place that knows which failure has which code and which remedy. Messages are facts from
//! below; they hold names, paths and keys, never a value.

use std::io;
use std::process::ExitCode;

use crate::out::OutputLost;
use crate::text;

/// How the program ends; the table is part of the help and of `docs/cli.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// All went well.
    pub(crate) const OK: Exit = Exit(0);
    /// A step failed, also if `continue_on` let the rest go on.
    pub(crate) const STEP_FAILED: Exit = Exit(1);
    /// `scan`: something was found.
    pub(crate) const FOUND: Exit = Exit(1);
    /// `secret import`: there are conflicts, and nothing was stored.
    pub(crate) const CONFLICTS: Exit = Exit(1);
    /// The command line makes no sense.
    pub(crate) const USAGE: Exit = Exit(2);
    /// The workflow file, its parameters or its dotenv files are invalid or unreadable.
    pub(crate) const INVALID: Exit = Exit(3);
    /// Secrets were not resolved, and nothing was started; or a secret is not there, or refused.
    pub(crate) const SECRETS: Exit = Exit(4);
    /// The engine itself could not go on: records, disk, a bug.
    pub(crate) const ENGINE: Exit = Exit(5);
    /// A change was made, and its outcome could not be told.
    pub(crate) const UNTOLD: Exit = Exit(6);
    /// `exec`: the command was found and could not be executed.
    pub(crate) const NOT_EXECUTABLE: Exit = Exit(126);
    /// `exec`: the command was not found.
    pub(crate) const NOT_FOUND: Exit = Exit(127);

    /// Ended by a signal.
    pub(crate) fn signal(number: i32) -> Exit {
        Exit(u8::try_from(128 + number).unwrap_or(u8::MAX))
    }

    /// The code of a child, passed through.
    pub(crate) fn child(code: i32) -> Exit {
        Exit(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }

    /// The code for a child that could not be started.
    pub(crate) fn spawn_error(error: &io::Error) -> Exit {
        match error.kind() {
            io::ErrorKind::NotFound => Exit::NOT_FOUND,
            _ => Exit::NOT_EXECUTABLE,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.0)
    }
}

/// Why a command gave up.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The reason is on the screen already.
    Told(Exit),
    /// The reason is still to be told.
    Untold(Reason),
}

/// A reason, as it will be shown.
#[derive(Debug)]
pub(crate) struct Reason {
    exit: Exit,
    message: String,
    help: Option<String>,
}

impl Failure {
    /// A reason that ends the program with `exit`.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure::Untold(Reason { exit, message: message.into(), help: None })
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::USAGE, message)
    }

    /// The engine or the disk cannot go on.
    pub(crate) fn engine(message: impl Into<String>) -> Failure {
        Failure::new(Exit::ENGINE, message)
    }

    /// Adds how to mend it.
    #[must_use]
    pub(crate) fn help(self, help: impl Into<String>) -> Failure {
        match self {
            Failure::Told(exit) => Failure::Told(exit),
            Failure::Untold(reason) => {
                Failure::Untold(Reason { help: Some(help.into()), ..reason })
            }
        }
    }

    /// What happened and how to mend it, for whoever tells it elsewhere.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        match self {
            Failure::Told(_) => ("it was told already", None),
            Failure::Untold(reason) => (reason.message(), reason.help.as_deref()),
        }
    }

    /// Tells the reason, if that is still to be done, and gives the exit code.
    pub(crate) fn tell(&self, say: impl FnOnce(&str)) -> Exit {
        match self {
            Failure::Told(exit) => *exit,
            Failure::Untold(reason) => {
                say(&reason.to_text());
                reason.exit
            }
        }
    }
}

impl Reason {
    /// What happened, without how to mend it.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    fn to_text(&self) -> String {
        let mut told = format!("error: {}\n", text::shown(&self.message));
        for line in self.help.iter().flat_map(|help| help.lines()) {
            told.push_str(&format!("  help: {}\n", text::shown(line)));
        }
        told
    }
}

impl From<OutputLost> for Failure {
    fn from(lost: OutputLost) -> Failure {
        match lost.0.kind() {
            // Whoever read us has seen enough (`subrosa runs | head`).
            io::ErrorKind::BrokenPipe => Failure::Told(Exit::OK),
            _ => Failure::engine(format!("standard output cannot be written: {}", lost.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Exit, Failure};
    use crate::out::OutputLost;

    fn told(failure: &Failure) -> (Exit, String) {
        let mut said = String::new();
        let exit = failure.tell(|text| said.push_str(text));
        (exit, said)
    }

    #[test]
    fn a_reason_is_told_with_its_help_and_escaped() {
        let failure = Failure::usage("no run `a\u{1b}b`").help("see `subrosa runs`");
        let expected = "error: no run `a\\u{1b}b`\n  help: see `subrosa runs`\n";
        assert_eq!(told(&failure), (Exit::USAGE, expected.to_owned()));
    }

    #[test]
    fn a_reader_that_went_away_ends_quietly_and_a_full_disk_does_not() {
        let gone = Failure::from(OutputLost(io::ErrorKind::BrokenPipe.into()));
        assert_eq!(told(&gone), (Exit::OK, String::new()));
        let full = Failure::from(OutputLost(io::ErrorKind::StorageFull.into()));
        assert_eq!(told(&full).0, Exit::ENGINE);
    }

    #[test]
    fn signals_and_children_map_to_codes() {
        assert_eq!(Exit::signal(15), Exit(143));
        assert_eq!(Exit::child(3), Exit(3));
        assert_eq!(Exit::spawn_error(&io::ErrorKind::NotFound.into()), Exit::NOT_FOUND);
        assert_eq!(
            Exit::spawn_error(&io::ErrorKind::PermissionDenied.into()),
            Exit::NOT_EXECUTABLE
        );
    }
}
