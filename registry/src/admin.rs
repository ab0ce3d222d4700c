//! Changing secrets and connections and telling of them. No method here returns a value.
//!
//! Every change is one transaction: durable when the method returns, all of it or nothing of it.
//! `rollback`, `move_to` and `copy` open values inside, to seal them again under another name or
//! number; nothing of them leaves the call. What is said of a secret here, and not of its value alone,
//! goes for a connection by its address as well.

mod amend;
mod environments;
mod plan;
mod record;
mod transfer;
mod write;

use std::sync::Arc;

use crate::access::Access;
use crate::audit::{Action, Actor, Names};
use crate::change::{Change, Deed};
use crate::entry::{Entry, State};
use crate::error::RegistryError;
use crate::info::SecretInfo;
use crate::names::Address;
use crate::record::only_secret;
use crate::settings::Environment;
use crate::store::Registry;

pub use amend::Amendment;
pub use plan::{ImportedSecret, OnConflict, Planned};
pub use record::{MustBe, RecordChange};
use write::put_expiry;
pub use write::{Expiry, Import, SetOptions, Written};

/// How many versions are kept where nothing else is said.
pub const KEEP_DEFAULT: u32 = 10;
/// Longest description, in bytes.
const DESCRIPTION_LEN_MAX: usize = 1024;

/// The hand that changes a registry on somebody's behalf.
pub struct Admin<'a> {
    pub(crate) registry: &'a Registry,
    /// Who it is for.
    pub actor: Actor,
    /// Whether protected environments may be changed and copied from.
    pub allow_protected: bool,
    /// The version that what is changed must be at, 0 for one without a value: at any other, nothing is
    /// changed and that is told as [`RegistryError::Changed`]. It is looked at in the transaction that
    /// makes the change. `None`: any. Imports and [`Admin::put_record`] do not look at it.
    pub expect: Option<u64>,
}

/// A registry whose values stay shut: it is shown and changed here, and whoever has no more than this can
/// open nothing.
///
/// ```compile_fail
/// fn open(desk: &subrosa_registry::Desk, lookup: &subrosa_registry::Lookup) {
///     use subrosa_registry::{Reader as _, RecordReader as _};
///     desk.resolve(lookup, &[]);
/// }
/// ```
///
/// ```compile_fail
/// fn open(desk: &subrosa_registry::Desk, lookup: &subrosa_registry::Lookup) {
///     use subrosa_registry::{Reader as _, RecordReader as _};
///     desk.open_records(lookup, &[]);
/// }
/// ```
///
/// ```
/// fn change(desk: &subrosa_registry::Desk, address: &subrosa_registry::Address) {
///     desk.admin(subrosa_registry::Actor::default()).disable(address).ok();
/// }
/// ```
#[derive(Clone)]
pub struct Desk(Arc<Registry>);

impl Desk {
    /// The side of a registry that shows and changes.
    pub fn new(registry: Arc<Registry>) -> Desk {
        Desk(registry)
    }

    /// The hand of `actor`.
    pub fn admin(&self, actor: Actor) -> Admin<'_> {
        self.0.admin(actor)
    }
}

impl Registry {
    /// The hand of `actor`.
    pub fn admin(&self, actor: Actor) -> Admin<'_> {
        Admin { registry: self, actor, allow_protected: false, expect: None }
    }
}

