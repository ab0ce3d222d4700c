//! `output:` and `stdout:` of a step: which variables dependants get, and where stdout goes too.

use crate::diagnostic::Diagnostic;
use crate::fields::{OUTPUT, OUTPUT_ENTRY, STDOUT, STDOUT_OUTPUTS};
use crate::names::shown;
use crate::source::Span;
use crate::workflow::{Output, Text};
use crate::yaml::{Kind, Node};

use super::Notes;
use super::env::check_name;
use super::read::{Fields, text, wrong_type};

/// `output:`: a name, `{name, key, omit}`, or `{NAME: {from: stdout, decode, select}}`.
pub(super) fn output(notes: &mut Notes, node: &Node) -> Vec<Output> {
    match &node.kind {
        Kind::Scalar(scalar) => named(notes, &scalar.text, node.span).into_iter().collect(),
        Kind::Mapping(entries) => {
            let name = entries.iter().find(|entry| &*entry.key == "name");
            if name.is_some_and(|entry| entry.value.scalar().is_some()) {
                return one(notes, node).into_iter().collect();
            }
            several(notes, node)
        }
        Kind::Sequence(_) => {
            notes.add(wrong_type(node, "`output`", "a name or a mapping"));
            Vec::new()
        }
    }
}

/// `stdout:`: a path, or `{outputs: ...}`.
pub(super) fn stdout(notes: &mut Notes, node: &Node) -> (Option<Text>, Vec<Output>) {
    if node.scalar().is_some() {
        return (text(notes, "stdout", node), Vec::new());
    }
    if matches!(node.kind, Kind::Sequence(_)) {
        notes.add(wrong_type(node, "`stdout`", "a path or a mapping"));
        notes.hide(node);
        return (None, Vec::new());
    }
    let Some(fields) = Fields::read(notes, &STDOUT, node) else { return (None, Vec::new()) };
    let outputs = match fields.get("outputs") {
        None => Vec::new(),
        Some(node) => match node.scalar() {
            Some(scalar) => named(notes, &scalar.text, node.span).into_iter().collect(),
            None => stdout_outputs(notes, node),
        },
    };
    (None, outputs)
}

fn stdout_outputs(notes: &mut Notes, node: &Node) -> Vec<Output> {
    let Some(fields) = Fields::read(notes, &STDOUT_OUTPUTS, node) else { return Vec::new() };
    if let Some(entries) = fields.get("fields") {
        return several(notes, entries);
    }
    let Some(field) = fields.trimmed(notes, "field") else {
        notes.add(
            Diagnostic::error("missing-field", "`stdout.outputs` names no variable")
                .at(node.span, "")
                .help("write `outputs: NAME`, or `fields: {NAME: {select: ...}}`"),
        );
        return Vec::new();
    };
    let select = select(notes, &fields);
    named(notes, &field.raw, field.span)
        .map(|output| Output { select, ..output })
        .into_iter()
        .collect()
}

/// `NAME`, `$NAME` or `${NAME}`.
fn named(notes: &mut Notes, text: &str, span: Span) -> Option<Output> {
    let text = text.trim();
    let name = match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => name,
        None => text.strip_prefix('$').unwrap_or(text),
    };
    if name.is_empty() {
        return None;
    }
    check_name(notes, name, span, "an output");
    Some(Output { name: name.to_owned(), key: None, omit: false, select: None, span })
}

fn one(notes: &mut Notes, node: &Node) -> Option<Output> {
    let fields = Fields::read(notes, &OUTPUT, node)?;
    let name = fields.trimmed(notes, "name");
    let key = fields.trimmed(notes, "key").map(|key| key.raw);
    let omit = fields.flag(notes, "omit").unwrap_or(false);
    let Some(name) = name else {
        notes.add(
            Diagnostic::error("missing-field", "an output without a name")
                .at(node.span, "")
                .help("write `name: NAME`"),
        );
        return None;
    };
    named(notes, &name.raw, name.span).map(|output| Output { key, omit, ..output })
}

fn several(notes: &mut Notes, node: &Node) -> Vec<Output> {
    let Kind::Mapping(entries) = &node.kind else {
        notes.add(wrong_type(node, "`fields`", "a mapping of variables"));
        return Vec::new();
    };
    let mut outputs = Vec::new();
    for entry in entries {
        if entry.value.scalar().is_some_and(|_| !entry.value.is_null()) {
            notes.hide(&entry.value);
            let message = format!("output {} is a literal", shown(&entry.key));
            notes.add(
                Diagnostic::error("unsupported-field", message)
                    .at(entry.key_span, "")
                    .help("write `{from: stdout}`, or put literals into `env`"),
            );
            continue;
        }
        let mut select_path = None;
        if !entry.value.is_null() {
            let Some(fields) = Fields::read(notes, &OUTPUT_ENTRY, &entry.value) else { continue };
            fields.word(notes, "from", &["stdout"]);
            select_path = select(notes, &fields);
        }
        let output = named(notes, &entry.key, entry.key_span);
        outputs.extend(output.map(|output| Output { select: select_path, ..output }));
    }
    outputs
}

/// `select`, which needs JSON.
fn select(notes: &mut Notes, fields: &Fields<'_>) -> Option<String> {
    let decode = fields.word(notes, "decode", &["text", "json"]);
    let select = fields.trimmed(notes, "select")?;
    if decode == Some("text") {
        notes.add(
            Diagnostic::error("wrong-value", "`select` with `decode: text`")
                .at(select.span, "")
                .help("a path needs `decode: json`"),
        );
    }
    Some(select.raw)
}
