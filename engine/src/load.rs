//! Reads workflow files: bounded, whatever stands in their place.
//!
//! Pipes are fine (`<(generate)`), endless ones end at the bound, and one that nobody writes into ends
//! after two seconds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use crate::source::SourceFile;

/// Bytes a workflow file may have.
const LEN_MAX: u64 = 1024 * 1024;
/// How long somebody may take to open the other end of a pipe.
const WRITER_WAIT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Why a workflow file could not be read, with its path.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not there.
    #[error("workflow file `{0}` does not exist")]
    NotFound(String),
    /// It may not be read.
    #[error("you may not read `{0}`")]
    Denied(String),
    /// It is a folder.
    #[error("`{0}` is a folder; name the workflow file in it")]
    Folder(String),
    /// It has more than 1 MiB.
    #[error("`{0}` is larger than 1 MiB")]
    TooLarge(String),
    /// Reading failed otherwise.
    #[error("cannot read `{0}`: {1}")]
    Io(String, io::Error),
}

/// Reads a workflow file. What its bytes say is for [`crate::validate`] to judge.
///
/// # Errors
/// [`LoadError`], as its cases say.
pub fn load(path: &Path) -> Result<SourceFile, LoadError> {
    let name = path.display().to_string();
    match read(path) {
        Ok(bytes) if bytes.len() as u64 > LEN_MAX => Err(LoadError::TooLarge(name)),
        Ok(bytes) => Ok(SourceFile::from_bytes(path, &bytes)),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound => LoadError::NotFound(name),
            io::ErrorKind::PermissionDenied => LoadError::Denied(name),
            io::ErrorKind::IsADirectory => LoadError::Folder(name),
            _ => LoadError::Io(name, error),
        }),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    if file.metadata()?.file_type().is_fifo() {
        bytes.push(first_byte(&mut file)?);
    }
    fcntl_setfl(&file, OFlags::empty())?;
    file.take(LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first byte of a pipe, so that one nobody writes into is told from a slow one.
fn first_byte(pipe: &mut File) -> io::Result<u8> {
    let wait = |pipe: &File, limit: Option<&Timespec>| -> io::Result<()> {
        poll(&mut [PollFd::new(pipe, PollFlags::IN)], limit)?;
        Ok(())
    };
    let mut byte = [0];
    wait(pipe, Some(&WRITER_WAIT))?;
    loop {
        match pipe.read(&mut byte) {
            Ok(1..) => return Ok(byte[0]),
            Ok(0) => return Err(io::Error::other("nothing came through this pipe")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(pipe, None)?,
            Err(error) => return Err(error),
        }
    }
}
