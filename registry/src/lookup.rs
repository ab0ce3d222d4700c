//! Reading values: for a run, and for the few commands that may see one.
//!
//! All refs of a run are answered from one moment of the store, leaf by leaf, so that a run never
//! sees half of somebody's change and no leaf is read twice.

use std::cell::Cell;
use std::time::SystemTime;

use secrecy::SecretSlice;

use crate::audit::{Action, Actor, Event, Outcome};
use crate::change::Deed;
use crate::entry::{Entry, State, Version};
use crate::error::{LookupError, RegistryError};
use crate::leaf::{Leaf, Place};
use crate::names::{Address, SecretRef};
use crate::reader::{Answer, Found, Lookup, Reader, Seen};
use crate::settings::Settings;
use crate::store::{Registry, Snapshot};
use crate::time::Time;

type Looked<T = Found> = Result<T, LookupError>;

/// What the nearest entry gives, whatever it says; `None` if a value does not open.
type Give<T> = fn(&Snapshot, &Address, &Entry, &Lookup, Time) -> Option<Looked<T>>;

impl Reader for Registry {
    fn resolve(&self, lookup: &Lookup, references: &[SecretRef]) -> Result<Answer, RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        let (snapshot, answered) = self.answer(lookup, references, now, open)?;
        let results = match answered {
            Ok(results) => results,
            Err(refused) => {
                let outcome = Outcome::from(&refused);
                let events = references.iter().map(|reference| {
                    let (reference, scope) = (reference.clone(), lookup.scope.clone());
                    event(lookup, now, Address { reference, scope }, None, outcome)
                });
                self.note(&snapshot, &events.collect::<Vec<_>>(), lookup.audit_required)?;
                return Err(refused);
            }
        };
        let warnings = self.record(&snapshot, lookup, references, &results, now)?;
        Ok(Answer { results, warnings })
    }

    fn look(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<Vec<Looked<Seen>>, RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        self.answer(lookup, references, now, see)?.1
    }
}

/// Who wants to have values shown or written elsewhere, and with what leave.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who it is for.
    pub actor: Actor,
    /// Whether values of protected environments may be given.
    pub allow_protected: bool,
}

impl Access {
    fn check(&self, address: &Address, settings: &Settings) -> Result<(), RegistryError> {
        match &address.scope.environment {
            Some(name)
                if !self.allow_protected
                    && settings.get(name).is_some_and(|environment| environment.protected) =>
            {
                Err(RegistryError::Protected(name.clone()))
            }
            _ => Ok(()),
        }
    }
}

impl Registry {
    /// Answers all refs from one moment of the store, which is given with them.
    #[expect(clippy::type_complexity, reason = "a moment, and what it has for each ref")]
    fn answer<T>(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
        now: Time,
        give: Give<T>,
    ) -> Result<(Snapshot<'_>, Result<Vec<Looked<T>>, RegistryError>), RegistryError> {
        let mut snapshot = self.snapshot()?;
        let mut answered = answer(&snapshot, lookup, references, now, give);
        while is_damaged(&answered) && self.has_moved(&mut snapshot)? {
            answered = answer(&snapshot, lookup, references, now, give);
        }
        Ok((snapshot, answered))
    }

    /// Writes the audit log and the times of use.
    fn record(
        &self,
        snapshot: &Snapshot,
        lookup: &Lookup,
        references: &[SecretRef],
        results: &[Looked],
        now: Time,
    ) -> Result<Vec<String>, RegistryError> {
        let events = references.iter().zip(results).map(|(reference, result)| match result {
            Ok(found) => {
                event(lookup, now, found.address.clone(), Some(found.version), Outcome::Ok)
            }
            Err(error) => {
                let address = match error {
                    LookupError::Disabled(address)
                    | LookupError::NoValue(address)
                    | LookupError::Expired { address, .. } => address.clone(),
                    LookupError::NotFound | LookupError::Damaged { .. } => {
                        Address { reference: reference.clone(), scope: lookup.scope.clone() }
                    }
                };
                event(lookup, now, address, None, Outcome::from(error))
            }
        });
        let warnings = self.note(snapshot, &events.collect::<Vec<_>>(), lookup.audit_required)?;
        let used: Vec<Address> =
            results.iter().flatten().map(|found| found.address.clone()).collect();
        // Times of use are a convenience; a read does not fail for want of them.
        self.used(snapshot).note(&used, now.system()).ok();
        Ok(warnings.into_iter().collect())
    }

