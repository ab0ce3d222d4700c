//! The connections that steps name are looked at before the first step starts.
//!
//! One that has ended or is not there stops the run; a service out of reach only warns. Nothing is opened:
//! that is for the call that needs it. A name that is made of references is known when its step starts.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::asker::Asker;
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::kind::StepFault;
use crate::masks::Masks;
use crate::source::Span;
use crate::workflow::{Action, Step, Typed, Workflow};

/// What is wrong with the connections of a workflow's steps, errors and warnings.
pub(super) async fn look(
    workflow: &Workflow,
    asker: &Asker,
    host: &Host,
    masks: &Masks,
) -> Vec<Diagnostic> {
    if !asker.options.checks_connections {
        return Vec::new();
    }
    let asking = Arc::new(asker.asking(workflow, host, masks));
    let limit = host.limits.request;
    let mut looking = JoinSet::new();
    for (name, (span, typed)) in named(workflow) {
        let Some(runner) = host.runners.of(typed.kind) else { continue };
        let (name, asking) = (name.to_owned(), asking.clone());
        looking.spawn(async move {
            match timeout(limit, runner.ready(&name, &asking)).await {
                Ok(Ok(told)) => told.into_iter().map(|fault| warning(fault, span)).collect(),
                Ok(Err(fault)) => vec![refused(fault, span)],
                Err(_) => vec![slow(&name, limit.as_secs(), span)],
            }
        });
    }
    let mut found: Vec<Diagnostic> = Vec::new();
    while let Some(told) = looking.join_next().await {
        found.extend(told.unwrap_or_default());
    }
    found.sort_by_key(|problem| problem.labels.first().map(|label| label.span.start));
    found
}

/// The names that are written out, each with a step that has it.
fn named(workflow: &Workflow) -> BTreeMap<&str, (Span, &Typed)> {
    let handlers = &workflow.handlers;
    let handlers =
        [&handlers.init, &handlers.success, &handlers.failure, &handlers.abort, &handlers.exit];
    let steps = workflow.steps.iter().chain(handlers.into_iter().flatten());
    let mut found = BTreeMap::new();
    for typed in steps.filter_map(of_kind) {
        if let Some(name) = &typed.connection
            && !name.raw.contains('$')
        {
            found.entry(name.raw.trim()).or_insert((name.span, typed));
        }
    }
    found
}

fn of_kind(step: &Step) -> Option<&Typed> {
    match &step.action {
        Action::Typed(typed) => Some(typed),
        Action::Shell(_) | Action::Script { .. } | Action::Exec(_) | Action::Call { .. } => None,
    }
}

fn refused(fault: StepFault, span: Span) -> Diagnostic {
    let problem = Diagnostic::error("connection-not-usable", fault.message).at(span, "");
    Diagnostic { help: fault.help, ..problem }
}

fn warning(fault: StepFault, span: Span) -> Diagnostic {
    let problem = Diagnostic::warning("connection-warning", fault.message).at(span, "");
    Diagnostic { help: fault.help, ..problem }
}

fn slow(name: &str, limit_s: u64, span: Span) -> Diagnostic {
    let message = format!("looking at connection `{name}` took longer than {limit_s} s");
    Diagnostic::warning("connection-warning", message)
        .at(span, "")
        .help("the steps that use it will see; `--no-check` skips this look")
}
