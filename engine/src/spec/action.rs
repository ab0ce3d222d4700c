//! What a step that runs processes or calls does: exactly one of `run`, `command`, `script`, `exec`, `call` and `action`, where
//! `command` beside `script` is its interpreter.

use crate::diagnostic::Diagnostic;
use crate::fields::{EXEC, PARALLEL, Section, WITH_CALL, WITH_EXEC, WITH_SHELL};
use crate::source::Span;
use crate::workflow::{Action, CallParam, Parallel, ParallelItem, ParallelItems, Shell, Text};
use crate::yaml::{Kind, Node};

use super::Notes;
use super::params::{call_params, named_values, split};
use super::read::{Fields, text, texts, wrong_type};
use super::typed::{self, Chosen};

/// Calls at once unless the file says otherwise, as in Dagu.
const CONCURRENT_DEFAULT: usize = 10;

/// The action and the shell of a step.
pub(super) fn action(notes: &mut Notes, step: &Fields<'_>) -> Option<(Action, Option<Shell>)> {
    let chosen = match typed::chosen(notes, step) {
        Chosen::Kind(place) => {
            let typed = typed::typed(notes, step, place);
            return Some((Action::Typed(Box::new(typed)), None));
        }
        Chosen::Plain => {
            typed::refuse_in_plain(notes, step);
            chosen(notes, step)
        }
        Chosen::Refused => None,
    };
    let Some(chosen) = chosen else {
        // Nobody looks at its values now, and some kinds of steps have credentials there.
        if let Some(with) = step.get("with") {
            notes.hide(with);
        }
        return None;
    };
    let action = match chosen {
        "run" | "command" => commands(notes, step, chosen),
        "script" => script(notes, step),
        "exec" => step.get("exec").and_then(|node| exec(notes, node, &EXEC)),
        "call" => call(notes, step),
        _ => named_action(notes, step),
    };
    if !matches!(chosen, "call" | "action") {
        for name in ["params", "parallel"] {
            misplaced(notes, step, name, "belongs to `call`");
        }
    }
    let mut shell = shell(notes, step);
    if chosen != "action"
        && let Some(with) = step.get("with").and_then(|node| Fields::read(notes, &WITH_SHELL, node))
    {
        shell = self::shell(notes, &with).or(shell);
    }
    action.map(|action| (action, shell))
}

