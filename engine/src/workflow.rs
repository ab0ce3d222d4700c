//! A workflow that passed every check: what the rest of the engine works with.
//!
//! Values of these types are made by [`crate::validate`] only. Text fields hold what the file says,
//! unexpanded; expansion happens as late as it can (see `expand`). Steps refer to each other by
//! index, in an order that need not be the order of execution; the graph has no cycles.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use subrosa_masker::Short;
use subrosa_registry::{EnvironmentName, SecretRef, WorkspaceName};

use crate::source::{SourceFile, Span};

/// A text of the file, not expanded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub raw: String,
    /// Where it stands.
    pub span: Span,
}

/// A checked workflow: one document of a file.
#[derive(Debug)]
pub struct Workflow {
    /// `name:`, or the file's stem for the first document.
    pub name: String,
    /// `description:`.
    pub description: Option<String>,
    /// `labels:` (or `tags:`), in order; a label without a value has `None`.
    pub labels: Vec<(String, Option<String>)>,
    /// `env:`, in order.
    pub env: Vec<EnvEntry>,
    /// `dotenv:` paths in loading order, the default `.env` included; empty switches it off.
    pub dotenv: Vec<Text>,
    /// `params:`, in order.
    pub params: Vec<Param>,
    /// `secrets:`, in order; names are unique.
    pub secrets: Vec<SecretDecl>,
    /// `environment:`.
    pub environment: Option<Environment>,
    /// `masking:`; of a run, that of the outermost workflow counts.
    pub masking: Masking,
    /// `audit: required`; without it a run goes on although the audit log cannot be written.
    pub audit_required: bool,
    /// `trigger:`.
    pub trigger: Option<HttpTrigger>,
    /// `working_dir:`.
    pub working_dir: Option<Text>,
    /// `shell:`.
    pub shell: Option<Shell>,
    /// `steps:` in file order. Names are unique.
    pub steps: Vec<Step>,
    /// `handler_on:`.
    pub handlers: Handlers,
    /// `preconditions:`.
    pub preconditions: Vec<Condition>,
    /// `max_active_steps:`; `None` is no limit.
    pub max_active_steps: Option<usize>,
    /// `timeout_sec:`.
    pub timeout: Option<Duration>,
    /// `log_output:`.
    pub log_output: LogOutput,
    /// The file.
    pub source: Arc<SourceFile>,
    /// The other documents of the file, by name; a `call` looks here first. Only the first document has
    /// them: what a child calls is looked up here too.
    pub children: Arc<BTreeMap<String, Workflow>>,
}

impl Workflow {
    /// The workspace of the label `workspace=NAME`; a name that is no workspace name was refused.
    pub fn workspace(&self) -> Option<WorkspaceName> {
        self.labels
            .iter()
            .find(|(key, _)| key == "workspace")
            .and_then(|(_, value)| WorkspaceName::parse(value.as_deref()?).ok())
    }

    /// The folder of the workflow's file.
    pub fn folder(&self) -> PathBuf {
        self.source.path().parent().map_or_else(PathBuf::new, Path::to_path_buf)
    }
}

/// `trigger.http:`: a call that starts the workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTrigger {
    /// The last part of its address.
    pub name: String,
    /// The file with what callers have to show; `None`: that of the server, if it has one.
    pub credentials_path: Option<Text>,
    /// How callers have to sign.
    pub signature: Option<Signature>,
    /// Whether callers have to show a user's token as well.
    pub needs_user: bool,
    /// Whether callers have to show nothing.
    pub is_anonymous: bool,
    /// The parameter that gets the body.
    pub body: String,
    /// Parameters from a JSON body, each with its JSON pointer.
    pub params: Vec<(String, String)>,
    /// Bytes that the body may have.
    pub body_len_max: usize,
    /// Where it is declared.
    pub span: Span,
}

/// `trigger.http.signature:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How callers sign.
    pub scheme: SignatureScheme,
    /// What holds the signing secret, in the workflow's scope.
    pub secret: SecretRef,
    /// How old a signed time may be.
    pub within: Duration,
}

/// How a caller signs a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureScheme {
    /// `X-Hub-Signature-256: sha256=HEX` over the body.
    Github,
    /// `X-Gitlab-Token`: the secret itself.
    Gitlab,
    /// `X-Slack-Signature: v0=HEX` over version, time and body.
    Slack,
    /// `webhook-signature: v1,BASE64` over id, time and body (Standard Webhooks).
    Standard,
    /// `Stripe-Signature: t=TIME,v1=HEX` over time and body.
    Stripe,
}

