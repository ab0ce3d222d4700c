//! One at a time for work on a connection that is done elsewhere, as exchanging its tokens.
//!
//! What is held is a file lock, so it ends with its holder, however that ends. Its name is the keyed
//! place of the ref: it tells nothing of the connection, and there are at most 4096 of them, which stay.

use crate::error::RegistryError;
use crate::files::Lock;
use crate::leaf::Place;
use crate::names::Address;
use crate::record::only_connection;
use crate::store::Registry;

/// Names of the files begin so; four hex digits follow.
const HOLD: &str = "hold-";

impl Registry {
    /// Waits until nobody else works on a connection, in whichever scope, and keeps others waiting until
    /// the lock is dropped. It locks out no change of the store.
    ///
    /// Two connections share a lock once in 4096 times. Whoever holds one must not ask for another, or
    /// may wait for himself.
    ///
    /// # Errors
    /// [`RegistryError`]: also if one holder kept it for two minutes.
    pub fn hold(&self, address: &Address) -> Result<Box<dyn Lock>, RegistryError> {
        only_connection(address)?;
        let snapshot = self.snapshot()?;
        let Place { branch, leaf } = Place::of(&address.reference, &snapshot.inner);
        Ok(self.files().lock_for_long(&format!("{HOLD}{branch:02x}{leaf:02x}"))?)
    }
}

/// Whether a name in the store's folder is that of such a lock.
pub(crate) fn is_hold_name(name: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.strip_prefix(HOLD).is_some_and(|place| place.len() == 4 && place.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::is_hold_name;

    #[test]
    fn only_places_make_a_name() {
        for good in ["hold-0000", "hold-3f0a"] {
            assert!(is_hold_name(good), "{good}");
        }
        for bad in
            ["hold-", "hold-3f0", "hold-3f0a1", "hold-3F0a", "hold-3f0g", "held-3f0a", "lock"]
        {
            assert!(!is_hold_name(bad), "{bad}");
        }
    }
}
