//! Says whether an audit log is what was written.

use std::time::SystemTime;

use super::line::Head;
use super::log::AuditLog;
use crate::files::FileError;

/// How many problems a report lists; the others are counted.
const PROBLEMS_MAX: usize = 100;

/// What a log looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many lines there are, whole or not.
    pub lines: u64,
    /// The time of the first line that was verified.
    pub first: Option<SystemTime>,
    /// The time of the last line that was verified.
    pub last: Option<SystemTime>,
    /// Where the log ends: its last line that was verified.
    pub head: Head,
    /// What is wrong, in the order of the lines: the first hundred.
    pub problems: Vec<Problem>,
    /// How many more problems there are.
    pub problems_unlisted: u64,
}

impl Report {
    fn add(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.problems_unlisted += 1;
        }
    }
}

/// Something that is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {why}")]
pub struct Problem {
    /// Which line of the file, counted from 1. It may be the one after the last.
    pub line: u64,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It does not follow from the lines before it.
    #[error("was changed, or lines before it were changed, removed, added or reordered")]
    Chain,
    /// It is no line of such a log at all.
    #[error("is no line of an audit log")]
    Shape,
    /// It was verified, and its number is not the next one.
    #[error("is out of order")]
    Number,
    /// The last one has no end. A crash leaves such a line, and it was never acknowledged.
    #[error("is incomplete")]
    Torn,
    /// The log was found damaged, and was continued with this line as the first of a new chain.
    #[error("begins a new chain, since the log was damaged before it")]
    Restart,
    /// It was verified, and says something that this subrosa does not know.
    #[error("cannot be understood by this subrosa")]
    Unreadable,
    /// The log ends before a line that the store knows.
    #[error("is missing: the log was cut, and once had {seq} numbers")]
    Cut {
        /// The number of the line that the store knows.
        seq: u64,
    },
    /// The line that the store knows is not there, though later ones are.
    #[error("is not the line number {seq} that the store knows")]
    Replaced {
        /// The number of the line that the store knows.
        seq: u64,
    },
}

impl AuditLog<'_> {
    /// Goes over the whole log, in bounded memory. `expected` is a head that the log once had, such as
    /// the one in the store's root: the log must have it, whatever came later.
    ///
    /// # Errors
    /// [`FileError`] if the log cannot be read. Whatever it holds is no error, but in the report.
    pub(crate) fn verify(&self, expected: Option<&Head>) -> Result<Report, FileError> {
        let mut scan = self.scan()?;
        let mut report = Report {
            lines: 0,
            first: None,
            last: None,
            head: scan.good(),
            problems: Vec::new(),
            problems_unlisted: 0,
        };
        let mut seen = expected.is_none_or(|expected| *expected == report.head);
        for scanned in &mut scan {
            let scanned = scanned?;
            report.lines = scanned.line;
            if let Some(event) = &scanned.event {
                report.first = report.first.or(Some(event.time));
                report.last = Some(event.time);
            }
            seen |= expected.copied().is_some_and(|expected| scanned.head == Some(expected));
            if let Some(why) = scanned.problem {
                report.add(Problem { line: scanned.line, why });
            }
        }
        report.head = scan.good();
        if let Some(Head { seq, .. }) = expected.copied().filter(|_| !seen) {
            if report.head.seq < seq {
                report.add(Problem { line: report.lines + 1, why: Why::Cut { seq } });
            } else {
                report.add(Problem { line: report.lines, why: Why::Replaced { seq } });
            }
        }
        Ok(report)
    }
}
