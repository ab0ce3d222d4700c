//! What was done with secrets, as the channel and the API tell of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use subrosa_registry::{AuditEntry, WorkspaceName};
use utoipa::ToSchema;

use super::{Ask, Call, stamp};

/// Most events of one answer.
pub const EVENTS_MAX: usize = 1000;

/// What can be asked about the audit log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditCall {
    /// Events, the newest first.
    ListEvents(Box<ListEvents>),
    /// Whether the log is what was written.
    VerifyAudit(VerifyAudit),
}

/// Asks for events, the newest first: those that meet all that is given.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ListEvents {
    /// Which events the caller may see at all.
    pub within: Within,
    /// About this ref; of a connection: `connection:NAME`.
    pub reference: Option<String>,
    /// About this workspace.
    pub workspace: Option<String>,
    /// About this environment.
    pub environment: Option<String>,
    /// Of this run.
    pub run: Option<String>,
    /// Of this kind.
    pub action: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// At this time or later, RFC 3339.
    pub since: Option<String>,
    /// With a number below this.
    pub before: Option<u64>,
    /// How many at most; never more than [`EVENTS_MAX`].
    pub limit: usize,
}

/// Which events somebody may see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// All of them, those about the whole store as well.
    pub all: bool,
    /// Those about secrets and connections of any scope.
    pub any_scope: bool,
    /// Those about secrets and connections of the global scope.
    pub global: bool,
    /// Those about secrets and connections of these workspaces.
    pub workspaces: BTreeSet<String>,
}

impl Within {
    /// Whether nothing is seen.
    pub fn is_nowhere(&self) -> bool {
        *self == Within::default()
    }

    /// Whether something in a workspace, or in the global scope, is seen.
    pub fn holds(&self, workspace: Option<&str>) -> bool {
        match workspace {
            _ if self.all || self.any_scope => true,
            None => self.global,
            Some(name) => self.workspaces.contains(name),
        }
    }

    /// Whether an event is seen: what is about no secret or connection is about the store.
    pub fn shows(&self, entry: &AuditEntry) -> bool {
        let event = &entry.event;
        let workspace = event.scope.workspace.as_ref().map(WorkspaceName::as_str);
        self.all || (event.reference.is_some() && self.holds(workspace))
    }

    /// What both see.
    #[must_use]
    pub fn and(&self, other: &Within) -> Within {
        let names = self.workspaces.iter().chain(&other.workspaces);
        let in_both = |name: &&String| self.holds(Some(name)) && other.holds(Some(name));
        Within {
            all: self.all && other.all,
            any_scope: (self.all || self.any_scope) && (other.all || other.any_scope),
            global: self.holds(None) && other.holds(None),
            workspaces: names.filter(in_both).cloned().collect(),
        }
    }
}

/// Events of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// The events, the newest first.
    pub items: Vec<EventView>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// Lines of the log that do not hold, or cannot be understood.
    pub broken: u64,
}

/// One event of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// The number of its line.
    #[schema(minimum = 0)]
    pub seq: u64,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub time: String,
    /// Who did it.
    pub user: String,
    /// How: `serve`, `run`, `secret set` ...
    pub command: String,
    /// The run, if it was one.
    pub run: Option<String>,
    /// Its workflow.
    pub workflow: Option<String>,
    /// Its step.
    pub step: Option<String>,
    /// What was asked for: `read`, `set`, `rotate` ...
    #[schema(example = "rotate")]
    pub action: String,
    /// The ref of the secret; of a connection: `connection:NAME`.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The workspace of the secret; null: the global scope.
    pub workspace: Option<String>,
    /// The environment; null: any.
    pub environment: Option<String>,
    /// The version that was read, made or brought back.
    #[schema(minimum = 0)]
    pub version: Option<u64>,
    /// `ok`, or the kind of refusal.
    #[schema(example = "ok")]
    pub outcome: String,
}

impl EventView {
    /// What is told of an event.
    pub fn of(entry: &AuditEntry) -> EventView {
        let AuditEntry { seq, event } = entry;
        let (actor, scope) = (&event.actor, &event.scope);
        EventView {
            seq: *seq,
            time: stamp(event.time),
            user: actor.user.clone(),
            command: actor.command.clone(),
            run: actor.run.clone(),
            workflow: actor.workflow.clone(),
            step: actor.step.clone(),
            action: event.action.to_string(),
            reference: event.reference.as_ref().map(ToString::to_string),
            workspace: scope.workspace.as_ref().map(ToString::to_string),
            environment: scope.environment.as_ref().map(ToString::to_string),
            version: event.version,
            outcome: event.outcome.to_string(),
        }
    }
}

/// Asks whether the log is what was written.
#[derive(Debug, Serialize, Deserialize)]
pub struct VerifyAudit {}

/// Whether the log is what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditReport {
    /// Whether nothing is wrong with it.
    pub whole: bool,
    /// How many lines it has.
    #[schema(minimum = 0)]
    pub lines: u64,
    /// The time of the first line, RFC 3339.
    pub first: Option<String>,
    /// The time of the last line, RFC 3339.
    pub last: Option<String>,
    /// The number of the last line.
    #[schema(minimum = 0)]
    pub end: u64,
    /// The number of the last line that the registry's root names.
    #[schema(minimum = 0)]
    pub root: Option<u64>,
    /// The number of the last line that was seen before, noted outside of the registry.
    #[schema(minimum = 0)]
    pub anchor: Option<u64>,
    /// What is wrong, in the order of the lines: the first hundred.
    pub problems: Vec<BrokenLineView>,
    /// How many more problems there are.
    #[schema(minimum = 0)]
    pub problems_unlisted: u64,
}

/// Something that is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditProblem)]
pub struct BrokenLineView {
    /// Which line, counted from 1.
    #[schema(minimum = 0)]
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl Ask for ListEvents {
    type Answer = Events;

    fn into_call(self) -> Call {
        Call::Audit(AuditCall::ListEvents(Box::new(self)))
    }
}

impl Ask for VerifyAudit {
    type Answer = AuditReport;

    fn into_call(self) -> Call {
        Call::Audit(AuditCall::VerifyAudit(self))
    }
}

#[cfg(test)]
mod tests {
    use super::Within;

    fn within(text: &str) -> Within {
        let words: Vec<&str> = text.split_whitespace().collect();
        let names = words.iter().filter(|word| word.chars().all(char::is_lowercase));
        Within {
            all: words.contains(&"ALL"),
            any_scope: words.contains(&"ANY"),
            global: words.contains(&"GLOBAL"),
            workspaces: names.map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn two_bounds_together_show_what_both_show() {
        let bounds = ["", "ALL", "ANY", "GLOBAL", "a", "a b", "b GLOBAL"];
        for one in bounds {
            for other in bounds {
                let (one, other) = (within(one), within(other));
                let both = one.and(&other);
                for place in [None, Some("a"), Some("b"), Some("c")] {
                    let expected = one.holds(place) && other.holds(place);
                    assert_eq!(both.holds(place), expected, "{one:?} {other:?} {place:?}");
                }
            }
        }
        assert!(!within("ALL").and(&within("ANY")).all);
    }
}
