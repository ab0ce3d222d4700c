//! Whose file it is, and who may read it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use subrosa_http::InvalidSetting;
use zeroize::Zeroizing;

use super::FileError;

/// Bytes that a file of credentials may have.
const FILE_LEN_MAX: usize = 1024 * 1024;

/// A file's bytes, and what is to be said about its mode. It cannot be printed:
///
/// ```compile_fail
/// fn is_shown<T: std::fmt::Debug>() {}
/// is_shown::<subrosa_connections::files::Loaded>();
/// ```
pub struct Loaded {
    /// All of it; wiped when it is dropped.
    pub bytes: Zeroizing<Vec<u8>>,
    /// That others can read it.
    pub warnings: Vec<String>,
}

/// Reads a file of credentials of the user or of root. Links are followed: mounted secrets are links.
///
/// # Errors
/// [`FileError`]: it cannot be read, is another user's, or anybody can change it.
pub fn load(path: &Path) -> Result<Loaded, FileError> {
    let unreadable = |error: io::Error| {
        InvalidSetting(format!("cannot read the credentials `{}`: {error}", path.display()))
    };
    // Not blocking: whoever opens a pipe that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = open(path, flags, Mode::empty()).map_err(|error| unreadable(error.into()))?;
    let file = File::from(file);
    let seen = fstat(&file).map_err(|error| unreadable(error.into()))?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        return Err(unreadable(io::Error::other("it is no regular file")).into());
    }
    // The open file is judged, not what has its name by then.
    let warnings = judge(&file, path)?.into_iter().collect();
    // Room for more than is read: a vector that grew would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN_MAX + 64));
    file.take(FILE_LEN_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > FILE_LEN_MAX {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")).into());
    }
    Ok(Loaded { bytes, warnings })
}

/// Judges an open file of credentials, or a pipe, by its owner and its mode; gives what is to be said of
/// them. It has to be the user's or root's, and nobody else may be able to change it for everybody.
///
/// # Errors
/// [`FileError`]: it is another user's, or every user can change it.
pub fn judge(file: &File, path: &Path) -> Result<Option<String>, FileError> {
    let shown = path.display().to_string();
    let seen = fstat(file).map_err(|error| {
        let error = io::Error::from(error);
        InvalidSetting(format!("cannot read `{shown}`: {error}"))
    })?;
    let is_ours = seen.st_uid == 0 || seen.st_uid == rustix::process::geteuid().as_raw();
    if !is_ours {
        return Err(FileError::Owner { path: shown });
    }
    let mode = Mode::from_raw_mode(seen.st_mode);
    if mode.contains(Mode::WOTH) {
        return Err(FileError::Writable { path: shown });
    }
    let others = match (mode.contains(Mode::RGRP), mode.contains(Mode::ROTH)) {
        (_, true) => "every user",
        (true, false) => "its group",
        (false, false) => return Ok(None),
    };
    Ok(Some(format!("`{shown}` can be read by {others}; `chmod 600` keeps it to you")))
}
