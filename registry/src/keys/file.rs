//! A master key in a file.
//!
//! A key is written under a temporary name, synced, and then given its name with `link`, which never
//! replaces one: of two that keep a key at once, one is told that the name is taken, and at no moment
//! does a name stand for half a key. The next key lies beside the current one, as `<name>.next`, until
//! a rename puts it in its place. Reading writes nothing.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::files::{FileError, Files, write_all};
use crate::keys::passphrase::Passphrase;
use crate::keys::text::{self, KeyText, KeyTextError, TEXT_LEN_MAX};
use crate::keys::wrapped::{Wrapped, WrappingKey};
use crate::keys::{KeyError, KeyPlace, MasterKey, Slot, StoreId};

/// The file in the key folder that a key is kept in unless something else was chosen.
const PLAIN_NAME: &str = "master.key";
/// Its counterpart with a passphrase, under another name so that a key can be moved between both.
const PROTECTED_NAME: &str = "protected.key";

/// A file that holds the master key of one store.
pub struct KeyFile {
    files: Arc<dyn Files>,
    name: String,
    /// Whether the folder is ours to make.
    in_key_folder: bool,
    /// Whether a key is never to lie there without a passphrase.
    protected: bool,
    passphrase: Arc<Passphrase>,
}

impl KeyFile {
    /// The file `master.key` in the key folder.
    pub fn in_key_folder(files: Arc<dyn Files>, passphrase: Arc<Passphrase>) -> KeyFile {
        let name = PLAIN_NAME.to_owned();
        KeyFile { files, name, in_key_folder: true, protected: false, passphrase }
    }

    /// The file of that name in a folder that exists and may hold other things. A key in it may have a
    /// passphrase; a new one gets none.
    pub fn at(files: Arc<dyn Files>, name: String, passphrase: Arc<Passphrase>) -> KeyFile {
        KeyFile { files, name, in_key_folder: false, protected: false, passphrase }
    }

    /// The same place for keys that have a passphrase, and only for these. In the key folder that is
    /// the file `protected.key`.
    pub fn protected(mut self) -> KeyFile {
        if self.in_key_folder {
            PROTECTED_NAME.clone_into(&mut self.name);
        }
        self.protected = true;
        self
    }

    fn name(&self, slot: Slot) -> String {
        match slot {
            Slot::Current => self.name.clone(),
            Slot::Next => format!("{}.next", self.name),
        }
    }

    fn place(&self, slot: Slot) -> String {
        format!("the file {}", self.files.shown(&self.name(slot)))
    }

    fn read(&self, slot: Slot) -> Result<Option<KeyText>, KeyError> {
        let Some(bytes) = self.files.read(&self.name(slot), TEXT_LEN_MAX)? else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(bytes);
        text::read(&bytes).map(Some).map_err(|error| error.at(self.place(slot)))
    }

    /// Makes the text for a key, with a passphrase if the place or the key before it has one.
    fn write(
        &self,
        store: &StoreId,
        slot: Slot,
        key: &MasterKey,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let before = match slot {
            Slot::Current => None,
            Slot::Next => self.read(Slot::Current)?,
        };
        let place = self.place(slot);
        match before {
            Some(KeyText::Wrapped(wrapped)) => {
                let with = self.passphrase.of(&self.place(Slot::Current), &wrapped)?;
                protect(store, key, &with, place)
            }
            Some(KeyText::Plain(..)) | None if self.protected => {
                protect(store, key, &self.passphrase.choose(&place)?, place)
            }
            Some(KeyText::Plain(..)) | None => Ok(key.to_text(store)),
        }
    }

    /// Puts a text under a name that must be free.
    fn put(&self, name: &str, text: &[u8]) -> Result<(), FileError> {
        let temporary = self.temporary(name)?;
        let put =
            self.write_temporary(&temporary, text).and_then(|()| self.files.link(&temporary, name));
        let removed = self.files.remove(&temporary);
        put?;
        removed?;
        self.files.sync_folder("")
    }

    fn write_temporary(&self, temporary: &str, text: &[u8]) -> Result<(), FileError> {
        let mut file = self.files.create(temporary)?;
        let failed = |call| {
            let file = self.files.shown(temporary);
            move |source| FileError::Io { call, file, source }
        };
        write_all(&mut *file, text).map_err(failed("write"))?;
        file.sync().map_err(failed("sync"))
    }

