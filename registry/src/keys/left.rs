//! What writers of keys that were stopped have left in the key folder.
//!
//! A key gets its name only when it is whole, so what has a temporary name was never in use. It may be
//! a key all the same, and is removed as soon as nobody can be writing it any more.

use std::time::SystemTime;

use crate::files::{FileError, FileInfo};
use crate::keys::choose::Places;
use crate::keys::file::is_temporary;
use crate::sweep::GRACE;

impl Places {
    /// The names of temporary files in the key folder that are too old to be of a writer at work.
    ///
    /// # Errors
    /// [`FileError`]: the folder cannot be read.
    pub fn left_over(&self, now: SystemTime) -> Result<Vec<String>, FileError> {
        let is_old =
            |entry: &FileInfo| now.duration_since(entry.modified).is_ok_and(|age| age >= GRACE);
        let entries = self.folder.list("")?.into_iter();
        let left = entries.filter(|entry| is_temporary(&entry.name) && is_old(entry));
        Ok(left.map(|entry| entry.name).collect())
    }

    /// Removes them. Gives how many they were.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remove_left_over(&self, now: SystemTime) -> Result<usize, FileError> {
        let left = self.left_over(now)?;
        left.iter().try_for_each(|name| self.folder.remove(name))?;
        Ok(left.len())
    }
}
