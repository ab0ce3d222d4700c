//! Taking a copy back: files into an empty folder, and making what they are the newest state.

use std::io::{self, Read};

use crate::audit::{Action, Actor, LOG};
use crate::change::LOCK;
use crate::commit::Former;
use crate::error::RegistryError;
use crate::files::write_all;
use crate::piece::{FOLDER, is_index_name};
use crate::root::ROOT;
use crate::store::{MARKER, Registry};
use crate::used::USED;

/// So much of a file is in memory at a time.
const BUFFER_LEN: usize = 64 << 10;

impl Registry {
    /// Writes one file of a copy into the folder, durably; only names that a copy has are taken.
    ///
    /// # Errors
    /// Those of the file system and of `content`, and one of its own for any other name.
    pub fn unpack(&self, name: &str, content: &mut dyn Read) -> io::Result<()> {
        let is_index = name.strip_prefix("idx/").is_some_and(is_index_name);
        if !is_index && ![ROOT, MARKER, LOG, USED].contains(&name) {
            return Err(io::Error::other("no such file belongs into a backup"));
        }
        let files = self.files();
        files.make_folder(FOLDER).map_err(io::Error::other)?;
        let mut file = files.create(name).map_err(io::Error::other)?;
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return file.sync(),
                Ok(read) => write_all(&mut *file, &buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a copy that was unpacked the newest state of its store, and records that it was restored.
    /// From then on the anchor knows it, and a state that was seen before and is newer is refused.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn adopt(&self, actor: &Actor) -> Result<u64, RegistryError> {
        let files = self.files();
        files.sync_folder(FOLDER)?;
        let _lock = files.lock(LOCK)?;
        let snapshot = self.snapshot_of_any_age()?;
        self.recorded(&snapshot, actor, Action::Restore, || self.succeed(&snapshot, Former::Kept))
    }
}
