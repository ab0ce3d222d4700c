//! Looking at a folder that may be anything, and closing what is ours.
//!
//! All other calls refuse what is lax, so nobody could say what is wrong, or mend it, through them. A
//! survey opens folders only, never a file, follows no link, and is not deeper than a store is; what
//! is closed is judged by what was opened wherever it can be opened.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::{Errno, retry_on_intr};

use super::folders::split;
use super::{Disk, check};
use crate::files::{FileError, Files as _};

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// A store has folders in its folder, and those have none.
const DEPTH_MAX: usize = 3;

/// Something in a folder that is not as it must be.
#[derive(Debug)]
pub struct Odd {
    /// Its path in the folder; empty for the folder itself.
    pub path: String,
    /// The whole path, for people.
    pub file: String,
    /// What is wrong with it.
    pub why: Oddity,
}

/// What is wrong with a file or folder.
#[derive(Debug)]
pub enum Oddity {
    /// Group or others may do something with it.
    Lax {
        /// Its permission bits.
        mode: u32,
        /// Whether it is a folder.
        is_folder: bool,
    },
    /// We may not do with it what we have to.
    Shut {
        /// Its permission bits.
        mode: u32,
        /// Whether it is a folder.
        is_folder: bool,
    },
    /// Somebody else owns it.
    NotOurs,
    /// A link, pipe or device; or a folder deeper than any of ours.
    NotPlain,
    /// The system does not let us look.
    Unseen(io::Error),
}

/// What a folder looks like.
#[derive(Debug, Default)]
pub struct Survey {
    /// Whether there is anything of that name.
    pub exists: bool,
    /// What is not as it must be, folders before what is in them.
    pub odd: Vec<Odd>,
}

/// The file system that a folder is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we could still write.
    pub free: u64,
    /// Whether nothing can be written at all.
    pub is_read_only: bool,
}

impl Disk {
    /// Looks at kinds, owners and modes of the folder and of all in it.
    pub fn survey(&self) -> Survey {
        let mut survey = Survey { exists: true, odd: Vec::new() };
        let path = self.folders.path();
        match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if check::is_folder(&stat) => {
                self.look_into(CWD, path, ("", &stat), 0, &mut survey.odd);
            }
            Ok(stat) => self.judge("", &stat, &mut survey.odd),
            Err(Errno::NOENT) => survey.exists = false,
            Err(errno) => self.add("", Oddity::Unseen(errno.into()), &mut survey.odd),
        }
        survey
    }

    /// Takes from group and others what they may do with a file or folder of ours, and gives us what we
    /// need. The folders above it should have been closed before.
    ///
    /// # Errors
    /// [`FileError`]: it is not there, not ours, or no plain file or folder.
    pub fn close(&self, path: &str) -> Result<(), FileError> {
        let failed = |errno: Errno| self.error("close", path, errno);
        let (above, name) = if path.is_empty() {
            (None, self.folders.path())
        } else {
            let (folder, name) = split(path);
            (Some(self.bare(folder).map_err(failed)?), Path::new(name))
        };
        let above = above.as_ref().map_or(CWD, AsFd::as_fd);
        let seen = rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        self.closable(path, &seen)?;
        let flags = if check::is_folder(&seen) { FOLDER } else { super::OPEN };
        match retry_on_intr(|| rustix::fs::openat(above, name, flags, Mode::empty())) {
            Ok(file) => {
                let stat = rustix::fs::fstat(&file).map_err(failed)?;
                self.closable(path, &stat)?;
                rustix::fs::fchmod(&file, mode_for(&stat)).map_err(failed)
            }
            // What we may not read can be given its mode by name only; the folder that it is in is
            // closed, so nobody else exchanges it meanwhile.
            Err(Errno::ACCESS) => {
                rustix::fs::chmodat(above, name, mode_for(&seen), AtFlags::empty()).map_err(failed)
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    /// What the file system has left; `None` if it does not say, or the folder is not there.
    pub fn space(&self) -> Option<Space> {
        let folder = self.bare("").ok()?;
        let found = rustix::fs::fstatvfs(folder).ok()?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        Some(Space { free, is_read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY) })
    }

    /// A folder, whatever its mode and owner, but no link.
    fn bare(&self, path: &str) -> Result<OwnedFd, Errno> {
        let open = |above: BorrowedFd<'_>, name: &Path| {
            retry_on_intr(|| rustix::fs::openat(above, name, FOLDER, Mode::empty()))
        };
        let mut folder = open(CWD, self.folders.path())?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            folder = open(folder.as_fd(), Path::new(name))?;
        }
        Ok(folder)
    }

    /// Looks at a folder, which is `name` in `above`, and at what is in it.
    fn look_into(
        &self,
        above: impl AsFd,
        name: &Path,
        (path, stat): (&str, &Stat),
        depth: usize,
        odd: &mut Vec<Odd>,
    ) {
        let before = odd.len();
        self.judge(path, stat, odd);
        let folder = retry_on_intr(|| rustix::fs::openat(&above, name, FOLDER, Mode::empty()));
        let entries = folder.and_then(|folder| Ok((super::entries(&folder)?, folder)));
        let (entries, folder) = match entries {
            Ok(found) => found,
            // Why we may not look has been said already.
            Err(_) if odd.len() > before => return,
            Err(errno) => return self.add(path, Oddity::Unseen(errno.into()), odd),
        };
        for (name, stat) in entries {
            let shown = name.to_string_lossy();
            let path = if path.is_empty() { shown.into_owned() } else { format!("{path}/{shown}") };
            if !check::is_folder(&stat) {
                self.judge(&path, &stat, odd);
            } else if depth < DEPTH_MAX {
                let name = Path::new(OsStr::from_bytes(name.as_bytes()));
                self.look_into(&folder, name, (&path, &stat), depth + 1, odd);
            } else {
                self.add(&path, Oddity::NotPlain, odd);
            }
        }
    }

    fn judge(&self, path: &str, stat: &Stat, odd: &mut Vec<Odd>) {
        let is_folder = check::is_folder(stat);
        let judged = if is_folder {
            check::folder(stat, String::new)
        } else {
            check::file(stat, String::new)
        };
        let needed = mode_for(stat);
        let why = match judged {
            Ok(()) if Mode::from_raw_mode(stat.st_mode).contains(needed) => return,
            Ok(()) => Oddity::Shut { mode: check::mode(stat), is_folder },
            Err(FileError::NotPrivate { mode, .. }) => Oddity::Lax { mode, is_folder },
            Err(FileError::NotOurs { .. }) => Oddity::NotOurs,
            Err(_) => Oddity::NotPlain,
        };
        self.add(path, why, odd);
    }

    fn add(&self, path: &str, why: Oddity, odd: &mut Vec<Odd>) {
        odd.push(Odd { path: path.to_owned(), file: self.shown(path), why });
    }

    /// Plain and ours, whatever the mode.
    fn closable(&self, path: &str, stat: &Stat) -> Result<(), FileError> {
        let shown = || self.shown(path);
        let judged = if check::is_folder(stat) {
            check::folder(stat, shown)
        } else {
            check::file(stat, shown)
        };
        match judged {
            Err(FileError::NotPrivate { .. }) => Ok(()),
            judged => judged,
        }
    }
}

fn mode_for(stat: &Stat) -> Mode {
    if check::is_folder(stat) { FOLDER_MODE } else { FILE_MODE }
}
