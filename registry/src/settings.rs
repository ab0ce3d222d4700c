//! What holds for the whole store: its environments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Names;
use crate::crypto::{Context, Inner};
use crate::error::RegistryError;
use crate::keys::StoreId;
use crate::names::EnvironmentName;
use crate::time::Time;

/// The settings, as they are kept in a piece that the root names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(default)]
    environments: BTreeMap<String, Environment>,
}

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    pub(crate) protected: bool,
    pub(crate) created: Time,
}

impl Settings {
    pub(crate) fn open(
        bytes: Vec<u8>,
        names: Names,
        (inner, store): (&Inner, &StoreId),
    ) -> Option<Settings> {
        match names {
            Names::Open => serde_json::from_slice(&bytes).ok(),
            Names::Sealed => {
                serde_json::from_slice(&inner.names.open(&context(store), &bytes)?).ok()
            }
        }
    }

    pub(crate) fn to_bytes(
        &self,
        names: Names,
        (inner, store): (&Inner, &StoreId),
    ) -> Result<Vec<u8>, RegistryError> {
        let json = serde_json::to_vec(self).expect("plain fields become JSON");
        match names {
            Names::Open => Ok(json),
            Names::Sealed => inner.names.seal(&context(store), &json),
        }
    }

    pub(crate) fn get(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.get(name.as_str())
    }

    pub(crate) fn put(&mut self, name: &EnvironmentName, environment: Environment) {
        self.environments.insert(name.as_str().to_owned(), environment);
    }

    pub(crate) fn remove(&mut self, name: &EnvironmentName) -> bool {
        self.environments.remove(name.as_str()).is_some()
    }

    /// Names and environments, sorted.
    pub(crate) fn all(&self) -> impl Iterator<Item = (EnvironmentName, &Environment)> {
        self.environments.iter().filter_map(|(name, environment)| {
            Some((EnvironmentName::parse(name).ok()?, environment))
        })
    }
}

fn context(store: &StoreId) -> Context {
    Context::new("subrosa/settings/1", store)
}
