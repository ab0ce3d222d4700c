//! Files that objects come from and go to.
//!
//! What is written has a name of its own until it is whole; then it takes the place of what was there, in
//! one step. Whatever ends earlier leaves nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// Names that are tried for a file that is not whole yet.
const NAMES_MAX: usize = 1000;

/// A file that is not whole yet; it goes if it does not become so.
pub(super) struct Begun {
    file: Option<File>,
    own: PathBuf,
    path: PathBuf,
}

impl Begun {
    /// Begins a file that only its owner reads, beside the place where it belongs.
    pub(super) fn new(path: &Path) -> io::Result<Begun> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if path.is_dir() {
            return Err(io::Error::other("it is a folder"));
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        if path.file_name().is_none() {
            return Err(io::Error::other("it is no name of a file"));
        }
        for _ in 0..NAMES_MAX {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            // Without the name of the file: that may be as long as names can be.
            let own = folder.join(format!(".subrosa.{}-{count}.part", std::process::id()));
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(0o600).open(&own) {
                Ok(file) => return Ok(Begun { file: Some(file), own, path: path.to_owned() }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many files of its name were begun before"))
    }

    /// Writes more of it.
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        pieces.iter().try_for_each(|piece| file.write_all(piece))
    }

    /// It is whole: puts it in its place.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        fs::rename(&self.own, &self.path)?;
        self.own = PathBuf::new();
        // The name is as durable as the content. A folder that cannot be opened has no say in it.
        match File::open(self.path.parent().unwrap_or(Path::new("/"))) {
            Ok(folder) => folder.sync_all(),
            Err(_) => Ok(()),
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.own.as_os_str().is_empty() {
            // Nobody is left to tell.
            drop(fs::remove_file(&self.own));
        }
    }
}

/// A file that is stored, and its length.
pub(super) fn begin(path: &Path) -> io::Result<(File, u64)> {
    // Not blocking: whoever opens a pipe that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(open(path, flags, Mode::empty())?);
    let seen = fstat(&file)?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok((file, u64::try_from(seen.st_size).unwrap_or(0)))
}

/// The next so many bytes of a file; fewer at its end.
pub(super) async fn part(mut file: File, length: usize) -> io::Result<(File, Bytes)> {
    let read = move || {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok((file, Bytes::from(bytes)))
    };
    tokio::task::spawn_blocking(read).await.map_err(|_| io::Error::other("it was broken off"))?
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bytes::Bytes;

    use super::{Begun, begin, part};

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("f");
        let mut begun = Begun::new(&path).unwrap();
        begun.write(&[Bytes::from_static(b"half")]).unwrap();
        assert!(!path.exists());
        drop(begun);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        fs::write(&path, "before").unwrap();
        let mut begun = Begun::new(&path).unwrap();
        begun.write(&[Bytes::from_static(b"wh"), Bytes::from_static(b"ole")]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        begun.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(Begun::new(folder.path()).is_err());
        let long = folder.path().join("n".repeat(255));
        Begun::new(&long).unwrap().finish().unwrap();
        assert!(long.exists());
    }

    #[tokio::test]
    async fn a_file_is_read_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "12345").unwrap();
        let (file, length) = begin(&path).unwrap();
        assert_eq!(length, 5);
        let (file, first) = part(file, 3).await.unwrap();
        let (file, second) = part(file, 3).await.unwrap();
        let (_, end) = part(file, 3).await.unwrap();
        assert_eq!((&first[..], &second[..], &end[..]), (&b"123"[..], &b"45"[..], &b""[..]));
        assert!(begin(folder.path()).is_err() && begin("/dev/zero".as_ref()).is_err());
    }
}
