//! The passphrase of protected keys: asked for at most once, and not kept.
//!
//! What is kept instead, until the process ends, is the key that Argon2id made of it, which opens the
//! texts with the same salt and nothing else. A key that is about to follow another one is wrapped
//! under the salt of the other, so that one question and one derivation are enough for a rotation.
//! Who is asked, and how, is up to the front end.

use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::keys::text::KeyTextError;
use crate::keys::wrapped::{Cost, Derivation, Wrapped, WrappingKey};
use crate::keys::{KeyError, MasterKey};

/// What a passphrase is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To open a key that has one.
    Existing {
        /// Which key, in words.
        place: String,
    },
    /// To protect a key from now on; a person should be asked twice.
    New {
        /// Which key, in words.
        place: String,
    },
}

/// Asks for a passphrase. What it gives is used as it is, so a line's end is to be cut off before.
pub type AskPassphrase = Arc<dyn Fn(Ask) -> Result<Zeroizing<Vec<u8>>, KeyError> + Send + Sync>;

/// Opens and protects keys with what it is told when it asks.
pub struct Passphrase {
    ask: AskPassphrase,
    cost: Cost,
    known: Mutex<Known>,
}

/// What the answers were good for.
#[derive(Default)]
struct Known {
    keys: Vec<WrappingKey>,
    /// Where the answer was wrong; it would be asked for the same again, so nobody is.
    wrong: Vec<Derivation>,
}

impl Passphrase {
    /// Asks nothing yet. New keys are protected at that cost.
    pub fn new(ask: AskPassphrase, cost: Cost) -> Passphrase {
        Passphrase { ask, cost, known: Mutex::default() }
    }

    /// Opens a key.
    pub(super) fn open(&self, place: &str, wrapped: &Wrapped) -> Result<MasterKey, KeyError> {
        Ok(self.opened(place, wrapped)?.1)
    }

    /// Gives the key that opens a text, so that another text can be made for the same passphrase.
    pub(super) fn of(&self, place: &str, wrapped: &Wrapped) -> Result<WrappingKey, KeyError> {
        Ok(self.opened(place, wrapped)?.0)
    }

    /// Asks for a passphrase that is to protect a key from now on.
    pub(super) fn choose(&self, place: &str) -> Result<WrappingKey, KeyError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let passphrase = (self.ask)(Ask::New { place: place.to_owned() })?;
        let key = protect(&passphrase, self.cost).map_err(|error| error.at(place.to_owned()))?;
        known.keys.push(key.clone());
        Ok(key)
    }

    /// One question at a time: whoever comes second finds the answer.
    fn opened(&self, place: &str, wrapped: &Wrapped) -> Result<(WrappingKey, MasterKey), KeyError> {
        let wrong = || KeyError::WrongPassphrase { place: place.to_owned() };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let derivation = wrapped.derivation;
        if let Some(key) = known.keys.iter().find(|key| key.derivation == derivation) {
            let master = wrapped.open(key).ok_or_else(wrong)?;
            return Ok((key.clone(), master));
        }
        if known.wrong.contains(&derivation) {
            return Err(wrong());
        }
        let passphrase = (self.ask)(Ask::Existing { place: place.to_owned() })?;
        let key = WrappingKey::derive(&passphrase, derivation)
            .map_err(|error| error.at(place.to_owned()))?;
        let Some(master) = wrapped.open(&key) else {
            known.wrong.push(derivation);
            return Err(wrong());
        };
        known.keys.push(key.clone());
        Ok((key, master))
    }
}

fn protect(passphrase: &[u8], cost: Cost) -> Result<WrappingKey, KeyTextError> {
    if passphrase.is_empty() {
        return Err(KeyTextError::EmptyPassphrase);
    }
    WrappingKey::derive(passphrase, Derivation::new(cost)?)
}

#[cfg(test)]
#[path = "passphrase_tests.rs"]
mod tests;
