//! Reading values for a run, and looking at what a run would find.
//!
//! All refs of a run are answered from one moment of the store, leaf by leaf, so that a run never
//! sees half of somebody's change and no leaf is read twice.

mod record;

use std::time::SystemTime;

use crate::audit::{Action, Event, Outcome};
use crate::entry::{Entry, State, Version};
use crate::error::{LookupError, RegistryError};
use crate::leaf::{Leaf, Place};
use crate::names::{Address, SecretRef};
use crate::reader::{Answer, Found, Lookup, Reader, Seen};
use crate::record::only_secret;
use crate::store::{Registry, Snapshot};
use crate::time::Time;

type Looked<T = Found> = Result<T, LookupError>;

/// What the nearest entry gives, whatever it says; `None` if a value does not open.
type Give<T> = fn(&Snapshot, &Address, &Entry, &Lookup, Time) -> Option<Looked<T>>;

impl Reader for Registry {
    fn resolve(&self, lookup: &Lookup, references: &[SecretRef]) -> Result<Answer, RegistryError> {
        check_kind(lookup, references, only_secret)?;
        let (results, warnings) =
            self.recorded_answer(lookup, references, open, |found: &Found| {
                (found.address.clone(), found.version)
            })?;
        Ok(Answer { results, warnings })
    }

    fn look(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
    ) -> Result<Vec<Looked<Seen>>, RegistryError> {
        check_kind(lookup, references, only_secret)?;
        let now = Time::of((self.surroundings.clock)());
        self.answer(lookup, references, now, see)?.1
    }
}

impl Registry {
    /// Answers all refs; what is found, and what is not, is in the audit log before anybody has it.
    fn recorded_answer<T>(
        &self,
        lookup: &Lookup,
        references: &[SecretRef],
        give: Give<T>,
        place: fn(&T) -> (Address, u64),
    ) -> Result<(Vec<Looked<T>>, Vec<String>), RegistryError> {
        let now = Time::of((self.surroundings.clock)());
        let (snapshot, answered) = self.answer(lookup, references, now, give)?;
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
        let places: Vec<Result<(Address, u64), &LookupError>> =
            results.iter().map(|result| result.as_ref().map(place)).collect();
        let warnings = self.record(&snapshot, lookup, references, &places, now)?;
        Ok((results, warnings))
    }

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
        results: &[Result<(Address, u64), &LookupError>],
        now: Time,
    ) -> Result<Vec<String>, RegistryError> {
        let events = references.iter().zip(results).map(|(reference, result)| match result {
            Ok((address, version)) => {
                event(lookup, now, address.clone(), Some(*version), Outcome::Ok)
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
                event(lookup, now, address, None, Outcome::from(*error))
            }
        });
        let warnings = self.note(snapshot, &events.collect::<Vec<_>>(), lookup.audit_required)?;
        let used: Vec<Address> =
            results.iter().flatten().map(|(address, _)| address.clone()).collect();
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

/// Refuses refs of another kind, which no user can have written.
fn check_kind(
    lookup: &Lookup,
    references: &[SecretRef],
    check: fn(&Address) -> Result<(), RegistryError>,
) -> Result<(), RegistryError> {
    let at = |reference: &SecretRef| {
        let (reference, scope) = (reference.clone(), lookup.scope.clone());
        Address { reference, scope }
    };
    references.iter().try_for_each(|reference| check(&at(reference)))
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
    if entry.state == State::Disabled && !lookup.allow_disabled {
        return Err(LookupError::Disabled(address.clone()));
    }
    let current = entry.current().ok_or_else(|| LookupError::NoValue(address.clone()))?;
    let expires: Option<SystemTime> = entry.expires().map(Time::system);
    match expires.filter(|at| *at <= now.system() && !lookup.allow_expired) {
        Some(at) => Err(LookupError::Expired { address: address.clone(), at }),
        None => Ok((current, expires)),
    }
}

/// The former versions that are in an overlap.
fn in_use<'a>(entry: &'a Entry, current: &Version, now: Time) -> impl Iterator<Item = &'a Version> {
    let current = current.n;
    let former = entry.versions.iter().filter(move |version| version.n != current);
    former.filter(move |version| version.until.is_some_and(|until| until > now))
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
    let in_use = in_use(entry, current, now);
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
