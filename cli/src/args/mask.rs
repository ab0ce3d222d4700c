//! The words of `mask`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use subrosa_masker::{Forms, Policy};

use super::{MaskingArgs, RegistryArgs};

/// What to hide, and how.
#[derive(Debug, Args)]
pub(crate) struct MaskArgs {
    #[command(flatten)]
    pub(crate) values: ValuesArgs,
    /// Which forms of the values to hide
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = FormsChoice::All)]
    #[arg(conflicts_with = "file")]
    forms: FormsChoice,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    /// At the end, write to standard error how often which value was masked, and in which form
    #[arg(long)]
    pub(crate) report: bool,
}

/// Where the values come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ValuesArgs {
    /// The values to hide: a JSON array of strings, or of objects {"b64": "..."} for other bytes
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// Hide the secrets of this workflow file, resolved as for a run
    #[arg(long, value_name = "WORKFLOW")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormsChoice {
    /// The values only
    Raw,
    /// The values and what programs make of them: base64, hex, quoted, ...
    All,
}

impl MaskArgs {
    /// What is hidden of a value of a secrets file.
    pub(crate) fn policy(&self) -> Policy {
        let forms = match self.forms {
            FormsChoice::Raw => Forms::Raw,
            FormsChoice::All => Forms::All,
        };
        let default = Policy::default();
        Policy { forms, short: self.masking.short().unwrap_or(default.short), ..default }
    }
}
