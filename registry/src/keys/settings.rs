//! Where the key of each store is kept, as `source.json` in the key folder says it.
//!
//! The file lies with the keys and not with the secrets, since it can name a program: whoever can only
//! change the data folder must not choose what is run. A store that it does not name has its key in the
//! key folder. It also says which move of a key is under way, so that a copy is never forgotten about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{FileError, Files, write_all};
use crate::keys::{KeyError, StoreId};

const NAME: &str = "source.json";
const TEMPORARY: &str = "source.json.new";
const LOCK: &str = "source.lock";
const FORMAT: u64 = 1;
const LEN_MAX: u64 = 256 * 1024;

/// One of the places that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, `master.key` in the key folder unless it has a path.
    File {
        /// An absolute path.
        path: Option<PathBuf>,
    },
    /// A file that takes a passphrase, `protected.key` in the key folder unless it has a path.
    Passphrase {
        /// An absolute path.
        path: Option<PathBuf>,
    },
    /// The keyring of the system.
    Keyring,
    /// A program that prints the key.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

/// What is settled about one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Where the key is.
    pub(super) source: Source,
    /// Where a copy may lie already, of a move that was not finished.
    pub(super) moving_to: Option<Source>,
    /// Where a copy may lie still, of a move that was finished but for this.
    pub(super) left: Option<Source>,
}

impl Chosen {
    /// Settled, and nothing under way.
    pub(super) fn only(source: Source) -> Chosen {
        Chosen { source, moving_to: None, left: None }
    }
}

/// Where the keys of all stores are.
#[derive(Debug, Default)]
pub struct KeySettings {
    stores: BTreeMap<String, Chosen>,
}

impl KeySettings {
    /// Reads the settings of a key folder.
    ///
    /// # Errors
    /// [`KeyError`]: it cannot be read, or is not what this or an older subrosa writes.
    pub fn read(folder: &dyn Files) -> Result<KeySettings, KeyError> {
        let Some(bytes) = folder.read(NAME, LEN_MAX)? else {
            return Ok(KeySettings::default());
        };
        let place = || folder.shown(NAME);
        // What serde would say repeats what stands there, and an argument may be nobody's business.
        let damaged = |why| KeyError::Damaged { place: place(), why };
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| damaged("it is no JSON"))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(FORMAT) => {}
            Some(found) if found > FORMAT => {
                return Err(KeyError::TooNew { place: place(), found, known: FORMAT });
            }
            Some(_) | None => return Err(damaged("it has no format that is known")),
        }
        let document: Document = serde_json::from_value(value)
            .map_err(|_| damaged("it has a field that is missing, unknown or of another type"))?;
        let mut stores = BTreeMap::new();
        for (store, entry) in document.stores {
            let chosen = entry
                .chosen()
                .ok_or(damaged("a source has another path or command than its kind takes"))?;
            if StoreId::parse(&store).is_none() {
                return Err(damaged("it names what is no registry"));
            }
            stores.insert(store, chosen);
        }
        Ok(KeySettings { stores })
    }

    /// Where the key of a store is.
    pub fn source(&self, store: &StoreId) -> Source {
        self.chosen(store).source
    }

    /// Where a copy of the key may lie that a move which was stopped has left; [`move_key`] to the place
    /// in use removes it.
    ///
    /// [`move_key`]: crate::keys::move_key
    pub fn left(&self, store: &StoreId) -> Option<Source> {
        let chosen = self.chosen(store);
        chosen.left.or(chosen.moving_to)
    }

    pub(super) fn chosen(&self, store: &StoreId) -> Chosen {
        let chosen = self.stores.get(store.as_str()).cloned();
        chosen.unwrap_or_else(|| Chosen::only(Source::File { path: None }))
    }
}

/// Settles something else about a store, durably.
pub(super) fn change(folder: &dyn Files, store: &StoreId, chosen: &Chosen) -> Result<(), KeyError> {
    folder.make_folder("")?;
    let _lock = folder.lock(LOCK)?;
    let mut settings = KeySettings::read(folder)?;
    settings.stores.insert(store.as_str().to_owned(), chosen.clone());
    let stores = settings
        .stores
        .iter()
        .map(|(store, chosen)| Some((store.clone(), Entry::of(chosen)?)))
        .collect::<Option<_>>()
        .ok_or_else(|| KeyError::Source {
            place: folder.shown(NAME),
            why: "it takes absolute paths in UTF-8, and commands that are not empty".to_owned(),
        })?;
    let mut text = serde_json::to_vec_pretty(&Document { format: FORMAT, stores })
        .expect("strings and numbers can be written as JSON");
    text.push(b'\n');
    replace(folder, &text)?;
    Ok(())
}

fn replace(folder: &dyn Files, text: &[u8]) -> Result<(), FileError> {
    let failed = |call| {
        let file = folder.shown(TEMPORARY);
        move |source| FileError::Io { call, file, source }
    };
    // Of a writer that was stopped: the lock is ours.
    folder.remove(TEMPORARY)?;
    let mut file = folder.create(TEMPORARY)?;
    write_all(&mut *file, text).map_err(failed("write"))?;
    file.sync().map_err(failed("sync"))?;
    folder.rename(TEMPORARY, NAME)?;
    folder.sync_folder("")
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u64,
    stores: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    source: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moving_to: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left: Option<Named>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    source: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    File,
    Passphrase,
    Keyring,
    Command,
}

impl Entry {
    fn of(chosen: &Chosen) -> Option<Entry> {
        let named = |source: &Option<Source>| match source {
            Some(source) => Named::of(source).map(Some),
            None => Some(None),
        };
        let Named { source, path, argv } = Named::of(&chosen.source)?;
        let (moving_to, left) = (named(&chosen.moving_to)?, named(&chosen.left)?);
        Some(Entry { source, path, argv, moving_to, left })
    }

    fn chosen(self) -> Option<Chosen> {
        let source = |named: Option<Named>| match named {
            Some(named) => named.source().map(Some),
            None => Some(None),
        };
        let Entry { source: kind, path, argv, moving_to, left } = self;
        Some(Chosen {
            source: Named { source: kind, path, argv }.source()?,
            moving_to: source(moving_to)?,
            left: source(left)?,
        })
    }
}

impl Named {
    fn of(source: &Source) -> Option<Named> {
        let (kind, path, argv) = match source {
            Source::File { path } => (Kind::File, path.as_deref(), None),
            Source::Passphrase { path } => (Kind::Passphrase, path.as_deref(), None),
            Source::Keyring => (Kind::Keyring, None, None),
            Source::Command { argv } if argv.is_empty() => return None,
            Source::Command { argv } => (Kind::Command, None, Some(argv.clone())),
        };
        let path = match path {
            Some(path) if path.is_absolute() => Some(path.to_str()?.to_owned()),
            Some(_) => return None,
            None => None,
        };
        Some(Named { source: kind, path, argv })
    }

    fn source(self) -> Option<Source> {
        let path = self.path.map(PathBuf::from);
        if path.as_deref().is_some_and(Path::is_relative) {
            return None;
        }
        match (self.source, path, self.argv) {
            (Kind::File, path, None) => Some(Source::File { path }),
            (Kind::Passphrase, path, None) => Some(Source::Passphrase { path }),
            (Kind::Keyring, None, None) => Some(Source::Keyring),
            (Kind::Command, None, Some(argv)) if !argv.is_empty() => Some(Source::Command { argv }),
            (Kind::File | Kind::Passphrase | Kind::Keyring | Kind::Command, _, _) => None,
        }
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