    /// Appends events of a read. Without `required`, a log that cannot be written is a warning.
    pub(crate) fn note(
        &self,
        snapshot: &Snapshot,
        events: &[Event],
        required: bool,
    ) -> Result<Option<String>, RegistryError> {
        let log = self.audit(snapshot);
        let appended = if required { log.append_durably(events) } else { log.append(events) };
        match appended {
            Ok(_) => Ok(None),
            Err(source) if required => Err(RegistryError::Audit { source }),
            Err(source) => Ok(Some(format!("the audit log cannot be written: {source}"))),
        }
    }

    /// Every version of every secret, whatever its scope and state, for finding where they are.
    ///
    /// # Errors
    /// [`RegistryError`] if a part of the store cannot be read: a search must not pass over it; and if
    /// the audit log cannot be written.
    pub fn every_value(
        &self,
        actor: &Actor,
    ) -> Result<Vec<(Address, u64, SecretSlice<u8>)>, RegistryError> {
        self.read(|snapshot| {
            self.admit(snapshot, &Deed::of_store(actor, Action::Scan))?;
            let mut values = Vec::new();
            for (address, entry) in snapshot.entries()? {
                for version in &entry.versions {
                    let value = open_version(snapshot, &address, version)?;
                    values.push((address.clone(), version.n, value));
                }
            }
            Ok(values)
        })
    }

    /// The current values at exactly these addresses, enabled or not, to be written elsewhere.
    ///
    /// # Errors
    /// [`RegistryError`]: also if one is not there, has no value or is in a protected environment without
    /// leave, or the audit log cannot be written.
    pub fn export(
        &self,
        access: &Access,
        addresses: &[Address],
    ) -> Result<Vec<SecretSlice<u8>>, RegistryError> {
        let values = self.values(access, Action::Export, addresses)?;
        Ok(values.into_iter().map(|(_, value)| value).collect())
    }

    /// The number and value of a secret's current version, to be shown to a person.
    ///
    /// # Errors
    /// As [`Registry::export`].
    pub fn reveal(
        &self,
        access: &Access,
        address: &Address,
    ) -> Result<(u64, SecretSlice<u8>), RegistryError> {
        let mut values = self.values(access, Action::Reveal, std::slice::from_ref(address))?;
        Ok(values.pop().expect("one address has one value"))
    }

    /// The current values at these addresses as one moment has them, once the log has a line for each.
    fn values(
        &self,
        access: &Access,
        action: Action,
        addresses: &[Address],
    ) -> Result<Vec<(u64, SecretSlice<u8>)>, RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        let event = |address, version, outcome| {
            let deed = Deed::of_secret(&access.actor, action, address);
            Event { version, ..deed.event(now, outcome) }
        };
        let refused = Cell::new(None);
        let values = self.read(|snapshot| {
            let settings = snapshot.settings()?;
            let value = |address| {
                access
                    .check(address, &settings)
                    .and_then(|()| current(snapshot, address))
                    .inspect_err(|_| refused.set(Some(address)))
            };
            let values: Vec<_> = addresses.iter().map(value).collect::<Result<_, _>>()?;
            refused.set(None);
            let events = addresses.iter().zip(&values);
            let events = events.map(|(address, (n, _))| event(address, Some(*n), Outcome::Ok));
            self.note(snapshot, &events.collect::<Vec<_>>(), true)?;
            Ok(values)
        });
        values.inspect_err(|error| {
            if let (Some(address), Ok(snapshot)) = (refused.get(), self.snapshot()) {
                let event = event(address, None, Outcome::from(error));
                self.note(&snapshot, &[event], false).ok();
            }
        })
    }

    /// Records that a value is about to be handed out; unrecorded, it is not.
    fn admit(&self, snapshot: &Snapshot, deed: &Deed) -> Result<(), RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        self.note(snapshot, &[deed.event(now, Outcome::Ok)], true).map(|_| ())
    }
}

