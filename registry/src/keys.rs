//! The master key: what it is, what is derived from it, and where it is kept.
//!
//! A [`MasterKey`] is 32 random bytes that never leave this module but into the derivations below or
//! into a place that a [`KeyError`] can tell of.
//!
//! [`Places`] knows every kind of place and which of them is in use; [`move_key`] brings a key from one
//! to another. The bytes of a key as text are in `text` and `wrapped`, the question for a passphrase is
//! in `passphrase`. When a key is made, used and exchanged is the store's business.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::files::FileError;

mod choose;
mod command;
pub(crate) mod copy;
#[cfg(test)]
mod fake;
mod file;
#[cfg(feature = "keyring")]
mod keyring;
mod left;
mod passphrase;
mod relocate;
mod settings;
mod text;
mod wrapped;

pub use choose::{OpenFolder, Places};
pub use command::KeyCommand;
pub use copy::Protection;
pub use file::KeyFile;
#[cfg(feature = "keyring")]
pub use keyring::KeyRing;
pub use passphrase::{Ask, AskPassphrase, Passphrase};
pub use relocate::{Moved, move_key};
pub use settings::{KeySettings, Source};
pub use text::KeyTextError;
pub use wrapped::Cost;

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

    /// Whether both are the same key; takes the same time wherever they differ.
    pub fn is(&self, other: &MasterKey) -> bool {
        let tag = |key: &MasterKey| {
            Hmac::<Sha256>::new_from_slice(key.bytes())
                .expect("HMAC takes keys of any length")
                .chain_update(b"subrosa key comparison")
        };
        tag(self).verify(&tag(other).finalize().into_bytes()).is_ok()
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

    /// What it can mean, beyond the plain words, that a key which must be there was not found.
    fn absent_means(&self) -> Option<&'static str> {
        None
    }

    /// Fetches a key; `None` only if the place is certain that it has none.
    ///
    /// # Errors
    /// [`KeyError`].
    fn load(&self, store: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError>;

    /// Keeps a key where there is none yet; a slot that is taken is an error, and what it holds is
    /// durable then, whoever kept it.
    ///
    /// # Errors
    /// [`KeyError`]; a place that cannot be written to says so.
    fn keep(&self, store: &StoreId, slot: Slot, key: &MasterKey) -> Result<(), KeyError>;

    /// Makes the next key the current one, in place of what was current.
    ///
    /// # Errors
    /// [`KeyError`].
    fn promote(&self, store: &StoreId) -> Result<(), KeyError>;

    /// Removes a key of that store; fine if there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    fn forget(&self, store: &StoreId, slot: Slot) -> Result<(), KeyError>;
}

impl KeyError {
    /// A key that must be at `place` is not there.
    pub(crate) fn missing(place: &dyn KeyPlace) -> KeyError {
        let hint = place.absent_means().map_or_else(String::new, |hint| format!(" ({hint})"));
        KeyError::Missing { place: format!("{}{hint}", place.describe()) }
    }
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
    /// It is the key of another registry.
    #[error("{place} holds the key of the registry {found}, not of the registry {wanted}")]
    OtherStore {
        /// Where it was read.
        place: String,
        /// The id of the registry that it names.
        found: String,
        /// The id of the registry that asks.
        wanted: String,
    },
    /// A newer subrosa wrote it.
    #[error("{place} has format {found}, and this subrosa reads up to format {known}")]
    TooNew {
        /// Where it was read.
        place: String,
        /// Its format.
        found: u64,
        /// The newest one known here.
        known: u64,
    },
    /// The key is whole, and the passphrase does not open it.
    #[error("the passphrase does not open {place}")]
    WrongPassphrase {
        /// What it was to open.
        place: String,
    },
    /// There is a key already, and none is ever replaced unasked.
    #[error("there is a key already: {place}")]
    Taken {
        /// Where it is.
        place: String,
    },
    /// The place gives a key, and takes none.
    #[error("a key can only be read from {place}")]
    ReadOnly {
        /// Which one.
        place: String,
    },
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::fake::key;

    /// Does not compile if a type has a trait: there would be two ways to read `_`.
    macro_rules! assert_lacks {
        ($type:ty, $trait:path) => {{
            trait Lacks<Way> {
                fn lacks() {}
            }
            struct HasIt;
            impl<T> Lacks<()> for T {}
            impl<T: $trait> Lacks<HasIt> for T {}
            <$type as Lacks<_>>::lacks();
        }};
    }

    #[test]
    fn a_key_can_be_neither_printed_nor_copied_nor_compared_in_haste() {
        assert_lacks!(MasterKey, std::fmt::Debug);
        assert_lacks!(MasterKey, std::fmt::Display);
        assert_lacks!(MasterKey, Clone);
        assert_lacks!(MasterKey, PartialEq);
        assert_lacks!(MasterKey, serde::Serialize);
    }

    #[test]
    fn a_key_is_itself_and_no_other() {
        let mut bytes = Zeroizing::new([7; 32]);
        assert!(key(7).is(&MasterKey::from_bytes(bytes.clone())));
        for at in 0..32 {
            bytes[at] ^= 0x80;
            assert!(!key(7).is(&MasterKey::from_bytes(bytes.clone())), "byte {at}");
            bytes[at] ^= 0x80;
        }
        assert!(!MasterKey::generate().unwrap().is(&MasterKey::generate().unwrap()));
    }
}