fn chosen(notes: &mut Notes, step: &Fields<'_>) -> Option<&'static str> {
    let mut found: Vec<&'static str> = ["run", "command", "script", "exec", "call", "action"]
        .into_iter()
        .filter(|name| step.get(name).is_some())
        .collect();
    // The interpreter of the script.
    if found.contains(&"script") {
        found.retain(|name| *name != "command");
    }
    match found.as_slice() {
        [one] => Some(one),
        [] => {
            if !step.has_unknown {
                notes.add(
                    Diagnostic::error("no-action", "a step that does nothing")
                        .at(step.span, "")
                        .help("write `run: ...`, `script`, `exec` or `call`"),
                );
            }
            None
        }
        [first, second, ..] => {
            let problem =
                Diagnostic::error("several-actions", format!("both `{first}` and `{second}`"));
            let at = step.key(second).unwrap_or(step.span);
            notes.add(problem.at(at, "").help("a step does one thing; make two steps of it"));
            None
        }
    }
}

fn misplaced(notes: &mut Notes, step: &Fields<'_>, name: &str, why: &str) {
    if step.get(name).is_some() {
        notes.add(
            Diagnostic::error("misplaced-field", format!("`{name}` {why}"))
                .at(step.key(name).unwrap_or(step.span), "")
                .help("remove it, or make the step a call"),
        );
    }
}

fn commands(notes: &mut Notes, step: &Fields<'_>, name: &'static str) -> Option<Action> {
    let node = step.get(name)?;
    let commands = match &node.kind {
        Kind::Sequence(items) => {
            items.iter().filter_map(|item| command(notes, name, item)).collect()
        }
        Kind::Scalar(_) | Kind::Mapping(_) => texts(notes, name, node),
    };
    let filled: Vec<Text> =
        commands.into_iter().filter(|text| !text.raw.trim().is_empty()).collect();
    if filled.is_empty() && !matches!(node.kind, Kind::Mapping(_)) {
        empty(notes, name, node.span);
    }
    (!filled.is_empty()).then_some(Action::Shell(filled))
}

/// `- echo: x` without quotes is a mapping; it is meant as the command `echo: x`.
fn command(notes: &mut Notes, name: &'static str, item: &Node) -> Option<Text> {
    if let Kind::Mapping(entries) = &item.kind
        && let [entry] = entries.as_slice()
        && let Some(scalar) = entry.value.scalar()
    {
        return Some(Text { raw: format!("{}: {}", entry.key, scalar.text), span: item.span });
    }
    text(notes, name, item)
}

fn empty(notes: &mut Notes, name: &str, span: Span) {
    notes.add(
        Diagnostic::error("no-action", format!("`{name}` is empty"))
            .at(span, "")
            .help("write what to run"),
    );
}

fn script(notes: &mut Notes, step: &Fields<'_>) -> Option<Action> {
    let text = step.text(notes, "script")?;
    if text.raw.trim().is_empty() {
        empty(notes, "script", text.span);
        return None;
    }
    let interpreter = step.get("command").map(|node| words(notes, "command", node));
    Some(Action::Script { interpreter: interpreter.filter(|words| !words.is_empty()), text })
}

/// A text split as a shell does, or a list taken as it is.
fn words(notes: &mut Notes, name: &str, node: &Node) -> Vec<Text> {
    match node.scalar() {
        None => texts(notes, name, node),
        Some(scalar) => split(notes, &scalar.text, node.span)
            .into_iter()
            .map(|raw| Text { raw, span: node.span })
            .collect(),
    }
}

/// `shell:` and `shell_args:` of a step or workflow.
pub(super) fn shell(notes: &mut Notes, fields: &Fields<'_>) -> Option<Shell> {
    let mut shell = fields.get("shell").map(|node| words(notes, "shell", node)).unwrap_or_default();
    if let Some(program) = shell.first().filter(|word| word.raw == "direct") {
        notes.add(
            Diagnostic::error("wrong-value", "`direct` is no shell")
                .at(program.span, "")
                .help("write `exec: [PROGRAM, ARGUMENT]` to start a program without a shell"),
        );
        return None;
    }
    let arguments = fields.texts(notes, "shell_args").unwrap_or_default();
    if shell.is_empty() {
        if let Some(argument) = arguments.first() {
            notes.add(
                Diagnostic::error("missing-field", "`shell_args` without `shell`")
                    .at(argument.span, "")
                    .help("write `shell: bash` beside it"),
            );
        }
        return None;
    }
    if shell[0].raw.trim().is_empty() {
        empty(notes, "shell", shell[0].span);
        return None;
    }
    shell.extend(arguments);
    Some(Shell { words: shell })
}

fn exec(notes: &mut Notes, node: &Node, section: &'static Section) -> Option<Action> {
    let words = match &node.kind {
        Kind::Scalar(_) | Kind::Sequence(_) => words(notes, "exec", node),
        Kind::Mapping(_) => {
            let fields = Fields::read(notes, section, node)?;
            let mut words: Vec<Text> = fields.text(notes, "command").into_iter().collect();
            if words.is_empty() {
                empty(notes, "exec", node.span);
                return None;
            }
            words.extend(fields.texts(notes, "args").unwrap_or_default());
            words
        }
    };
    if words.first().is_none_or(|program| program.raw.trim().is_empty()) {
        empty(notes, "exec", node.span);
        return None;
    }
    Some(Action::Exec(words))
}

fn call(notes: &mut Notes, step: &Fields<'_>) -> Option<Action> {
    let target = step.trimmed(notes, "call");
    if let (None, Some(node)) = (&target, step.get("call").filter(|node| node.scalar().is_some())) {
        empty(notes, "call", node.span);
    }
    let params = step.get("params").map(|node| call_params(notes, node)).unwrap_or_default();
    let parallel = step.get("parallel").and_then(|node| parallel(notes, node));
    Some(Action::Call { target: target?, params, parallel })
}

/// `action: exec` and `action: dag.run`; the others are refused by name.
fn named_action(notes: &mut Notes, step: &Fields<'_>) -> Option<Action> {
    let name = step.trimmed(notes, "action")?;
    let with = step.get("with");
    match (name.raw.as_str(), with) {
        ("exec", Some(with)) => exec(notes, with, &WITH_EXEC),
        ("dag.run", Some(with)) => {
            let fields = Fields::read(notes, &WITH_CALL, with)?;
            let target = fields.trimmed(notes, "dag");
            let params: Vec<CallParam> =
                fields.get("params").map(|node| call_params(notes, node)).unwrap_or_default();
            let parallel = step.get("parallel").and_then(|node| parallel(notes, node));
            if target.is_none() {
                empty(notes, "dag", fields.span);
            }
            Some(Action::Call { target: target?, params, parallel })
        }
        ("exec" | "dag.run", None) => {
            let message = format!("`action: {}` without `with`", name.raw);
            let help = match name.raw.as_str() {
                "exec" => "write `exec: [PROGRAM, ARGUMENT]`",
                _ => "write `call: NAME`",
            };
            notes.add(Diagnostic::error("missing-field", message).at(name.span, "").help(help));
            None
        }
        _ => {
            if let Some(with) = with {
                notes.hide(with);
            }
            typed::unknown_action(notes, &name);
            None
        }
    }
}

fn parallel(notes: &mut Notes, node: &Node) -> Option<Parallel> {
    let (items, concurrent_max) = match &node.kind {
        Kind::Mapping(_) => {
            let fields = Fields::read(notes, &PARALLEL, node)?;
            let most =
                fields.whole(notes, "max_concurrent", 1).and_then(|most| most.try_into().ok());
            let Some(items) = fields.get("items") else {
                notes.add(
                    Diagnostic::error("missing-field", "`parallel` without `items`")
                        .at(node.span, "")
                        .help("write `items: [...]`"),
                );
                return None;
            };
            (parallel_items(notes, items), most)
        }
        Kind::Scalar(_) | Kind::Sequence(_) => (parallel_items(notes, node), None),
    };
    Some(Parallel { items, concurrent_max: Some(concurrent_max.unwrap_or(CONCURRENT_DEFAULT)) })
}

fn parallel_items(notes: &mut Notes, node: &Node) -> ParallelItems {
    let Kind::Sequence(items) = &node.kind else {
        let text =
            text(notes, "items", node).unwrap_or(Text { raw: String::new(), span: node.span });
        return ParallelItems::From(text);
    };
    if items.is_empty() {
        notes.add(
            Diagnostic::error("wrong-value", "`parallel` has no items")
                .at(node.span, "")
                .help("list at least one"),
        );
    }
    let mut list = Vec::with_capacity(items.len());
    for item in items {
        match &item.kind {
            Kind::Scalar(scalar) => {
                list.push(ParallelItem::Value(Text { raw: scalar.text.clone(), span: item.span }))
            }
            Kind::Mapping(entries) => list.push(ParallelItem::Params(named_values(notes, entries))),
            Kind::Sequence(_) => {
                notes.add(wrong_type(item, "an item of `parallel`", "a text or a flat mapping"));
            }
        }
    }
    ParallelItems::List(list)
}