/// `environment:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Where it stands.
    pub span: Span,
}

/// `masking:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masking {
    /// How short values are masked; `None`: as by default.
    pub short: Option<Short>,
    /// Keys whose texts are masked where records hold objects.
    pub keys: Vec<String>,
}

/// One `env:` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvEntry {
    /// A valid environment variable name.
    pub name: String,
    /// Its value.
    pub value: Text,
    /// Where the name stands.
    pub name_span: Span,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// `None` for a positional one; its number is its place among the positional ones.
    pub name: Option<String>,
    /// The default; positional parameters always have one.
    pub default: Option<Text>,
    /// Whether a run without it is refused.
    pub required: bool,
    /// What it is for.
    pub description: Option<String>,
    /// What a value given for it must look like.
    pub kind: ParamKind,
    /// The values it may have; empty: any.
    pub one_of: Vec<String>,
    /// Where it is declared.
    pub span: Span,
}

/// What a parameter's value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Anything.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// One `secrets:` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretDecl {
    /// The environment variable that gets the value.
    pub name: String,
    /// Where the value comes from.
    pub source: SecretSource,
    /// Whether its value is hidden in output; `mask: false` leaves it as it is.
    pub mask: bool,
    /// The whole entry.
    pub span: Span,
    /// The key or ref, where a failed resolution points.
    pub key_span: Span,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The registry.
    Ref(SecretRef),
    /// A provider, by its name; whether it exists is found out at resolution.
    Provider {
        /// Such as `env`.
        provider: String,
        /// Literal, never expanded.
        key: String,
        /// Literal, never expanded.
        options: Options,
    },
}

/// Options of a direct provider entry. Values may be credentials: they are not printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options(pub BTreeMap<String, String>);

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A shell or interpreter with its own arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shell {
    /// Program, then arguments; never empty.
    pub words: Vec<Text>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `name:`, or made from the id or the place (`step-3`).
    pub name: String,
    /// `id:`.
    pub id: Option<String>,
    /// `description:`.
    pub description: Option<String>,
    /// What it does.
    pub action: Action,
    /// `shell:`.
    pub shell: Option<Shell>,
    /// `env:`, in order.
    pub env: Vec<EnvEntry>,
    /// `working_dir:`.
    pub working_dir: Option<Text>,
    /// Indices of the steps that must be done first (from `depends:`, or the chain).
    pub depends: Vec<usize>,
    /// `output:` and `outputs:`.
    pub outputs: Vec<Output>,
    /// `stdout:` redirect.
    pub stdout: Option<Text>,
    /// `stderr:` redirect.
    pub stderr: Option<Text>,
    /// `continue_on:`.
    pub continue_on: ContinueOn,
    /// `retry_policy:`.
    pub retry: Option<RetryPolicy>,
    /// `repeat_policy:`.
    pub repeat: Option<RepeatPolicy>,
    /// `preconditions:`.
    pub preconditions: Vec<Condition>,
    /// `timeout_sec:`.
    pub timeout: Option<Duration>,
    /// `signal_on_stop:`, a signal number.
    pub signal_on_stop: Option<i32>,
    /// `log_output:`; `None`: as the workflow says.
    pub log_output: Option<LogOutput>,
    /// Where the step stands.
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `run:` or `command:`: shell texts, one after the other; the first failure ends the step.
    Shell(Vec<Text>),
    /// `script:`, optionally with `command:` as its interpreter.
    Script {
        /// The program (and arguments) that gets the script file, if one is named.
        interpreter: Option<Vec<Text>>,
        /// The script.
        text: Text,
    },
    /// `exec:`: a program and its arguments, without a shell.
    Exec(Vec<Text>),
    /// `call:`: another workflow, of this file or of another.
    Call {
        /// Its name or path.
        target: Text,
        /// Its parameters.
        params: Vec<CallParam>,
        /// Once per item, if there is `parallel:`.
        parallel: Option<Parallel>,
    },
    /// A step of a kind of its own.
    Typed(Box<Typed>),
}

/// What a step of a kind of its own says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// The name of the kind.
    pub kind: &'static str,
    /// The operation, from `action:`; empty if the step has none.
    pub operation: &'static str,
    /// The fields of `with:` and those beside it, by their names.
    pub fields: Vec<(&'static str, Tree)>,
    /// `connection:`.
    pub connection: Option<Text>,
    /// `credentials_path:`.
    pub credentials_path: Option<Text>,
    /// Where the kind is named.
    pub span: Span,
}

