//! A copy of a key for a safe place: its text, as it is or under a passphrase.

use zeroize::Zeroizing;

use crate::keys::passphrase::Passphrase;
use crate::keys::text::{self, KeyText};
use crate::keys::wrapped::Wrapped;
use crate::keys::{KeyError, MasterKey, StoreId};

/// What a copy of a key takes to be of use.
pub enum Protection<'a> {
    /// Nothing: whoever has it has the key.
    None,
    /// A passphrase that is asked for now.
    Passphrase(&'a Passphrase),
}

/// Makes the text of a copy; `place` is where it will be, in words.
pub(crate) fn write(
    store: &StoreId,
    key: &MasterKey,
    protection: &Protection<'_>,
    place: &str,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    match protection {
        Protection::None => Ok(key.to_text(store)),
        Protection::Passphrase(passphrase) => {
            let with = passphrase.choose(place)?;
            let wrapped = Wrapped::seal(store, key, &with);
            Ok(text::write_wrapped(&wrapped.map_err(|error| error.at(place.to_owned()))?))
        }
    }
}

/// Reads the text of a copy of either kind, and says which store it is for; `place` is where it was.
pub(crate) fn read(
    text: &[u8],
    passphrase: &Passphrase,
    place: &str,
) -> Result<(StoreId, MasterKey), KeyError> {
    match text::read(text).map_err(|error| error.at(place.to_owned()))? {
        KeyText::Plain(store, key) => Ok((store, key)),
        KeyText::Wrapped(wrapped) => {
            let key = passphrase.open(place, &wrapped)?;
            Ok((wrapped.store, key))
        }
    }
}
