//! Whose file it is, and who may read it.

use std::path::Path;

use rustix::fs::{Mode, stat};
use subrosa_http::{InvalidSetting, small_file};
use zeroize::Zeroizing;

use super::FileError;

/// A file's bytes, and what is to be said about its mode.
#[derive(Debug)]
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
    let shown = path.display().to_string();
    let seen = stat(path).map_err(|error| {
        let error = std::io::Error::from(error);
        InvalidSetting(format!("cannot read the credentials `{shown}`: {error}"))
    })?;
    let is_ours = seen.st_uid == 0 || seen.st_uid == rustix::process::geteuid().as_raw();
    if !is_ours {
        return Err(FileError::Owner { path: shown });
    }
    let mode = Mode::from_raw_mode(seen.st_mode);
    if mode.contains(Mode::WOTH) {
        return Err(FileError::Writable { path: shown });
    }
    let bytes = small_file::read(path, "the credentials")?;
    let mut warnings = Vec::new();
    let others = match (mode.contains(Mode::RGRP), mode.contains(Mode::ROTH)) {
        (_, true) => Some("every user"),
        (true, false) => Some("its group"),
        (false, false) => None,
    };
    if let Some(others) = others {
        warnings.push(format!("`{shown}` can be read by {others}; `chmod 600` keeps it to you"));
    }
    Ok(Loaded { bytes, warnings })
}
