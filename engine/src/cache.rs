//! The port to a cache of provider's values, for when a provider is out of reach.
//!
//! Whoever implements it seals what it keeps, bounds its age, and gives a value for exactly the question
//! it was kept for. Calls may block on files; they are made off the async threads.

use std::time::SystemTime;

use subrosa_registry::{About, RegistryError};

use crate::secret::SecretValue;

/// Keeps values beyond a run.
pub trait ValueCache: Send + Sync {
    /// Keeps values in the place of older ones.
    ///
    /// # Errors
    /// They could not be kept.
    fn keep(&self, values: Vec<(About, SecretValue)>) -> Result<(), RegistryError>;

    /// Takes away what is kept of these: those whose they are say that it is gone, or not for us.
    ///
    /// # Errors
    /// It could not be taken away.
    fn forget(&self, abouts: &[About]) -> Result<(), RegistryError>;

    /// The values that are there and young enough, with when they were kept; one answer for each question.
    ///
    /// # Errors
    /// The cache could not be read.
    fn find(
        &self,
        abouts: &[About],
    ) -> Result<Vec<Option<(SecretValue, SystemTime)>>, RegistryError>;
}

impl ValueCache for subrosa_registry::Cache {
    #[expect(
        clippy::disallowed_methods,
        reason = "the registry has a type of its own for plaintext"
    )]
    fn keep(&self, values: Vec<(About, SecretValue)>) -> Result<(), RegistryError> {
        let own = |(about, value): (About, SecretValue)| (about, value.expose().to_vec().into());
        let values: Vec<_> = values.into_iter().map(own).collect();
        subrosa_registry::Cache::keep(self, &values)
    }

    fn forget(&self, abouts: &[About]) -> Result<(), RegistryError> {
        subrosa_registry::Cache::forget(self, abouts)
    }

    fn find(
        &self,
        abouts: &[About],
    ) -> Result<Vec<Option<(SecretValue, SystemTime)>>, RegistryError> {
        let found = subrosa_registry::Cache::find(self, abouts)?.into_iter();
        Ok(found.map(|kept| kept.map(|kept| (SecretValue::from(kept.value), kept.at))).collect())
    }
}