/// The number and value of a secret's current version.
fn current(
    snapshot: &Snapshot,
    address: &Address,
) -> Result<(u64, SecretSlice<u8>), RegistryError> {
    let found = snapshot.entry(address)?.filter(|entry| entry.state != State::Removed);
    let entry = found.ok_or_else(|| RegistryError::NotFound(address.clone()))?;
    let version = entry.current().ok_or_else(|| RegistryError::NoValue(address.clone()))?;
    Ok((version.n, open_version(snapshot, address, version)?))
}

fn open_version(
    snapshot: &Snapshot,
    address: &Address,
    version: &Version,
) -> Result<SecretSlice<u8>, RegistryError> {
    let value = snapshot.vault().open(address, version);
    value.ok_or_else(|| snapshot.unreadable(crate::piece::FOLDER))
}

fn event(
    lookup: &Lookup,
    now: Time,
    address: Address,
    version: Option<u64>,
    outcome: Outcome,
) -> Event {
    let Address { reference, scope } = address;
    let (time, actor, reference) = (now.system(), lookup.actor.clone(), Some(reference));
    Event { time, actor, action: Action::Read, reference, scope, version, outcome }
}

/// The environment and the refs, both from the same moment.
fn answer<T>(
    snapshot: &Snapshot,
    lookup: &Lookup,
    references: &[SecretRef],
    now: Time,
    give: Give<T>,
) -> Result<Vec<Looked<T>>, RegistryError> {
    check_environment(snapshot, lookup)?;
    Ok(look_up(snapshot, lookup, references, now, give))
}

/// Whether something was not found as it was written, which a newer moment may mend.
fn is_damaged<T>(answered: &Result<Vec<Looked<T>>, RegistryError>) -> bool {
    match answered {
        Ok(results) => {
            results.iter().any(|result| matches!(result, Err(LookupError::Damaged { .. })))
        }
        Err(refused) => {
            matches!(refused, RegistryError::Damaged { .. } | RegistryError::Missing { .. })
        }
    }
}

fn check_environment(snapshot: &Snapshot, lookup: &Lookup) -> Result<(), RegistryError> {
    let Some(name) = &lookup.scope.environment else {
        return Ok(());
    };
    let settings = snapshot.settings()?;
    match settings.get(name) {
        None => {
            let known = settings.all().map(|(name, _)| name).collect();
            Err(RegistryError::UnknownEnvironment { name: name.clone(), known })
        }
        Some(environment) if environment.protected && !lookup.allow_protected => {
            Err(RegistryError::Protected(name.clone()))
        }
        Some(_) => Ok(()),
    }
}

