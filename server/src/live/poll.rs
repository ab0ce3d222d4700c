//! One look after the other at the files of a run, and what is new in them.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::Value;
use subrosa_engine::event::whole_characters;
use subrosa_engine::record;
use subrosa_engine::steplog::StepLog;

use super::journal::{Journal, Piece, Seen};
use crate::runs::steps::{Step, steps};
use crate::runs::{load, status};

/// Bytes of a piece of a log.
const PIECE: u64 = 64 * 1024;
/// Bytes of logs that one look takes in.
const LOOK_MAX: u64 = 4 << 20;

/// What was seen so far.
pub(super) struct Poll {
    dir: PathBuf,
    /// How much of the events was read; of the last line, only what is whole.
    events: u64,
    steps: Vec<Step>,
    /// The records that the steps were read from, as they were then.
    stamps: HashMap<PathBuf, Option<(SystemTime, u64)>>,
    logs: HashMap<StepLog, Followed>,
    has_more: bool,
}

#[derive(Clone, Copy, Default)]
struct Followed {
    offset: u64,
    is_over: bool,
}

impl Poll {
    pub(super) fn new(dir: &Path) -> Poll {
        Poll {
            dir: dir.to_path_buf(),
            events: 0,
            steps: Vec::new(),
            stamps: HashMap::new(),
            logs: HashMap::new(),
            has_more: false,
        }
    }

    /// Whether the run is over. Everything that it leaves was written before.
    pub(super) fn is_over(&self) -> bool {
        !record::is_alive(&self.dir)
    }

    /// Whether the last look left something for the next.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Looks, and writes it down.
    pub(super) fn look(&mut self, journal: &mut Journal) {
        let mut seen = Vec::new();
        self.see(&mut seen);
        journal.extend(seen);
    }

    /// Looks. Pieces of logs come with their bytes.
    pub(super) fn see(&mut self, seen: &mut Vec<(Seen, Vec<u8>)>) {
        // Asked first: what is there afterwards is all there will be.
        let is_over = self.is_over();
        self.read_steps(is_over);
        self.see_events(seen);
        self.has_more = self.see_logs(seen, is_over);
        if is_over && !self.has_more {
            let how = load(&self.dir);
            let how = how.map(|found| status(&found.record, found.alive).to_owned());
            let how = how.unwrap_or_else(|_| "gone".to_owned());
            seen.push((Seen::End(how.into()), Vec::new()));
        }
    }

    /// Reads the steps again if a record has changed; for the last time in any case.
    fn read_steps(&mut self, is_over: bool) {
        let is_same = |(dir, before): (&PathBuf, &Option<_>)| stamp(dir) == *before;
        if !is_over && !self.stamps.is_empty() && self.stamps.iter().all(is_same) {
            return;
        }
        // Before they are read: a change in between is seen at the next look.
        let stamps = self.stamps.keys().map(|dir| (dir.clone(), stamp(dir)));
        let mut stamps: HashMap<_, _> = stamps.collect();
        stamps.entry(self.dir.clone()).or_insert(None);
        self.steps = steps(&self.dir);
        for step in &self.steps {
            for dir in step.called() {
                // A record that is not there yet has no stamp, and one later.
                stamps.entry(dir).or_insert(None);
            }
        }
        self.stamps = stamps;
    }

    fn see_events(&mut self, seen: &mut Vec<(Seen, Vec<u8>)>) {
        let Ok(mut file) = record::open(&self.dir.join("events.jsonl")) else { return };
        let mut bytes = Vec::new();
        let read =
            file.seek(SeekFrom::Start(self.events)).and_then(|_| file.read_to_end(&mut bytes));
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if read.is_err() || whole == 0 {
            return;
        }
        self.events += whole as u64;
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        seen.extend(lines.filter_map(event).map(|line| (Seen::Event(line), Vec::new())));
    }

    /// Whether there is more of the logs than one look takes in.
    fn see_logs(&mut self, seen: &mut Vec<(Seen, Vec<u8>)>, is_over: bool) -> bool {
        let mut room = LOOK_MAX;
        for step in &self.steps {
            for log in step.logs() {
                let followed = self.logs.entry(log.clone()).or_default();
                if followed.is_over && !is_over {
                    continue;
                }
                let is_last = is_over || is_done(step, &log);
                while let Some((piece, bytes)) = piece(step, &log, followed.offset, is_last) {
                    followed.offset += piece.len;
                    room = room.saturating_sub(piece.len);
                    seen.push((Seen::Log(Arc::new(piece)), bytes));
                    if room == 0 {
                        return true;
                    }
                }
                followed.is_over = is_last;
            }
        }
        false
    }
}

/// Whether an attempt is over, so that its log does not grow.
fn is_done(step: &Step, log: &StepLog) -> bool {
    let status = step.record.status.as_str();
    log.attempt < step.record.attempts || !matches!(status, "not_started" | "running")
}

/// The next piece of a log, which ends with a whole character unless nothing will come after it.
fn piece(step: &Step, log: &StepLog, offset: u64, is_last: bool) -> Option<(Piece, Vec<u8>)> {
    let mut bytes = log.read(offset, PIECE).ok()?.bytes;
    let is_end = (bytes.len() as u64) < PIECE;
    if !(is_last && is_end) {
        bytes.truncate(whole_characters(&bytes));
    }
    let len = bytes.len() as u64;
    let (step, log) = (step.path.clone(), log.clone());
    (len > 0).then_some((Piece { step, log, offset, len }, bytes))
}

/// An event as it is told: where the record lies is for nobody elsewhere.
fn event(line: &[u8]) -> Option<Arc<str>> {
    let mut event: Value = serde_json::from_slice(line).ok()?;
    event.as_object_mut()?.remove("dir");
    Some(event.to_string().into())
}

fn stamp(dir: &Path) -> Option<(SystemTime, u64)> {
    let found = fs::symlink_metadata(dir.join("status.json")).ok()?;
    Some((found.modified().ok()?, found.len()))
}

#[cfg(test)]
#[path = "poll_tests.rs"]
mod tests;
