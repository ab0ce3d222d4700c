//! The words of `secret import`, `secret export`, `backup` and `restore`.
//!
//! Recipients are taken as they were typed and judged by the commands: what clap says of a word that
//! it does not accept repeats the word, and here that could be a secret key.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use subrosa_exchange::Format;
use subrosa_registry::{OnConflict, SecretRef, WorkspaceName};

use super::secret::ScopeArgs;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file with the secrets; - for standard input
    pub(crate) file: PathBuf,
    /// What kind of file it is: dotenv, json, yaml, toml, kubernetes or vault
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(crate) format: Option<Format>,
    /// Put this and a slash before every ref
    #[arg(long, value_name = "REF", value_parser = SecretRef::parse)]
    pub(crate) prefix: Option<SecretRef>,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// What to do with secrets that have another value already
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Conflicts::Stop)]
    pub(crate) on_conflict: Conflicts,
    /// Do it; without, it is only shown what would be done
    #[arg(long)]
    pub(crate) apply: bool,
    /// Do it, read every value back, then remove the file
    #[arg(long = "move")]
    pub(crate) remove: bool,
    /// toml: leave `sources` at the beginning of refs
    #[arg(long)]
    pub(crate) keep_sources: bool,
    /// kubernetes: begin refs with the namespace
    #[arg(long)]
    pub(crate) namespaces: bool,
    /// vault: where in Vault the secrets come from; becomes the beginning of refs
    #[arg(long, value_name = "PATH")]
    pub(crate) vault_path: Option<String>,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What becomes of secrets that have another value already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Conflicts {
    /// Store nothing at all
    Stop,
    /// Leave them as they are
    Skip,
    /// Give them a new version
    Replace,
}

impl Conflicts {
    /// The registry's word for it.
    pub(crate) fn rule(self) -> OnConflict {
        match self {
            Conflicts::Stop => OnConflict::Stop,
            Conflicts::Skip => OnConflict::Skip,
            Conflicts::Replace => OnConflict::Replace,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The secrets; without, all of the scope
    #[arg(value_name = "REF")]
    pub(crate) references: Vec<OsString>,
    /// The workspace of the secrets; without, the global scope
    #[arg(long, short, value_name = "NAME", value_parser = WorkspaceName::parse)]
    #[arg(conflicts_with = "global")]
    pub(crate) workspace: Option<WorkspaceName>,
    /// The global scope, which is taken anyway
    #[arg(long)]
    pub(crate) global: bool,
    /// The environment of the secrets; without, the values that apply in all of them
    #[arg(long = "env", short, value_name = "NAME")]
    #[arg(value_parser = subrosa_registry::EnvironmentName::parse)]
    pub(crate) environment: Option<subrosa_registry::EnvironmentName>,
    /// What kind of file to write: dotenv, json, yaml, toml or kubernetes
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(crate) format: Format,
    /// The new file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) sealing: SealingArgs,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who can open what is written.
#[derive(Debug, Args)]
pub(crate) struct SealingArgs {
    /// Encrypt to this age recipient; may be given more than once
    #[arg(long = "recipient", short, value_name = "age1…", conflicts_with = "passphrase")]
    pub(crate) recipients: Vec<OsString>,
    /// Encrypt with a passphrase, which is asked for (or in SUBROSA_PASSPHRASE_FILE)
    #[arg(long)]
    pub(crate) passphrase: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The new file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) sealing: SealingArgs,
    /// Put the key in, too: whoever opens the backup then has every secret
    #[arg(long)]
    pub(crate) with_key: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    pub(crate) file: PathBuf,
    /// The file with the age identity (AGE-SECRET-KEY-1…) that opens it
    #[arg(long, short, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Open it with a passphrase, which is asked for (or in SUBROSA_PASSPHRASE_FILE)
    #[arg(long, required_unless_present = "identity", conflicts_with = "identity")]
    pub(crate) passphrase: bool,
    /// Only find out whether it is whole, and say what is in it
    #[arg(long)]
    pub(crate) check: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

fn format(word: &str) -> Result<Format, String> {
    Format::parse(word).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.as_str()).collect();
        format!("wanted one of {}", known.join(", "))
    })
}
