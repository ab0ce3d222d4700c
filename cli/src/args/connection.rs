//! The words of `connection` and `ai-key`.
//!
//! What follows `--set` is taken as it was typed and judged by the command: what clap says of a word
//! that it does not accept repeats the word, and here that could be a value.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use subrosa_registry::WorkspaceName;

use super::secret::{ScopeArgs, age, moment};
use crate::help::connection::{
    ADD, AI_LIST, AI_RM, AI_SET, AUTHORIZE, DISABLE, EDIT, ENABLE, EXIT_CODES_CONNECTION,
    EXIT_CODES_IMPORT, EXIT_CODES_STATUS, EXIT_CODES_TEST, IMPORT, LIST, REFRESH, REVOKE, RM,
    ROTATE, SHOW, STATUS, TEST, TYPES,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionCommand {
    /// Make a connection: asks for what its type wants
    #[command(after_help = ADD, after_long_help = long(ADD))]
    Add(AddArgs),
    /// Change fields of a connection; the others stay
    #[command(after_help = EDIT, after_long_help = long(EDIT))]
    Edit(EditArgs),
    /// List connections and their states
    #[command(after_help = LIST, after_long_help = long(LIST))]
    List(ListArgs),
    /// Tell all about a connection but its secret fields
    #[command(after_help = SHOW, after_long_help = long(SHOW))]
    Show(NameArgs),
    /// List the types of connections, or tell all about one
    #[command(after_help = TYPES, after_long_help = long(TYPES))]
    Types(TypesArgs),
    /// Ask the service one cheap question: does it work?
    #[command(after_help = TEST, after_long_help = format!("{TEST}\n\n{EXIT_CODES_TEST}"))]
    Test(TestArgs),
    /// Find connections that expire or need somebody
    #[command(after_help = STATUS, after_long_help = format!("{STATUS}\n\n{EXIT_CODES_STATUS}"))]
    Status(StatusArgs),
    /// Grant access in a browser, or with a code on any device (OAuth)
    #[command(after_help = AUTHORIZE, after_long_help = format!("{AUTHORIZE}\n\n{EXIT_CODES_TEST}"))]
    Authorize(AuthorizeArgs),
    /// Exchange the tokens for new ones (OAuth)
    #[command(after_help = REFRESH, after_long_help = format!("{REFRESH}\n\n{EXIT_CODES_TEST}"))]
    Refresh(RefreshArgs),
    /// Have the service forget the grant, and forget the tokens (OAuth)
    #[command(after_help = REVOKE, after_long_help = format!("{REVOKE}\n\n{EXIT_CODES_TEST}"))]
    Revoke(RevokeArgs),
    /// Give the secret fields new values
    #[command(after_help = ROTATE, after_long_help = long(ROTATE))]
    Rotate(RotateArgs),
    /// Forbid runs to use a connection
    #[command(after_help = DISABLE, after_long_help = long(DISABLE))]
    Disable(ChangeArgs),
    /// Let runs use a connection again
    #[command(after_help = ENABLE, after_long_help = long(ENABLE))]
    Enable(ChangeArgs),
    /// Remove a connection with all its versions
    #[command(after_help = RM, after_long_help = long(RM))]
    Rm(ConfirmArgs),
    /// Make connections of a file that other tools use
    #[command(after_help = IMPORT, after_long_help = format!("{IMPORT}\n\n{EXIT_CODES_IMPORT}"))]
    Import(ImportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AiKeyCommand {
    /// Store the key of a service
    #[command(after_help = AI_SET, after_long_help = long(AI_SET))]
    Set(AiSetArgs),
    /// List the services and whether their keys are set
    #[command(after_help = AI_LIST, after_long_help = long(AI_LIST))]
    List {
        /// Write a JSON array to standard output
        #[arg(long)]
        json: bool,
    },
    /// Remove the key of a service
    #[command(after_help = AI_RM, after_long_help = long(AI_RM))]
    Rm(AiRmArgs),
}

/// A service with models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AiService {
    /// OpenAI
    Openai,
    /// Anthropic
    Anthropic,
    /// Google Gemini
    Gemini,
    /// Hugging Face
    Huggingface,
}

/// Which connection.
#[derive(Clone, Debug, Args)]
pub(crate) struct NameArgs {
    /// The connection's name, such as jira-prod
    #[arg(value_name = "NAME")]
    pub(crate) name: OsString,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which connection is changed or used, and whether that is allowed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) one: NameArgs,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
}

/// What has a grant given back.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) confirm: ConfirmArgs,
    /// Forget the tokens here, and do not ask the service
    #[arg(long)]
    pub(crate) forget: bool,
}