impl Typed {
    /// A field that was given.
    pub fn get(&self, name: &str) -> Option<&Tree> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, tree)| tree)
    }
}

/// A value of a field, not filled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number, as JSON writes it.
    Number(String),
    /// A text whose references are filled.
    Text(Text),
    /// A text that stays as it is.
    Literal(Text),
    /// A list.
    List(Vec<Tree>),
    /// A mapping, in the order of the file.
    Map(Vec<(String, Tree)>),
}

/// A parameter handed to a called workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallParam {
    /// `None` for a positional one.
    pub name: Option<String>,
    /// Its value.
    pub value: Text,
}

/// `parallel:` of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parallel {
    /// The items.
    pub items: ParallelItems,
    /// How many run at once; what the file leaves out is 10 by now.
    pub concurrent_max: Option<usize>,
}

/// The items of `parallel:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParallelItems {
    /// Written in the file. Each item is either one text (available as `${ITEM}` and as the first
    /// positional parameter) or named parameters.
    List(Vec<ParallelItem>),
    /// A text that expands to a JSON array, or to words separated by white space.
    From(Text),
}

/// One item of `parallel:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParallelItem {
    /// One text.
    Value(Text),
    /// Named parameters.
    Params(Vec<CallParam>),
}

/// A named output of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The variable that dependants see.
    pub name: String,
    /// The key in `outputs.json`; `None`: the name in camelCase.
    pub key: Option<String>,
    /// Left out of `outputs.json`.
    pub omit: bool,
    /// A JSON path into the captured stdout; `None`: all of it, trimmed.
    pub select: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// `continue_on:`; the default continues on nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContinueOn {
    /// Dependants run although the step failed.
    pub failure: bool,
    /// Dependants run although the step was skipped by its precondition.
    pub skipped: bool,
    /// Exit codes that let dependants run.
    pub exit_codes: Vec<i32>,
    /// Patterns of which one must be in the output: a literal, or `re:` and a regular expression.
    pub output: Vec<String>,
    /// Whether the step then counts as succeeded.
    pub mark_success: bool,
}

/// `retry_policy:`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Tries after the first one.
    pub limit: u32,
    /// Pause before a try.
    pub interval: Duration,
    /// Factor by which the pause grows; 1 is none.
    pub backoff: f64,
    /// Bound of the growing pause.
    pub interval_max: Option<Duration>,
    /// Exit codes that are retried; empty: all.
    pub exit_codes: Vec<i32>,
}

impl Eq for RetryPolicy {}

/// `repeat_policy:`.
#[derive(Clone, Debug, PartialEq)]
pub struct RepeatPolicy {
    /// When to go on.
    pub mode: RepeatMode,
    /// Pause between rounds.
    pub interval: Duration,
    /// Factor by which the pause grows; 1 is none.
    pub backoff: f64,
    /// Bound of the growing pause.
    pub interval_max: Option<Duration>,
    /// Rounds at most; `None`: no bound.
    pub limit: Option<u32>,
}

impl Eq for RepeatPolicy {}

/// When a repeated step goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepeatMode {
    /// As long as the limit allows.
    Always,
    /// While the test holds.
    While(RepeatTest),
    /// Until the test holds.
    Until(RepeatTest),
}

/// The test of a repeat policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepeatTest {
    /// A condition.
    Condition(Condition),
    /// The step's exit code is one of these.
    ExitCodes(Vec<i32>),
}

/// A precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// With `expected`: a text to compare. Without: a shell command that must exit with 0.
    pub text: Text,
    /// A literal, or `re:` and a regular expression (already known to compile).
    pub expected: Option<Text>,
    /// Inverts met and not met, never an error.
    pub negate: bool,
}

/// Handlers, run once each when the run gets there.
#[derive(Debug, Default)]
pub struct Handlers {
    /// Before the steps.
    pub init: Option<Step>,
    /// After a success.
    pub success: Option<Step>,
    /// After a failure.
    pub failure: Option<Step>,
    /// After a cancel (`abort`, older `cancel`).
    pub abort: Option<Step>,
    /// At the end, always.
    pub exit: Option<Step>,
}

/// One log file per stream, or one for both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogOutput {
    /// `.out` and `.err`.
    #[default]
    Separate,
    /// `.log`; the step has one pipe for both streams, so their order is kept.
    Merged,
}
