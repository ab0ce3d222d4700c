//! Environments: a value of a ref for each, and leave to use those that are protected.

use super::Admin;
use crate::audit::{Action, Outcome};
use crate::change::Deed;
use crate::entry::State;
use crate::error::RegistryError;
use crate::info::EnvironmentInfo;
use crate::names::{EnvironmentName, Scope};
use crate::settings::Environment;

impl Admin<'_> {
    /// The environments, sorted by name.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn environments(&self) -> Result<Vec<EnvironmentInfo>, RegistryError> {
        self.registry.read(|snapshot| {
            let settings = snapshot.settings()?;
            let info = |(name, environment): (EnvironmentName, &Environment)| EnvironmentInfo {
                name,
                is_protected: environment.protected,
                created: environment.created.system(),
            };
            Ok(settings.all().map(info).collect())
        })
    }

    /// Makes an environment take a flag to be used or changed; makes the environment if it is new.
    ///
    /// # Errors
    /// [`RegistryError`]. Gives whether that changed anything.
    pub fn protect(&self, name: &EnvironmentName) -> Result<bool, RegistryError> {
        self.put_protection(name, true)
    }

    /// Takes the protection off an environment again, which is itself a change of a protected one.
    ///
    /// # Errors
    /// [`RegistryError`]. Gives whether that changed anything.
    pub fn unprotect(&self, name: &EnvironmentName) -> Result<bool, RegistryError> {
        self.put_protection(name, false)
    }

    fn put_protection(
        &self,
        name: &EnvironmentName,
        protected: bool,
    ) -> Result<bool, RegistryError> {
        let action =
            if protected { Action::EnvironmentProtect } else { Action::EnvironmentUnprotect };
        let deed = self.environment_deed(action, name);
        self.registry.change(&deed, |change| {
            let mut settings = change.settings()?;
            let known = settings.get(name).cloned();
            if known.as_ref().is_some_and(|known| known.protected == protected) {
                return Ok(false);
            }
            if known.as_ref().is_some_and(|known| known.protected && !self.allow_protected) {
                return Err(RegistryError::Protected(name.clone()));
            }
            if known.is_none() && !protected {
                let known = settings.all().map(|(name, _)| name).collect();
                return Err(RegistryError::UnknownEnvironment { name: name.clone(), known });
            }
            let created = known.map_or(change.now, |known| known.created);
            settings.put(name, Environment { protected, created });
            change.put_settings(settings);
            change.events.push(deed.event(change.now, Outcome::Ok));
            Ok(true)
        })
    }

    /// Removes an environment in which no secret is left.
    ///
    /// # Errors
    /// [`RegistryError`]: [`RegistryError::Exists`] names a secret that is still in it.
    pub fn remove_environment(&self, name: &EnvironmentName) -> Result<(), RegistryError> {
        let deed = self.environment_deed(Action::EnvironmentRemove, name);
        self.registry.change(&deed, |change| {
            let mut settings = change.settings()?;
            let known = || settings.all().map(|(name, _)| name).collect();
            let Some(environment) = settings.get(name) else {
                let (name, known) = (name.clone(), known());
                return Err(RegistryError::UnknownEnvironment { name, known });
            };
            if environment.protected && !self.allow_protected {
                return Err(RegistryError::Protected(name.clone()));
            }
            let within = |scope: &Scope| scope.environment.as_ref() == Some(name);
            let left = change
                .entries_before()?
                .into_iter()
                .find(|(address, entry)| within(&address.scope) && entry.state != State::Removed);
            if let Some((address, _)) = left {
                return Err(RegistryError::Exists(address));
            }
            settings.remove(name);
            change.put_settings(settings);
            change.events.push(deed.event(change.now, Outcome::Ok));
            Ok(())
        })
    }

    fn environment_deed(&self, action: Action, name: &EnvironmentName) -> Deed<'_> {
        let scope = Scope { workspace: None, environment: Some(name.clone()) };
        Deed { actor: &self.actor, action, reference: None, scope }
    }
}
