//! The logs of steps as they lie in records: which there are, and their masked bytes. Where and how they lie is
//! known here alone.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::record::{self, StepRecord};

/// The log of one stream of one attempt of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StepLog {
    /// Which stream: `stdout`, `stderr`, or `output` if it holds both.
    pub stream: &'static str,
    /// Which attempt, from 1.
    pub attempt: u32,
    path: PathBuf,
}

/// A piece of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Masked bytes.
    pub bytes: Vec<u8>,
    /// How long the log is by now.
    pub len: u64,
}

impl StepLog {
    /// Reads up to `len_max` bytes from `offset` on; nothing from a log that is not there, since logs are made
    /// with their first byte.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(&self, offset: u64, len_max: u64) -> io::Result<Piece> {
        let mut file = match record::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Piece::default()),
            opened => opened?,
        };
        let len = file.metadata()?.len();
        if offset >= len {
            return Ok(Piece { len, ..Piece::default() });
        }
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(len_max).read_to_end(&mut bytes)?;
        Ok(Piece { len: len.max(offset.saturating_add(bytes.len() as u64)), bytes })
    }

    /// How long it is by now.
    pub fn len(&self) -> u64 {
        std::fs::symlink_metadata(&self.path).map_or(0, |found| found.len())
    }

    /// Whether nothing is in it by now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The logs of all attempts of a step whose record is in `dir`, in the order of the attempts.
pub fn logs(dir: &Path, step: &StepRecord) -> Vec<StepLog> {
    let is_merged = step.stdout.is_some() && step.stdout == step.stderr;
    let streams = match is_merged {
        true => vec![("output", &step.stdout)],
        false => vec![("stdout", &step.stdout), ("stderr", &step.stderr)],
    };
    let mut found = Vec::new();
    for attempt in 1..=step.attempts {
        for (stream, last) in &streams {
            let path = last.as_deref().filter(|path| record::is_below(path));
            let path = path.and_then(|last| of_attempt(last, step.attempts, attempt));
            found.extend(path.map(|path| StepLog { stream, attempt, path: dir.join(path) }));
        }
    }
    found
}

/// The log of an attempt, by that of the last one.
fn of_attempt(last: &Path, attempts: u32, attempt: u32) -> Option<PathBuf> {
    if attempt == attempts {
        return Some(last.to_path_buf());
    }
    let name = last.file_name()?.to_str()?;
    let (name, ending) = name.rsplit_once('.')?;
    let name = name.strip_suffix(&format!(".{attempts}"))?;
    Some(last.with_file_name(match attempt {
        1 => format!("{name}.{ending}"),
        _ => format!("{name}.{attempt}.{ending}"),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Piece, logs, of_attempt};
    use crate::record::StepRecord;
    use crate::rundir::RunDir;

    #[test]
    fn logs_of_earlier_attempts_are_found_by_the_last() {
        for step in ["build", "a.2", "a b"] {
            for (attempts, attempt) in [(1, 1), (3, 1), (3, 2), (3, 3), (12, 11)] {
                let last = RunDir::log_path(step, attempts, "out");
                let expected = RunDir::log_path(step, attempt, "out");
                assert_eq!(of_attempt(&last, attempts, attempt), Some(expected), "{step}");
            }
        }
        assert_eq!(of_attempt(Path::new("steps/odd"), 3, 1), None);
    }

    #[test]
    fn a_log_is_read_in_pieces_and_one_without_a_byte_is_empty() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("steps")).unwrap();
        std::fs::write(home.path().join("steps/a.2.out"), "hello").unwrap();
        let mut step = StepRecord::not_started("a".to_owned());
        step.attempts = 2;
        step.stdout = Some(PathBuf::from("steps/a.2.out"));
        step.stderr = Some(PathBuf::from("steps/a.2.err"));
        let found = logs(home.path(), &step);
        let named: Vec<_> = found.iter().map(|log| (log.stream, log.attempt)).collect();
        assert_eq!(named, [("stdout", 1), ("stderr", 1), ("stdout", 2), ("stderr", 2)]);
        let piece = |bytes: &str| Piece { bytes: bytes.into(), len: 5 };
        assert_eq!(found[2].read(0, 3).unwrap(), piece("hel"));
        assert_eq!(found[2].read(3, 3).unwrap(), piece("lo"));
        assert_eq!(found[2].read(5, 3).unwrap(), piece(""));
        assert_eq!(found[2].read(u64::MAX, 3).unwrap(), piece(""));
        assert_eq!(found[3].read(0, 3).unwrap(), Piece::default());
        step.stdout = Some(PathBuf::from("../a.2.out"));
        step.stderr = None;
        assert_eq!(logs(home.path(), &step), []);
    }
}
