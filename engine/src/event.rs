//! What a run says of itself while it goes on.
//!
//! Events carry names, numbers, times and [`MaskedText`]: there is no field that could hold an
//! unmasked text. `--json` writes them one per line, and so does `events.jsonl`, except for the output of steps: that
//! is in their logs.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use subrosa_masker::MaskedText;

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not reached (yet).
    NotStarted,
    /// Going on.
    Running,
    /// Done.
    Succeeded,
    /// Failed, after all tries.
    Failed,
    /// Failed, but `continue_on` let its dependants run.
    PartiallySucceeded,
    /// Its precondition did not hold.
    Skipped,
    /// Not run, because a step it depends on did not succeed.
    UpstreamFailed,
    /// Stopped by a signal, a cancel or the workflow's timeout.
    Aborted,
}

/// How a run ended, or that it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Going on.
    Running,
    /// Every step succeeded or was skipped.
    Succeeded,
    /// A step failed and `continue_on` let the rest go on.
    PartiallySucceeded,
    /// A step failed, or the workflow's timeout passed.
    Failed,
    /// Cancelled by a signal, or the workflow's precondition did not hold.
    Aborted,
}

/// Which stream of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output; also both, where a step's log is merged.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which step: the way through called workflows, outermost first. `deploy`, or `release/2/deploy` for
/// a step of the third item of a parallel call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct StepPath(pub MaskedText);

/// A point in time, RFC 3339 in UTC with milliseconds when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub SystemTime);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", humantime::format_rfc3339_millis(self.0))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why an attempt of a step ended as it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum StepEnd {
    /// The process ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal ended the process.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// `timeout_sec` passed; the process group was ended.
    TimedOut,
    /// The run was cancelled.
    Cancelled,
    /// It never started, or the engine could not go on with it.
    Error {
        /// Why.
        message: MaskedText,
    },
    /// Nothing was run: a precondition did not hold, or a dependency failed.
    NotRun {
        /// Why.
        reason: MaskedText,
    },
    /// A called workflow ended.
    Called {
        /// How.
        status: RunStatus,
    },
}

/// One event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum RunEvent {
    /// First event of a run; every secret is resolved. Called workflows do not repeat it.
    RunStarted {
        /// When.
        time: Timestamp,
        /// The run's id.
        run: String,
        /// The workflow's name.
        workflow: MaskedText,
        /// The environment of the registry that was chosen for it.
        environment: Option<MaskedText>,
        /// Number of steps of the outermost workflow.
        steps: usize,
        /// Names of the resolved secrets.
        secrets: Vec<MaskedText>,
        /// Names of those that are not masked.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        unmasked: Vec<MaskedText>,
        /// Folder of the run's record.
        dir: PathBuf,
    },
    /// An attempt of a step starts.
    StepStarted {
        /// When.
        time: Timestamp,
        /// Which step.
        step: StepPath,
        /// From 1; grows with retries and repeats.
        attempt: u32,
    },
    /// Masked output of a step. Sent only if the sink asks for output.
    StepOutput {
        /// When.
        time: Timestamp,
        /// Which step.
        step: StepPath,
        /// Which stream.
        stream: Stream,
        /// Masked bytes; in JSON as text, with bytes that are no UTF-8 replaced.
        #[serde(serialize_with = "lossy")]
        data: MaskedBytes,
    },
    /// A step failed and is tried again.
    StepRetrying {
        /// When.
        time: Timestamp,
        /// Which step.
        step: StepPath,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        end: StepEnd,
        /// Pause before the next try, in milliseconds.
        pause_ms: u64,
    },
    /// A step is done with; also sent for steps that never ran.
    StepFinished {
        /// When.
        time: Timestamp,
        /// Which step.
        step: StepPath,
        /// How it stands.
        status: StepStatus,
        /// Attempts made.
        attempts: u32,
        /// Why.
        end: StepEnd,
        /// How long it took, all attempts, in milliseconds.
        duration_ms: u64,
    },
    /// Something a person should know.
    Warning {
        /// When.
        time: Timestamp,
        /// Which step, if it is about one.
        step: Option<StepPath>,
        /// What.
        message: MaskedText,
    },
    /// Last event.
    RunFinished {
        /// When.
        time: Timestamp,
        /// How.
        status: RunStatus,
        /// How long, in milliseconds.
        duration_ms: u64,
        /// Why, where the steps do not say it: a precondition, a timeout, a signal.
        reason: Option<MaskedText>,
    },
}

/// Bytes that went through a masker.
#[derive(Clone, PartialEq, Eq)]
pub struct MaskedBytes(Vec<u8>);

impl MaskedBytes {
    /// Only sinks make these: their writers are masked already.
    pub(crate) fn from_masked(bytes: Vec<u8>) -> MaskedBytes {
        MaskedBytes(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for MaskedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MaskedBytes({} bytes)", self.0.len())
    }
}

fn lossy<S: Serializer>(bytes: &MaskedBytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(&bytes.0))
}

/// Length of the characters that are whole: what was read in pieces may end inside one.
pub fn whole_characters(bytes: &[u8]) -> usize {
    // A character is four bytes at most, of which the first tells how many.
    let start = (1..=bytes.len().min(3))
        .map(|back| bytes.len() - back)
        .find(|&at| bytes[at] & 0xc0 != 0x80);
    let is_cut =
        |at: usize| str::from_utf8(&bytes[at..]).is_err_and(|error| error.error_len().is_none());
    start.filter(|&at| is_cut(at)).unwrap_or(bytes.len())
}

/// Receives events, in order, from one run. Calls may come from several threads, one at a time.
pub trait EventSink: Send + Sync {
    /// Takes an event. A slow sink slows the run; it cannot fail it.
    fn emit(&self, event: &RunEvent);

    /// Whether [`RunEvent::StepOutput`] should be sent.
    fn wants_output(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn a_character_that_is_not_whole_is_told_from_what_is_none() {
        let check = |bytes: &[u8], expected: usize| {
            assert_eq!(whole_characters(bytes), expected, "{bytes:?}");
        };
        for text in ["", "a", "aé", "a漢", "a🦀"] {
            check(text.as_bytes(), text.len());
            for cut in 2..text.len() {
                check(&text.as_bytes()[..cut], 1);
            }
        }
        for none in [&b"\xff"[..], b"\x80\x80\x80\x80", b"\xe6\x41", b"\xf0\x80", b"\xc0"] {
            check(none, none.len());
        }
    }
}
