//! Brings the key of a store from one place to another.
//!
//! At every moment the place that the settings name holds the key, and every place that may hold a copy
//! is named there, too: the new one before the copy is made, the old one until its copy is gone. So a
//! move that was stopped anywhere is finished, or taken back, by asking for it again. A copy is only
//! ever made where there was nothing, hence the old and the new place are never the same file under two
//! names, and removing one cannot remove the other.

use crate::keys::choose::Places;
use crate::keys::settings::{Chosen, KeySettings, Source, change};
use crate::keys::{KeyError, KeyPlace, MasterKey, Slot, StoreId};

/// What a move has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where the key is now, in words.
    pub place: String,
    /// Where a copy is that was not removed, in words.
    pub left: Option<String>,
}

/// Moves the key of a store. `check` says whether a key is the one that the store needs; it is told the
/// place that the key came from, for [`KeyError::Wrong`]. The caller holds the store's lock.
///
/// The old copy stays if the new place is a program: that could print the very file that would be
/// removed. It also stays if the old place is one.
///
/// # Errors
/// [`KeyError`]. The key is where it was, or, if only the old copy could not be removed, where it should
/// be; asking again goes on.
pub fn move_key(
    places: &Places,
    store: &StoreId,
    to: &Source,
    check: &dyn Fn(&MasterKey, &str) -> Result<(), KeyError>,
) -> Result<Moved, KeyError> {
    let folder = &*places.folder;
    let chosen = KeySettings::read(folder)?.chosen(store);
    let from = places.source(store)?;
    let (old, new) = (places.of(&from)?, places.of(to)?);
    let key = wanted(&*old, store, check)?;
    let place = new.describe();
    if from == *to {
        // With a path that was given for this call the settings may be about other places.
        if chosen.source == *to {
            remove_copies(places, store, &chosen, to)?;
        }
        return Ok(Moved { place, left: None });
    }
    let resumed = chosen.moving_to.as_ref() == Some(to);
    if let Some(abandoned) = chosen.moving_to.as_ref().filter(|copy| !resumed && **copy != from) {
        places.of(abandoned)?.forget(store, Slot::Current)?;
    }
    if let Some(left) = chosen.left.as_ref().filter(|left| **left != from) {
        places.of(left)?.forget(store, Slot::Current)?;
    }
    let gives_only = matches!(to, Source::Command { .. });
    if gives_only {
        compare(&*new, store, &key, check)?;
    } else {
        copy(&Copying { places, store, from: &from, to, resumed }, &*new, &key, check)?;
    }
    if gives_only || matches!(from, Source::Command { .. }) {
        change(folder, store, &Chosen::only(to.clone()))?;
        return Ok(Moved { place, left: Some(old.describe()) });
    }
    let left = Some(from.clone());
    change(folder, store, &Chosen { source: to.clone(), moving_to: None, left })?;
    old.forget(store, Slot::Current)?;
    change(folder, store, &Chosen::only(to.clone()))?;
    Ok(Moved { place, left: None })
}

/// Which copy is to be made.
struct Copying<'a> {
    places: &'a Places,
    store: &'a StoreId,
    from: &'a Source,
    to: &'a Source,
    /// Whether a copy that is there already is of an earlier try.
    resumed: bool,
}

fn copy(
    copying: &Copying<'_>,
    new: &dyn KeyPlace,
    key: &MasterKey,
    check: &dyn Fn(&MasterKey, &str) -> Result<(), KeyError>,
) -> Result<(), KeyError> {
    let Copying { places, store, from, to, resumed } = *copying;
    match new.load(store, Slot::Current)? {
        None => {}
        // The earlier try may have stopped before its copy was durable: it is made anew.
        Some(found) if resumed && found.is(key) => new.forget(store, Slot::Current)?,
        Some(_) => return Err(KeyError::Taken { place: new.describe() }),
    }
    let moving_to = Some(to.clone());
    let chosen = Chosen { source: from.clone(), moving_to, left: None };
    change(&*places.folder, store, &chosen)?;
    new.keep(store, Slot::Current, key)?;
    compare(new, store, key, check)
}

/// The key that is in use, unless the place is about to get another one.
fn wanted(
    old: &dyn KeyPlace,
    store: &StoreId,
    check: &dyn Fn(&MasterKey, &str) -> Result<(), KeyError>,
) -> Result<MasterKey, KeyError> {
    if old.load(store, Slot::Next)?.is_some() {
        return Err(KeyError::Source {
            place: old.describe(),
            why: "there is a next key beside it, of a rotation that is not finished".to_owned(),
        });
    }
    let key =
        old.load(store, Slot::Current)?.ok_or_else(|| KeyError::Missing { place: absent(old) })?;
    check(&key, &old.describe())?;
    Ok(key)
}

/// Reads a key back.
fn compare(
    new: &dyn KeyPlace,
    store: &StoreId,
    key: &MasterKey,
    check: &dyn Fn(&MasterKey, &str) -> Result<(), KeyError>,
) -> Result<(), KeyError> {
    let found =
        new.load(store, Slot::Current)?.ok_or_else(|| KeyError::Missing { place: absent(new) })?;
    check(&found, &new.describe())?;
    if !found.is(key) {
        let why = "it gives another key".to_owned();
        return Err(KeyError::Source { place: new.describe(), why });
    }
    Ok(())
}

fn remove_copies(
    places: &Places,
    store: &StoreId,
    chosen: &Chosen,
    kept: &Source,
) -> Result<(), KeyError> {
    let copies = [&chosen.moving_to, &chosen.left];
    if copies.iter().all(|copy| copy.is_none()) {
        return Ok(());
    }
    for copy in copies.into_iter().flatten().filter(|copy| *copy != kept) {
        places.of(copy)?.forget(store, Slot::Current)?;
    }
    change(&*places.folder, store, &Chosen::only(kept.clone()))
}

fn absent(place: &dyn KeyPlace) -> String {
    match place.absent_means() {
        Some(means) => format!("{}: {means}", place.describe()),
        None => place.describe(),
    }
}

#[cfg(test)]
#[path = "relocate_tests.rs"]
mod tests;
