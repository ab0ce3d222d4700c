//! Finds the place where the key of a store is kept, and makes it usable.
//!
//! A path that was given for this call comes first, then the settings, then the file in the key folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::{FileError, Files};
use crate::keys::command::KeyCommand;
use crate::keys::file::KeyFile;
use crate::keys::passphrase::Passphrase;
use crate::keys::settings::{KeySettings, Source};
use crate::keys::{KeyError, KeyPlace, StoreId};

/// Opens the folder of a key file that lies elsewhere. The folder need not be private; a file in it that
/// is read must be.
pub type OpenFolder = Arc<dyn Fn(&Path) -> Result<Arc<dyn Files>, FileError> + Send + Sync>;

/// What the places of keys need of their surroundings.
pub struct Places {
    /// The key folder.
    pub folder: Arc<dyn Files>,
    /// Opens other folders.
    pub open_folder: OpenFolder,
    /// The key file that was named for this call, by an option or a variable; an absolute path.
    pub key_file: Option<PathBuf>,
    /// Shared by all places, so that nobody is asked twice.
    pub passphrase: Arc<Passphrase>,
    /// The environment of a key command.
    pub environment: Vec<(OsString, OsString)>,
}

impl Places {
    /// Which place holds the key of a store.
    ///
    /// # Errors
    /// [`KeyError`]: the settings cannot be read.
    pub fn source(&self, store: &StoreId) -> Result<Source, KeyError> {
        if let Some(path) = &self.key_file {
            return Ok(Source::File { path: Some(path.clone()) });
        }
        Ok(KeySettings::read(&*self.folder)?.source(store))
    }

    /// The place that holds the key of a store.
    ///
    /// # Errors
    /// [`KeyError`]: the settings cannot be read, or this program knows no such place.
    pub fn place(&self, store: &StoreId) -> Result<Arc<dyn KeyPlace>, KeyError> {
        self.of(&self.source(store)?)
    }

    /// The place that a source stands for.
    ///
    /// # Errors
    /// [`KeyError`]: the folder of a file cannot be opened, or this program knows no such place.
    pub fn of(&self, source: &Source) -> Result<Arc<dyn KeyPlace>, KeyError> {
        Ok(match source {
            Source::File { path } => Arc::new(self.file(path.as_deref())?),
            Source::Passphrase { path } => Arc::new(self.file(path.as_deref())?.protected()),
            Source::Keyring => keyring()?,
            Source::Command { argv } => {
                Arc::new(KeyCommand::new(argv.clone(), self.environment.clone()))
            }
        })
    }

    fn file(&self, path: Option<&Path>) -> Result<KeyFile, KeyError> {
        let passphrase = Arc::clone(&self.passphrase);
        let Some(path) = path else {
            return Ok(KeyFile::in_key_folder(Arc::clone(&self.folder), passphrase));
        };
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(folder), Some(name)) = (path.parent(), name) else {
            let place = format!("the file {}", path.display());
            return Err(KeyError::Source { place, why: "it names no file in UTF-8".to_owned() });
        };
        let files = (self.open_folder)(folder)?;
        Ok(KeyFile::at(files, name.to_owned(), passphrase))
    }
}

#[cfg(feature = "keyring")]
fn keyring() -> Result<Arc<dyn KeyPlace>, KeyError> {
    Ok(Arc::new(crate::keys::keyring::KeyRing))
}

#[cfg(not(feature = "keyring"))]
fn keyring() -> Result<Arc<dyn KeyPlace>, KeyError> {
    Err(KeyError::Source {
        place: "the keyring of the system".to_owned(),
        why: "this subrosa was built without it".to_owned(),
    })
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
