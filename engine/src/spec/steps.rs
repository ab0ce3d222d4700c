//! `steps:` in its forms, `handler_on:` and `defaults:`.
//!
//! Steps come out flat, in the order of the file, each with the group it stands in: a chain goes from
//! group to group, and a nested list is one group.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::fields::{DEFAULTS, HANDLERS, STEP};
use crate::names::shown;
use crate::workflow::{
    Action, Condition, ContinueOn, EnvEntry, LogOutput, RepeatPolicy, RetryPolicy, Step, Text,
};
use crate::yaml::{Kind, Node};

use super::Notes;
use super::read::{Fields, wrong_type};
use super::{action, conditions, env, outputs, policies};

/// Names are used for files and shown in lists.
const NAME_LEN_MAX: usize = 255;
const ID_LEN_MAX: usize = 40;
/// What `${...}` references begin with.
const RESERVED_IDS: &[&str] = &["env", "params", "args", "stdout", "stderr", "output", "outputs"];
/// A step costs a kilobyte here and a task later; a list of more is a mistake or an attack.
const STEPS_MAX: usize = 10_000;
/// Entries that `defaults.env` may come to when every step has got them.
const DEFAULT_ENTRIES_MAX: usize = 100_000;

/// A step before its references are resolved.
pub(crate) struct StepDraft {
    /// The step; its name may be empty, `depends` is.
    pub(crate) step: Step,
    /// `depends:`, if it is there.
    pub(crate) depends: Option<Vec<Text>>,
    /// Number of the group it stands in.
    pub(crate) group: usize,
}

/// The steps and handlers of a workflow.
#[derive(Default)]
pub(crate) struct Steps {
    /// In the order of the file.
    pub(crate) steps: Vec<StepDraft>,
    /// By the key below `handler_on`.
    pub(crate) handlers: Vec<(&'static str, Step)>,
}

/// What steps have unless they say otherwise.
#[derive(Default)]
struct Defaults {
    env: Vec<EnvEntry>,
    preconditions: Vec<Condition>,
    continue_on: Option<ContinueOn>,
    retry: Option<RetryPolicy>,
    repeat: Option<RepeatPolicy>,
    timeout: Option<Duration>,
    signal_on_stop: Option<i32>,
}

/// Reads steps and handlers.
pub(super) fn steps(notes: &mut Notes, workflow: &Fields<'_>) -> Steps {
    let defaults = workflow.get("defaults").map(|node| defaults(notes, node)).unwrap_or_default();
    let mut reader = Reader { notes, defaults, steps: Vec::new(), group: 0, too_many: false };
    match workflow.get("steps") {
        None => reader.no_steps(workflow),
        Some(node) => reader.steps(node),
    }
    let steps = reader.steps;
    let handlers = match workflow.get("handler_on") {
        Some(node) => handlers(notes, node),
        None => Vec::new(),
    };
    Steps { steps, handlers }
}

fn defaults(notes: &mut Notes, node: &Node) -> Defaults {
    let Some(fields) = Fields::read(notes, &DEFAULTS, node) else { return Defaults::default() };
    Defaults {
        env: fields.get("env").map(|n| env::entries(notes, n)).unwrap_or_default(),
        preconditions: preconditions(notes, &fields),
        continue_on: fields.get("continue_on").map(|n| policies::continue_on(notes, n)),
        retry: fields.get("retry_policy").and_then(|n| policies::retry(notes, n)),
        repeat: fields.get("repeat_policy").and_then(|n| policies::repeat(notes, n)),
        timeout: fields.time_limit(notes, "timeout_sec"),
        signal_on_stop: fields
            .trimmed(notes, "signal_on_stop")
            .and_then(|t| env::signal(notes, &t)),
    }
}

fn preconditions(notes: &mut Notes, fields: &Fields<'_>) -> Vec<Condition> {
    fields.get("preconditions").map(|n| conditions::conditions(notes, n)).unwrap_or_default()
}

fn handlers(notes: &mut Notes, node: &Node) -> Vec<(&'static str, Step)> {
    let Some(fields) = Fields::read(notes, &HANDLERS, node) else { return Vec::new() };
    let none = Defaults::default();
    let mut handlers = Vec::new();
    for key in ["init", "success", "failure", "abort", "exit"] {
        let Some(node) = fields.get(key) else { continue };
        let Some(draft) = step(notes, &none, node, 0) else { continue };
        if draft.depends.is_some_and(|depends| !depends.is_empty()) {
            notes.add(
                Diagnostic::error("misplaced-field", "a handler with `depends`")
                    .at(node.span, "")
                    .help("remove it: a handler runs when the run gets there"),
            );
        }
        handlers.push((key, draft.step));
    }
    handlers
}

struct Reader<'a> {
    notes: &'a mut Notes,
    defaults: Defaults,
    steps: Vec<StepDraft>,
    group: usize,
    too_many: bool,
}

