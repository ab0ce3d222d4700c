//! The words of `mask`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use subrosa_masker::{Forms, Policy};

use super::MaskingArgs;

/// What to hide, and how.
#[derive(Debug, Args)]
pub(crate) struct MaskArgs {
    /// The values to hide: a JSON array of strings, or of objects {"b64": "..."} for other bytes
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: PathBuf,
    /// Which forms of the values to hide
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = FormsChoice::All)]
    forms: FormsChoice,
    #[command(flatten)]
    masking: MaskingArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormsChoice {
    /// The values only
    Raw,
    /// The values and what programs make of them: base64, hex, quoted, ...
    All,
}

impl MaskArgs {
    /// What is hidden of a value.
    pub(crate) fn policy(&self) -> Policy {
        let forms = match self.forms {
            FormsChoice::Raw => Forms::Raw,
            FormsChoice::All => Forms::All,
        };
        Policy { forms, ..self.masking.policy() }
    }
}
