//! The master key in a copy: its name there, and a place that holds it in memory until it has one.

use crate::keys::{KeyError, KeyPlace, KeyTextError, MasterKey, Slot, StoreId};

/// The name of the master key's text in a copy.
pub const KEY_ENTRY: &str = "key";

/// A key in memory. Nothing can be kept here.
pub struct HeldKey {
    store: StoreId,
    key: MasterKey,
}

impl HeldKey {
    /// Takes the text of a key that no passphrase protects.
    ///
    /// # Errors
    /// [`KeyTextError`].
    pub fn from_text(text: &[u8]) -> Result<HeldKey, KeyTextError> {
        MasterKey::from_text(text).map(|(store, key)| HeldKey { store, key })
    }

    /// The key.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    fn read_only(&self) -> KeyError {
        KeyError::ReadOnly { place: self.describe() }
    }
}

impl KeyPlace for HeldKey {
    fn describe(&self) -> String {
        "the key in the backup".to_owned()
    }

    fn load(&self, store: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError> {
        if *store != self.store {
            let (found, wanted) = (self.store.as_str().to_owned(), store.as_str().to_owned());
            return Err(KeyError::OtherStore { place: self.describe(), found, wanted });
        }
        let copy = || MasterKey::from_bytes(zeroize::Zeroizing::new(*self.key.bytes()));
        Ok((slot == Slot::Current).then(copy))
    }

    fn keep(&self, _: &StoreId, _: Slot, _: &MasterKey) -> Result<(), KeyError> {
        Err(self.read_only())
    }

    fn promote(&self, _: &StoreId) -> Result<(), KeyError> {
        Err(self.read_only())
    }

    fn forget(&self, _: &StoreId, _: Slot) -> Result<(), KeyError> {
        Err(self.read_only())
    }
}
