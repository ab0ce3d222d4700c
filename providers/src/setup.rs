//! What logging in has in common, whoever one logs in to: reading files, and what is told of settings.

use subrosa_engine::provider::{ProviderError, ProviderErrorKind};

/// An error about what was given.
pub(crate) fn invalid(message: impl Into<String>) -> ProviderError {
    ProviderError::new(ProviderErrorKind::InvalidRequest, message)
}

/// Runs what reads files off the async threads.
///
/// # Errors
/// Those of the work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
) -> Result<T, ProviderError> {
    let broke = |_| ProviderError::new(ProviderErrorKind::Unavailable, "setting up broke off");
    tokio::task::spawn_blocking(work).await.map_err(broke)?
}
