//! The words of the command line. The help that teaches them is in [`crate::help`].

pub(crate) mod audit;
pub(crate) mod connection;
pub(crate) mod exchange;
pub(crate) mod key;
pub(crate) mod mask;
pub(crate) mod provider;
pub(crate) mod scan;
pub(crate) mod secret;
pub(crate) mod serve;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use subrosa_engine::names::is_env_name;
use subrosa_engine::{EnvironmentChoice, Logins, ParamArg, Purpose, ResolveOptions};
use subrosa_masker::Short;
use subrosa_registry::EnvironmentName;

use crate::help::audit::{AUDIT, DOCTOR, EXIT_CODES_AUDIT, EXIT_CODES_DOCTOR};
use crate::help::connection::{AI_KEY, CONNECTION, EXIT_CODES_CONNECTION};
use crate::help::exchange::{BACKUP, EXIT_CODES_EXCHANGE, RESTORE};
use crate::help::key::KEY;
use crate::help::provider::{CHECK, EXIT_CODES_CHECK, EXIT_CODES_PROVIDERS, PROVIDERS};
use crate::help::secret::{ENVIRONMENT, EXIT_CODES_SECRET, INIT, SECRET};
use crate::help::serve::{EXIT_CODES_SERVE, SERVE};
use crate::help::{
    COMPLETIONS, DRY, EXEC, EXIT_CODES, EXIT_CODES_DRY, EXIT_CODES_FILE, EXIT_CODES_RECORD,
    EXPLAIN, LOGS, MAN, MASK, RETRY, RUN, RUNS, SCAN, SCHEMA, STATUS, TOP, VALIDATE,
};

/// Runs workflows that need secrets, and keeps the secrets secret.
#[derive(Debug, Parser)]
#[command(name = "subrosa", version, after_help = TOP, after_long_help = format!("{TOP}\n\n{EXIT_CODES}"))]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// What the words say, the program's name first.
    ///
    /// # Errors
    ///
    /// They make no sense, or ask for help.
    pub(crate) fn read(words: &[OsString]) -> Result<Cli, clap::Error> {
        // A filter stands in pipes and is started often: it does not wait for the definitions of all other commands,
        // nor keep their pages in memory. What these few do not understand is told by the whole.
        match mask::MaskWords::read(words) {
            Some(mask::MaskWords { global, args }) => {
                Ok(Cli { global, command: Command::Mask(args) })
            }
            None => Cli::try_parse_from(words),
        }
    }
}