/// A change that cannot be taken back.
#[derive(Debug, Args)]
pub(crate) struct ConfirmArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// Answers on the command line.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// A public field: FIELD=VALUE; a secret one from standard input: FIELD=-
    #[arg(long, value_name = "FIELD=VALUE")]
    pub(crate) set: Vec<OsString>,
    /// A field whose value is in a file: FIELD=PATH
    #[arg(long, value_name = "FIELD=PATH")]
    pub(crate) set_file: Vec<OsString>,
}

/// What goes with a version.
#[derive(Clone, Debug, Args)]
pub(crate) struct AboutArgs {
    /// Say what the connection is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// When the secret fields expire: 2027-01-31 or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "max_age")]
    pub(crate) expires: Option<SystemTime>,
    /// The age at which versions of it expire: 90d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) max_age: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The type, such as jira; `subrosa connection types` lists them
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// The connection's name, such as jira-prod; without, the name of the type
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<OsString>,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    /// Take the fields from the JSON file that the service hands out
    #[arg(long, value_name = "PATH")]
    pub(crate) from_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) about: AboutArgs,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    /// Take the value of a field away
    #[arg(long, value_name = "FIELD")]
    pub(crate) unset: Vec<OsString>,
    #[command(flatten)]
    pub(crate) about: AboutArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) answers: AnswerArgs,
    /// Take the fields from the JSON file that the service hands out
    #[arg(long, value_name = "PATH")]
    pub(crate) from_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) about: AboutArgs,
    /// For how long the former values may still be in use and are masked: 24h
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub(crate) overlap: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only connections of this workspace
    #[arg(long, short, value_name = "NAME", value_parser = WorkspaceName::parse)]
    pub(crate) workspace: Option<WorkspaceName>,
    /// Only connections of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Write a JSON array to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TypesArgs {
    /// Tell all about one type
    #[arg(long, value_name = "TYPE")]
    pub(crate) show: Option<String>,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The connection's name, such as jira-prod
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) name: Option<OsString>,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// All connections that are not disabled
    #[arg(long, conflicts_with_all = ["workspace", "environment"])]
    pub(crate) all: bool,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Write a JSON array to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Write a JSON array to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuthorizeArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Grant access with a code on any device, if the service offers it
    #[arg(long)]
    pub(crate) device: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RefreshArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Also if those that are there hold for a while
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file: `secrets.toml`, or a JSON file of credentials
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The type, where the file does not tell
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// The connection's name, where the file does not tell
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<OsString>,
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Do it although the environment is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Store it; without, what would be stored is shown
    #[arg(long)]
    pub(crate) apply: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AiSetArgs {
    /// The service
    #[arg(value_enum, value_name = "SERVICE")]
    pub(crate) service: AiService,
    /// Words after the service: refused, since arguments can be read by every user of the machine
    #[arg(hide = true, value_name = "KEY")]
    pub(crate) surplus: Vec<OsString>,
    /// Read the key from this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AiRmArgs {
    /// The service
    #[arg(value_enum, value_name = "SERVICE")]
    pub(crate) service: AiService,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Write JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--help` adds to the examples.
fn long(help: &str) -> String {
    format!("{help}\n\n{EXIT_CODES_CONNECTION}")
}
