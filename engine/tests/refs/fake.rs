//! A registry in memory: it answers by the rule of scopes, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::SystemTime;

use secrecy::SecretSlice;
use subrosa_registry::{
    Address, Answer, EnvironmentName, Found, Lookup, LookupError, Reader, RegistryError, Scope,
    SecretRef, Seen, WorkspaceName,
};
use tokio::sync::Notify;

/// What is stored under an address.
#[derive(Clone, Default)]
pub(crate) struct Entry {
    pub(crate) value: Option<&'static str>,
    pub(crate) retired: Vec<&'static str>,
    pub(crate) version: u64,
    pub(crate) expires: Option<SystemTime>,
    pub(crate) is_disabled: bool,
    pub(crate) is_damaged: bool,
}

/// Holds the answer back until a provider is asked, and says when it is.
pub(crate) struct Gate {
    pub(crate) entered: std::sync::Arc<Notify>,
    pub(crate) open: Mutex<mpsc::Receiver<()>>,
}

/// The registry.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) entries: BTreeMap<Address, Entry>,
    pub(crate) protected: Option<&'static str>,
    pub(crate) refuses: Option<fn() -> RegistryError>,
    pub(crate) warnings: Vec<String>,
    pub(crate) gate: Option<Gate>,
    pub(crate) questions: Mutex<Vec<(Lookup, Vec<String>)>>,
}

/// `payments/prod` is a workspace and an environment, each of which may be empty.
pub(crate) fn scope(text: &str) -> Scope {
    let (workspace, environment) = text.split_once('/').unwrap_or((text, ""));
    Scope {
        workspace: WorkspaceName::parse(workspace).ok(),
        environment: EnvironmentName::parse(environment).ok(),
    }
}

pub(crate) fn address(reference: &str, at: &str) -> Address {
    Address { reference: SecretRef::parse(reference).unwrap(), scope: scope(at) }
}

impl Fake {
    /// Stores a value.
    pub(crate) fn with(self, reference: &str, at: &str, value: &'static str) -> Fake {
        self.entry(reference, at, Entry { value: Some(value), version: 1, ..Entry::default() })
    }

    /// Stores an entry.
    pub(crate) fn entry(mut self, reference: &str, at: &str, entry: Entry) -> Fake {
        self.entries.insert(address(reference, at), entry);
        self
    }

    /// Every question so far: as it was put, and the refs.
    pub(crate) fn asked(&self) -> MutexGuard<'_, Vec<(Lookup, Vec<String>)>> {
        self.questions.lock().unwrap()
    }

    fn admit(&self, lookup: &Lookup) -> Result<(), RegistryError> {
        if let Some(refuses) = self.refuses {
            return Err(refuses());
        }
        let Some(name) = lookup.scope.environment.clone() else { return Ok(()) };
        let environments = self.entries.keys().filter_map(|at| at.scope.environment.clone());
        let mut known: Vec<EnvironmentName> = environments.collect();
        known.sort();
        known.dedup();
        if !known.contains(&name) {
            return Err(RegistryError::UnknownEnvironment { name, known });
        }
        if self.protected == Some(name.as_str()) && !lookup.allow_protected {
            return Err(RegistryError::Protected(name));
        }
        Ok(())
    }

    fn find(&self, lookup: &Lookup, reference: &SecretRef) -> Result<Found, LookupError> {
        let addresses = lookup.scope.search().into_iter().map(|scope| {
            let reference = reference.clone();
            Address { reference, scope }
        });
        let mut found = addresses.filter_map(|at| Some((self.entries.get(&at)?, at)));
        let (entry, address) = found.next().ok_or(LookupError::NotFound)?;
        let bytes = |text: &str| SecretSlice::from(text.as_bytes().to_vec());
        match (entry.value, entry.expires) {
            _ if entry.is_damaged => Err(LookupError::Damaged {
                file: "objects/ab".to_owned(),
                why: "the seal does not fit",
            }),
            _ if entry.is_disabled => Err(LookupError::Disabled(address)),
            (None, _) => Err(LookupError::NoValue(address)),
            (Some(_), Some(at)) if at <= crate::world::now() && !lookup.allow_expired => {
                Err(LookupError::Expired { address, at })
            }
            (Some(value), expires) => Ok(Found {
                value: bytes(value),
                retired: entry.retired.iter().map(|text| bytes(text)).collect(),
                address,
                version: entry.version,
                expires,
            }),
        }
    }
}

impl Reader for Fake {
    fn resolve(&self, lookup: &Lookup, refs: &[SecretRef]) -> Result<Answer, RegistryError> {
        let names = refs.iter().map(|reference| reference.as_str().to_owned()).collect();
        self.asked().push((lookup.clone(), names));
        if let Some(gate) = &self.gate {
            gate.entered.notify_one();
            gate.open.lock().unwrap().recv().unwrap_or_default();
        }
        self.admit(lookup)?;
        let results = refs.iter().map(|reference| self.find(lookup, reference)).collect();
        Ok(Answer { results, warnings: self.warnings.clone() })
    }

    fn look(
        &self,
        lookup: &Lookup,
        refs: &[SecretRef],
    ) -> Result<Vec<Result<Seen, LookupError>>, RegistryError> {
        self.admit(lookup)?;
        let seen = |found: Found| {
            let Found { address, version, expires, .. } = found;
            Seen { address, version, expires }
        };
        Ok(refs.iter().map(|reference| self.find(lookup, reference).map(seen)).collect())
    }
}