/// What may stand with every command.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Write without colours (also: NO_COLOR in the environment)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Where the key of the registry is (also: SUBROSA_KEY_FILE in the environment)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Which profile of subrosa.toml is used (also: SUBROSA_PROFILE in the environment)
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a workflow
    #[command(after_help = RUN, after_long_help = format!("{RUN}\n\n{EXIT_CODES}"))]
    Run(RunArgs),
    /// Resolve every secret, run nothing, show the plan
    #[command(after_help = DRY, after_long_help = format!("{DRY}\n\n{EXIT_CODES_DRY}"))]
    Dry(DryArgs),
    /// Find out whether every secret would resolve, reading as little as possible
    #[command(after_help = CHECK, after_long_help = format!("{CHECK}\n\n{EXIT_CODES_CHECK}"))]
    Check(provider::CheckArgs),
    /// List the providers: built in, configured, answering
    #[command(after_help = PROVIDERS)]
    #[command(after_long_help = format!("{PROVIDERS}\n\n{EXIT_CODES_PROVIDERS}"))]
    Providers(provider::ProvidersArgs),
    /// Find every problem of workflow files, contacting nothing
    #[command(after_help = VALIDATE, after_long_help = format!("{VALIDATE}\n\n{EXIT_CODES_FILE}"))]
    Validate(ValidateArgs),
    /// Tell where each variable comes from and what it hides, without values
    #[command(after_help = EXPLAIN, after_long_help = format!("{EXPLAIN}\n\n{EXIT_CODES_FILE}"))]
    Explain(ExplainArgs),
    /// Run any command with secrets in its environment and its output masked
    #[command(after_help = EXEC)]
    Exec(ExecArgs),
    /// Show a run and its steps
    #[command(after_help = STATUS, after_long_help = format!("{STATUS}\n\n{EXIT_CODES_RECORD}"))]
    Status(StatusArgs),
    /// List runs, newest first
    #[command(after_help = RUNS, after_long_help = format!("{RUNS}\n\n{EXIT_CODES_RECORD}"))]
    Runs(RunsArgs),
    /// Show the masked output of a run's steps
    #[command(after_help = LOGS, after_long_help = format!("{LOGS}\n\n{EXIT_CODES_RECORD}"))]
    Logs(LogsArgs),
    /// Run again what did not succeed in a run
    #[command(after_help = RETRY, after_long_help = format!("{RETRY}\n\n{EXIT_CODES}"))]
    Retry(RetryArgs),
    /// Serve web pages and a REST API for workflows, runs and secrets
    #[command(after_help = SERVE, after_long_help = format!("{SERVE}\n\n{EXIT_CODES_SERVE}"))]
    Serve(serve::ServeArgs),
    /// Copy standard input to standard output with values masked
    #[command(after_help = MASK)]
    Mask(mask::MaskArgs),
    /// Find values of secrets, and credential files, in files and in git
    #[command(after_help = SCAN)]
    Scan(scan::ScanArgs),
    /// Store, list and change the secrets of the registry
    #[command(after_help = SECRET, after_long_help = format!("{SECRET}\n\n{EXIT_CODES_SECRET}"))]
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Store, list and test typed credentials of services
    #[command(after_help = CONNECTION)]
    #[command(after_long_help = format!("{CONNECTION}\n\n{EXIT_CODES_CONNECTION}"))]
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    /// Store and list the keys of OpenAI, Anthropic, Gemini and Hugging Face
    #[command(after_help = AI_KEY)]
    #[command(after_long_help = format!("{AI_KEY}\n\n{EXIT_CODES_CONNECTION}"))]
    #[command(subcommand)]
    AiKey(connection::AiKeyCommand),
    /// List and protect the environments of the registry
    #[command(after_help = ENVIRONMENT)]
    #[command(after_long_help = format!("{ENVIRONMENT}\n\n{EXIT_CODES_SECRET}"))]
    #[command(subcommand)]
    Environment(secret::EnvironmentCommand),
    /// Make the registry and its key
    #[command(after_help = INIT, after_long_help = format!("{INIT}\n\n{EXIT_CODES_SECRET}"))]
    Init(secret::InitArgs),
    /// Tell of the key of the registry, rotate it, take it elsewhere
    #[command(after_help = KEY, after_long_help = format!("{KEY}\n\n{EXIT_CODES_SECRET}"))]
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// List and verify what was done with secrets
    #[command(after_help = AUDIT, after_long_help = format!("{AUDIT}\n\n{EXIT_CODES_AUDIT}"))]
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Find what is wrong with the registry, explain it, mend what is safe
    #[command(after_help = DOCTOR)]
    #[command(after_long_help = format!("{DOCTOR}\n\n{EXIT_CODES_DOCTOR}"))]
    Doctor(audit::DoctorArgs),
    /// Write an encrypted backup of the registry
    #[command(after_help = BACKUP, after_long_help = format!("{BACKUP}\n\n{EXIT_CODES_EXCHANGE}"))]
    Backup(exchange::BackupArgs),
    /// Put a backup in place of a registry that is gone, or check it
    #[command(after_help = RESTORE)]
    #[command(after_long_help = format!("{RESTORE}\n\n{EXIT_CODES_EXCHANGE}"))]
    Restore(exchange::RestoreArgs),
    /// Print the JSON Schema of workflow files, for editors
    #[command(after_help = SCHEMA)]
    Schema,
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands
    #[command(after_help = MAN)]
    Man {
        /// Write one page per command into this folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// How values are masked.
#[derive(Debug, Args)]
pub(crate) struct MaskingArgs {
    /// Where to mask values that are short or common words; without it as the workflow says, else `word`
    ///
    /// Such a value masked everywhere makes output unreadable; masked nowhere it shows.
    #[arg(long, value_enum, value_name = "HOW")]
    short: Option<ShortSecrets>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShortSecrets {
    /// Wherever they occur, inside words too
    Always,
    /// Only where they stand as whole words
    Word,
    /// Not at all
    Never,
}

impl MaskingArgs {
    /// Where short values are masked, if that was said.
    pub(crate) fn short(&self) -> Option<Short> {
        self.short.map(|short| match short {
            ShortSecrets::Always => Short::Always,
            ShortSecrets::Word => Short::Word,
            ShortSecrets::Never => Short::Never,
        })
    }
}

/// Which environment of the registry is used.
#[derive(Debug, Args)]
pub(crate) struct EnvironmentArgs {
    /// Take secrets of the registry from this environment first, whatever the file says
    #[arg(long = "env", value_name = "NAME", value_parser = EnvironmentName::parse)]
    name: Option<EnvironmentName>,
}

impl EnvironmentArgs {
    /// The environment, or that the files choose.
    pub(crate) fn choice(&self) -> EnvironmentChoice {
        self.name.clone().map_or(EnvironmentChoice::Files, EnvironmentChoice::Given)
    }
}

/// Which values of the registry may be used.
#[derive(Debug, Args)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Use the environment although it is protected
    #[arg(long)]
    allow_protected: bool,
    /// Use secrets although they have expired
    #[arg(long)]
    allow_expired: bool,
    /// Use connections as they are: do not look whether they ended, refresh nothing
    #[arg(long)]
    no_check: bool,
}

impl RegistryArgs {
    /// What is resolved for `purpose`.
    pub(crate) fn options(&self, purpose: Purpose) -> ResolveOptions {
        ResolveOptions {
            purpose,
            environment: self.environment.choice(),
            allow_protected: self.allow_protected,
            allow_expired: self.allow_expired,
            checks_connections: !self.no_check,
            logins: Logins::default(),
            run_id: None,
        }
    }
}

/// Parameters after `--`.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Parameters of the workflow: NAME=value, or positional values
    #[arg(last = true, value_name = "PARAMS")]
    words: Vec<String>,
}

