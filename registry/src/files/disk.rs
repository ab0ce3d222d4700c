//! The file system itself.
//!
//! Every call goes through a descriptor of the folder that the name is in, no link is followed below
//! the store's folder, and each file is judged by what was opened, not by what had its name before:
//! plain, ours, closed to others. Modes are set, not left to the umask. An interrupted call is made
//! again, but for [`OpenFile::write`], whose callers go on after a short write anyway. What is synced
//! and in which order is the store's business.
//!
//! The descriptors of folders are kept. A [`Disk`] therefore stays with the folder that it met first,
//! even if that is renamed and another takes its place: all calls, the lock's included, are about one
//! and the same store. A folder that was removed is looked for again.

mod check;
mod folders;
mod lock;
mod survey;

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use zeroize::Zeroizing;

use super::{FileError, FileInfo, Files, Lock, OpenFile};
use folders::{Folder, Folders, split};
use lock::Patience;

pub use lock::Holder;
pub use survey::{Odd, Oddity, Space, Survey};

/// Opening never follows a link, never waits for the other end of a pipe, and stays in this process.
const OPEN: OFlags =
    OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
/// A name that comes and goes between two calls is another process's doing; so often in a row it is
/// no accident.
const RACES_MAX: u32 = 16;

/// A folder of the real file system.
#[derive(Debug)]
pub struct Disk {
    folders: Folders,
    patience: Patience,
}

impl Disk {
    /// Works in a folder that must be ours alone: 0700, owned by the user, not a link.
    ///
    /// Nothing is opened yet. The folders above it are taken as they are, links included.
    pub fn private(path: &Path) -> Disk {
        Disk { folders: Folders::private(path), patience: Patience::USUAL }
    }

    /// Works in a folder that is not ours to judge, as `/run/keys`: only the files themselves are.
    ///
    /// The folder may be a link and open to all; a file in it may not.
    pub fn beside(path: &Path) -> Disk {
        Disk { folders: Folders::beside(path), patience: Patience::USUAL }
    }

    fn error(&self, call: &'static str, path: &str, source: impl Into<io::Error>) -> FileError {
        FileError::Io { call, file: self.shown(path), source: source.into() }
    }

    /// The folder of a path, which must be there, and the name in it.
    fn place<'a>(&self, call: &'static str, path: &'a str) -> Result<(Folder, &'a str), FileError> {
        let (folder, name) = split(path);
        match self.folders.open(folder)? {
            Some(folder) => Ok((folder, name)),
            None => Err(self.error(call, path, Errno::NOENT)),
        }
    }

    /// Opens a file that is there; what it is is judged before anybody reads it.
    fn open(
        &self,
        call: &'static str,
        path: &str,
        how: OFlags,
    ) -> Result<Option<(File, Stat)>, FileError> {
        let (folder, name) = split(path);
        let Some(folder) = self.folders.open(folder)? else { return Ok(None) };
        match retry_on_intr(|| rustix::fs::openat(&folder, name, how | OPEN, Mode::empty())) {
            Ok(file) => {
                let stat =
                    rustix::fs::fstat(&file).map_err(|errno| self.error(call, path, errno))?;
                check::file(&stat, || self.shown(path))?;
                Ok(Some((File::from(file), stat)))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => {
                // A link, a pipe and somebody else's file are refused with different numbers on
                // different systems; what it is says more than why it did not open.
                if let Ok(stat) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    check::file(&stat, || self.shown(path))?;
                }
                Err(self.error(call, path, errno))
            }
        }
    }

    /// Opens a file, making it if it is missing.
    fn open_or_create(
        &self,
        call: &'static str,
        path: &str,
        how: OFlags,
    ) -> Result<File, FileError> {
        for _ in 0..RACES_MAX {
            if let Some((file, _)) = self.open(call, path, how)? {
                return Ok(file);
            }
            match self.create_new(path, how) {
                Err(FileError::Io { source, .. })
                    if source.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made,
            }
        }
        Err(self.error(call, path, Errno::AGAIN))
    }

    fn lock_with(&self, path: &str, patience: Patience) -> Result<Box<dyn Lock>, FileError> {
        for _ in 0..RACES_MAX {
            let held = lock::take(self, path, patience)?;
            // Somebody may have removed the file by hand meanwhile, and then others lock a new one.
            if let Some((_, now)) = self.open("lock", path, OFlags::RDONLY)?
                && held.is(&now)
            {
                return Ok(Box::new(held));
            }
        }
        Err(FileError::Busy { file: self.shown(path), pid: None })
    }

    fn create_new(&self, path: &str, how: OFlags) -> Result<File, FileError> {
        let (folder, name) = self.place("create", path)?;
        let flags = how | OPEN | OFlags::CREATE | OFlags::EXCL;
        let file = retry_on_intr(|| rustix::fs::openat(&folder, name, flags, FILE_MODE))
            .map_err(|errno| self.error("create", path, errno))?;
        // The umask can only have taken bits away, so it was never open to others.
        rustix::fs::fchmod(&file, FILE_MODE).map_err(|errno| self.error("create", path, errno))?;
        Ok(File::from(file))
    }
}

