//! The words of `mask`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use subrosa_masker::{Forms, Policy};

use super::{GlobalArgs, MaskingArgs, RegistryArgs};

/// `mask` and what follows it, without the other commands.
#[derive(Debug, Parser)]
pub(crate) struct MaskWords {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(flatten)]
    pub(crate) args: MaskArgs,
}

impl MaskWords {
    /// What the words say, the program's name first; `None` if they do not begin with `mask`, make no sense or ask
    /// for help.
    pub(crate) fn read(words: &[OsString]) -> Option<MaskWords> {
        let words =
            words.get(1..).filter(|words| words.first().is_some_and(|word| word == "mask"))?;
        MaskWords::try_parse_from(words).ok()
    }
}

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

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::MaskWords;
    use crate::args::Cli;

    #[test]
    fn the_short_definition_holds_together() {
        MaskWords::command().debug_assert();
    }

    /// That `line` means what the whole definition makes of it, and whether it is read without that.
    fn check(line: &str, is_read_alone: bool) {
        let words: Vec<_> = line.split(' ').map(Into::into).collect();
        let told = |read: Result<Cli, clap::Error>| match read {
            Ok(cli) => format!("{cli:?}"),
            Err(error) => format!("{:?}: {}", error.kind(), error.render()),
        };
        assert_eq!(MaskWords::read(&words).is_some(), is_read_alone, "{line}");
        assert_eq!(told(Cli::read(&words)), told(Cli::try_parse_from(&words)), "{line}");
    }

    #[test]
    fn mask_read_alone_means_what_the_whole_command_line_means() {
        check("subrosa mask --secrets-file a.json", true);
        check("subrosa mask --secrets-file=a.json --forms raw --short never --report", true);
        check("subrosa mask --secrets-file mask --no-color --key-file k --profile p", true);
        check("subrosa mask --file a.yaml --env prod --allow-expired --no-check", true);
        check("subrosa mask", false);
        check("subrosa mask --help", false);
        check("subrosa mask -h", false);
        check("subrosa mask --version", false);
        check("subrosa mask help", false);
        check("subrosa mask --secrets-file a.json too-much", false);
        check("subrosa mask --secrets-file a.json --file b.yaml", false);
        check("subrosa mask --secret-file a.json", false);
        check("subrosa mask --file a.yaml --forms raw", false);
        check("subrosa mask --secrets-file a.json --short often", false);
        check("subrosa mask --no-color --no-color --secrets-file a.json", false);
        check("subrosa --no-color mask --secrets-file a.json", false);
        check("subrosa schema", false);
        check("subrosa", false);
    }
}
