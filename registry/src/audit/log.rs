//! Appends to the audit log.
//!
//! A call appends all of its events or, with an error, none that anybody relies on; many processes
//! may do so at once. What is found at the end is never trusted: an unfinished line is cut off, since
//! it was never acknowledged, and a log that does not hold there is continued as a new chain that says
//! so. That the lines before hold together is told by [`AuditLog::verify`] alone.

use std::io;

use super::event::{Action, Event, Outcome};
use super::line::{AuditKeys, Codec, Head, LINE_LEN_MAX, Line, Names, Place};
use super::scan::{LOG, Scan};
use crate::files::{FileError, Files, OpenFile, write_all};
use crate::keys::StoreId;
use crate::names::Scope;

/// The file whose lock an appending process holds. Whoever holds the store's lock may take it, and
/// nobody takes the store's lock while holding it.
const LOCK: &str = "audit.lock";

/// What of the end is looked at first: as much as two lines take as a rule.
const TAIL_LEN_USUAL: u64 = 2048;
/// What is looked at if that is not enough: an unfinished line and the two lines before it.
const TAIL_LEN: u64 = 3 * (LINE_LEN_MAX as u64 + 1);

/// The audit log of a store.
pub(crate) struct AuditLog<'a> {
    files: &'a dyn Files,
    keys: &'a AuditKeys,
    store: &'a StoreId,
    names: Names,
    known: Option<Head>,
}

/// How a log ends.
struct End {
    /// How long it is without an unfinished line.
    len: u64,
    /// The last line, if it holds; the last one that does, otherwise.
    head: Head,
    /// Whether it is that very line that the log ends with.
    is_whole: bool,
    /// Whether a line feed is needed before the next line.
    is_open: bool,
}

/// What an append has done.
struct Appended {
    head: Head,
    file: Box<dyn OpenFile>,
    /// How long the log was, without an unfinished line, and how long it is.
    len_before: u64,
    len: u64,
}