impl Params {
    pub(crate) fn parse(&self) -> Vec<ParamArg> {
        self.words.iter().map(|word| parse_param(word)).collect()
    }
}

fn parse_param(word: &str) -> ParamArg {
    match word.split_once('=') {
        Some((name, value)) if is_env_name(name) => {
            ParamArg { name: Some(name.to_owned()), value: value.to_owned() }
        }
        _ => ParamArg { name: None, value: word.to_owned() },
    }
}

/// What a run shows of itself.
#[derive(Debug, Args)]
pub(crate) struct DisplayArgs {
    /// Show the masked output of steps, each line with its step's name
    #[arg(long, conflicts_with_all = ["quiet"])]
    pub(crate) follow: bool,
    /// Show failures only
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Tell what resolving the secrets took: counts and times, on standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Write events as JSON lines to standard output; with --follow, output of steps too
    #[arg(long, conflicts_with_all = ["quiet"])]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    #[command(flatten)]
    pub(crate) params: Params,
}

#[derive(Debug, Args)]
pub(crate) struct DryArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// Tell what resolving the secrets took: counts and times, on standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    #[command(flatten)]
    pub(crate) params: Params,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The workflow files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write one JSON object per file to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The workflow file
    pub(crate) file: PathBuf,
    /// The step whose variables are explained
    #[arg(long, short)]
    pub(crate) step: Option<String>,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) environment: EnvironmentArgs,
    #[command(flatten)]
    pub(crate) params: Params,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// Take environment and secrets from this workflow file; its steps are not run
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A secret: NAME=provider:key, or NAME=ref:path/in/registry; may be given more than once
    #[arg(long = "secret", short, value_name = "NAME=PROVIDER:KEY")]
    pub(crate) secrets: Vec<String>,
    /// A parameter of the workflow file: NAME=value; may be given more than once
    #[arg(long = "param", short, value_name = "NAME=VALUE", requires = "file")]
    params: Vec<String>,
    /// Keep the whole environment, not only what a step would get of it
    #[arg(long, short = 'E')]
    pub(crate) keep_env: bool,
    /// On a terminal, show up to 3 bytes that may begin a secret once the command pauses: typing does not
    /// stall
    #[arg(long)]
    pub(crate) show_starts: bool,
    /// Tell what resolving the secrets took: counts and times, on standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

impl ExecArgs {
    pub(crate) fn params(&self) -> Vec<ParamArg> {
        self.params.iter().map(|word| parse_param(word)).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The run's id or its start; the newest run if left out
    pub(crate) run: Option<String>,
    /// Write the record as JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Only runs of this workflow
    #[arg(long, short, value_name = "NAME")]
    pub(crate) workflow: Option<String>,
    /// At most this many
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20)]
    pub(crate) number: usize,
    /// List the secrets that steps of these runs printed: masked, but printed
    #[arg(long)]
    pub(crate) leaks: bool,
    /// Write one JSON object per run to standard output; with --leaks, per secret printed
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The run's id or its start
    pub(crate) run: String,
    /// Only this step
    pub(crate) step: Option<String>,
    /// Go on until the run ends
    #[arg(long, short = 'f')]
    pub(crate) follow: bool,
    /// Only standard output
    #[arg(long, conflicts_with = "stderr")]
    pub(crate) stdout: bool,
    /// Only standard error
    #[arg(long)]
    pub(crate) stderr: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    /// The run's id or its start
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) masking: MaskingArgs,
    #[command(flatten)]
    pub(crate) params: Params,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Cli, parse_param};

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_parameter_is_named_if_its_name_could_be_a_variable() {
        let check = |word, name: Option<&str>, value| {
            let param = parse_param(word);
            assert_eq!((param.name.as_deref(), param.value.as_str()), (name, value));
        };
        check("ENV=prod", Some("ENV"), "prod");
        check("ENV=a=b", Some("ENV"), "a=b");
        check("ENV=", Some("ENV"), "");
        check("prod", None, "prod");
        check("https://x/?a=b", None, "https://x/?a=b");
        check("=x", None, "=x");
    }
}
