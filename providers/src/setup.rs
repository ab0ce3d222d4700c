//! What logging in has in common, whoever one logs in to: reading files, and what is told of settings.

use std::path::{Path, PathBuf};

use subrosa_engine::provider::{ProviderError, ProviderErrorKind, ResolveContext};
use subrosa_http::small_file;
use zeroize::Zeroizing;

use crate::http;

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

/// Reads all of a small file; `what` names the file in messages.
///
/// # Errors
/// [`ProviderErrorKind::InvalidRequest`]: it cannot be read.
pub(crate) fn read(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    small_file::read(path, what).map_err(http::no_good)
}

/// The same; nothing if there is no such file.
///
/// # Errors
/// As for [`read`].
pub(crate) fn read_if_there(
    path: &Path,
    what: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, ProviderError> {
    small_file::read_if_there(path, what).map_err(http::no_good)
}

/// Where a path leads: a relative one into the first folder of the run that has it.
pub(crate) fn locate(path: &str, context: &ResolveContext) -> PathBuf {
    let places = || context.folders.iter().map(|folder| folder.join(path));
    places().find(|place| place.exists()).or_else(|| places().next()).unwrap_or_else(|| path.into())
}
