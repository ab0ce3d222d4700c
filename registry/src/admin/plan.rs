//! Imports that meet what is there already: what each value would become, and a rule for the rest.
//!
//! A value that is given is compared with the stored one inside, in constant time. That the two are the
//! same or differ is all that gets out, and whoever asks has the one of them.

use secrecy::{ExposeSecret, SecretSlice};

use super::{Admin, Import, Written};
use crate::audit::Action;
use crate::change::Deed;
use crate::crypto::Key;
use crate::entry::{Entry, State, check_value};
use crate::error::{InvalidValue, RegistryError};
use crate::names::Address;
use crate::record::only_secret;
use crate::store::Snapshot;

/// What an import meets where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planned {
    /// Nothing: the secret would be new.
    New,
    /// A secret that was declared without a value.
    FirstValue,
    /// A secret with that very value.
    Same {
        /// Its current version.
        version: u64,
    },
    /// A secret with another value.
    Conflict {
        /// Its current version.
        version: u64,
    },
}

/// What becomes of secrets that have another value already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing at all is stored.
    Stop,
    /// They stay as they are.
    Skip,
    /// They get a new version.
    Replace,
}

/// What became of one value of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportedSecret {
    /// It was stored.
    Stored(Written),
    /// It is the value that the secret had.
    Same {
        /// The version that has it.
        version: u64,
    },
    /// The secret kept its other value.
    Kept {
        /// The version that was kept.
        version: u64,
    },
}

impl Import {
    /// Whether the value can be stored.
    ///
    /// # Errors
    /// [`InvalidValue`] says why not.
    #[expect(clippy::disallowed_methods, reason = "the bytes are looked at and go nowhere")]
    pub fn check(&self) -> Result<(), InvalidValue> {
        check_value(self.value.expose_secret())
    }
}

impl Admin<'_> {
    /// Says what each value would meet; nothing is stored.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn import_plan(&self, imports: &[Import]) -> Result<Vec<Planned>, RegistryError> {
        self.registry.read(|snapshot| {
            let plan = |import: &Import| {
                only_secret(&import.address)?;
                let entry = snapshot.entry(&import.address)?;
                planned(snapshot, import, entry.as_ref())
            };
            imports.iter().map(plan).collect()
        })
    }

    /// Stores many values in one transaction, by a rule for those that have another value already. A
    /// value that is there already makes no new version.
    ///
    /// # Errors
    /// As [`Admin::import`], and [`RegistryError::Exists`] with [`OnConflict::Stop`]; then none was
    /// stored.
    pub fn import_by(
        &self,
        imports: &[Import],
        on_conflict: OnConflict,
    ) -> Result<Vec<ImportedSecret>, RegistryError> {
        let deed = Deed::of_store(&self.actor, Action::Import);
        self.registry.change(&deed, |change| {
            let mut store = |import: &Import| {
                let Import { address, value } = import;
                only_secret(address)?;
                let entry = change.entry(address)?;
                match (planned(&change.snapshot, import, entry.as_ref())?, on_conflict) {
                    (Planned::Same { version }, _) => Ok(ImportedSecret::Same { version }),
                    (Planned::Conflict { version }, OnConflict::Skip) => {
                        Ok(ImportedSecret::Kept { version })
                    }
                    (Planned::Conflict { .. }, OnConflict::Stop) => {
                        Err(RegistryError::Exists(address.clone()))
                    }
                    (Planned::Conflict { .. }, OnConflict::Replace)
                    | (Planned::New | Planned::FirstValue, _) => {
                        let options = super::SetOptions::default();
                        self.write(change, &deed, address, value, &options)
                            .map(ImportedSecret::Stored)
                    }
                }
            };
            imports.iter().map(&mut store).collect()
        })
    }
}

fn planned(
    snapshot: &Snapshot,
    import: &Import,
    entry: Option<&Entry>,
) -> Result<Planned, RegistryError> {
    let Some(entry) = entry.filter(|entry| entry.state != State::Removed) else {
        return Ok(Planned::New);
    };
    let Some(current) = entry.current() else {
        return Ok(Planned::FirstValue);
    };
    let stored = snapshot.vault().open(&import.address, current);
    let stored = stored.ok_or_else(|| unreadable(snapshot, &import.address))?;
    let version = current.n;
    Ok(match is_same(&stored, &import.value)? {
        true => Planned::Same { version },
        false => Planned::Conflict { version },
    })
}

fn unreadable(snapshot: &Snapshot, address: &Address) -> RegistryError {
    let place = crate::leaf::Place::of(&address.reference, &snapshot.inner);
    match snapshot.branch(place.branch) {
        Ok(branch) => snapshot.unreadable(&snapshot.leaf_path(&branch, place)),
        Err(error) => error,
    }
}

/// Compares digests under a key that lives as long as the comparison, so that the time that it takes
/// tells neither where the two differ nor anything that could be used again.
#[expect(clippy::disallowed_methods, reason = "two values are compared and go nowhere")]
fn is_same(one: &SecretSlice<u8>, other: &SecretSlice<u8>) -> Result<bool, RegistryError> {
    let key = Key::generate()?;
    Ok(key.verifies(one.expose_secret(), &key.mac(other.expose_secret())))
}
