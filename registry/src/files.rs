//! The calls that the registry makes of a file system: few, small, and all below one private folder.
//!
//! Everything durable about the store is a matter of the order of these calls, so they are a trait:
//! [`Disk`](crate::Disk) makes them for real, and the tests have a model that stops, fails, writes
//! short, or forgets what was not synced at any call. An implementation gives each call its plain
//! meaning and adds nothing; policy (what is synced when) is the store's.
//!
//! Paths are relative to the folder, their parts joined by `/`; none starts with a slash or holds
//! `.` or `..`. All of them are made by us.

mod disk;

use std::io;
use std::time::SystemTime;

pub use disk::{Disk, Holder, Odd, Oddity, Space, Survey};

/// A private folder: 0700, owned by the user, as is every folder and file (0600) below it.
pub trait Files: Send + Sync {
    /// How a path is told to a person.
    fn shown(&self, path: &str) -> String;

    /// Reads a whole file; `None` if nothing has that name.
    ///
    /// # Errors
    /// [`FileError`]: not a plain file of ours, open to others, or longer than `len_max` bytes.
    fn read(&self, path: &str, len_max: u64) -> Result<Option<Vec<u8>>, FileError>;

    /// Reads `len` bytes from offset `at`; `None` if nothing has that name. Fewer bytes come back
    /// where the file ends before.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn read_at(&self, path: &str, at: u64, len: u64) -> Result<Option<Vec<u8>>, FileError>;

    /// Makes a new file, 0600 whatever the umask, and opens it for writing.
    ///
    /// # Errors
    /// [`FileError::Io`], also if the name is taken.
    fn create(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError>;

    /// Opens a file for appending, making it if it is missing.
    ///
    /// # Errors
    /// As [`Files::read`].
    fn append(&self, path: &str) -> Result<Box<dyn OpenFile>, FileError>;

    /// Gives a file another name, replacing what has that name.
    ///
    /// # Errors
    /// [`FileError::Io`].
    fn rename(&self, from: &str, to: &str) -> Result<(), FileError>;

    /// Gives a file a second name, which must be free.
    ///
    /// # Errors
    /// [`FileError::Io`], also if the name is taken.
    fn link(&self, from: &str, to: &str) -> Result<(), FileError>;

    /// Removes a file; fine if there is none.
    ///
    /// # Errors
    /// [`FileError::Io`].
    fn remove(&self, path: &str) -> Result<(), FileError>;

    /// Makes a folder, 0700 whatever the umask, and the ones above it; fine if it is there. The empty
    /// path is the folder itself.
    ///
    /// # Errors
    /// [`FileError`]: also if something else has the name.
    fn make_folder(&self, path: &str) -> Result<(), FileError>;

    /// Makes the names in a folder durable. The empty path is the folder itself, whose own name in the
    /// folder above is then made durable, too, if [`Files::make_folder`] was called before.
    ///
    /// # Errors
    /// [`FileError::Io`].
    fn sync_folder(&self, path: &str) -> Result<(), FileError>;

    /// What is directly in a folder, in no order; nothing if it is missing.
    ///
    /// # Errors
    /// [`FileError::Io`].
    fn list(&self, path: &str) -> Result<Vec<FileInfo>, FileError>;

    /// Takes the exclusive lock that the file `path` stands for, making the file if it is missing.
    /// Waits its turn for as long as others make progress.
    ///
    /// # Errors
    /// [`FileError::Busy`] if one holder kept it for too long.
    fn lock(&self, path: &str) -> Result<Box<dyn Lock>, FileError>;

    /// As [`Files::lock`], for work that waits for others, as a server's answer: patient where that
    /// one has given up.
    ///
    /// # Errors
    /// As [`Files::lock`].
    fn lock_for_long(&self, path: &str) -> Result<Box<dyn Lock>, FileError> {
        self.lock(path)
    }
}

/// A file that is open for writing.
#[expect(clippy::len_without_is_empty, reason = "it is a call that can fail, not a collection")]
pub trait OpenFile {
    /// Writes some of the bytes and says how many.
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Makes the content (not the name) durable. After an error nothing is known of it.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;

    /// How long the file is.
    ///
    /// # Errors
    /// The system's.
    fn len(&mut self) -> io::Result<u64>;

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// The system's.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// Held until dropped.
pub trait Lock: Send {}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name in the folder.
    pub name: String,
    /// Bytes.
    pub len: u64,
    /// When its content was last changed.
    pub modified: SystemTime,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Why a call failed. `file` is told as [`Files::shown`] says.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("could not {call} `{file}`")]
    Io {
        /// What was tried: `read`, `write`, `sync`, `rename` ...
        call: &'static str,
        /// With which file.
        file: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Group or others may do something with it.
    #[error("`{file}` is open to others (mode {mode:04o})")]
    NotPrivate {
        /// Which file or folder.
        file: String,
        /// Its permission bits.
        mode: u32,
        /// Whether it is a folder, which wants 0700 instead of 0600.
        is_folder: bool,
    },
    /// Somebody else owns it.
    #[error("`{file}` belongs to another user")]
    NotOurs {
        /// Which file or folder.
        file: String,
    },
    /// A link, pipe, device, or a folder where a file should be.
    #[error("`{file}` is not a plain file or folder")]
    NotPlain {
        /// Which one.
        file: String,
    },
    /// More bytes than such a file can have.
    #[error("`{file}` is larger than it can be")]
    TooLarge {
        /// Which file.
        file: String,
    },
    /// Another process has held the lock for too long.
    #[error("`{file}` is locked{}", holder(*.pid))]
    Busy {
        /// The lock's file.
        file: String,
        /// Who holds it, if it says.
        pid: Option<u32>,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// Writes all bytes, however short the single writes turn out.
///
/// # Errors
/// The system's; a write of nothing counts as one.
pub(crate) fn write_all(file: &mut dyn OpenFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
