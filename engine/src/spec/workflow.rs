//! A document as a draft of a workflow.

use std::time::Duration;

use subrosa_masker::Short;
use subrosa_registry::EnvironmentName;

use crate::diagnostic::Diagnostic;
use crate::fields::{MASKING, WORKFLOW};
use crate::names::shown;
use crate::source::Span;
use crate::workflow::{
    Condition, EnvEntry, Environment, LogOutput, Masking, Param, SecretDecl, Shell, Text,
};
use crate::yaml::Node;

use super::action::shell;
use super::conditions::conditions;
use super::labels::labels;
use super::read::Fields;
use super::secrets::secrets;
use super::steps::{Steps, log_output, steps};
use super::trigger::{TriggerDraft, trigger};
use super::{Notes, env, params};

/// A document whose parts are read; names and references are not checked against each other.
#[derive(Default)]
pub(crate) struct Draft {
    /// `name:`.
    pub(crate) name: Option<Text>,
    /// `description:`.
    pub(crate) description: Option<String>,
    /// Whether steps form a chain.
    pub(crate) chain: bool,
    /// `labels:`.
    pub(crate) labels: Vec<(String, Option<String>)>,
    /// Whether `labels:` was understood, or is not there.
    pub(crate) are_labels_whole: bool,
    /// `env:`.
    pub(crate) env: Vec<EnvEntry>,
    /// `dotenv:`, in loading order.
    pub(crate) dotenv: Vec<Text>,
    /// `params:`.
    pub(crate) params: Vec<Param>,
    /// `secrets:`.
    pub(crate) secrets: Vec<SecretDecl>,
    /// `environment:`.
    pub(crate) environment: Option<Environment>,
    /// `masking:`.
    pub(crate) masking: Masking,
    /// `audit: required`.
    pub(crate) audit_required: bool,
    /// `trigger.http:`.
    pub(crate) trigger: Option<TriggerDraft>,
    /// `working_dir:`.
    pub(crate) working_dir: Option<Text>,
    /// `shell:`.
    pub(crate) shell: Option<Shell>,
    /// `steps:` and `handler_on:`.
    pub(crate) steps: Steps,
    /// `preconditions:`.
    pub(crate) preconditions: Vec<Condition>,
    /// `max_active_steps:`.
    pub(crate) max_active_steps: Option<usize>,
    /// `timeout_sec:`.
    pub(crate) timeout: Option<Duration>,
    /// `log_output:`.
    pub(crate) log_output: LogOutput,
    /// The document.
    pub(crate) span: Span,
    /// Whether it is a mapping at all; if not, that was reported.
    pub(crate) is_mapping: bool,
}

/// Reads a document.
pub(crate) fn decode(notes: &mut Notes, node: &Node) -> Draft {
    if node.is_null() {
        notes.add(
            Diagnostic::error("empty-document", "an empty document")
                .at(node.span, "")
                .help("write `steps:` and below it `- run: ...`, or remove the `---`"),
        );
        return Draft { span: node.span, ..Draft::default() };
    }
    let Some(fields) = Fields::read(notes, &WORKFLOW, node) else {
        return Draft { span: node.span, ..Draft::default() };
    };
    let before = notes.count();
    let labels = fields.get("labels").map(|n| labels(notes, n)).unwrap_or_default();
    Draft {
        labels,
        are_labels_whole: notes.count() == before,
        name: fields.trimmed(notes, "name").map(|text| checked_name(notes, text)),
        description: fields.text(notes, "description").map(|text| text.raw),
        chain: fields.word(notes, "type", &["graph", "chain"]) == Some("chain"),
        env: fields.get("env").map(|n| env::entries(notes, n)).unwrap_or_default(),
        dotenv: dotenv(notes, &fields),
        params: fields.get("params").map(|n| params::declared(notes, n)).unwrap_or_default(),
        secrets: fields.get("secrets").map(|n| secrets(notes, n)).unwrap_or_default(),
        environment: environment(notes, &fields),
        masking: masking(notes, &fields),
        audit_required: fields.word(notes, "audit", &["required", "optional"]) == Some("required"),
        trigger: fields.get("trigger").and_then(|n| trigger(notes, n)),
        working_dir: fields.trimmed(notes, "working_dir"),
        shell: shell(notes, &fields),
        steps: steps(notes, &fields),
        preconditions: fields
            .get("preconditions")
            .map(|n| conditions(notes, n))
            .unwrap_or_default(),
        max_active_steps: fields
            .whole(notes, "max_active_steps", 0)
            .filter(|most| *most > 0)
            .and_then(|most| usize::try_from(most).ok()),
        timeout: fields.time_limit(notes, "timeout_sec"),
        log_output: log_output(notes, &fields).unwrap_or_default(),
        span: node.span,
        is_mapping: true,
    }
}

/// Names become parts of paths and lines of lists.
fn checked_name(notes: &mut Notes, name: Text) -> Text {
    if name.raw.len() > 255 || name.raw.chars().any(char::is_control) || name.raw.contains('/') {
        notes.add(
            Diagnostic::error("invalid-workflow-name", "this cannot be the name of a workflow")
                .at(name.span, "")
                .help("a name is one line of at most 255 bytes, without `/`"),
        );
    }
    name
}

fn masking(notes: &mut Notes, fields: &Fields<'_>) -> Masking {
    let Some(node) = fields.get("masking") else { return Masking::default() };
    let Some(fields) = Fields::read(notes, &MASKING, node) else { return Masking::default() };
    let short = fields.word(notes, "short", &["always", "word", "never"]);
    let keys = fields.texts(notes, "keys").unwrap_or_default();
    Masking {
        short: short.map(|word| match word {
            "always" => Short::Always,
            "never" => Short::Never,
            _ => Short::Word,
        }),
        keys: keys.into_iter().map(|key| key.raw).collect(),
    }
}

/// A blank text is no name: whoever wrote it meant some environment.
fn environment(notes: &mut Notes, fields: &Fields<'_>) -> Option<Environment> {
    let text = fields.text(notes, "environment")?;
    let name = text.raw.trim();
    match EnvironmentName::parse(name) {
        Ok(name) => Some(Environment { name, span: text.span }),
        Err(_) => {
            let message = format!("{} is no name of an environment", shown(name));
            notes.add(Diagnostic::error("invalid-environment", message).at(text.span, "").help(
                "a name is made of letters, digits, `-` and `_`, at most 64, and begins with no `-`",
            ));
            None
        }
    }
}

/// The files in loading order. `.env` comes first unless the list is empty or names it elsewhere.
fn dotenv(notes: &mut Notes, fields: &Fields<'_>) -> Vec<Text> {
    let default = Text { raw: ".env".to_owned(), span: fields.key("dotenv").unwrap_or_default() };
    let Some(named) = fields.texts(notes, "dotenv") else { return vec![default] };
    let is_list = fields.get("dotenv").is_some_and(|node| node.scalar().is_none());
    if named.is_empty() && is_list {
        return Vec::new();
    }
    let mut files = vec![default];
    for file in named {
        let blank = file.raw.trim().is_empty();
        if !blank && !files.iter().any(|earlier| earlier.raw == file.raw) {
            files.push(file);
        }
    }
    files
}
