//! Finds events in an audit log.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::event::{Action, Event, Outcome};
use super::log::AuditLog;
use super::scan::Scan;
use super::verify::Problem;
use crate::files::FileError;
use crate::names::{EnvironmentName, SecretRef, WorkspaceName};

/// Which events are wanted: those that meet all that is given.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// About this ref.
    pub reference: Option<SecretRef>,
    /// About this workspace.
    pub workspace: Option<WorkspaceName>,
    /// About this environment.
    pub environment: Option<EnvironmentName>,
    /// Of this run.
    pub run: Option<String>,
    /// Of this kind.
    pub action: Option<Action>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// At this time or later.
    pub since: Option<SystemTime>,
    /// Of those, only so many, the newest.
    pub last: Option<usize>,
}

impl Filter {
    fn wants(&self, event: &Event) -> bool {
        fn meets<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        meets(self.reference.as_ref(), event.reference.as_ref())
            && meets(self.workspace.as_ref(), event.scope.workspace.as_ref())
            && meets(self.environment.as_ref(), event.scope.environment.as_ref())
            && meets(self.run.as_ref(), event.actor.run.as_ref())
            && meets(self.action.as_ref(), Some(&event.action))
            && meets(self.outcome.as_ref(), Some(&event.outcome))
            && self.since.is_none_or(|since| event.time >= since)
    }
}

/// An event and its number in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The line's number.
    pub seq: u64,
    /// What it says.
    pub event: Event,
}

/// Why a line gives no event.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The log cannot be read; nothing comes after this.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line does not hold, or cannot be understood; others may.
    #[error("{0} in the audit log")]
    Line(Problem),
}

/// The events that were wanted, the oldest first. Lines that do not hold are told, whatever was wanted,
/// and count for [`Filter::last`].
pub(crate) struct Entries<'a> {
    scan: Scan<'a>,
    filter: Filter,
    /// The newest, once they were looked for.
    newest: Option<VecDeque<Result<AuditEntry, ListError>>>,
}

impl<'a> AuditLog<'a> {
    /// Finds events. Memory grows with [`Filter::last`] only.
    ///
    /// # Errors
    /// [`FileError`] if the log cannot be looked at.
    pub(crate) fn list(&self, filter: Filter) -> Result<Entries<'a>, FileError> {
        Ok(Entries { scan: self.scan()?, filter, newest: None })
    }
}

impl Entries<'_> {
    fn next_wanted(&mut self) -> Option<Result<AuditEntry, ListError>> {
        loop {
            let scanned = match self.scan.next()? {
                Ok(scanned) => scanned,
                Err(error) => return Some(Err(error.into())),
            };
            match (scanned.head, scanned.event, scanned.problem) {
                (Some(head), Some(event), _) if self.filter.wants(&event) => {
                    return Some(Ok(AuditEntry { seq: head.seq, event }));
                }
                (Some(_), Some(_), _) | (_, _, None) => {}
                (_, _, Some(why)) => {
                    return Some(Err(ListError::Line(Problem { line: scanned.line, why })));
                }
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<AuditEntry, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(last) = self.filter.last else {
            return self.next_wanted();
        };
        if self.newest.is_none() {
            let mut newest = VecDeque::new();
            while let Some(item) = self.next_wanted() {
                newest.push_back(item);
                if newest.len() > last {
                    newest.pop_front();
                }
            }
            self.newest = Some(newest);
        }
        self.newest.as_mut()?.pop_front()
    }
}