/// Answers all refs, going through the leaves in order.
fn look_up<T>(
    snapshot: &Snapshot,
    lookup: &Lookup,
    references: &[SecretRef],
    now: Time,
    give: Give<T>,
) -> Vec<Looked<T>> {
    let place = |reference: &SecretRef| Place::of(reference, &snapshot.inner);
    let mut order: Vec<(Place, usize)> =
        references.iter().enumerate().map(|(index, reference)| (place(reference), index)).collect();
    order.sort_unstable();
    let mut results: Vec<Option<Looked<T>>> = references.iter().map(|_| None).collect();
    for places in order.chunk_by(|(a, _), (b, _)| a.branch == b.branch) {
        let branch = snapshot.branch(places[0].0.branch);
        for leaves in places.chunk_by(|(a, _), (b, _)| a == b) {
            let place = leaves[0].0;
            let leaf = match &branch {
                Ok(branch) => snapshot
                    .leaf(branch, place)
                    .map(|leaf| (leaf, snapshot.leaf_path(branch, place)))
                    .map_err(|error| damage(&error)),
                Err(error) => Err(damage(error)),
            };
            for (_, index) in leaves {
                results[*index] = Some(match &leaf {
                    Ok((leaf, path)) => {
                        let file = snapshot.files.shown(path);
                        find(snapshot, (leaf, file), lookup, &references[*index], (now, give))
                    }
                    Err(error) => Err(error.clone()),
                });
            }
        }
    }
    results.into_iter().map(|result| result.unwrap_or(Err(LookupError::NotFound))).collect()
}

/// What a file that cannot be read means for one ref.
fn damage(error: &RegistryError) -> LookupError {
    match error {
        RegistryError::Damaged { file, why } => LookupError::Damaged { file: file.clone(), why },
        RegistryError::Missing { file } => {
            LookupError::Damaged { file: file.clone(), why: "it is missing" }
        }
        other => LookupError::Damaged { file: other.to_string(), why: "it could not be read" },
    }
}

/// Applies the rule of scopes to one ref.
fn find<T>(
    snapshot: &Snapshot,
    (leaf, file): (&Leaf, String),
    lookup: &Lookup,
    reference: &SecretRef,
    (now, give): (Time, Give<T>),
) -> Looked<T> {
    for scope in lookup.scope.search() {
        let address = Address { reference: reference.clone(), scope };
        let damaged = |why| LookupError::Damaged { file: file.clone(), why };
        let entry = leaf.find(&address).map_err(|_| damaged("its content"))?;
        let Some(entry) = entry.filter(|entry| entry.state != State::Removed) else {
            continue;
        };
        return give(snapshot, &address, &entry, lookup, now)
            .unwrap_or_else(|| Err(damaged("a value in it does not open")));
    }
    Err(LookupError::NotFound)
}

/// The version that an entry gives, and when it expires.
fn current_of<'a>(
    address: &Address,
    entry: &'a Entry,
    lookup: &Lookup,
    now: Time,
) -> Looked<(&'a Version, Option<SystemTime>)> {
    if entry.state == State::Disabled {
        return Err(LookupError::Disabled(address.clone()));
    }
    let current = entry.current().ok_or_else(|| LookupError::NoValue(address.clone()))?;
    let expires: Option<SystemTime> = entry.expires().map(Time::system);
    match expires.filter(|at| *at <= now.system() && !lookup.allow_expired) {
        Some(at) => Err(LookupError::Expired { address: address.clone(), at }),
        None => Ok((current, expires)),
    }
}

fn open(
    snapshot: &Snapshot,
    address: &Address,
    entry: &Entry,
    lookup: &Lookup,
    now: Time,
) -> Option<Looked> {
    let (current, expires) = match current_of(address, entry, lookup, now) {
        Ok(found) => found,
        Err(error) => return Some(Err(error)),
    };
    let vault = snapshot.vault();
    let former = entry.versions.iter().filter(|version| version.n != current.n);
    let in_use = former.filter(|version| version.until.is_some_and(|until| until > now));
    Some(Ok(Found {
        value: vault.open(address, current)?,
        retired: in_use.map(|version| vault.open(address, version)).collect::<Option<_>>()?,
        address: address.clone(),
        version: current.n,
        expires,
    }))
}

fn see(
    _snapshot: &Snapshot,
    address: &Address,
    entry: &Entry,
    lookup: &Lookup,
    now: Time,
) -> Option<Looked<Seen>> {
    let found = current_of(address, entry, lookup, now);
    Some(found.map(|(current, expires)| Seen {
        address: address.clone(),
        version: current.n,
        expires,
    }))
}
