//! Small documents of this server on disk: each is replaced as a whole, and durable when that returns.
//!
//! They hold who may come in, and nothing that opens a value: passwords, sessions and tokens as digests.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use rustix::fs::{FlockOperation, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// More than any of them has.
const LEN_MAX: u64 = 64 << 20;

/// Why a document cannot be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The disk refused.
    #[error("cannot {verb} `{file}`")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With which file.
        file: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is no document of ours, or of a newer version.
    #[error("`{0}` is damaged or of a newer version")]
    Damaged(String),
    /// Others may read it.
    #[error("`{file}` has mode {mode:03o}, and may be for its owner only")]
    NotPrivate {
        /// Which file.
        file: String,
        /// Its permissions.
        mode: u32,
    },
    /// Another server has the folder.
    #[error("another server uses `{0}`")]
    InUse(String),
}

/// A folder of documents that one server at a time has.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// A document: read from memory, replaced on disk.
pub(crate) struct Document<T> {
    path: PathBuf,
    /// Held over a change, so that each sees the one before it.
    change: Mutex<()>,
    content: RwLock<T>,
}

impl Folder {
    /// Takes a folder, which is made if it is not there.
    pub(crate) fn take(path: &Path) -> Result<Folder, ShelfError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path).map_err(|e| failed("make", path, e))?;
        let file = path.join("lock");
        let lock = open(&file, OpenOptions::new().read(true).write(true).create(true))
            .map_err(|error| failed("open", &file, error))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| ShelfError::InUse(path.display().to_string()))?;
        Ok(Folder { path: path.to_path_buf(), _lock: lock })
    }

    /// One of its documents; what was never written is as `Default` has it.
    pub(crate) fn document<T>(&self, name: &str) -> Result<Document<T>, ShelfError>
    where
        T: Serialize + DeserializeOwned + Default + Clone,
    {
        let path = self.path.join(name);
        let content = RwLock::new(read(&path)?.unwrap_or_default());
        Ok(Document { path, change: Mutex::new(()), content })
    }
}

impl<T: Serialize + Clone> Document<T> {
    /// Looks at it.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.content.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes it; if `change` refuses, or the disk does, it stays as it was. It blocks for the disk.
    pub(crate) fn change<R, E: From<ShelfError>>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let held: MutexGuard<'_, ()> = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draft = self.read(T::clone);
        let result = change(&mut draft)?;
        replace(&self.path, &draft)?;
        *self.content.write().unwrap_or_else(PoisonError::into_inner) = draft;
        drop(held);
        Ok(result)
    }
}

/// A refusal of the disk.
pub(crate) fn failed(verb: &'static str, file: &Path, source: io::Error) -> ShelfError {
    ShelfError::Io { verb, file: file.display().to_string(), source }
}

/// Opens a file that is its owner's only, and no link.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    options.mode(0o600).custom_flags(flags).open(path)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ShelfError> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).map_err(|_| ShelfError::Damaged(path.display().to_string()))
}

/// What is in a file of ours, if it is there.
pub(crate) fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, ShelfError> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path, error)),
    };
    let meta = file.metadata().map_err(|error| failed("open", path, error))?;
    let (shown, mode) = (path.display().to_string(), meta.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        return Err(ShelfError::NotPrivate { file: shown, mode });
    }
    if !meta.is_file() || meta.len() > LEN_MAX {
        return Err(ShelfError::Damaged(shown));
    }
    let mut bytes = Vec::new();
    file.take(LEN_MAX).read_to_end(&mut bytes).map_err(|error| failed("read", path, error))?;
    Ok(Some(bytes))
}

fn replace<T: Serialize>(path: &Path, content: &T) -> Result<(), ShelfError> {
    let bytes = serde_json::to_vec_pretty(content)
        .map_err(|error| failed("write", path, io::Error::other(error)))?;
    replace_bytes(path, &bytes)
}

/// Writes beside it, syncs, renames and syncs the folder: either the former or the new one is there.
pub(crate) fn replace_bytes(path: &Path, bytes: &[u8]) -> Result<(), ShelfError> {
    let beside = path.with_extension("new");
    let write = || {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = open(&beside, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|error| failed("write", path, error))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Document, Folder, ShelfError};

    fn document(folder: &Folder) -> Document<Vec<u32>> {
        folder.document("numbers.json").unwrap()
    }

    #[test]
    fn a_change_is_there_when_the_folder_is_taken_again() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("server");
        let folder = Folder::take(&path).unwrap();
        let push = |numbers: &mut Vec<u32>| {
            numbers.push(7);
            Ok::<_, ShelfError>(())
        };
        document(&folder).change(push).unwrap();
        drop(folder);
        let folder = Folder::take(&path).unwrap();
        assert_eq!(document(&folder).read(Vec::clone), [7]);
        let mode = fs::metadata(path.join("numbers.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::take(home.path()).unwrap();
        let numbers = document(&folder);
        let refused = numbers.change(|numbers| {
            numbers.push(7);
            Err::<(), _>(ShelfError::Damaged("no".to_owned()))
        });
        assert!(refused.is_err());
        assert!(numbers.read(Vec::is_empty));
        assert!(!home.path().join("numbers.json").exists());
    }

    #[test]
    fn two_servers_do_not_share_a_folder() {
        let home = tempfile::tempdir().unwrap();
        let first = Folder::take(home.path()).unwrap();
        assert!(matches!(Folder::take(home.path()), Err(ShelfError::InUse(_))));
        drop(first);
        assert!(Folder::take(home.path()).is_ok());
    }

    #[test]
    fn what_is_not_ours_or_open_to_others_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::take(home.path()).unwrap();
        let path = home.path().join("numbers.json");
        fs::write(&path, "[1, 2").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let open = || folder.document::<Vec<u32>>("numbers.json").err();
        assert!(matches!(open(), Some(ShelfError::Damaged(_))));
        fs::write(&path, "[1, 2]").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(), Some(ShelfError::NotPrivate { mode: 0o644, .. })));
    }
}