    fn temporary(&self, name: &str) -> Result<String, FileError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| FileError::Io {
            call: "name a temporary file for",
            file: self.files.shown(name),
            source: io::Error::other("the system gives no randomness"),
        })?;
        let mut temporary = temporary_start(name);
        for byte in random {
            write!(temporary, "{byte:02x}").expect("writing to a string does not fail");
        }
        Ok(temporary)
    }

    /// Removes what writers that were stopped have left. They hold keys, and nobody knows them; but
    /// what was asked for is done already, so it does not fail if they cannot be removed.
    fn sweep(&self) {
        let Ok(entries) = self.files.list("") else { return };
        let starts = [Slot::Current, Slot::Next].map(|slot| temporary_start(&self.name(slot)));
        for entry in entries {
            let ours = starts.iter().any(|start| is_temporary_of(&entry.name, start));
            if ours && self.files.remove(&entry.name).is_err() {
                return;
            }
        }
    }

    /// Why a key cannot be kept where there is something already, which is made durable.
    fn taken(&self, store: &StoreId, slot: Slot) -> KeyError {
        if let Err(error) = self.files.sync_folder("") {
            return error.into();
        }
        let found = match self.read(slot) {
            Ok(Some(text)) => text.store(),
            Ok(None) | Err(_) => store.clone(),
        };
        match of_store(store, found, || self.place(slot)) {
            Ok(()) => KeyError::Taken { place: self.place(slot) },
            Err(error) => error,
        }
    }
}

impl KeyPlace for KeyFile {
    fn describe(&self) -> String {
        self.place(Slot::Current)
    }

    fn load(&self, store: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError> {
        let place = || self.place(slot);
        match self.read(slot)? {
            None => Ok(None),
            Some(KeyText::Plain(found, key)) => {
                of_store(store, found, place)?;
                if self.protected {
                    return Err(KeyTextError::NotProtected.at(place()));
                }
                Ok(Some(key))
            }
            Some(KeyText::Wrapped(wrapped)) => {
                of_store(store, wrapped.store.clone(), place)?;
                self.passphrase.open(&place(), &wrapped).map(Some)
            }
        }
    }

    fn keep(&self, store: &StoreId, slot: Slot, key: &MasterKey) -> Result<(), KeyError> {
        let name = self.name(slot);
        if self.in_key_folder {
            self.files.make_folder("")?;
        }
        // Asked first so that nobody chooses a passphrase in vain; what counts is the link.
        if self.files.read_at(&name, 0, 0)?.is_some() {
            return Err(self.taken(store, slot));
        }
        let text = self.write(store, slot, key)?;
        match self.put(&name, &text) {
            Ok(()) => {
                self.sweep();
                Ok(())
            }
            Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                Err(self.taken(store, slot))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn promote(&self, store: &StoreId) -> Result<(), KeyError> {
        let (next, current) = (self.name(Slot::Next), self.name(Slot::Current));
        let found = self
            .read(Slot::Next)?
            .map(KeyText::store)
            .ok_or_else(|| KeyError::Missing { place: self.place(Slot::Next) })?;
        of_store(store, found, || self.place(Slot::Next))?;
        self.files.rename(&next, &current)?;
        self.files.sync_folder("")?;
        self.sweep();
        Ok(())
    }

    /// Leaves the key of another store alone, and what is no key.
    fn forget(&self, store: &StoreId, slot: Slot) -> Result<(), KeyError> {
        if self.read(slot)?.is_some_and(|text| text.store() != *store) {
            return Ok(());
        }
        // Also if nothing is there: an earlier removal may not have become durable.
        self.files.remove(&self.name(slot))?;
        self.files.sync_folder("")?;
        self.sweep();
        Ok(())
    }
}

fn protect(
    store: &StoreId,
    key: &MasterKey,
    with: &WrappingKey,
    place: String,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let wrapped = Wrapped::seal(store, key, with).map_err(|error| error.at(place))?;
    Ok(text::write_wrapped(&wrapped))
}

/// Refuses the key of another store.
pub(super) fn of_store(
    wanted: &StoreId,
    found: StoreId,
    place: impl FnOnce() -> String,
) -> Result<(), KeyError> {
    if found == *wanted {
        return Ok(());
    }
    Err(KeyError::OtherStore {
        place: place(),
        found: found.as_str().to_owned(),
        wanted: wanted.as_str().to_owned(),
    })
}

/// Whether a name in the key folder is one under which a key is written before it gets its own.
pub(super) fn is_temporary(name: &str) -> bool {
    [PLAIN_NAME, PROTECTED_NAME].iter().any(|key| {
        let next = format!("{key}.next");
        [*key, &next].iter().any(|key| is_temporary_of(name, &temporary_start(key)))
    })
}

fn is_temporary_of(name: &str, start: &str) -> bool {
    let random = name.strip_prefix(start).unwrap_or_default();
    random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn temporary_start(name: &str) -> String {
    format!(".{name}.")
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
