//! Secrets that a step learns while it runs.
//!
//! Each attempt of a step has a private file, named by `SUBROSA_MASK_FILE`, into which it writes values to
//! hide: one a line, or a JSON string a line. Whoever masks the step's output looks into the file after a
//! piece of output was read and before it is masked; so what is written there before it is printed is
//! masked. Output itself is data and is never parsed for commands.
//!
//! The file is bounded, and what cannot be read as values fails the step: a value that somebody meant to
//! hide must not be printed because of a typing error. No message quotes the file. It lies in memory where
//! there is such a place, and goes with the attempt.
//!
//! The file may only grow. Who overwrites it may have removed a value that nobody has read; as far as that
//! is seen it fails the step.
//!
//! A look that finds nothing new asks twice for what the system knows of the file: whether it is still the one
//! at its path, and how long it is. Its length tells whether the file has grown; the time alone
//! would not, since the kernel sets it before the bytes are there. The time tells of writes that leave the
//! length: it is set to a time long past before the file is read.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Stat, Timespec, Timestamps, fstat, fstatfs, futimens, lstat};
use subrosa_masker::MaskSet;
use zeroize::Zeroizing;

use crate::host::Host;
use crate::masks::{Core, Masks, Refused};
use crate::secret::SecretValue;

/// The variable that names the file.
pub const MASK_FILE: &str = "SUBROSA_MASK_FILE";

/// More values than these cannot be registered in one run.
pub(crate) const VALUES_MAX: usize = 1000;
/// More bytes than these cannot be registered in one run; nor can one file hold more.
pub(crate) const BYTES_MAX: usize = 256 * 1024;

/// Why the values of a file cannot be hidden. Never what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskFileError {
    /// A line begins like a JSON string and is none.
    #[error("line {line} of the file SUBROSA_MASK_FILE begins with a quote and is no JSON string")]
    Malformed {
        /// The line, from 1.
        line: usize,
    },
    /// The run registered too many values.
    #[error("more than {VALUES_MAX} values were registered through SUBROSA_MASK_FILE in one run")]
    TooMany,
    /// The run registered too many bytes.
    #[error("more than 256 KiB were registered through SUBROSA_MASK_FILE in one run")]
    TooLarge,
    /// All values of the run together are more than can be masked.
    #[error("the secrets are too many or too large to be masked")]
    Unmaskable,
    /// The file is not the one that was made.
    #[error("the file SUBROSA_MASK_FILE was removed or replaced instead of written")]
    Replaced,
    /// What had been read of it is not there any more: something else may be gone that was never read.
    #[error("the file SUBROSA_MASK_FILE was overwritten: append to it, with `>>`")]
    Overwritten,
    /// It cannot be read.
    #[error("the file SUBROSA_MASK_FILE cannot be read: {0}")]
    Read(io::ErrorKind),
}

impl From<io::Error> for MaskFileError {
    fn from(error: io::Error) -> MaskFileError {
        MaskFileError::Read(error.kind())
    }
}

impl From<rustix::io::Errno> for MaskFileError {
    fn from(error: rustix::io::Errno) -> MaskFileError {
        io::Error::from(error).into()
    }
}

impl From<Refused> for MaskFileError {
    fn from(refused: Refused) -> MaskFileError {
        match refused {
            Refused::TooMany => MaskFileError::TooMany,
            Refused::TooLarge => MaskFileError::TooLarge,
            Refused::Unmaskable => MaskFileError::Unmaskable,
        }
    }
}

/// The file of one attempt; it is removed when this is dropped.
pub struct MaskFile {
    path: PathBuf,
    masks: Arc<Masks>,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// What was read before; the file may only grow.
    seen: Zeroizing<Vec<u8>>,
    /// Where the lines end that are registered.
    done: usize,
    /// What it registered, new to the run or not.
    registered: BTreeSet<Core>,
    failed: Option<MaskFileError>,
}

/// Whether more may follow what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// The last line may go on.
    Open,
    /// The writer is gone.
    Final,
}

/// A time that no write leaves.
const LOOKED_AT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

