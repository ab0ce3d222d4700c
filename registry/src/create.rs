//! Making a store: the marker, the key, the first root, in this order.

use crate::audit::Names;
use crate::change::LOCK;
use crate::commit::Former;
use crate::crypto::{Inner, Keys};
use crate::error::RegistryError;
use crate::keys::{KeyError, MasterKey, Slot, StoreId};
use crate::piece::{self, Pieces};
use crate::root::{self, PREVIOUS, ROOT, Root};
use crate::store::{MARKER, Registry};
use crate::time::Time;

impl Registry {
    /// Makes an empty store, or finishes making one; fine if there is one already.
    pub(crate) fn create(&self, names: Names) -> Result<(), RegistryError> {
        let files = self.files();
        files.make_folder("")?;
        let _lock = files.lock(LOCK)?;
        if files.read(ROOT, root::LEN_MAX)?.is_some() {
            return Ok(());
        }
        let store = match self.marker()? {
            // Making it was cut off before anything was stored; else the root was lost.
            Some(store) if files.list(piece::FOLDER)?.is_empty() => store,
            Some(_) => return Err(RegistryError::Missing { file: files.shown(ROOT) }),
            // The marker is made before all else, so this is a store that has lost both. A new one in its
            // place would take what is left of it for rubbish.
            None if self.holds_remains()? => {
                return Err(RegistryError::Missing { file: files.shown(MARKER) });
            }
            None => {
                let store = StoreId::generate().ok_or(RegistryError::Randomness)?;
                self.write_marker(&store)?;
                store
            }
        };
        if self.anchor_for_sure(&store)?.is_some() {
            return Err(RegistryError::Missing { file: files.shown(ROOT) });
        }
        let keys = Keys::derive(&self.first_key(&store)?, &store);
        let inner = Inner::generate(&store)?.seal(&keys, &store)?;
        let written = Time::of((self.surroundings.clock)());
        let root = Root {
            store,
            key: keys.id.clone(),
            generation: 1,
            written,
            names,
            inner,
            audit: None,
            settings: None,
            branches: Pieces::default(),
        };
        files.make_folder(piece::FOLDER)?;
        files.sync_folder("")?;
        self.write_root(&keys, &root, Former::Dropped).map(|_| ())
    }

    /// Whether there is anything that only a root can have named.
    fn holds_remains(&self) -> Result<bool, RegistryError> {
        let files = self.files();
        Ok(!files.list(piece::FOLDER)?.is_empty() || files.read_at(PREVIOUS, 0, 0)?.is_some())
    }

    /// The key of a store that has no root yet.
    fn first_key(&self, store: &StoreId) -> Result<MasterKey, RegistryError> {
        let place = self.key_place(store)?;
        if let Some(key) = place.load(store, Slot::Current)? {
            // Whoever kept it may have been stopped before it was durable.
            return match place.keep(store, Slot::Current, &key) {
                Ok(()) | Err(KeyError::Taken { .. } | KeyError::ReadOnly { .. }) => Ok(key),
                Err(error) => Err(error.into()),
            };
        }
        let key = MasterKey::generate().ok_or(RegistryError::Randomness)?;
        place.keep(store, Slot::Current, &key)?;
        // What cannot be read back must not become the only key of anything.
        match place.load(store, Slot::Current)? {
            Some(kept) if Keys::derive(&kept, store).id == Keys::derive(&key, store).id => Ok(key),
            _ => Err(KeyError::missing(&*place).into()),
        }
    }

    /// Says in the folder which store it is.
    pub(crate) fn write_marker(&self, store: &StoreId) -> Result<(), RegistryError> {
        self.replace(MARKER, &Registry::marker_bytes(store))?;
        Ok(self.files().sync_folder("")?)
    }
}
