//! What was seen of a run, in order and numbered, and the frames that tell it.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Value, json};
use subrosa_engine::steplog::StepLog;

/// Frames that are kept because whoever follows live wants them now, in bytes.
const RECENT_MAX: usize = 1 << 20;
/// Entries that are sent at a time.
const BATCH: usize = 32;

/// Something that was seen.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    /// A line of the events of the run.
    Event(Arc<str>),
    /// A piece of a log.
    Log(Arc<Piece>),
    /// The run is over; how it ended.
    End(Arc<str>),
}

/// A piece of the log of a step.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) step: String,
    pub(super) log: StepLog,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// What was seen of a run.
pub(super) struct Journal {
    /// Tells journals of the same run apart. One of a run that was over is always the same.
    epoch: String,
    entries: Vec<Seen>,
    recent: VecDeque<Bytes>,
    recent_len: usize,
}

/// A frame, or what it is made of.
pub(super) enum Frame {
    Made(Bytes),
    Unmade(String, Seen),
}

/// What comes next for somebody.
pub(super) struct Batch {
    pub(super) frames: Vec<Frame>,
    pub(super) next: usize,
    /// Whether nothing will come after it.
    pub(super) is_over: bool,
    /// Whether there were entries, none of which is wanted.
    pub(super) was_skipped: bool,
}

impl Journal {
    pub(super) fn new(is_over: bool) -> Journal {
        let epoch = match is_over {
            true => "over".to_owned(),
            // Without randomness whoever comes back starts again.
            false => format!("{:016x}", getrandom::u64().unwrap_or_default()),
        };
        Journal { epoch, entries: Vec::new(), recent: VecDeque::new(), recent_len: 0 }
    }

    /// Adds what was seen, with the bytes of logs where they are at hand.
    pub(super) fn extend(&mut self, seen: Vec<(Seen, Vec<u8>)>) {
        for (entry, bytes) in seen {
            let id = format!("{}.{}", self.epoch, self.entries.len() + 1);
            let frame = frame(&id, &entry, &bytes);
            self.entries.push(entry);
            self.recent_len += frame.len();
            self.recent.push_back(frame);
            while self.recent_len > RECENT_MAX
                && let Some(oldest) = self.recent.pop_front()
            {
                self.recent_len -= oldest.len();
            }
        }
    }

    /// What comes after the entry with this id; `None`: it is of another journal.
    pub(super) fn after(&self, id: &str) -> Option<usize> {
        let (epoch, number) = id.trim().rsplit_once('.')?;
        let number: usize = number.parse().ok()?;
        (epoch == self.epoch && number <= self.entries.len()).then_some(number)
    }

    /// Whether the run is over and all of it seen.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.entries.last(), Some(Seen::End(_)))
    }

    /// Whether nothing comes any more for who has got so much.
    pub(super) fn is_over(&self, next: usize) -> bool {
        self.is_complete() && next >= self.entries.len()
    }

    /// What comes next for who has got so much.
    pub(super) fn batch(&self, next: usize, with_logs: bool) -> Batch {
        let first_recent = self.entries.len() - self.recent.len();
        let end = self.entries.len().min(next + BATCH);
        let wanted =
            (next..end).filter(|at| with_logs || !matches!(self.entries[*at], Seen::Log(_)));
        let frames = wanted.map(|at| match at.checked_sub(first_recent) {
            Some(at) => Frame::Made(self.recent[at].clone()),
            None => Frame::Unmade(format!("{}.{}", self.epoch, at + 1), self.entries[at].clone()),
        });
        let frames: Vec<Frame> = frames.collect();
        let was_skipped = frames.is_empty() && end > next;
        Batch { was_skipped, frames, next: end, is_over: self.is_over(end) }
    }
}

/// The bytes of frames.
pub(super) async fn render(frames: Vec<Frame>) -> Bytes {
    let is_made = |frame: &Frame| matches!(frame, Frame::Made(_));
    if let [Frame::Made(one)] = &frames[..] {
        return one.clone();
    }
    let all = |frames: Vec<Frame>| {
        let made = frames.into_iter().map(|one| match one {
            Frame::Made(bytes) => bytes,
            Frame::Unmade(id, seen) => {
                // What is gone from disk cannot be told any more.
                let bytes = match &seen {
                    Seen::Log(piece) => piece.log.read(piece.offset, piece.len).ok(),
                    Seen::Event(_) | Seen::End(_) => None,
                };
                frame(&id, &seen, &bytes.unwrap_or_default().bytes)
            }
        });
        Bytes::from(made.collect::<Vec<_>>().concat())
    };
    match frames.iter().all(is_made) {
        true => all(frames),
        false => tokio::task::spawn_blocking(move || all(frames)).await.unwrap_or_default(),
    }
}

fn frame(id: &str, seen: &Seen, bytes: &[u8]) -> Bytes {
    let (kind, data) = match seen {
        Seen::Event(line) => ("run", line.to_string()),
        Seen::End(status) => ("end", json!({ "status": &**status }).to_string()),
        Seen::Log(piece) => ("log", told(piece, bytes).to_string()),
    };
    // JSON has no line ends of its own.
    Bytes::from(format!("id: {id}\nevent: {kind}\ndata: {data}\n\n"))
}

fn told(piece: &Piece, bytes: &[u8]) -> Value {
    json!({
        "step": piece.step,
        "stream": piece.log.stream,
        "attempt": piece.log.attempt,
        "offset": piece.offset,
        "end": piece.offset + piece.len,
        "text": String::from_utf8_lossy(bytes),
    })
}
