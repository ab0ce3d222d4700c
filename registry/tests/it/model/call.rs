//! The calls of a model, and what can happen to them.

use std::fmt;

use rustix::io::Errno;

/// One call that was made.
pub(super) struct Call {
    pub(super) kind: CallKind,
    pub(super) what: String,
    pub(super) process: u32,
    pub(super) fault: Option<Fault>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}: {:?} {}", self.process, self.kind, self.what)?;
        match self.fault {
            Some(fault) => write!(f, "  <- {fault:?}"),
            None => Ok(()),
        }
    }
}

/// The calls of `Files` and `OpenFile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    Read,
    ReadAt,
    Create,
    Append,
    Rename,
    Link,
    Remove,
    MakeFolder,
    SyncFolder,
    List,
    Lock,
    Write,
    Sync,
    Len,
    Truncate,
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process is dead before the call has an effect.
    StopBefore,
    /// It dies when half of the bytes are written.
    StopHalfway,
    /// It dies when the call is done, and does not learn that.
    StopAfter,
    /// The call fails and has no effect.
    Error(Errno),
    /// Half of the bytes are written.
    Short,
}

impl Fault {
    pub(super) fn is_stop(self) -> bool {
        matches!(self, Fault::StopBefore | Fault::StopHalfway | Fault::StopAfter)
    }
}

impl CallKind {
    fn changes_something(self) -> bool {
        !matches!(self, CallKind::Read | CallKind::ReadAt | CallKind::List | CallKind::Len)
    }

    /// The errors that a system can give for it. An interruption is seen by writes alone: an
    /// implementation makes the other calls again.
    pub(super) fn errors(self) -> &'static [Errno] {
        match self {
            CallKind::Read | CallKind::ReadAt | CallKind::List => &[Errno::IO, Errno::MFILE],
            CallKind::Create | CallKind::Append | CallKind::MakeFolder | CallKind::Lock => {
                &[Errno::IO, Errno::MFILE, Errno::NOSPC, Errno::ROFS]
            }
            CallKind::Rename | CallKind::Link => &[Errno::IO, Errno::NOSPC, Errno::ROFS],
            CallKind::Write => &[Errno::IO, Errno::NOSPC, Errno::INTR],
            CallKind::Sync => &[Errno::IO, Errno::NOSPC],
            CallKind::Remove | CallKind::Truncate => &[Errno::IO, Errno::ROFS],
            CallKind::SyncFolder => &[Errno::IO, Errno::MFILE],
            CallKind::Len => &[Errno::IO],
        }
    }

    /// All that can happen at such a call.
    pub(super) fn faults(self) -> Vec<Fault> {
        let mut faults = vec![Fault::StopBefore];
        if self.changes_something() {
            faults.push(Fault::StopAfter);
        }
        if self == CallKind::Write {
            faults.extend([Fault::StopHalfway, Fault::Short]);
        }
        faults.extend(self.errors().iter().map(|errno| Fault::Error(*errno)));
        faults
    }
}

/// When what happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// At one call, counted from zero.
    Once(usize, Fault),
    /// At that call and at all later ones that can have the error: the disk stays full or read-only.
    From(usize, Errno),
}

impl Plan {
    pub(super) fn fault_at(self, index: usize, kind: CallKind) -> Option<Fault> {
        match self {
            Plan::Once(at, fault) => (index == at).then_some(fault),
            Plan::From(at, errno) => {
                (index >= at && kind.errors().contains(&errno)).then_some(Fault::Error(errno))
            }
        }
    }
}