impl Admin<'_> {
    /// Makes the store if there is none; with its key, if that is still to be made.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn create_store(&self, names: Names) -> Result<(), RegistryError> {
        self.registry.create(names)
    }

    /// Lets runs use a secret again, or forbids it to them.
    ///
    /// # Errors
    /// [`RegistryError`]. Gives whether that changed anything.
    pub fn enable(&self, address: &Address) -> Result<bool, RegistryError> {
        self.put_state(Action::Enable, address, State::Active)
    }

    /// Forbids runs to use a secret; they do not look any further for another.
    ///
    /// # Errors
    /// [`RegistryError`]. Gives whether that changed anything.
    pub fn disable(&self, address: &Address) -> Result<bool, RegistryError> {
        self.put_state(Action::Disable, address, State::Disabled)
    }

    fn put_state(
        &self,
        action: Action,
        address: &Address,
        state: State,
    ) -> Result<bool, RegistryError> {
        self.edit(action, address, |_, entry| {
            let differs = entry.state != state;
            entry.state = state;
            Ok((differs, None))
        })
    }

    /// Removes a secret with all its versions. Only its counter of versions stays.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn remove(&self, address: &Address) -> Result<(), RegistryError> {
        self.edit(Action::Remove, address, |_, entry| {
            bury(entry);
            Ok(((), None))
        })
    }

    /// Says what a secret is for.
    ///
    /// # Errors
    /// [`RegistryError`]: also if the text is too long or holds control characters.
    pub fn describe(&self, address: &Address, text: &str) -> Result<(), RegistryError> {
        let text = description(text)?;
        self.edit(Action::Describe, address, |_, entry| {
            entry.description.clone_from(&text);
            Ok(((), None))
        })
    }

    /// Says when the value expires.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn expire(&self, address: &Address, expiry: Expiry) -> Result<(), RegistryError> {
        self.edit(Action::Expire, address, |_, entry| {
            put_expiry(entry, expiry);
            Ok(((), None))
        })
    }

    /// Drops the oldest versions until `keep` are left, now and from now on. Gives how many went.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn prune(&self, address: &Address, keep: u32) -> Result<usize, RegistryError> {
        self.edit(Action::Prune, address, |change, entry| {
            let before = entry.versions.len();
            let keep = keep.max(1);
            entry.keep = Some(keep);
            entry.prune(keep, change.now);
            Ok((before - entry.versions.len(), None))
        })
    }

    /// Every secret that was not removed, sorted by ref and scope; no connection.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn list(&self) -> Result<Vec<SecretInfo>, RegistryError> {
        self.registry.read(|snapshot| {
            let used = self.registry.used(snapshot).load();
            let entries = snapshot.entries()?;
            let secrets = entries.iter().filter(|(address, _)| only_secret(address).is_ok());
            let info = |(address, entry): &(Address, Entry)| {
                SecretInfo::of(address, entry, used.last(address))
            };
            Ok(secrets.filter_map(info).collect())
        })
    }

    /// One secret.
    ///
    /// # Errors
    /// [`RegistryError`]: also if it is not there.
    pub fn info(&self, address: &Address) -> Result<SecretInfo, RegistryError> {
        only_secret(address)?;
        self.registry.read(|snapshot| {
            let used = self.registry.used(snapshot).load();
            let entry = snapshot.entry(address)?;
            entry
                .and_then(|entry| SecretInfo::of(address, &entry, used.last(address)))
                .ok_or_else(|| RegistryError::NotFound(address.clone()))
        })
    }

    /// The same leave, for the few who may have values shown or written elsewhere.
    pub fn access(&self) -> Access {
        Access { actor: self.actor.clone(), allow_protected: self.allow_protected }
    }

    fn deed<'b>(&'b self, action: Action, address: &'b Address) -> Deed<'b> {
        Deed::of_secret(&self.actor, action, address)
    }

    /// Changes an entry that must be there.
    fn edit<T>(
        &self,
        action: Action,
        address: &Address,
        edit: impl Fn(&mut Change, &mut Entry) -> Result<(T, Option<u64>), RegistryError>,
    ) -> Result<T, RegistryError> {
        let deed = self.deed(action, address);
        self.registry.change(&deed, |change| {
            let mut entry = self.present(change, address)?;
            self.enter(change, address)?;
            let (result, version) = edit(change, &mut entry)?;
            entry.updated = change.now;
            change.put(address, entry);
            change.tell(&deed, address, version);
            Ok(result)
        })
    }

    /// The entry of an address, which must be there and at the version that is expected.
    fn present(&self, change: &mut Change, address: &Address) -> Result<Entry, RegistryError> {
        let found = entry(change, address)?;
        self.check_version(address, found.as_ref())?;
        found.ok_or_else(|| RegistryError::NotFound(address.clone()))
    }

    /// Refuses what is there and at another version than is expected.
    fn check_version(&self, address: &Address, known: Option<&Entry>) -> Result<(), RegistryError> {
        let (Some(expected), Some(entry)) = (self.expect, known) else { return Ok(()) };
        let found = entry.current().map(|version| version.n);
        match found.unwrap_or(0) == expected {
            true => Ok(()),
            false => Err(RegistryError::Changed { address: address.clone(), expected, found }),
        }
    }

    /// Makes sure that the environment of an address may be changed; makes it if it is new, and says so.
    fn enter(&self, change: &mut Change, address: &Address) -> Result<bool, RegistryError> {
        let Some(name) = &address.scope.environment else {
            return Ok(false);
        };
        let mut settings = change.settings()?;
        match settings.get(name) {
            Some(environment) if environment.protected && !self.allow_protected => {
                Err(RegistryError::Protected(name.clone()))
            }
            Some(_) => Ok(false),
            None => {
                settings.put(name, Environment { protected: false, created: change.now });
                change.put_settings(settings);
                Ok(true)
            }
        }
    }
}

/// The entry of an address, unless it was removed.
fn entry(change: &mut Change, address: &Address) -> Result<Option<Entry>, RegistryError> {
    Ok(change.entry(address)?.filter(|entry| entry.state != State::Removed))
}

/// Leaves nothing of an entry but its counter.
fn bury(entry: &mut Entry) {
    *entry = Entry { state: State::Removed, last: entry.last, ..Entry::new(entry.created) };
}

fn description(text: &str) -> Result<String, RegistryError> {
    match text {
        _ if text.len() > DESCRIPTION_LEN_MAX => {
            Err(RegistryError::InvalidDescription("is longer than 1024 bytes"))
        }
        _ if text.chars().any(char::is_control) => {
            Err(RegistryError::InvalidDescription("holds control characters"))
        }
        _ => Ok(text.to_owned()),
    }
}
