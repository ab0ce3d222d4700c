//! Values of others, sealed under a key of the store, for when those others are out of reach.
//!
//! This is a convenience beside the store: what is damaged, foreign or too old is not there, and losing
//! all of it costs nothing but what is out of reach. An entry is bound to what it is about and to when it
//! was kept, so that none can be given for another, or made younger. File names tell nothing: they are
//! a keyed hash. Whoever can use the key of the registry can open all of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::crypto::{Context, Key, pad, unpad};
use crate::error::RegistryError;
use crate::files::{FileError, Files, write_all};
use crate::keys::StoreId;
use crate::store::Registry;

const LOCK: &str = "lock";
const NEW: &str = "new";
/// Bytes before what is sealed: the time, in seconds since 1970.
const HEAD_LEN: usize = 8;
/// More than what an environment takes, and all that belongs to it.
const LEN_MAX: u64 = 2 << 20;
/// What is larger is not kept.
const VALUE_LEN_MAX: usize = 1 << 20;

/// The keys of a cache.
pub(crate) struct CacheKeys {
    seal: Key,
    names: Key,
}

impl CacheKeys {
    pub(crate) fn derive(inner: &[u8; 32], store: &StoreId) -> CacheKeys {
        CacheKeys {
            seal: Key::derive(inner, store, "subrosa/cache/1"),
            names: Key::derive(inner, store, "subrosa/cache-names/1"),
        }
    }
}

/// What an entry is about: parts that are the same for the same value, and for no other. They may hold
/// credentials, and are not shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct About(pub Vec<String>);

impl std::fmt::Debug for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("About(..)")
    }
}

/// A value that was kept.
pub struct Kept {
    /// The value.
    pub value: SecretSlice<u8>,
    /// When it was kept.
    pub at: SystemTime,
}

/// The cache of a registry in a folder of its own.
pub struct Cache {
    registry: Arc<Registry>,
    files: Arc<dyn Files>,
    max_age: Duration,
}

impl Cache {
    /// Takes note of where the cache is or will be, and how old an entry may be.
    pub fn new(registry: Arc<Registry>, files: Arc<dyn Files>, max_age: Duration) -> Cache {
        Cache { registry, files, max_age }
    }

    /// Keeps values in the place of older ones, and takes away what is too old.
    ///
    /// # Errors
    /// [`RegistryError`]: there is no store or no key, or the folder cannot be written to.
    pub fn keep(&self, values: &[(About, SecretSlice<u8>)]) -> Result<(), RegistryError> {
        let snapshot = self.registry.snapshot()?;
        let (keys, store) = (&snapshot.inner.cache, &snapshot.root.store);
        let now = seconds((self.registry.surroundings.clock)());
        self.files.make_folder("")?;
        let _lock = self.files.lock(LOCK)?;
        for (about, value) in values {
            #[expect(clippy::disallowed_methods, reason = "it is sealed")]
            let value = value.expose_secret();
            if value.len() <= VALUE_LEN_MAX {
                let mut bytes = now.to_be_bytes().to_vec();
                bytes.extend(keys.seal.seal(&context(about, now, store), &pad(value))?);
                self.put(&name(keys, store, about), &bytes)?;
            }
        }
        self.sweep(now)?;
        Ok(())
    }

    /// Takes away what was kept of these.
    ///
    /// # Errors
    /// As [`Cache::keep`].
    pub fn forget(&self, abouts: &[About]) -> Result<(), RegistryError> {
        let snapshot = self.registry.snapshot()?;
        let (keys, store) = (&snapshot.inner.cache, &snapshot.root.store);
        for about in abouts {
            self.files.remove(&name(keys, store, about))?;
        }
        Ok(())
    }

    /// The values that were kept and are young enough, one answer for each question.
    ///
    /// # Errors
    /// As [`Cache::keep`].
    pub fn find(&self, abouts: &[About]) -> Result<Vec<Option<Kept>>, RegistryError> {
        let snapshot = self.registry.snapshot()?;
        let (keys, store) = (&snapshot.inner.cache, &snapshot.root.store);
        let now = seconds((self.registry.surroundings.clock)());
        let found = abouts.iter().map(|about| {
            let bytes = sound(self.files.read(&name(keys, store, about), LEN_MAX))?;
            Ok(bytes.and_then(|bytes| self.open(about, &bytes, now, keys, store)))
        });
        found.collect()
    }

    fn open(
        &self,
        about: &About,
        bytes: &[u8],
        now: u64,
        keys: &CacheKeys,
        store: &StoreId,
    ) -> Option<Kept> {
        let (at, sealed) = bytes.split_first_chunk::<HEAD_LEN>()?;
        let at = u64::from_be_bytes(*at);
        if !self.is_young(at, now) {
            return None;
        }
        let padded = keys.seal.open(&context(about, at, store), sealed)?;
        let value = SecretSlice::from(unpad(&padded)?.to_vec());
        Some(Kept { value, at: UNIX_EPOCH.checked_add(Duration::from_secs(at))? })
    }

    /// What was kept in the future was kept by a clock that is not to be trusted with an age.
    fn is_young(&self, at: u64, now: u64) -> bool {
        now.checked_sub(at).is_some_and(|age| Duration::from_secs(age) <= self.max_age)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        // Left by somebody who was killed; the lock says that nobody writes it.
        self.files.remove(NEW)?;
        let mut file = self.files.create(NEW)?;
        write_all(&mut *file, bytes).map_err(|source| self.error("write", source))?;
        drop(file);
        // Not synced: after a power cut an entry that is cut does not open.
        self.files.rename(NEW, name)
    }

    fn error(&self, call: &'static str, source: std::io::Error) -> FileError {
        FileError::Io { call, file: self.files.shown(NEW), source }
    }

    /// Takes away all entries of the cache in a folder, whoever can open them; other files stay.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn discard(files: &dyn Files) -> Result<(), FileError> {
        let left = files.list("")?.into_iter().filter(|entry| {
            !entry.is_folder && (is_entry(&entry.name) || [NEW, LOCK].contains(&&*entry.name))
        });
        for entry in left {
            files.remove(&entry.name)?;
        }
        Ok(())
    }

    /// Takes away what is too old, or no entry although it is called like one.
    fn sweep(&self, now: u64) -> Result<(), FileError> {
        let entries = self.files.list("")?.into_iter();
        for entry in entries.filter(|entry| !entry.is_folder && is_entry(&entry.name)) {
            let head = sound(self.files.read_at(&entry.name, 0, HEAD_LEN as u64))?;
            let at = head.and_then(|head| Some(u64::from_be_bytes(head.try_into().ok()?)));
            if !at.is_some_and(|at| self.is_young(at, now)) {
                self.files.remove(&entry.name)?;
            }
        }
        Ok(())
    }
}

/// What is called like an entry and is none of ours is not there: a copy that was brought back open to
/// others, a link that somebody made.
fn sound<T>(read: Result<Option<T>, FileError>) -> Result<Option<T>, FileError> {
    match read {
        Err(
            FileError::NotPrivate { is_folder: false, .. }
            | FileError::NotOurs { .. }
            | FileError::NotPlain { .. }
            | FileError::TooLarge { .. },
        ) => Ok(None),
        other => other,
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn context(about: &About, at: u64, store: &StoreId) -> Context {
    let context = Context::new("subrosa/cache/1", store).number(at);
    about.0.iter().fold(context, |context, part| context.part(part.as_bytes()))
}

fn is_entry(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn name(keys: &CacheKeys, store: &StoreId, about: &About) -> String {
    HEXLOWER.encode(&keys.names.mac(context(about, 0, store).bytes()))
}
