//! The master key: what it is, what is derived from it, and where it is kept.
//!
//! A [`MasterKey`] is 32 random bytes that never leave this module but into the derivations below or
//! into a place that a [`KeyError`] can tell of.

use zeroize::Zeroizing;

use crate::files::FileError;

/// The 32 bytes from which every other key of a store is derived.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Takes over 32 random bytes.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> MasterKey {
        MasterKey(bytes)
    }

    /// Draws a new key from the system's randomness; `None` if it gives none.
    pub fn generate() -> Option<MasterKey> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).ok()?;
        Some(MasterKey(bytes))
    }

    /// The bytes, for derivation and for keeping.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The name of a store, drawn when it is made; keys are kept under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreId(String);

impl StoreId {
    /// Takes the 32 lower-case hex digits of an id.
    pub fn parse(text: &str) -> Option<StoreId> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 32 && text.bytes().all(hex)).then(|| StoreId(text.to_owned()))
    }

    /// Draws a new id; `None` if the system gives no randomness.
    pub fn generate() -> Option<StoreId> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(StoreId(data_encoding::HEXLOWER.encode(&bytes)))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which of the two keys that a place can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The key in use.
    Current,
    /// The key that a rotation is about to bring into use. Both are there until it is done; the store's
    /// root says which of them it needs.
    Next,
}

/// Where the master key of a store is kept.
///
/// Whatever a place keeps, it has kept durably when a call returns.
pub trait KeyPlace: Send + Sync {
    /// What and where it is, in words: `the file /home/ada/.config/subrosa/keys/master.key`.
    fn describe(&self) -> String;

    /// Fetches a key; `None` only if the place is certain that it has none.
    ///
    /// # Errors
    /// [`KeyError`].
    fn load(&self, store: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError>;

    /// Keeps a key where there is none yet; a slot that is taken is an error.
    ///
    /// # Errors
    /// [`KeyError`]; a place that cannot be written to says so.
    fn keep(&self, store: &StoreId, slot: Slot, key: &MasterKey) -> Result<(), KeyError>;

    /// Makes the next key the current one, in place of what was current.
    ///
    /// # Errors
    /// [`KeyError`].
    fn promote(&self, store: &StoreId) -> Result<(), KeyError>;

    /// Removes a key; fine if there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    fn forget(&self, store: &StoreId, slot: Slot) -> Result<(), KeyError>;
}

/// Why the master key cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no key where it should be.
    #[error("the key of the registry is missing: {place}")]
    Missing {
        /// Where it was looked for, in words.
        place: String,
    },
    /// There is something, and it is no key.
    #[error("the key of the registry is damaged: {place}: {why}")]
    Damaged {
        /// Where it was read.
        place: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is a key, but another one.
    #[error("{place} holds the key {found}, and the registry needs the key {wanted}")]
    Wrong {
        /// Where it was read.
        place: String,
        /// Its id.
        found: String,
        /// The id that the store names.
        wanted: String,
    },
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system's keyring, a command or the passphrase did not give it.
    #[error("{place}: {why}")]
    Source {
        /// Which one.
        place: String,
        /// What happened, in words that hold nothing of the key.
        why: String,
    },
}