impl Reader<'_> {
    fn no_steps(&mut self, workflow: &Fields<'_>) {
        self.notes.add(
            Diagnostic::error("no-steps", "a workflow without steps")
                .at(workflow.key("steps").unwrap_or(workflow.span), "")
                .help("write `steps:` and below it `- run: ...`"),
        );
    }

    fn steps(&mut self, node: &Node) {
        let empty = match &node.kind {
            Kind::Sequence(items) => {
                for item in items {
                    match &item.kind {
                        Kind::Sequence(members) => {
                            members.iter().for_each(|member| self.step(member, None));
                        }
                        Kind::Scalar(_) | Kind::Mapping(_) => self.step(item, None),
                    }
                    self.group += 1;
                }
                items.is_empty()
            }
            Kind::Mapping(entries) => {
                for entry in entries {
                    let name = Text { raw: entry.key.to_string(), span: entry.key_span };
                    self.step(&entry.value, Some(name));
                    self.group += 1;
                }
                entries.is_empty()
            }
            Kind::Scalar(_) => {
                self.notes.add(wrong_type(node, "`steps`", "a list"));
                false
            }
        };
        if empty {
            self.notes.add(
                Diagnostic::error("no-steps", "a workflow without steps")
                    .at(node.span, "")
                    .help("write `- run: ...` below `steps:`"),
            );
        }
    }

    fn step(&mut self, node: &Node, name: Option<Text>) {
        if self.steps.len() >= STEPS_MAX {
            if !self.too_many {
                self.notes.add(
                    Diagnostic::error("too-much", format!("more than {STEPS_MAX} steps"))
                        .at(node.span, "")
                        .help("split the workflow, or use `parallel`"),
                );
            }
            self.too_many = true;
            return;
        }
        let entries = self.defaults.env.len() + self.defaults.preconditions.len();
        if entries.saturating_mul(self.steps.len() + 1) > DEFAULT_ENTRIES_MAX {
            self.notes.add(
                Diagnostic::error("too-much", "`defaults` come to more than 100000 entries")
                    .at(node.span, "")
                    .help("put common variables into `env` of the workflow"),
            );
            // Once is enough.
            self.defaults = Defaults::default();
        }
        let Some(mut draft) = step(self.notes, &self.defaults, node, self.group) else { return };
        if let Some(name) = name {
            if draft.step.name.is_empty() {
                draft.step.name = checked_name(self.notes, &name);
            } else if draft.step.name != name.raw.trim() {
                let message = format!("step {} has another `name` inside", shown(&name.raw));
                self.notes.add(
                    Diagnostic::error("wrong-value", message)
                        .at(name.span, "")
                        .help("remove the inner `name`"),
                );
            }
        }
        self.steps.push(draft);
    }
}

fn step(notes: &mut Notes, defaults: &Defaults, node: &Node, group: usize) -> Option<StepDraft> {
    if let Some(scalar) = node.scalar() {
        if scalar.text.trim().is_empty() || node.is_null() {
            notes.add(
                Diagnostic::error("no-action", "an empty step")
                    .at(node.span, "")
                    .help("write a shell command, or remove it"),
            );
            return None;
        }
        let text = Text { raw: scalar.text.clone(), span: node.span };
        let step = Step {
            env: defaults.env.clone(),
            continue_on: defaults.continue_on.clone().unwrap_or_default(),
            retry: defaults.retry.clone(),
            repeat: defaults.repeat.clone(),
            preconditions: defaults.preconditions.clone(),
            timeout: defaults.timeout,
            signal_on_stop: defaults.signal_on_stop,
            ..empty(Action::Shell(vec![text]), node)
        };
        return Some(StepDraft { step, depends: None, group });
    }
    let fields = Fields::read(notes, &STEP, node)?;
    let depends = depends(notes, &fields);
    let step = full(notes, defaults, &fields, node);
    Some(StepDraft { step, depends, group })
}

fn empty(action: Action, node: &Node) -> Step {
    Step {
        name: String::new(),
        id: None,
        description: None,
        action,
        shell: None,
        env: Vec::new(),
        working_dir: None,
        depends: Vec::new(),
        outputs: Vec::new(),
        stdout: None,
        stderr: None,
        continue_on: ContinueOn::default(),
        retry: None,
        repeat: None,
        preconditions: Vec::new(),
        timeout: None,
        signal_on_stop: None,
        log_output: None,
        span: node.span,
    }
}