impl Files for Disk {
    fn shown(&self, path: &str) -> String {
        self.folders.shown(path)
    }

    fn read(&self, path: &str, len_max: u64) -> Result<Option<Vec<u8>>, FileError> {
        let Some((file, stat)) = self.open("read", path, OFlags::RDONLY)? else { return Ok(None) };
        let too_large = || FileError::TooLarge { file: self.shown(path) };
        let len = check::len(&stat);
        if len > len_max {
            return Err(too_large());
        }
        // One byte more than allowed tells a file that grew, or that does not say how long it is.
        let bytes = read_up_to(&file, 0, len_max.saturating_add(1), len)
            .map_err(|error| self.error("read", path, error))?;
        if bytes.len() as u64 > len_max {
            return Err(too_large());
        }
        Ok(Some(bytes))
    }

    fn read_at(&self, path: &str, at: u64, len: u64) -> Result<Option<Vec<u8>>, FileError> {
        let Some((file, stat)) = self.open("read", path, OFlags::RDONLY)? else { return Ok(None) };
        let expected = check::len(&stat).saturating_sub(at);
        match read_up_to(&file, at, len, expected) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => Err(self.error("read", path, error)),
        }
    }

    fn create(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        Ok(Box::new(DiskFile(self.create_new(path, OFlags::WRONLY)?)))
    }

    fn append(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError> {
        let file = self.open_or_create("open", path, OFlags::WRONLY | OFlags::APPEND)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (from_folder, from_name) = self.place("rename", from)?;
        let (to_folder, to_name) = self.place("rename", to)?;
        rustix::fs::renameat(from_folder, from_name, to_folder, to_name)
            .map_err(|errno| self.error("rename", from, errno))
    }

    fn link(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (from_folder, from_name) = self.place("link", from)?;
        let (to_folder, to_name) = self.place("link", to)?;
        rustix::fs::linkat(from_folder, from_name, to_folder, to_name, AtFlags::empty())
            .map_err(|errno| self.error("link", from, errno))
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        let (folder, name) = split(path);
        let Some(folder) = self.folders.open(folder)? else { return Ok(()) };
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.error("remove", path, errno)),
        }
    }

    fn make_folder(&self, path: &str) -> Result<(), FileError> {
        self.folders.make(path)
    }

    fn sync_folder(&self, path: &str) -> Result<(), FileError> {
        self.folders.sync(path)
    }

    fn list(&self, path: &str) -> Result<Vec<FileInfo>, FileError> {
        let Some(folder) = self.folders.open(path)? else { return Ok(Vec::new()) };
        list(&folder).map_err(|errno| self.error("list", path, errno))
    }

    fn lock(&self, path: &str) -> Result<Box<dyn Lock>, FileError> {
        self.lock_with(path, self.patience)
    }

    fn lock_for_long(&self, path: &str) -> Result<Box<dyn Lock>, FileError> {
        self.lock_with(path, Patience::LONG)
    }
}

