//! The folder of a store and those below it, as open descriptors.
//!
//! Each part of a path is opened in turn from the one above it, so that a link anywhere below the
//! store's folder is refused. What was opened is kept until it turns out to be removed.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::check;
use crate::files::FileError;

/// An open folder.
pub(super) type Folder = Arc<OwnedFd>;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const FOLDER_MODE: Mode = Mode::RWXU;

#[derive(Debug)]
pub(super) struct Folders {
    /// Without a slash at the end, after which a link would be followed.
    path: PathBuf,
    /// Whether the folder and those below it must be ours alone.
    is_private: bool,
    opened: Mutex<BTreeMap<String, Folder>>,
    /// Whether the folder's own name is still to be made durable: whoever has asked for the folder to
    /// be made may have made it, or found one that was just made.
    is_name_new: AtomicBool,
}

impl Folders {
    pub(super) fn private(path: &Path) -> Folders {
        Folders::new(path, true)
    }

    pub(super) fn beside(path: &Path) -> Folders {
        Folders::new(path, false)
    }

    fn new(path: &Path, is_private: bool) -> Folders {
        Folders {
            path: here_if_empty(&path.components().collect::<PathBuf>()).to_owned(),
            is_private,
            opened: Mutex::default(),
            is_name_new: AtomicBool::new(false),
        }
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn shown(&self, path: &str) -> String {
        let whole = if path.is_empty() { self.path.clone() } else { self.path.join(path) };
        whole.display().to_string()
    }

    /// Opens a folder; `None` if it or one above it is missing.
    pub(super) fn open(&self, path: &str) -> Result<Option<Folder>, FileError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        self.open_known(&mut opened, path)
    }

    /// Makes a folder and those above it.
    pub(super) fn make(&self, path: &str) -> Result<(), FileError> {
        self.is_name_new.store(true, Ordering::Release);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if self.open_known(&mut opened, "")?.is_none() {
            if let Some(above) = self.path.parent() {
                make_above(here_if_empty(above))?;
            }
            self.make_one(CWD, &self.path, "")?;
        }
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for part in ends.map(|end| &path[..end]).filter(|part| !part.is_empty()) {
            let (above, name) = split(part);
            let above = self
                .open_known(&mut opened, above)?
                .ok_or_else(|| self.error("create", part, Errno::NOENT))?;
            if self.open_known(&mut opened, part)?.is_none() {
                self.make_one(above, Path::new(name), part)?;
            }
        }
        // Whoever made it, it is there now and passes the checks.
        match self.open_known(&mut opened, path)? {
            Some(_) => Ok(()),
            None => Err(self.error("create", path, Errno::NOENT)),
        }
    }

