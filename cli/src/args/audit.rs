//! The words of `audit` and `doctor`.

use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use subrosa_registry::{Action, EnvironmentName, Outcome, WorkspaceName};

use super::secret::{age, moment};
use crate::help::audit::{EXIT_CODES_AUDIT, LIST, VERIFY};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done with secrets, the oldest first
    #[command(after_help = LIST, after_long_help = format!("{LIST}\n\n{EXIT_CODES_AUDIT}"))]
    List(ListArgs),
    /// Prove that no line was changed, removed or added
    #[command(after_help = VERIFY, after_long_help = format!("{VERIFY}\n\n{EXIT_CODES_AUDIT}"))]
    Verify {
        /// Write JSON to standard output
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only about this ref
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<OsString>,
    /// Only about this connection
    #[arg(long, value_name = "NAME", conflicts_with = "reference")]
    pub(crate) connection: Option<OsString>,
    /// Only about this workspace
    #[arg(long, short, value_name = "NAME", value_parser = WorkspaceName::parse)]
    pub(crate) workspace: Option<WorkspaceName>,
    /// Only about this environment
    #[arg(long = "env", short, value_name = "NAME", value_parser = EnvironmentName::parse)]
    pub(crate) environment: Option<EnvironmentName>,
    /// Only of this run
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Only of this kind: read, set, rotate, remove, key-export ...
    #[arg(long, value_name = "ACTION", value_parser = action)]
    pub(crate) action: Option<Action>,
    /// Only with this outcome: ok, not-found, disabled, expired, failed ...
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub(crate) outcome: Option<Outcome>,
    /// Only from then on: 2027-01-31, 2027-01-31T12:00:00Z, or so long ago: 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Only so many, the newest
    #[arg(short = 'n', long = "number", value_name = "N")]
    pub(crate) number: Option<usize>,
    /// Write one JSON object per line to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// A moment.
    Moment(SystemTime),
    /// So long before now.
    Ago(Duration),
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Mend what can be mended without anybody's loss, and say what was done
    #[arg(long)]
    pub(crate) repair: bool,
    /// Take the registry as it is, although a newer one was seen: you have restored a backup
    #[arg(long, conflicts_with = "restore_previous_root")]
    pub(crate) accept_rollback: bool,
    /// Go back to the state before the last change, whose root is damaged
    #[arg(long)]
    pub(crate) restore_previous_root: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

fn action(text: &str) -> Result<Action, &'static str> {
    Action::parse(text).ok_or("there is no such action; docs/registry.md has them")
}

fn outcome(text: &str) -> Result<Outcome, &'static str> {
    Outcome::parse(text).ok_or("there is no such outcome; docs/registry.md has them")
}

fn since(text: &str) -> Result<Since, &'static str> {
    let moment = moment(text).map(Since::Moment);
    moment.or_else(|_| age(text).map(Since::Ago)).map_err(
        |_| "wanted a date (2027-01-31), a time in UTC (2027-01-31T12:00:00Z) or an age (7d)",
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Since, since};

    #[test]
    fn a_beginning_is_a_moment_or_an_age() {
        let day = UNIX_EPOCH + Duration::from_secs(1_801_353_600);
        assert_eq!(since("2027-01-31"), Ok(Since::Moment(day)));
        assert_eq!(since("7d"), Ok(Since::Ago(Duration::from_secs(7 * 86_400))));
        for wrong in ["", "soon", "7", "-7d", "2027-02-30"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
