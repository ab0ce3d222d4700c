//! The ledger on disk: a line for each thing that happens, synced before it counts, and written anew as a
//! whole now and then.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ledger::{Begun, Kept, Ledger};
use crate::shelf::{self, ShelfError};

/// So many lines more than there are writes, and the file is written anew.
const SURPLUS_MAX: usize = 10_000;

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    /// A write begins.
    Begun(Begun),
    /// It was done.
    Done {
        /// Which one.
        id: String,
        /// The answer, if it is kept.
        kept: Option<Kept>,
    },
    /// It was not done.
    Forgotten {
        /// Which one.
        id: String,
    },
}

/// The file.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl Journal {
    /// Reads the file, which is written anew without what is over.
    pub(super) fn open(path: PathBuf, now: u64) -> Result<(Journal, Ledger), ShelfError> {
        let mut ledger = Ledger::default();
        let bytes = shelf::read_bytes(&path)?.unwrap_or_default();
        // The last line may have been cut off; it was not acknowledged.
        let whole =
            bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for line in whole {
            let line = serde_json::from_slice(line)
                .map_err(|_| ShelfError::Damaged(path.display().to_string()))?;
            match line {
                Line::Begun(begun) => ledger.begin(begun),
                Line::Done { id, kept } => ledger.done(&id, kept),
                Line::Forgotten { id } => ledger.forget(&id),
            }
        }
        ledger.lose_all();
        ledger.expire(now);
        let (file, lines) = rewrite(&path, &ledger)?;
        Ok((Journal { path, file, lines }, ledger))
    }

    /// Writes down that a write begins.
    pub(super) fn begun(&mut self, begun: &Begun) -> Result<(), ShelfError> {
        self.append(&Line::Begun(begun.clone()))
    }

    /// Writes down the answer.
    pub(super) fn done(
        &mut self,
        id: &str,
        kept: Option<&Kept>,
        ledger: &Ledger,
    ) -> Result<(), ShelfError> {
        self.append(&Line::Done { id: id.to_owned(), kept: kept.cloned() })?;
        self.tidy(ledger)
    }

    /// Writes down that it was not done.
    pub(super) fn forgotten(&mut self, id: &str, ledger: &Ledger) -> Result<(), ShelfError> {
        self.append(&Line::Forgotten { id: id.to_owned() })?;
        self.tidy(ledger)
    }

    fn append(&mut self, line: &Line) -> Result<(), ShelfError> {
        let failed = |error| shelf::failed("write", &self.path, error);
        let before = self.file.metadata().map_err(failed)?.len();
        let mut bytes = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would spoil the next one.
            self.file.set_len(before).ok();
            return Err(failed(error));
        }
        self.lines += 1;
        Ok(())
    }

    fn tidy(&mut self, ledger: &Ledger) -> Result<(), ShelfError> {
        if self.lines > 2 * ledger.len() + SURPLUS_MAX {
            (self.file, self.lines) = rewrite(&self.path, ledger)?;
        }
        Ok(())
    }
}

/// Writes the file anew; gives it open at its end, and how many lines it has.
fn rewrite(path: &std::path::Path, ledger: &Ledger) -> Result<(File, usize), ShelfError> {
    let (mut bytes, mut lines) = (Vec::new(), 0);
    let mut add = |line: &Line| {
        let text = serde_json::to_vec(line);
        bytes.extend(text.map_err(|error| shelf::failed("write", path, error.into()))?);
        bytes.push(b'\n');
        lines += 1;
        Ok::<_, ShelfError>(())
    };
    for (begun, done) in ledger.each() {
        add(&Line::Begun(begun.clone()))?;
        if let Some(kept) = done {
            add(&Line::Done { id: begun.id.clone(), kept: kept.cloned() })?;
        }
    }
    shelf::replace_bytes(path, &bytes)?;
    let file = shelf::open(path, OpenOptions::new().append(true));
    Ok((file.map_err(|error| shelf::failed("open", path, error))?, lines))
}
