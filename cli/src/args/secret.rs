//! The words of `secret`, `environment` and `init`.
//!
//! Refs are taken as they were typed and judged by the commands: what clap says of a word that it does
//! not accept repeats the word, and here that could be a value.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use subrosa_registry::{EnvironmentName, WorkspaceName};

use super::exchange::{ExportArgs, ImportArgs};
use crate::help::exchange::{EXIT_CODES_EXCHANGE, EXIT_CODES_IMPORT, EXPORT, IMPORT};
use crate::help::secret::{
    COPY, DESCRIBE, DISABLE, ENABLE, ENVIRONMENT_LIST, EXIT_CODES_SECRET, EXPIRE, LIST, META, MV,
    PROTECT, PRUNE, REVEAL, RM, RM_ENVIRONMENT, ROLLBACK, ROTATE, SET, UNPROTECT, VERSIONS,
};

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Store a value: a new secret, or a new version of one
    #[command(after_help = SET, after_long_help = long(SET))]
    Set(SetArgs),
    /// Store a new version of a secret that must be there
    #[command(after_help = ROTATE, after_long_help = long(ROTATE))]
    Rotate(RotateArgs),
    /// List secrets, without values
    #[command(after_help = LIST, after_long_help = long(LIST))]
    List(ListArgs),
    /// Tell all about a secret but its value
    #[command(after_help = META, after_long_help = long(META))]
    GetMetadata(OneArgs),
    /// List the versions of a secret
    #[command(after_help = VERSIONS, after_long_help = long(VERSIONS))]
    Versions(OneArgs),
    /// Make the value of an earlier version the newest one
    #[command(after_help = ROLLBACK, after_long_help = long(ROLLBACK))]
    Rollback(RollbackArgs),
    /// Drop the oldest versions
    #[command(after_help = PRUNE, after_long_help = long(PRUNE))]
    Prune(PruneArgs),
    /// Forbid runs to use a secret
    #[command(after_help = DISABLE, after_long_help = long(DISABLE))]
    Disable(ChangeArgs),
    /// Let runs use a secret again
    #[command(after_help = ENABLE, after_long_help = long(ENABLE))]
    Enable(ChangeArgs),
    /// Remove a secret with all its versions
    #[command(after_help = RM, after_long_help = long(RM))]
    Rm(ChangeArgs),
    /// Give a secret another name or scope
    #[command(after_help = MV, after_long_help = long(MV))]
    Mv(TransferArgs),
    /// Give a second secret the value of a first one
    #[command(after_help = COPY, after_long_help = long(COPY))]
    Copy(TransferArgs),
    /// Say what a secret is for
    #[command(after_help = DESCRIBE, after_long_help = long(DESCRIBE))]
    Describe(DescribeArgs),
    /// Say when the value expires
    #[command(after_help = EXPIRE, after_long_help = long(EXPIRE))]
    Expire(ExpireArgs),
    /// Show a value on the terminal, after a question
    #[command(after_help = REVEAL, after_long_help = long(REVEAL))]
    Reveal(RevealArgs),
    /// Store the secrets of a file that other tools use
    #[command(after_help = IMPORT, after_long_help = format!("{IMPORT}\n\n{EXIT_CODES_IMPORT}"))]
    Import(ImportArgs),
    /// Write secrets into a file for other tools
    #[command(after_help = EXPORT)]
    #[command(after_long_help = format!("{EXPORT}\n\n{EXIT_CODES_EXCHANGE}"))]
    Export(ExportArgs),
}

/// Where a secret is.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScopeArgs {
    /// The workspace; without, the global scope
    #[arg(long, short, value_name = "NAME", value_parser = WorkspaceName::parse)]
    pub(crate) workspace: Option<WorkspaceName>,
    /// The environment; without, what applies in all of them
    #[arg(long = "env", short, value_name = "NAME", value_parser = EnvironmentName::parse)]
    pub(crate) environment: Option<EnvironmentName>,
}

/// Which secret.
#[derive(Clone, Debug, Args)]
pub(crate) struct OneArgs {
    /// The secret's ref, such as prod/db-password
    #[arg(value_name = "REF")]
    pub(crate) reference: OsString,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which secret is changed, and whether that is allowed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) one: OneArgs,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
}