/// A file of a [`Disk`] that is open for writing.
struct DiskFile(File);

impl OpenFile for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

/// Reads from `at` to the end of the file, at most `limit` bytes. How long the file says it is decides
/// only how much room is made at first. Room that turned out too small is wiped: it may be a key's.
fn read_up_to(file: &File, at: u64, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    const ROOM_MIN: u64 = 512;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    // One byte more than expected, so that the end is met without making more room.
    let room = usize::try_from(expected.saturating_add(1).max(ROOM_MIN)).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(zeroed(room.min(limit))?);
    let mut done = 0;
    while done < limit {
        if done == bytes.len() {
            let mut larger = Zeroizing::new(zeroed(done.saturating_mul(2).min(limit))?);
            larger[..done].copy_from_slice(&bytes);
            bytes = larger;
        }
        let from = at.saturating_add(done as u64);
        match retry_on_intr(|| rustix::io::pread(file, &mut bytes[done..], from))? {
            0 => break,
            read => done += read,
        }
    }
    bytes.truncate(done);
    Ok(std::mem::take(&mut *bytes))
}

/// So many zero bytes, or an error if there is no memory for them.
fn zeroed(len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    bytes.resize(len, 0);
    Ok(bytes)
}

fn list(folder: impl AsFd) -> Result<Vec<FileInfo>, Errno> {
    let info = |(name, stat): (CString, Stat)| FileInfo {
        // Names of ours are ASCII; what is not shows as such and is nobody's.
        name: name.to_string_lossy().into_owned(),
        len: check::len(&stat),
        modified: modified(&stat),
        is_folder: check::is_folder(&stat),
    };
    Ok(entries(folder)?.into_iter().map(info).collect())
}

/// What is in a folder, links as links.
fn entries(folder: impl AsFd) -> Result<Vec<(CString, Stat)>, Errno> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => found.push((name.to_owned(), stat)),
            // It went away while the folder was read.
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

/// The times of a file are whole seconds, which may lie before 1970, and nanoseconds after those.
fn modified(stat: &Stat) -> SystemTime {
    let whole = Duration::from_secs(stat.st_mtime.unsigned_abs());
    let seconds = if stat.st_mtime < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(whole)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(whole)
    };
    let part = Duration::from_nanos(nanoseconds(stat.st_mtime_nsec));
    seconds.and_then(|seconds| seconds.checked_add(part)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The part of a second has another type on each system, and is less than a second on all.
fn nanoseconds(part: impl TryInto<u64>) -> u64 {
    part.try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whatever_its_length_seemed_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
        std::fs::write(&path, &content).unwrap();
        let file = File::open(&path).unwrap();
        // It grew or shrank after its length was asked for, or never had one to tell.
        for expected in [0, 1, 4999, 5000, 5001, 100_000] {
            for at in [0, 1, 4999, 5000, 6000] {
                for limit in [0, 1, 511, 512, 513, 4999, 5000, 5001, u64::MAX] {
                    let read = read_up_to(&file, at, limit, expected).unwrap();
                    let rest = &content[content.len().min(at as usize)..];
                    let part = &rest[..rest.len().min(usize::try_from(limit).unwrap())];
                    assert!(read == part, "{limit} from {at}, {expected} expected");
                }
            }
        }
        // A length that is a lie is an error at most.
        read_up_to(&file, 0, u64::MAX, u64::MAX).unwrap_err();
        assert_eq!(
            read_up_to(&file, u64::MAX, 1, 1).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn times_before_1970_are_times() {
        let folder = tempfile::tempdir().unwrap();
        for time in [-1.5_f64, 0.0, 1.25] {
            let whole = Duration::from_secs_f64(time.abs());
            let time = match time < 0.0 {
                true => SystemTime::UNIX_EPOCH - whole,
                false => SystemTime::UNIX_EPOCH + whole,
            };
            let path = folder.path().join("file");
            File::create(&path).unwrap().set_modified(time).unwrap();
            let found = list(File::open(folder.path()).unwrap()).unwrap();
            assert_eq!(found[0].modified, time);
        }
    }
}
