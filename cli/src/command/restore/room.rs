//! A private folder for what is not proven yet: it becomes the registry, or it is gone.

use std::fs::{DirBuilder, File, remove_dir, remove_dir_all};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Names that are tried: those of restores that were killed may lie about.
const NAMES_MAX: u32 = 1000;
const MODE: u32 = 0o700;

/// The folder, and those above it that had to be made.
pub(super) struct Room {
    path: PathBuf,
    made: Vec<PathBuf>,
    is_done: bool,
}

impl Room {
    /// Makes a folder beside `target`, on the same file system.
    pub(super) fn beside(target: &Path) -> Result<Room, Failure> {
        let above = target.parent().expect("the registry is in a folder of the data folder");
        let mut room = Room { path: PathBuf::new(), made: Vec::new(), is_done: false };
        let failed = |path: &Path, error: &io::Error| {
            Failure::engine(format!("cannot make the folder `{}`: {error}", path.display()))
        };
        let missing: Vec<&Path> = above
            .ancestors()
            .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
            .collect();
        for path in missing.into_iter().rev() {
            make(path).map_err(|error| failed(path, &error))?;
            room.made.insert(0, path.to_path_buf());
        }
        for number in 0..NAMES_MAX {
            let path = above.join(format!("restore-{}-{number}", std::process::id()));
            match make(&path) {
                Ok(()) => {
                    room.path = path;
                    return Ok(room);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, &error)),
            }
        }
        Err(failed(above, &io::ErrorKind::AlreadyExists.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder the name `target`, durably. What is empty there goes, anything else is an error.
    pub(super) fn become_folder(&mut self, target: &Path) -> Result<(), Failure> {
        std::fs::rename(&self.path, target).map_err(|error| {
            Failure::engine(format!("cannot make `{}` the registry: {error}", self.path.display()))
        })?;
        self.is_done = true;
        let above = target.parent().expect("the registry is in a folder of the data folder");
        let mut synced = sync(above);
        // And the names of the folders that were made for it.
        for path in &self.made {
            synced = synced.and_then(|()| path.parent().map_or(Ok(()), sync));
        }
        synced.map_err(|error| {
            Failure::engine(format!(
                "the backup is in place, but whether it would survive a power cut is not known: \
                 {error}"
            ))
        })
    }

    /// Removes the folder, unless it became the registry.
    pub(super) fn clear(&mut self) {
        if self.is_done {
            return;
        }
        self.is_done = true;
        // What cannot be removed holds nothing that the backup does not hold, encrypted as it was.
        if !self.path.as_os_str().is_empty() {
            remove_dir_all(&self.path).ok();
        }
        for path in &self.made {
            remove_dir(path).ok();
        }
    }
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(MODE).create(path)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Drop for Room {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::Room;

    #[test]
    fn a_room_is_private_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/b/secrets");
        let room = Room::beside(&target).unwrap();
        let path = room.path().to_path_buf();
        assert_eq!(path.parent(), target.parent());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("root"), "x").unwrap();
        drop(room);
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn a_room_becomes_the_folder_unless_something_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a/secrets");
        let mut room = Room::beside(&target).unwrap();
        fs::write(room.path().join("root"), "x").unwrap();
        room.become_folder(&target).unwrap();
        drop(room);
        assert_eq!(fs::read(target.join("root")).unwrap(), b"x");
        let mut room = Room::beside(&target).unwrap();
        assert!(room.become_folder(&target).is_err());
        let path = room.path().to_path_buf();
        drop(room);
        assert!(!path.exists());
        assert_eq!(fs::read(target.join("root")).unwrap(), b"x");
    }
}