impl<'a> AuditLog<'a> {
    /// Takes the log in the store's folder; `names` says how lines are written from now on.
    pub(crate) fn new(
        files: &'a dyn Files,
        keys: &'a AuditKeys,
        store: &'a StoreId,
        names: Names,
    ) -> AuditLog<'a> {
        AuditLog { files, keys, store, names, known: None }
    }

    /// Names a head that the log must have reached, such as the one in the store's root. A log that
    /// ends before it was cut, and is not continued as if nothing had happened.
    #[must_use]
    pub(crate) fn after(self, head: Head) -> AuditLog<'a> {
        AuditLog { known: Some(head), ..self }
    }

    /// Appends events, and says where the log ends then. With no events it only says that.
    ///
    /// # Errors
    /// [`FileError`]; nothing was appended.
    pub(crate) fn append(&self, events: &[Event]) -> Result<Head, FileError> {
        self.extend(events).map(|appended| appended.head)
    }

    /// As [`AuditLog::append`], and makes the log durable. Whatever is to name the head must wait for
    /// it.
    ///
    /// # Errors
    /// [`FileError`]; nothing was appended, but if others did meanwhile: then the events stay, and the
    /// log rather says too much.
    pub(crate) fn append_durably(&self, events: &[Event]) -> Result<Head, FileError> {
        let Appended { head, mut file, len_before, len } = self.extend(events)?;
        // The lock is free again: others append while this waits for the disk.
        if let Err(source) = file.sync() {
            // The system takes what it could not write for written. Behind such a line nothing would
            // hold after a power cut, so the next one is written in its place.
            if let Ok(_lock) = self.files.lock(LOCK)
                && file.len().is_ok_and(|len_now| len_now == len)
            {
                drop(file.truncate(len_before));
            }
            return Err(self.error("sync", source));
        }
        Ok(head)
    }

    /// The lines that were whole when it was called. Only unfinished ones are ever cut off.
    pub(super) fn scan(&self) -> Result<Scan<'a>, FileError> {
        self.len().map(|len| self.scan_of(len))
    }

    /// How long the log is, between two appends.
    pub(crate) fn len(&self) -> Result<u64, FileError> {
        let len = || -> Result<Option<u64>, FileError> {
            let entries = self.files.list("")?;
            Ok(entries.into_iter().find(|entry| entry.name == LOG).map(|entry| entry.len))
        };
        let Some(len_before) = len()? else {
            return Ok(0);
        };
        // Between two appends there is no half of one. Where there can be no lock (a medium that is
        // read-only), there are no appends either.
        match self.files.lock(LOCK) {
            Ok(_lock) => Ok(len()?.unwrap_or(0)),
            Err(_) => Ok(len_before),
        }
    }

    fn scan_of(&self, len: u64) -> Scan<'a> {
        Scan::new(self.files, self.keys, self.store, len)
    }

    fn extend(&self, events: &[Event]) -> Result<Appended, FileError> {
        let _lock = self.files.lock(LOCK)?;
        let mut file = self.files.append(LOG)?;
        let len = file.len().map_err(|source| self.error("read", source))?;
        if len == 0 {
            // Before anything is in it: a log with lines has a durable name.
            self.files.sync_folder("")?;
        }
        let end = self.end(len)?;
        let Some(first) = events.first() else {
            return Ok(Appended { head: end.head, file, len_before: len, len });
        };
        let (head, lines) = self.lines(&end, first, events)?;
        if end.len < len {
            file.truncate(end.len).map_err(|source| self.error("cut", source))?;
        }
        if let Err(source) = write_all(&mut *file, &lines) {
            // If this fails as well, what is left is an unfinished line, or lines that hold.
            drop(file.truncate(end.len));
            return Err(self.error("write", source));
        }
        let len = end.len + lines.len() as u64;
        Ok(Appended { head, file, len_before: end.len, len })
    }

    fn lines(
        &self,
        end: &End,
        first: &Event,
        events: &[Event],
    ) -> Result<(Head, Vec<u8>), FileError> {
        let codec = Codec::new(self.keys, self.store);
        let no_seal = |error: getrandom::Error| self.error("seal", io::Error::other(error));
        let mut lines = Vec::new();
        let mut head = end.head;
        if end.is_open {
            lines.push(b'\n');
        }
        if !end.is_whole {
            let reached = self.known.map_or(0, |known| known.seq).max(head.seq);
            let seq = reached.saturating_add(1);
            let place = Place { seq, previous: codec.restart(&head, seq), names: self.names };
            head = codec.write(&mut lines, &restart(first), place).map_err(no_seal)?;
        }
        for event in events {
            let seq = head.seq.saturating_add(1);
            let place = Place { seq, previous: head.mac, names: self.names };
            head = codec.write(&mut lines, event, place).map_err(no_seal)?;
        }
        Ok((head, lines))
    }

    /// How the log ends, by a look at its tail; by one at all of it if the tail does not hold.
    fn end(&self, len: u64) -> Result<End, FileError> {
        if len > TAIL_LEN_USUAL
            && let Some(end) = self.end_by_usual_tail(len)?
        {
            return Ok(end);
        }
        self.end_by_tail(len)
    }

    /// As a rule the last two lines are short.
    fn end_by_usual_tail(&self, len: u64) -> Result<Option<End>, FileError> {
        let from = len - TAIL_LEN_USUAL;
        let tail = self.files.read_at(LOG, from, TAIL_LEN_USUAL)?.unwrap_or_default();
        if !tail.ends_with(b"\n") {
            return Ok(None);
        }
        let head = self.last_head(&tail, false).filter(|head| self.has_reached_known(head));
        Ok(head.map(|head| End { len, head, is_whole: true, is_open: false }))
    }

    fn end_by_tail(&self, len: u64) -> Result<End, FileError> {
        let from = len.saturating_sub(TAIL_LEN);
        let tail = self.files.read_at(LOG, from, len - from)?.unwrap_or_default();
        let feed = tail.iter().rposition(|byte| *byte == b'\n');
        let kept = feed.map_or(0, |feed| feed + 1);
        // No line is that long: it is not the beginning of one of ours, and is left for the eye.
        let is_open = feed.is_none() && from > 0;
        let whole_len = if is_open { len } else { from + kept as u64 };
        let head = if is_open { None } else { self.last_head(&tail[..kept], from == 0) };
        if let Some(head) = head.filter(|head| self.has_reached_known(head)) {
            return Ok(End { len: whole_len, head, is_whole: true, is_open });
        }
        let mut scan = self.scan_of(whole_len);
        for scanned in &mut scan {
            scanned?;
        }
        let head = scan.good();
        let is_whole = scan.is_whole() && !is_open && self.has_reached_known(&head);
        Ok(End { len: whole_len, head, is_whole, is_open })
    }

    /// The last line, if it follows from the one before it.
    fn last_head(&self, lines: &[u8], is_all: bool) -> Option<Head> {
        let codec = Codec::new(self.keys, self.store);
        let Some(lines) = lines.strip_suffix(b"\n") else {
            return is_all.then(|| codec.start());
        };
        let mut from_last = lines.rsplit(|byte| *byte == b'\n');
        let last = Line::parse(from_last.next()?)?;
        let before = match from_last.next() {
            Some(before) => {
                let before = Line::parse(before)?;
                Head { seq: before.seq, mac: before.mac }
            }
            None if is_all => codec.start(),
            None => return None,
        };
        let follows = codec.follows(&last, &before.mac) && before.seq < last.seq;
        follows.then_some(Head { seq: last.seq, mac: last.mac })
    }

    fn has_reached_known(&self, head: &Head) -> bool {
        self.known.is_none_or(|known| known.seq < head.seq || known == *head)
    }

    fn error(&self, call: &'static str, source: io::Error) -> FileError {
        FileError::Io { call, file: self.files.shown(LOG), source }
    }
}

/// The event that says that a new chain begins, in front of what is being recorded.
fn restart(first: &Event) -> Event {
    Event {
        time: first.time,
        actor: first.actor.clone(),
        action: Action::ChainRestart,
        reference: None,
        scope: Scope::default(),
        version: None,
        outcome: Outcome::Damaged,
    }
}
