//! A master key in the keyring of the system: Secret Service, Keychain, Windows Credential Manager.
//!
//! The entry has the service `subrosa`, the store id as account, and the key text as secret, so what a
//! key file holds can be put there by hand. A keyring has no exclusive write: that nobody else keeps a
//! key meanwhile is up to the caller, who holds the store's lock.
//!
//! A locked keyring says so where it knows the entry. Otherwise (the keyring of another session or
//! home, one that hides its entries) it answers that it has none: [`KeyPlace::load`] then gives `None`,
//! only the store knows that there must be a key, and [`KeyPlace::absent_means`] has the words for it.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use crate::keys::file::of_store;
use crate::keys::text::{self, KeyText, KeyTextError};
use crate::keys::{KeyError, KeyPlace, MasterKey, Slot, StoreId};

const SERVICE: &str = "subrosa";
const PLACE: &str = "the keyring of the system";

/// Time for a person to unlock it, and an end if nobody answers: a bus call itself has none.
const DEADLINE: Duration = Duration::from_secs(120);

/// The keyring of the system.
pub struct KeyRing;

impl KeyRing {
    fn read(&self, store: &StoreId, slot: Slot) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        let answer = ask(store, slot, |entry| entry.get_secret().map(Zeroizing::new))?;
        match answer {
            Ok(text) => Ok(Some(text)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn write(&self, store: &StoreId, slot: Slot, text: &[u8]) -> Result<(), KeyError> {
        let secret = Zeroizing::new(text.to_vec());
        ask(store, slot, move |entry| entry.set_secret(&secret))?.map_err(failed)?;
        let kept = self.read(store, slot)?;
        // Both are ours and whole, or one of them is no key: nothing to learn from the time it takes.
        if kept.is_none_or(|kept| kept.as_slice() != text) {
            let why = "it does not give back what it was given".to_owned();
            return Err(KeyError::Source { place: PLACE.to_owned(), why });
        }
        Ok(())
    }
}

impl KeyPlace for KeyRing {
    fn describe(&self) -> String {
        PLACE.to_owned()
    }

    fn absent_means(&self) -> Option<&'static str> {
        Some(
            "it has no such entry, or is locked and hides it, or is another one than in your desktop session",
        )
    }

    fn load(&self, store: &StoreId, slot: Slot) -> Result<Option<MasterKey>, KeyError> {
        let Some(text) = self.read(store, slot)? else { return Ok(None) };
        match text::read(&text).map_err(|error| error.at(PLACE.to_owned()))? {
            KeyText::Plain(found, key) => {
                of_store(store, found, || PLACE.to_owned())?;
                Ok(Some(key))
            }
            KeyText::Wrapped(_) => Err(KeyTextError::Protected.at(PLACE.to_owned())),
        }
    }

    fn keep(&self, store: &StoreId, slot: Slot, key: &MasterKey) -> Result<(), KeyError> {
        if self.read(store, slot)?.is_some() {
            return Err(KeyError::Taken { place: PLACE.to_owned() });
        }
        self.write(store, slot, &key.to_text(store))
    }

    fn promote(&self, store: &StoreId) -> Result<(), KeyError> {
        // Read as a key, so that nothing else can take the place of one.
        let key = self
            .load(store, Slot::Next)?
            .ok_or_else(|| KeyError::Missing { place: format!("the next key in {PLACE}") })?;
        self.write(store, Slot::Current, &key.to_text(store))?;
        self.forget(store, Slot::Next)
    }

    fn forget(&self, store: &StoreId, slot: Slot) -> Result<(), KeyError> {
        match ask(store, slot, |entry| entry.delete_credential())? {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// Makes one call, in a thread that is left behind if no answer comes.
fn ask<T: Send + 'static>(
    store: &StoreId,
    slot: Slot,
    call: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
) -> Result<Result<T, Error>, KeyError> {
    let account = match slot {
        Slot::Current => store.as_str().to_owned(),
        Slot::Next => format!("{}.next", store.as_str()),
    };
    let source = |why: String| KeyError::Source { place: PLACE.to_owned(), why };
    let (give, take) = mpsc::sync_channel(1);
    thread::Builder::new()
        .spawn(move || {
            let answer = Entry::new(SERVICE, &account).and_then(|entry| call(&entry));
            // Nobody takes it any more after the deadline.
            give.send(answer).ok();
        })
        .map_err(|error| source(format!("no thread to ask it: {error}")))?;
    take.recv_timeout(DEADLINE).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => {
            source(format!("it did not answer within {} s", DEADLINE.as_secs()))
        }
        mpsc::RecvTimeoutError::Disconnected => source("it could not be asked".to_owned()),
    })
}

/// Puts an error in words. Some of the crate's carry the secret, so its own words are taken only from
/// those that are about the way to the keyring.
fn failed(error: Error) -> KeyError {
    let why = match error {
        Error::NoDefaultStore => match Entry::store_status() {
            Ok(()) => "there is none to be had".to_owned(),
            Err(Error::PlatformFailure(cause)) => {
                format!("it cannot be reached: {}", short(&cause.to_string()))
            }
            Err(_) => "it cannot be reached".to_owned(),
        },
        Error::PlatformFailure(cause) => format!("it failed: {}", short(&cause.to_string())),
        Error::NoStorageAccess(_) => "it is locked, or does not let us in".to_owned(),
        Error::NoEntry => "it has no such entry".to_owned(),
        Error::Ambiguous(_) => "it has more than one entry for the key".to_owned(),
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) => {
            "it gives what is not readable".to_owned()
        }
        Error::TooLong(..) | Error::Invalid(..) | Error::NotSupportedByStore(_) => {
            "it takes no entry of this kind".to_owned()
        }
        // The crate may get more kinds.
        _ => "it failed".to_owned(),
    };
    KeyError::Source { place: PLACE.to_owned(), why }
}

/// The first line of a platform's words, and not too much of it.
fn short(words: &str) -> String {
    words.chars().take_while(|character| !character.is_control()).take(200).collect()
}
