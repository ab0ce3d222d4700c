//! The documents of a file: their names, and whether they call each other in circles.

use std::collections::HashMap;

use crate::diagnostic::Diagnostic;
use crate::names::shown;
use crate::source::{SourceFile, Span};
use crate::spec::{Draft, Notes};
use crate::workflow::{Action, Step, Workflow};

use super::graph::cycle;
use super::names::start;

/// A name for each document: its own, or the file's for the first.
pub(super) fn names(notes: &mut Notes, source: &SourceFile, drafts: &[Draft]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(drafts.len());
    let mut seen: HashMap<String, Span> = HashMap::new();
    for (number, draft) in drafts.iter().enumerate() {
        let (name, span) = match &draft.name {
            Some(name) => (name.raw.clone(), name.span),
            None if number == 0 => (stem(source), start(draft.span)),
            None if !draft.is_mapping => (format!("document-{}", number + 1), start(draft.span)),
            None => {
                notes.add(
                    Diagnostic::error("unnamed-document", "a document without `name`")
                        .at(start(draft.span), "")
                        .help("write `name: NAME`, by which the others `call` it"),
                );
                (format!("document-{}", number + 1), start(draft.span))
            }
        };
        if let Some(first) = seen.insert(name.clone(), span) {
            let message = format!("two documents are called {}", shown(&name));
            notes.add(
                Diagnostic::error("duplicate-document-name", message)
                    .at(span, "again here")
                    .at(first, "first here")
                    .help("rename one of them"),
            );
        }
        names.push(name);
    }
    names
}

fn stem(source: &SourceFile) -> String {
    let stem = source.path().file_stem().unwrap_or_default().to_string_lossy();
    if stem.is_empty() || stem == "-" { "workflow".to_owned() } else { stem.into_owned() }
}

/// Only the first document is started from outside; a trigger of another would never be pulled.
pub(super) fn check_triggers(notes: &mut Notes, workflows: &[Workflow]) {
    for trigger in workflows.iter().skip(1).filter_map(|child| child.trigger.as_ref()) {
        notes.add(
            Diagnostic::error("misplaced-field", "`trigger` in a document that is called")
                .at(trigger.span, "")
                .help("move it to the first document of the file"),
        );
    }
}

/// Reports a circle of calls between documents of the file. A target that is none of them is a file,
/// which is not looked at here; one with a `$` is known at run time only.
pub(super) fn check_calls(notes: &mut Notes, workflows: &[Workflow]) {
    let indices: HashMap<&str, usize> =
        workflows.iter().enumerate().map(|(index, w)| (w.name.as_str(), index)).collect();
    let called = |workflow: &Workflow| -> Vec<usize> {
        targets(workflow).filter_map(|(target, _)| indices.get(target).copied()).collect()
    };
    let edges: Vec<Vec<usize>> = workflows.iter().map(called).collect();
    let Some(circle) = cycle(&edges) else { return };
    let names: Vec<String> = circle
        .iter()
        .filter_map(|index| workflows.get(*index))
        .map(|workflow| shown(&workflow.name))
        .collect();
    let span = match circle.as_slice() {
        [from, to, ..] => workflows[*from..].first().and_then(|workflow| {
            let name = workflows.get(*to).map(|w| w.name.as_str());
            targets(workflow).find(|(target, _)| Some(*target) == name).map(|(_, span)| span)
        }),
        _ => None,
    };
    notes.add(
        Diagnostic::error(
            "call-cycle",
            format!("workflows call each other without end: {}", names.join(" -> ")),
        )
        .at(span.unwrap_or_default(), "")
        .help("remove one of these calls"),
    );
}

fn targets(workflow: &Workflow) -> impl Iterator<Item = (&str, Span)> {
    let handlers = &workflow.handlers;
    let handlers =
        [&handlers.init, &handlers.success, &handlers.failure, &handlers.abort, &handlers.exit];
    let steps = workflow.steps.iter().chain(handlers.into_iter().flatten());
    steps.filter_map(|step: &Step| match &step.action {
        Action::Call { target, .. } => Some((target.raw.as_str(), target.span)),
        Action::Shell(_) | Action::Script { .. } | Action::Exec(_) | Action::Typed(_) => None,
    })
}