impl MaskFile {
    /// Makes an empty one, in memory where the system has such a place, else in `folder`.
    pub(crate) fn create(masks: Arc<Masks>, host: &Host, folder: &Path) -> io::Result<MaskFile> {
        let name = random_name()?;
        let runtime_dir = host.env("XDG_RUNTIME_DIR").map(PathBuf::from);
        let in_memory = runtime_dir.into_iter().chain([PathBuf::from("/dev/shm")]);
        let folders = in_memory.filter(|folder| folder.is_absolute() && is_memory(folder));
        let mut made = Err(io::Error::from(io::ErrorKind::NotFound));
        for folder in folders.chain([folder.to_path_buf()]) {
            let path = folder.join(&name);
            made = create_private(&path).map(|file| (path, file));
            if made.is_ok() {
                break;
            }
        }
        let (path, file) = made?;
        let seen = Zeroizing::new(Vec::new());
        let state =
            Mutex::new(State { file, seen, done: 0, registered: BTreeSet::new(), failed: None });
        Ok(MaskFile { path, masks, state })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What hides the values of the run, with those that are registered.
    pub fn masks(&self) -> Arc<MaskSet> {
        self.masks.current()
    }

    /// Registers what was written since the last look. To be called between reading a piece of output
    /// and masking it.
    ///
    /// # Errors
    /// [`MaskFileError`], now and at every later look: the output must not be shown.
    pub fn look(&self) -> Result<(), MaskFileError> {
        self.look_as(Rest::Open).map(|_| ())
    }

    /// Registers the rest, when the writers are gone. Says how many values the file registered; whether
    /// others had registered them before does not matter.
    ///
    /// # Errors
    /// As [`MaskFile::look`].
    pub fn finish(&self) -> Result<u64, MaskFileError> {
        self.look_as(Rest::Final)
    }

    fn look_as(&self, rest: Rest) -> Result<u64, MaskFileError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.failed {
            return Err(error);
        }
        let looked = state.look(&self.path, &self.masks, rest);
        state.failed = looked.err();
        looked.map(|()| u64::try_from(state.registered.len()).unwrap_or(u64::MAX))
    }
}

impl Drop for MaskFile {
    fn drop(&mut self) {
        let _not_there = std::fs::remove_file(&self.path).err();
    }
}

impl State {
    fn look(&mut self, path: &Path, masks: &Masks, rest: Rest) -> Result<(), MaskFileError> {
        let found = fstat(&self.file)?;
        if !is_at(&found, path) {
            return Err(MaskFileError::Replaced);
        }
        let is_seen = usize::try_from(found.st_size) == Ok(self.seen.len());
        if is_seen && found.st_mtime == LOOKED_AT.tv_sec && rest == Rest::Open {
            return Ok(());
        }
        let mark = Timestamps { last_access: LOOKED_AT, last_modification: LOOKED_AT };
        futimens(&self.file, &mark)?;
        let content = self.read()?;
        if !content.starts_with(&self.seen) {
            return Err(MaskFileError::Overwritten);
        }
        let lines_before = content[..self.done].iter().filter(|byte| **byte == b'\n').count();
        let (values, done) = values(&content, self.done, lines_before, rest)?;
        self.registered.extend(values.into_iter().map(Core).filter(|value| !value.is_blank()));
        masks.register(&self.registered)?;
        (self.seen, self.done) = (content, done);
        Ok(())
    }

    fn read(&mut self) -> Result<Zeroizing<Vec<u8>>, MaskFileError> {
        let length = usize::try_from(fstat(&self.file)?.st_size).unwrap_or(0).min(BYTES_MAX);
        // A buffer that moves would leave a copy; the margin is for a file that grows meanwhile.
        let mut content = Zeroizing::new(Vec::with_capacity(length + 4096));
        self.file.seek(SeekFrom::Start(0))?;
        let most = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
        (&self.file).take(most + 1).read_to_end(&mut content)?;
        if content.len() > BYTES_MAX { Err(MaskFileError::TooLarge) } else { Ok(content) }
    }
}

/// Whether a path still leads to a file: it may have been moved away and another one written.
fn is_at(file: &Stat, path: &Path) -> bool {
    lstat(path).is_ok_and(|found| (found.st_dev, found.st_ino) == (file.st_dev, file.st_ino))
}

/// The values of the lines from `start`, and where the lines end that are whole. The last line counts
/// although it may go on: what is printed next may be all of it. As a JSON string it shows its end.
fn values(
    content: &[u8],
    start: usize,
    lines_before: usize,
    rest: Rest,
) -> Result<(Vec<SecretValue>, usize), MaskFileError> {
    let mut values = Vec::new();
    let mut at = start;
    for (number, line) in content[start..].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_whole = line.ends_with(b"\n");
        if is_whole {
            at += line.len();
        }
        let line = line.trim_ascii();
        if line.first() != Some(&b'"') {
            values.push(SecretValue::new(line.to_vec()));
            continue;
        }
        match serde_json::from_slice::<String>(line) {
            Ok(text) => values.push(SecretValue::new(text.into_bytes())),
            Err(_) if !is_whole && rest == Rest::Open => {}
            Err(_) => return Err(MaskFileError::Malformed { line: lines_before + number + 1 }),
        }
    }
    Ok((values, at))
}

fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Whether files of a folder are kept in memory only.
fn is_memory(folder: &Path) -> bool {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    let found = File::open(folder).ok().and_then(|folder| fstatfs(&folder).ok());
    found.is_some_and(|found| u64::try_from(found.f_type) == Ok(TMPFS_MAGIC))
}

fn random_name() -> io::Result<String> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|_| io::Error::other("no randomness to be had"))?;
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("subrosa-mask-{digits}"))
}

#[cfg(test)]
#[path = "late_tests.rs"]
mod tests;