    /// Makes the names in a folder durable, and the name of the store's own folder if it may be new.
    pub(super) fn sync(&self, path: &str) -> Result<(), FileError> {
        let folder = self.open(path)?.ok_or_else(|| self.error("sync", path, Errno::NOENT))?;
        sync(&folder).map_err(|error| self.error("sync", path, error))?;
        if path.is_empty() && self.is_name_new.load(Ordering::Acquire) {
            if let Some(above) = self.path.parent() {
                sync_above(here_if_empty(above))?;
            }
            self.is_name_new.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn open_known(
        &self,
        opened: &mut BTreeMap<String, Folder>,
        path: &str,
    ) -> Result<Option<Folder>, FileError> {
        if let Some(folder) = opened.get(path) {
            if is_there(folder) {
                return Ok(Some(Arc::clone(folder)));
            }
            opened.clear();
        }
        let folder = if path.is_empty() {
            self.open_one(CWD, &self.path, path)?
        } else {
            let (above, name) = split(path);
            let Some(above) = self.open_known(opened, above)? else { return Ok(None) };
            self.open_one(above, Path::new(name), path)?
        };
        if let Some(folder) = &folder {
            opened.insert(path.to_owned(), Arc::clone(folder));
        }
        Ok(folder)
    }

    /// Opens `name` in the folder `above`; it is the folder `path` of the store.
    fn open_one(
        &self,
        above: impl std::os::fd::AsFd,
        name: &Path,
        path: &str,
    ) -> Result<Option<Folder>, FileError> {
        // The folder that is not ours to judge may be a link; what is below it may not.
        let may_be_link = path.is_empty() && !self.is_private;
        let flags = if may_be_link { OPEN } else { OPEN | OFlags::NOFOLLOW };
        match retry_on_intr(|| rustix::fs::openat(&above, name, flags, Mode::empty())) {
            Ok(folder) => {
                if self.is_private {
                    let stat = rustix::fs::fstat(&folder)
                        .map_err(|errno| self.error("open", path, errno))?;
                    check::folder(&stat, || self.shown(path))?;
                }
                Ok(Some(Arc::new(folder)))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno @ (Errno::NOTDIR | Errno::LOOP | Errno::ACCESS)) => {
                // As for files: what it is says more than why it did not open.
                if let Ok(stat) = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW) {
                    if self.is_private {
                        check::folder(&stat, || self.shown(path))?;
                    } else if !check::is_folder(&stat) {
                        return Err(FileError::NotPlain { file: self.shown(path) });
                    }
                }
                Err(self.error("open", path, errno))
            }
            Err(errno) => Err(self.error("open", path, errno)),
        }
    }

    fn make_one(
        &self,
        above: impl std::os::fd::AsFd,
        name: &Path,
        path: &str,
    ) -> Result<(), FileError> {
        make_private(above, name).map_err(|errno| self.error("create", path, errno))
    }

    fn error(&self, call: &'static str, path: &str, source: impl Into<io::Error>) -> FileError {
        FileError::Io { call, file: self.shown(path), source: source.into() }
    }
}

/// The folder of a path and the name in it.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A folder that was removed has no name left, and nothing can be made in it any more.
fn is_there(folder: &OwnedFd) -> bool {
    rustix::fs::fstat(folder).is_ok_and(|stat| stat.st_nlink > 0)
}

/// Makes one folder, 0700 whatever the umask; fine if the name is taken, which the caller looks into.
fn make_private(above: impl std::os::fd::AsFd, name: &Path) -> Result<(), Errno> {
    match rustix::fs::mkdirat(&above, name, FOLDER_MODE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    let open = || rustix::fs::openat(&above, name, OPEN | OFlags::NOFOLLOW, Mode::empty());
    match retry_on_intr(open) {
        Ok(folder) => rustix::fs::fchmod(folder, FOLDER_MODE),
        // Under a umask that denies the owner, it can be given its mode by name only.
        Err(Errno::ACCESS) => rustix::fs::chmodat(&above, name, FOLDER_MODE, AtFlags::empty()),
        Err(errno) => Err(errno),
    }
}

/// Makes the folders above the store's that are missing, each durable before the next is made in it:
/// whoever finds the store's folder later can rely on the path to it.
fn make_above(path: &Path) -> Result<(), FileError> {
    let failed = |path: &Path, source: io::Error| FileError::Io {
        call: "create",
        file: path.display().to_string(),
        source,
    };
    let mut missing = Vec::new();
    for folder in path.ancestors().map(here_if_empty) {
        match std::fs::metadata(folder) {
            Ok(found) if found.is_dir() => break,
            Ok(_) => return Err(FileError::NotPlain { file: folder.display().to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(folder),
            Err(error) => return Err(failed(folder, error)),
        }
    }
    for folder in missing.into_iter().rev() {
        make_private(CWD, folder).map_err(|errno| failed(folder, errno.into()))?;
        if let Some(above) = folder.parent() {
            sync_above(here_if_empty(above))?;
        }
    }
    Ok(())
}

/// Makes the names in a folder durable that is not the store's. One that cannot be read cannot be
/// synced by us either, and is not of our making.
fn sync_above(path: &Path) -> Result<(), FileError> {
    let synced = match retry_on_intr(|| rustix::fs::open(path, OPEN, Mode::empty())) {
        Ok(folder) => sync(&folder),
        Err(Errno::ACCESS) => Ok(()),
        Err(errno) => Err(errno.into()),
    };
    let file = || path.display().to_string();
    synced.map_err(|source| FileError::Io { call: "sync", file: file(), source })
}

fn sync(folder: &OwnedFd) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fsync(folder))?)
}

/// The folder above a single relative name is the one that we are in.
fn here_if_empty(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
