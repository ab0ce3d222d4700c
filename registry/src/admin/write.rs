//! New values: one, or many in one transaction.

use std::time::{Duration, SystemTime};

use secrecy::SecretSlice;

use super::{Admin, Amendment, KEEP_DEFAULT, description, entry};
use crate::audit::Action;
use crate::change::{Change, Deed};
use crate::entry::{Entry, State};
use crate::error::RegistryError;
use crate::names::Address;
use crate::record::only_secret;
use crate::time::Time;

/// What goes with a new value.
#[derive(Clone, Debug, Default)]
pub struct SetOptions {
    /// For how long the former value may still be in use and is masked.
    pub overlap: Option<Duration>,
    /// A new description.
    pub description: Option<String>,
    /// When the value expires.
    pub expiry: Option<Expiry>,
    /// How many versions to keep from now on.
    pub keep: Option<u32>,
}

/// When a value expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// At a moment; a new value begins without one.
    At(SystemTime),
    /// At an age; it holds for each new value as well.
    Age(Duration),
}

/// What a new value became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its version number.
    pub version: u64,
    /// Whether the secret is new.
    pub is_new: bool,
    /// Whether its environment is new.
    pub is_new_environment: bool,
    /// Whether the secret is disabled, and stays so.
    pub is_disabled: bool,
    /// Whether the former value had a date that the new one does not have.
    pub lost_expiry: bool,
}

/// One value of an import.
pub struct Import {
    /// Where it goes.
    pub address: Address,
    /// The value.
    pub value: SecretSlice<u8>,
}

impl Admin<'_> {
    /// Stores a value: a new secret, or a new version of one.
    ///
    /// # Errors
    /// [`RegistryError`]: also if the value is empty, too large or holds NUL.
    pub fn set(
        &self,
        address: &Address,
        value: &SecretSlice<u8>,
        options: &SetOptions,
    ) -> Result<Written, RegistryError> {
        let deed = self.deed(Action::Set, address);
        self.registry.change(&deed, |change| {
            let known = entry(change, address)?;
            if self.expect.is_some() && known.is_none() {
                return Err(RegistryError::NotFound(address.clone()));
            }
            self.check_version(address, known.as_ref())?;
            self.write(change, &deed, address, value, options)
        })
    }

    /// Stores the first value of a secret that must not be there yet.
    ///
    /// # Errors
    /// As [`Admin::set`], and [`RegistryError::Exists`].
    pub fn create(
        &self,
        address: &Address,
        value: &SecretSlice<u8>,
        options: &SetOptions,
    ) -> Result<Written, RegistryError> {
        let deed = self.deed(Action::Set, address);
        self.registry.change(&deed, |change| {
            if entry(change, address)?.is_some() {
                return Err(RegistryError::Exists(address.clone()));
            }
            self.write(change, &deed, address, value, options)
        })
    }

    /// Stores a new version of a secret that must be there.
    ///
    /// # Errors
    /// As [`Admin::set`], and [`RegistryError::NotFound`].
    pub fn rotate(
        &self,
        address: &Address,
        value: &SecretSlice<u8>,
        options: &SetOptions,
    ) -> Result<Written, RegistryError> {
        let deed = self.deed(Action::Rotate, address);
        self.registry.change(&deed, |change| {
            self.present(change, address)?;
            self.write(change, &deed, address, value, options)
        })
    }

    /// Stores many values in one transaction; each as [`Admin::set`] would.
    ///
    /// # Errors
    /// As [`Admin::set`]; then none was stored.
    pub fn import(&self, imports: &[Import]) -> Result<Vec<Written>, RegistryError> {
        let deed = Deed::of_store(&self.actor, Action::Import);
        let options = SetOptions::default();
        self.registry.change(&deed, |change| {
            change.load_all(imports.iter().map(|import| &import.address))?;
            let write = |import: &Import| {
                self.write(change, &deed, &import.address, &import.value, &options)
            };
            imports.iter().map(write).collect()
        })
    }

    /// Makes a secret without a value: a run that meets it stops instead of looking further.
    ///
    /// # Errors
    /// [`RegistryError`]: also if it exists.
    pub fn declare(&self, address: &Address) -> Result<bool, RegistryError> {
        self.declare_as(address, &Amendment::default())
    }

    /// As [`Admin::declare`], with what is said of the secret.
    ///
    /// # Errors
    /// As [`Admin::declare`], and [`RegistryError::InvalidDescription`].
    pub fn declare_as(
        &self,
        address: &Address,
        amendment: &Amendment,
    ) -> Result<bool, RegistryError> {
        only_secret(address)?;
        let text = amendment.description.as_deref().map(description).transpose()?;
        let deed = self.deed(Action::Set, address);
        self.registry.change(&deed, |change| {
            if entry(change, address)?.is_some() {
                return Err(RegistryError::Exists(address.clone()));
            }
            let is_new_environment = self.enter(change, address)?;
            let last = change.entry(address)?.map_or(0, |entry| entry.last);
            let mut fresh = Entry { last, keep: amendment.keep, ..Entry::new(change.now) };
            fresh.description = text.clone().unwrap_or_default();
            if let Some(expiry) = amendment.expiry {
                put_expiry(&mut fresh, expiry);
            }
            change.put(address, fresh);
            change.tell(&deed, address, None);
            Ok(is_new_environment)
        })
    }

    pub(super) fn write(
        &self,
        change: &mut Change,
        deed: &Deed,
        address: &Address,
        value: &SecretSlice<u8>,
        options: &SetOptions,
    ) -> Result<Written, RegistryError> {
        only_secret(address)?;
        let is_new_environment = self.enter(change, address)?;
        let now = change.now;
        let known = change.entry(address)?;
        let is_new = known.as_ref().is_none_or(|entry| entry.state == State::Removed);
        let last = known.as_ref().map_or(0, |entry| entry.last);
        let fresh = Entry { last, ..Entry::new(now) };
        let mut entry = known.filter(|_| !is_new).unwrap_or(fresh);
        let lost_expiry = entry.expires.take().is_some() && options.expiry.is_none();
        if let Some(former) = entry.versions.last_mut() {
            former.until = options.overlap.map(|overlap| now.plus(overlap.as_secs()));
        }
        let version = entry.last + 1;
        let who = (version, now, self.actor.user.as_str());
        entry.versions.push(change.snapshot.vault().seal(address, who, value)?);
        entry.last = version;
        entry.updated = now;
        entry.keep = options.keep.or(entry.keep);
        if let Some(expiry) = options.expiry {
            put_expiry(&mut entry, expiry);
        }
        if let Some(text) = &options.description {
            entry.description = description(text)?;
        }
        entry.prune(entry.keep.unwrap_or(KEEP_DEFAULT).max(1), now);
        let is_disabled = entry.state == State::Disabled;
        change.put(address, entry);
        change.tell(deed, address, Some(version));
        Ok(Written { version, is_new, is_new_environment, is_disabled, lost_expiry })
    }
}

/// Sets when an entry's value expires.
pub(super) fn put_expiry(entry: &mut Entry, expiry: Expiry) {
    let (expires, max_age) = match expiry {
        Expiry::Never => (None, None),
        Expiry::At(time) => (Some(Time::of(time)), None),
        Expiry::Age(age) => (None, Some(age.as_secs())),
    };
    (entry.expires, entry.max_age) = (expires, max_age);
}
