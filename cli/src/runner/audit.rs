//! What was done with secrets: told in pages, the newest first.

use std::collections::VecDeque;
use std::time::SystemTime;

use subrosa_registry::{
    Action, AuditEntry, EnvironmentName, Filter, Outcome, RegistryError, SecretRef, WorkspaceName,
};
use subrosa_server::channel::audit::{
    AuditCall, AuditReport, BrokenLineView, EVENTS_MAX, EventView, Events, ListEvents, VerifyAudit,
};
use subrosa_server::channel::{self, Refusal, stamp};

use super::{Runner, refusal, reply};

/// Answers what is asked about the audit log.
pub(super) fn answer(runner: &Runner, id: u64, call: AuditCall) {
    match call {
        AuditCall::ListEvents(asked) => reply::<ListEvents>(id, list(runner, &asked)),
        AuditCall::VerifyAudit(asked) => reply::<VerifyAudit>(id, verify(runner, &asked)),
    }
}

/// The newest events that are wanted, out of those that the caller may see; none without a registry.
fn list(runner: &Runner, asked: &ListEvents) -> Result<Events, Refusal> {
    let limit = asked.limit.min(EVENTS_MAX);
    let mut newest: VecDeque<AuditEntry> = VecDeque::new();
    let (mut has_more, mut broken) = (false, 0);
    let read = runner.secrets.registry.each_event(filter(asked)?, |entry| match entry {
        Ok(entry) => {
            let is_wanted = asked.before.is_none_or(|before| entry.seq < before);
            if !is_wanted || !asked.within.shows(&entry) {
                return;
            }
            newest.push_back(entry);
            if newest.len() > limit {
                newest.pop_front();
                has_more = true;
            }
        }
        Err(_) => broken += 1,
    });
    match read {
        Ok(()) | Err(RegistryError::NoStore { .. }) => {}
        Err(error) => return Err(refusal::registry(&error)),
    }
    Ok(Events { items: newest.iter().rev().map(EventView::of).collect(), has_more, broken })
}

fn filter(asked: &ListEvents) -> Result<Filter, Refusal> {
    let name = |why| refusal::name(&why);
    let word = |what: &str| refusal::invalid(format!("`{what}` is no word of the audit log"));
    Ok(Filter {
        reference: asked.reference.as_deref().map(reference).transpose()?,
        workspace: asked
            .workspace
            .as_deref()
            .map(WorkspaceName::parse)
            .transpose()
            .map_err(name)?,
        environment: asked
            .environment
            .as_deref()
            .map(EnvironmentName::parse)
            .transpose()
            .map_err(name)?,
        run: asked.run.clone(),
        action: asked
            .action
            .as_deref()
            .map(|text| Action::parse(text).ok_or_else(|| word("action")))
            .transpose()?,
        outcome: asked
            .outcome
            .as_deref()
            .map(|text| Outcome::parse(text).ok_or_else(|| word("outcome")))
            .transpose()?,
        since: asked.since.as_deref().map(moment).transpose()?,
        last: None,
    })
}

/// The ref of a secret, or of a connection as the log has it.
fn reference(text: &str) -> Result<SecretRef, Refusal> {
    let parsed = match text.strip_prefix("connection:") {
        Some(name) => SecretRef::parse(name).map(|name| SecretRef::connection(&name)),
        None => SecretRef::parse(text),
    };
    parsed.map_err(|why| refusal::name(&why))
}

fn moment(text: &str) -> Result<SystemTime, Refusal> {
    channel::moment(text)
        .ok_or_else(|| refusal::invalid("`since` is no moment like 2027-01-31T00:00:00Z"))
}

/// Whether the log is what was written; an empty one is.
fn verify(runner: &Runner, _: &VerifyAudit) -> Result<AuditReport, Refusal> {
    let registry = &runner.secrets.registry;
    let known = registry.known_ends().map_err(|error| refusal::registry(&error))?;
    let report = registry.verify_audit().map_err(|error| refusal::registry(&error))?;
    let problem = |problem: &subrosa_registry::Problem| BrokenLineView {
        line: problem.line,
        why: problem.why.to_string(),
    };
    Ok(AuditReport {
        whole: report.problems.is_empty(),
        lines: report.lines,
        first: report.first.map(stamp),
        last: report.last.map(stamp),
        end: report.head.seq,
        root: known.root.map(|head| head.seq),
        anchor: known.anchor.map(|head| head.seq),
        problems: report.problems.iter().map(problem).collect(),
        problems_unlisted: report.problems_unlisted,
    })
}