/// Where a value comes from, and what goes with it.
#[derive(Debug, Args)]
pub(crate) struct ValueArgs {
    /// Words after the ref: refused, since arguments can be read by every user of the machine
    #[arg(hide = true, value_name = "VALUE")]
    pub(crate) surplus: Vec<OsString>,
    /// Read the value from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    /// Keep a newline at the end, which is dropped otherwise
    #[arg(long)]
    pub(crate) keep_newline: bool,
    /// Say what the secret is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// When this value expires: 2027-01-31 or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "max_age")]
    pub(crate) expires: Option<SystemTime>,
    /// The age at which this value and later ones expire: 90d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) max_age: Option<Duration>,
    /// How many versions to keep from now on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) value: ValueArgs,
    /// Declare the secret without a value: runs that meet it stop
    #[arg(
        long,
        conflicts_with_all = ["from_file", "keep_newline", "description", "expires", "max_age", "keep"]
    )]
    pub(crate) no_value: bool,
    /// If this makes the registry: seal the names of secrets, too
    #[arg(long)]
    pub(crate) seal_names: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) value: ValueArgs,
    /// For how long the former value may still be in use and is masked: 24h
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub(crate) overlap: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only secrets of this workspace
    #[arg(long, short, value_name = "NAME", value_parser = WorkspaceName::parse)]
    #[arg(conflicts_with_all = ["global", "all"])]
    pub(crate) workspace: Option<WorkspaceName>,
    /// Only secrets of the global scope
    #[arg(long, conflicts_with = "all")]
    pub(crate) global: bool,
    /// Secrets of all scopes, which is what happens anyway
    #[arg(long)]
    pub(crate) all: bool,
    /// Only secrets of this environment
    #[arg(long = "env", short, value_name = "NAME", value_parser = EnvironmentName::parse)]
    pub(crate) environment: Option<EnvironmentName>,
    /// Only refs that begin so
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Only secrets whose value has expired
    #[arg(long)]
    pub(crate) expired: bool,
    /// Only secrets that no run is known to have used
    #[arg(long)]
    pub(crate) unused: bool,
    /// Write a JSON array to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// The version; without, the one before the current one
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// How many versions to keep, now and from now on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: u32,
}

#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// The new ref
    #[arg(value_name = "NEW")]
    pub(crate) to: OsString,
    /// The new workspace; without, the scope stays
    #[arg(long, value_name = "NAME", value_parser = WorkspaceName::parse)]
    #[arg(conflicts_with = "to_global")]
    pub(crate) to_workspace: Option<WorkspaceName>,
    /// The global scope
    #[arg(long)]
    pub(crate) to_global: bool,
    /// The new environment; without, it stays
    #[arg(long, value_name = "NAME", value_parser = EnvironmentName::parse)]
    #[arg(conflicts_with = "to_no_env")]
    pub(crate) to_env: Option<EnvironmentName>,
    /// No environment: the values that apply in all of them
    #[arg(long)]
    pub(crate) to_no_env: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// What the secret is for; empty for nothing
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
}

#[derive(Debug, Args)]
#[group(id = "when", required = true, multiple = false, args = ["at", "after", "max_age", "never"])]
pub(crate) struct ExpireArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// At a moment: 2027-01-31 or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<SystemTime>,
    /// So long from now: 30d
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub(crate) after: Option<Duration>,
    /// At this age, later values as well: 90d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) max_age: Option<Duration>,
    /// Never
    #[arg(long)]
    pub(crate) never: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RevealArgs {
    /// The secret's ref, such as prod/db-password
    #[arg(value_name = "REF")]
    pub(crate) reference: OsString,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    /// List the environments
    #[command(after_help = ENVIRONMENT_LIST, after_long_help = long(ENVIRONMENT_LIST))]
    List {
        /// Write a JSON array to standard output
        #[arg(long)]
        json: bool,
    },
    /// Make using or changing an environment take a flag
    #[command(after_help = PROTECT, after_long_help = long(PROTECT))]
    Protect(EnvironmentArgs),
    /// Let an environment be used and changed without a flag
    #[command(after_help = UNPROTECT, after_long_help = long(UNPROTECT))]
    Unprotect(EnvironmentArgs),
    /// Remove an environment in which no secret is left
    #[command(after_help = RM_ENVIRONMENT, after_long_help = long(RM_ENVIRONMENT))]
    Rm(EnvironmentArgs),
}

/// Which environment.
#[derive(Debug, Args)]
pub(crate) struct EnvironmentArgs {
    /// The environment's name, such as prod
    #[arg(value_parser = EnvironmentName::parse)]
    pub(crate) name: EnvironmentName,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Seal the names of secrets, too: nothing can be listed without the key
    #[arg(long)]
    pub(crate) seal_names: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--help` adds to the examples.
fn long(help: &str) -> String {
    format!("{help}\n\n{EXIT_CODES_SECRET}")
}

pub(super) fn moment(text: &str) -> Result<SystemTime, &'static str> {
    let day = text.len() == "2027-01-31".len();
    let full = if day { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339(&full)
        .map_err(|_| "wanted a date (2027-01-31) or a time in UTC (2027-01-31T12:00:00Z)")
}

pub(super) fn age(text: &str) -> Result<Duration, &'static str> {
    match humantime::parse_duration(text) {
        Ok(age) if age.as_secs() > 0 => Ok(age),
        Ok(_) => Err("it is less than a second"),
        Err(_) => Err("wanted a length of time such as `12h`, `90d` or `1year`"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{age, moment};

    #[test]
    fn moments_are_dates_or_times_in_utc() {
        let day = UNIX_EPOCH + Duration::from_secs(1_801_353_600);
        assert_eq!(moment("2027-01-31"), Ok(day));
        assert_eq!(moment("2027-01-31T12:00:00Z"), Ok(day + Duration::from_secs(43_200)));
        for wrong in ["", "tomorrow", "31.1.2027", "2027-02-30", "2027-01-31 12:00", "1969-01-01"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_are_lengths_of_time() {
        assert_eq!(age("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(age("1h 30m"), Ok(Duration::from_secs(5_400)));
        for wrong in ["", "90", "0s", "300ms", "-1d", "soon"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
