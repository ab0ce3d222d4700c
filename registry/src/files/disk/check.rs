//! What a file or folder must be before it is trusted: of the right kind, ours, closed to others.
//!
//! The judgement is about a `stat`, so that it can be made of an open descriptor. How many names a
//! file has is not looked at: the store gives files a second name itself.

use rustix::fs::{FileType, Mode, Stat};

use crate::files::FileError;

const OPEN_TO_OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);

/// A plain file that is ours and closed to others; `shown` is asked for only if it is not.
pub(super) fn file(stat: &Stat, shown: impl Fn() -> String) -> Result<(), FileError> {
    if kind(stat) != FileType::RegularFile {
        return Err(FileError::NotPlain { file: shown() });
    }
    ours(stat, &shown)
}

/// A folder that is ours and closed to others.
pub(super) fn folder(stat: &Stat, shown: impl Fn() -> String) -> Result<(), FileError> {
    if !is_folder(stat) {
        return Err(FileError::NotPlain { file: shown() });
    }
    ours(stat, &shown)
}

pub(super) fn is_folder(stat: &Stat) -> bool {
    kind(stat) == FileType::Directory
}

/// How long the file says it is.
pub(super) fn len(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn ours(stat: &Stat, shown: &impl Fn() -> String) -> Result<(), FileError> {
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(FileError::NotOurs { file: shown() });
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(OPEN_TO_OTHERS) {
        let is_folder = is_folder(stat);
        return Err(FileError::NotPrivate { file: shown(), mode: mode(stat), is_folder });
    }
    Ok(())
}

/// The permission bits.
pub(super) fn mode(stat: &Stat) -> u32 {
    widen(Mode::from_raw_mode(stat.st_mode).bits())
}

/// Permission bits are 16 bits wide on some systems and 32 on others.
fn widen(bits: impl Into<u32>) -> u32 {
    bits.into()
}