fn full(notes: &mut Notes, defaults: &Defaults, fields: &Fields<'_>, node: &Node) -> Step {
    let mut env = defaults.env.clone();
    env.extend(fields.get("env").map(|n| env::entries(notes, n)).unwrap_or_default());
    let mut all_of = defaults.preconditions.clone();
    all_of.extend(preconditions(notes, fields));
    let (stdout, mut outputs) =
        fields.get("stdout").map(|n| outputs::stdout(notes, n)).unwrap_or_default();
    outputs.extend(fields.get("output").map(|n| outputs::output(notes, n)).unwrap_or_default());
    let stderr = fields.trimmed(notes, "stderr");
    same_redirect(notes, stdout.as_ref(), stderr.as_ref());
    let name = fields.text(notes, "name").map(|text| checked_name(notes, &text));
    let id = fields.trimmed(notes, "id").and_then(|text| checked_id(notes, &text));
    let continue_on = fields.get("continue_on").map(|n| policies::continue_on(notes, n));
    // A step whose action is wrong stays in the graph, so that what depends on it is not reported too.
    let (action, shell) =
        action::action(notes, fields).unwrap_or((Action::Shell(Vec::new()), None));
    Step {
        name: name.unwrap_or_default(),
        id,
        description: fields.text(notes, "description").map(|text| text.raw),
        action,
        shell,
        env,
        working_dir: fields.trimmed(notes, "working_dir"),
        outputs,
        stdout: stdout.filter(|path| !path.raw.trim().is_empty()),
        stderr,
        continue_on: continue_on.or_else(|| defaults.continue_on.clone()).unwrap_or_default(),
        retry: match fields.get("retry_policy") {
            Some(n) => policies::retry(notes, n),
            None => defaults.retry.clone(),
        },
        repeat: match fields.get("repeat_policy") {
            Some(n) => policies::repeat(notes, n),
            None => defaults.repeat.clone(),
        },
        preconditions: all_of,
        timeout: match fields.get("timeout_sec") {
            Some(_) => fields.time_limit(notes, "timeout_sec"),
            None => defaults.timeout,
        },
        signal_on_stop: match fields.trimmed(notes, "signal_on_stop") {
            Some(text) => env::signal(notes, &text),
            None => defaults.signal_on_stop,
        },
        log_output: log_output(notes, fields),
        ..empty(Action::Shell(Vec::new()), node)
    }
}

/// `log_output:` of a step or workflow.
pub(super) fn log_output(notes: &mut Notes, fields: &Fields<'_>) -> Option<LogOutput> {
    match fields.word(notes, "log_output", &["separate", "merged"])? {
        "merged" => Some(LogOutput::Merged),
        _ => Some(LogOutput::Separate),
    }
}

fn depends(notes: &mut Notes, fields: &Fields<'_>) -> Option<Vec<Text>> {
    let texts = fields.texts(notes, "depends")?;
    Some(texts.into_iter().filter(|text| !text.raw.trim().is_empty()).collect())
}

fn same_redirect(notes: &mut Notes, stdout: Option<&Text>, stderr: Option<&Text>) {
    if let (Some(stdout), Some(stderr)) = (stdout, stderr)
        && stdout.raw.trim() == stderr.raw
    {
        notes.add(
            Diagnostic::error("same-redirect", "`stdout` and `stderr` go into one file")
                .at(stderr.span, "")
                .help("write `log_output: merged` and redirect `stdout` only"),
        );
    }
}

fn checked_name(notes: &mut Notes, text: &Text) -> String {
    let name = text.raw.trim();
    let problem = if name.len() > NAME_LEN_MAX {
        Some(format!("a name of more than {NAME_LEN_MAX} bytes"))
    } else if name.chars().any(char::is_control) {
        Some(format!("step name {} holds a control character", shown(name)))
    } else if name.starts_with("handler/") {
        Some(format!("step name {} belongs to a handler", shown(name)))
    } else {
        None
    };
    if let Some(message) = problem {
        notes.add(
            Diagnostic::error("invalid-step-name", message).at(text.span, "").help(
                "a name is one line of at most 255 bytes that does not start with `handler/`",
            ),
        );
    }
    name.to_owned()
}

fn checked_id(notes: &mut Notes, text: &Text) -> Option<String> {
    let id = text.raw.as_str();
    let letters = id.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let reserved = RESERVED_IDS.iter().any(|reserved| reserved.eq_ignore_ascii_case(id));
    if letters && !reserved && id.len() <= ID_LEN_MAX {
        return Some(id.to_owned());
    }
    let help = match reserved {
        true => "it means something else in `${...}`; choose another",
        false => {
            "an id is a letter, then letters, digits and `_`, at most 40; `name` takes anything"
        }
    };
    notes.add(
        Diagnostic::error("invalid-step-id", format!("{} is no id of a step", shown(id)))
            .at(text.span, "")
            .help(help),
    );
    None
}
