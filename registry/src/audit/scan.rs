//! Goes over an audit log from its beginning, in bounded memory, and says of each line whether it
//! holds.
//!
//! One fault is told once: after a line that does not hold, the next one is measured both by the MAC
//! that the bad line states (it was changed) and by that of the last good line (it was added). A line
//! that was verified by either was written by us.

use super::event::Event;
use super::line::{AuditKeys, Codec, Head, LINE_LEN_MAX, Line};
use super::verify::Why;
use crate::files::{FileError, Files};
use crate::keys::StoreId;

/// The file.
pub(crate) const LOG: &str = "audit.log";

/// What is read at once.
const CHUNK_LEN: u64 = 256 * 1024;

/// One line, gone over.
pub(super) struct Scanned {
    /// Which line of the file, counted from 1.
    pub(super) line: u64,
    /// Its number and MAC, if it was verified.
    pub(super) head: Option<Head>,
    /// What it says, if it was verified and understood.
    pub(super) event: Option<Event>,
    /// What is wrong.
    pub(super) problem: Option<Why>,
}

/// An iterator over the lines.
pub(super) struct Scan<'a> {
    codec: Codec<'a>,
    lines: Lines<'a>,
    line: u64,
    good: Head,
    /// The MAC that the line before states, if that line does not hold.
    stated: Option<[u8; 32]>,
    /// Whether the last whole line held.
    whole: bool,
}

impl<'a> Scan<'a> {
    /// Begins with the first line; only the first `len` bytes of the file are looked at.
    pub(super) fn new(
        files: &'a dyn Files,
        keys: &'a AuditKeys,
        store: &'a StoreId,
        len: u64,
    ) -> Scan<'a> {
        let codec = Codec::new(keys, store);
        let good = codec.start();
        Scan { codec, lines: Lines::new(files, len), line: 0, good, stated: None, whole: true }
    }

    /// The last line that held, so far.
    pub(super) fn good(&self) -> Head {
        self.good
    }

    /// Whether the last whole line held, so far.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    fn scanned(&mut self, raw: &Raw) -> Scanned {
        self.line += 1;
        let problem = match raw {
            Raw::Torn => Why::Torn,
            Raw::Overlong => self.broken(None, Why::Shape),
            Raw::Line(bytes) => match Line::parse(bytes) {
                Some(line) => return self.judged(&line),
                None => self.broken(None, Why::Shape),
            },
        };
        Scanned { line: self.line, head: None, event: None, problem: Some(problem) }
    }

    fn judged(&mut self, line: &Line<'_>) -> Scanned {
        let stated = self.stated.take();
        let problem = if self.codec.follows(line, &self.good.mac) {
            (self.good.seq.checked_add(1) != Some(line.seq)).then_some(Why::Number)
        } else if stated.is_some_and(|stated| self.codec.follows(line, &stated)) {
            (line.seq <= self.good.seq).then_some(Why::Number)
        } else if self.codec.follows(line, &self.codec.restart(&self.good, line.seq)) {
            Some(Why::Restart)
        } else {
            let problem = Some(self.broken(Some(line.mac), Why::Chain));
            return Scanned { line: self.line, head: None, event: None, problem };
        };
        self.good = Head { seq: line.seq, mac: line.mac };
        self.whole = true;
        let event = self.codec.event(line);
        let unread = event.is_none().then_some(Why::Unreadable);
        Scanned { line: self.line, head: Some(self.good), event, problem: problem.or(unread) }
    }

    fn broken(&mut self, stated: Option<[u8; 32]>, why: Why) -> Why {
        self.stated = stated;
        self.whole = false;
        why
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Scanned, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let raw = self.lines.next()?;
        Some(raw.map(|raw| self.scanned(&raw)))
    }
}

/// A piece of the file.
enum Raw {
    /// A line without its line feed.
    Line(Vec<u8>),
    /// A line that is longer than ours are.
    Overlong,
    /// What follows the last line feed.
    Torn,
}

/// Cuts the file into lines. It ends after an error.
struct Lines<'a> {
    files: &'a dyn Files,
    /// What of the file is still to be read.
    at: u64,
    end: u64,
    /// What was read and not yet given.
    buffer: Vec<u8>,
    given: usize,
    /// Whether the beginning of the line was thrown away, being too long.
    overlong: bool,
}

impl<'a> Lines<'a> {
    fn new(files: &'a dyn Files, end: u64) -> Lines<'a> {
        Lines { files, at: 0, end, buffer: Vec::new(), given: 0, overlong: false }
    }

    fn buffered(&mut self) -> Option<Raw> {
        let rest = &self.buffer[self.given..];
        let len = rest.iter().position(|byte| *byte == b'\n')?;
        let line = &rest[..len];
        let overlong = std::mem::take(&mut self.overlong) || len > LINE_LEN_MAX;
        let raw = if overlong { Raw::Overlong } else { Raw::Line(line.to_vec()) };
        self.given += len + 1;
        Some(raw)
    }

    /// Reads on; afterwards nothing that was given is in the buffer.
    fn fill(&mut self) -> Result<(), FileError> {
        self.buffer.drain(..self.given);
        self.given = 0;
        if self.buffer.len() > LINE_LEN_MAX {
            self.overlong = true;
            self.buffer.clear();
        }
        let wanted = CHUNK_LEN.min(self.end - self.at);
        let chunk = self.files.read_at(LOG, self.at, wanted)?.unwrap_or_default();
        self.at += chunk.len() as u64;
        if chunk.is_empty() {
            self.end = self.at;
        }
        self.buffer.extend_from_slice(&chunk);
        debug_assert!(self.buffer.len() as u64 <= LINE_LEN_MAX as u64 + CHUNK_LEN);
        Ok(())
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Raw, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(raw) = self.buffered() {
                return Some(Ok(raw));
            }
            if self.at == self.end {
                let torn = std::mem::take(&mut self.overlong) || self.given < self.buffer.len();
                self.given = self.buffer.len();
                return torn.then_some(Ok(Raw::Torn));
            }
            if let Err(error) = self.fill() {
                self.end = self.at;
                self.given = self.buffer.len();
                self.overlong = false;
                return Some(Err(error));
            }
        }
    }
}
