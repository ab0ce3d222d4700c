//! A file that is new, private, and either durable or gone.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};

use crate::failure::Failure;

const MODE: Mode = Mode::from_raw_mode(0o600);

/// A file under construction; dropped before [`NewFile::keep`], it is removed.
pub(crate) struct NewFile {
    file: File,
    folder: File,
    name: PathBuf,
    shown: String,
    is_kept: bool,
}

impl NewFile {
    /// Makes a file under a name that nothing has, 0600 whatever the umask.
    pub(crate) fn create(path: &Path) -> Result<NewFile, Failure> {
        let shown = path.display().to_string();
        let failed = |error: io::Error| {
            let failure = Failure::usage(format!("cannot make `{shown}`: {error}"));
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    failure.help("nothing is ever written over; choose a new name")
                }
                _ => failure,
            }
        };
        let Some(name) = path.file_name().map(PathBuf::from) else {
            return Err(Failure::usage(format!("`{shown}` is no name of a file")));
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = File::open(parent.unwrap_or(Path::new("."))).map_err(failed)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &name, flags, MODE).map_err(|e| failed(e.into()))?;
        let file = NewFile { file: file.into(), folder, name, shown, is_kept: false };
        // The umask can only have taken bits away, so it was never open to others.
        match rustix::fs::fchmod(&file.file, MODE) {
            Ok(()) => Ok(file),
            Err(errno) => Err(file.broken(&errno.into())),
        }
    }

    /// Forgets what was written so far.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()
    }

    /// Makes content and name durable; if that fails the file is gone.
    pub(crate) fn keep(mut self) -> Result<(), Failure> {
        match self.file.sync_all().and_then(|()| self.folder.sync_all()) {
            Ok(()) => {
                self.is_kept = true;
                Ok(())
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// That it cannot be written.
    pub(crate) fn broken(&self, error: &io::Error) -> Failure {
        Failure::engine(format!("cannot write `{}`: {error}", self.shown))
    }

    /// Whether the name still leads to this file.
    fn is_in_place(&self) -> bool {
        let same = |a: Stat, b: Stat| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino);
        let named = rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        matches!((rustix::fs::fstat(&self.file), named), (Ok(a), Ok(b)) if same(a, b))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept && self.is_in_place() {
            // What could not be written can hardly be removed, either; there is nobody left to tell.
            rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::NewFile;

    #[test]
    fn a_file_is_new_private_and_kept_or_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"first").unwrap();
        file.restart().unwrap();
        file.write_all(b"x").unwrap();
        drop(file);
        assert!(!path.exists());
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"first").unwrap();
        file.restart().unwrap();
        file.write_all(b"x").unwrap();
        file.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"x");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(NewFile::create(&path).is_err(), "it is there");
        assert_eq!(fs::read(&path).unwrap(), b"x");
        symlink("nowhere", folder.path().join("link")).unwrap();
        assert!(NewFile::create(&folder.path().join("link")).is_err(), "a link is there");
        assert!(NewFile::create(&folder.path().join("none/new")).is_err());
        assert!(NewFile::create(folder.path().join("..").as_path()).is_err());
    }

    #[test]
    fn what_took_the_place_of_a_file_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let file = NewFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "of somebody else").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"of somebody else");
    }
}
