//! The key of a restored registry: it has to be in its place before the registry is.

use std::sync::Arc;

use subrosa_registry::{HeldKey, KeyError, KeyPlace, RegistryError, Slot, StoreId};

use crate::failure::Failure;
use crate::wiring::World;

/// A key that is in its place; one that was put there goes again, unless it stays.
pub(super) struct KeptKey {
    place: Arc<dyn KeyPlace>,
    store: StoreId,
    is_new: bool,
}

/// Puts the key of the backup, if it has one, where the key belongs; a key that is there stays.
pub(super) fn keep(
    world: &World,
    store: &StoreId,
    held: Option<&HeldKey>,
) -> Result<KeptKey, Failure> {
    let places = world.key_places().ok_or_else(|| {
        Failure::engine("there is no folder for the key: `HOME` is not set")
            .help("set `SUBROSA_HOME` to a folder of your own, or use `--key-file FILE`")
    })?;
    let place = places.place(store).map_err(failed)?;
    let Some(held) = held else {
        return Ok(KeptKey { place, store: store.clone(), is_new: false });
    };
    match place.load(store, Slot::Current).map_err(failed)? {
        Some(found) if found.is(held.key()) => {
            Ok(KeptKey { place, store: store.clone(), is_new: false })
        }
        Some(_) => {
            let place = place.describe();
            Err(Failure::engine(format!("{place} holds another key than the backup needs"))
                .help("move that key away first, or name another place with `--key-file FILE`"))
        }
        None => {
            place.keep(store, Slot::Current, held.key()).map_err(failed)?;
            Ok(KeptKey { place, store: store.clone(), is_new: true })
        }
    }
}

fn failed(error: KeyError) -> Failure {
    RegistryError::Key(error).into()
}

impl KeptKey {
    /// Leaves it there, and says where that is.
    pub(super) fn stay(mut self) -> String {
        self.is_new = false;
        self.place.describe()
    }
}

impl Drop for KeptKey {
    fn drop(&mut self) {
        if self.is_new {
            // The backup still has it.
            self.place.forget(&self.store, Slot::Current).ok();
        }
    }
}
