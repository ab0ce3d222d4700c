//! Writes the run's record and its events while it goes on.
//!
//! `events.jsonl` gets each event at once. `status.json` is replaced as a whole, at most twice a
//! second, and at the end: a reader sees a consistent state, and hundreds of quick steps do not write
//! it hundreds of times.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use subrosa_masker::MaskedText;

use crate::event::{EventSink, RunEvent};
use crate::record::{RunRecord, StepRecord};
use crate::rundir::RunDir;

/// `status.json` of one workflow of the run.
pub(crate) struct Recorder {
    dir: RunDir,
    state: Mutex<State>,
}

struct State {
    record: RunRecord<MaskedText>,
    written: Option<Instant>,
    /// Whether the file lags behind.
    changed: bool,
    failure: Option<io::Error>,
}

const PAUSE: Duration = Duration::from_millis(500);

impl Recorder {
    pub(crate) fn new(dir: RunDir, record: RunRecord<MaskedText>) -> io::Result<Recorder> {
        let recorder = Recorder {
            dir,
            state: Mutex::new(State { record, written: None, changed: false, failure: None }),
        };
        recorder.update(|_| {}, true);
        match recorder.failure() {
            Some(error) => Err(error),
            None => Ok(recorder),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a step's record.
    pub(crate) fn step(&self, index: usize, change: impl FnOnce(&mut StepRecord<MaskedText>)) {
        self.update(
            |record| {
                if let Some(step) = record.steps.get_mut(index) {
                    change(step);
                }
            },
            false,
        );
    }

    /// Changes the record and writes it.
    pub(crate) fn finish(&self, change: impl FnOnce(&mut RunRecord<MaskedText>)) {
        self.update(change, true);
    }

    /// The run's status, in the record's word.
    pub(crate) fn status(&self) -> String {
        self.lock().record.status.clone()
    }

    /// The first failure to write, once.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.lock().failure.take()
    }

    fn update(&self, change: impl FnOnce(&mut RunRecord<MaskedText>), now: bool) {
        let mut state = self.lock();
        change(&mut state.record);
        state.changed = true;
        if !now && state.written.is_some_and(|written| written.elapsed() < PAUSE) {
            return;
        }
        self.write(&mut state);
    }

    /// Writes what `update` put off, for as long as it is polled: a step that goes on for long shows.
    pub(crate) async fn catch_up(&self) -> Infallible {
        loop {
            tokio::time::sleep(PAUSE).await;
            let mut state = self.lock();
            if state.changed {
                self.write(&mut state);
            }
        }
    }

    fn write(&self, state: &mut State) {
        let written = serde_json::to_vec_pretty(&state.record)
            .map_err(io::Error::from)
            .and_then(|text| self.dir.replace_file("status.json", &text));
        if let Err(error) = written {
            state.failure.get_or_insert(error);
        }
        state.written = Some(Instant::now());
        state.changed = false;
    }
}

/// Sends events to the log of the run and to whoever watches.
pub(crate) struct Events {
    file: Mutex<(File, Option<io::Error>)>,
    watcher: Arc<dyn EventSink>,
}

impl Events {
    /// Opens the log and locks it for as long as the run lives.
    pub(crate) fn open(dir: &RunDir, watcher: Arc<dyn EventSink>) -> io::Result<Events> {
        let file = dir.create_file(Path::new("events.jsonl"))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Events { file: Mutex::new((file, None)), watcher })
    }

    pub(crate) fn watcher(&self) -> &Arc<dyn EventSink> {
        &self.watcher
    }

    pub(crate) fn emit(&self, event: &RunEvent) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing comes after half of a line.
        if file.1.is_none() {
            let line = serde_json::to_vec(event).map_err(io::Error::from);
            let written = line.and_then(|mut line| {
                line.push(b'\n');
                file.0.write_all(&line)
            });
            file.1 = written.err();
        }
        self.watcher.emit(event);
    }

    /// Notes that another record of the run cannot be written.
    pub(crate) fn fail(&self, error: io::Error) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.1.get_or_insert(error);
    }

    /// Why the run's records cannot be written.
    pub(crate) fn broken(&self) -> Option<String> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.1.as_ref().map(io::Error::to_string)
    }

    /// The first failure to write, once.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).1.take()
    }
}
