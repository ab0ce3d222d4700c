//! `labels:` in its three forms, and the workspace among them.

use subrosa_registry::WorkspaceName;

use crate::diagnostic::Diagnostic;
use crate::names::shown;
use crate::source::Span;
use crate::yaml::{Kind, Node};

use super::Notes;
use super::read::wrong_type;

/// Labels in order; one without `=` has no value.
pub(super) fn labels(notes: &mut Notes, node: &Node) -> Vec<(String, Option<String>)> {
    let mut labels = Vec::new();
    collect(notes, node, &mut labels);
    let workspaces = labels.iter().filter(|(name, _)| name == "workspace").count();
    if workspaces > 1 {
        notes.add(
            Diagnostic::error("invalid-workspace", "more than one `workspace` label")
                .at(node.span, "")
                .help("keep one: the secrets of a run come from one workspace"),
        );
    }
    labels
}

fn collect(notes: &mut Notes, node: &Node, labels: &mut Vec<(String, Option<String>)>) {
    match &node.kind {
        Kind::Scalar(scalar) => {
            let words = scalar.text.split(|c: char| c == ',' || c.is_whitespace());
            for word in words.filter(|word| !word.is_empty()) {
                labels.extend(label(notes, word, node.span));
            }
        }
        Kind::Mapping(_) => mapping(notes, node, labels),
        Kind::Sequence(items) => {
            for item in items {
                match &item.kind {
                    Kind::Scalar(scalar) => labels.extend(label(notes, &scalar.text, item.span)),
                    Kind::Mapping(_) => mapping(notes, item, labels),
                    Kind::Sequence(_) => {
                        notes.add(wrong_type(item, "an item of `labels`", "`name=value`"));
                    }
                }
            }
        }
    }
}

fn mapping(notes: &mut Notes, node: &Node, labels: &mut Vec<(String, Option<String>)>) {
    let Kind::Mapping(entries) = &node.kind else { return };
    for entry in entries {
        let Some(scalar) = entry.value.scalar() else {
            notes.add(wrong_type(&entry.value, &shown(&entry.key), "one value"));
            continue;
        };
        let value = (!entry.value.is_null()).then(|| scalar.text.trim().to_owned());
        labels.extend(checked(notes, entry.key.trim(), value, entry.value.span));
    }
}

fn label(notes: &mut Notes, text: &str, span: Span) -> Option<(String, Option<String>)> {
    match text.split_once('=') {
        Some((name, value)) => checked(notes, name.trim(), Some(value.trim().to_owned()), span),
        None => checked(notes, text.trim(), None, span),
    }
}

fn checked(
    notes: &mut Notes,
    name: &str,
    value: Option<String>,
    span: Span,
) -> Option<(String, Option<String>)> {
    if name.is_empty() {
        return None;
    }
    if name == "workspace" {
        let workspace = value.as_deref().unwrap_or_default();
        if WorkspaceName::parse(workspace).is_err() {
            let message = format!("{} is no name of a workspace", shown(workspace));
            notes.add(Diagnostic::error("invalid-workspace", message).at(span, "").help(
                "write `workspace=NAME`; a name is made of letters, digits, `-` and `_`, at most 64",
            ));
        }
    }
    Some((name.to_owned(), value))
}
