//! The port to wherever secrets come from.
//!
//! A provider is opened once per run (one login), then asked for each secret; it decides nothing
//! about order, deadlines or retries. Errors state facts: never a value, a token or a response body.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::secret::SecretValue;

/// What a provider may know of the run.
#[derive(Clone, Debug)]
pub struct ResolveContext {
    /// The environment before any secret: workflow `env:` and dotenv over the process environment.
    pub env: Arc<Environment>,
    /// Folders in which relative paths are looked up, in order.
    pub folders: Arc<[PathBuf]>,
    /// How long one request may take.
    pub request_timeout: Duration,
}

/// Variables a provider may read, nearest scope first.
#[derive(Default)]
pub struct Environment {
    /// Workflow `env:` and dotenv.
    pub workflow: BTreeMap<String, SecretValue>,
    /// The process environment.
    pub process: BTreeMap<String, SecretValue>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment(..)")
    }
}

/// One secret that is asked for: literal texts of the workflow file.
#[derive(Clone, Debug)]
pub struct SecretRequest {
    /// The variable it is for; only for messages.
    pub name: String,
    /// `key:`.
    pub key: String,
    /// `options:`.
    pub options: crate::workflow::Options,
}

/// Where secrets come from.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The word in `provider:`.
    fn name(&self) -> &'static str;

    /// Logs in, if there is anything to log in to.
    ///
    /// # Errors
    /// [`ProviderError`]: it stands for every secret that needed this provider.
    async fn open(&self, context: &ResolveContext) -> Result<Box<dyn Client>, ProviderError>;
}

/// A provider that is logged in, for one run. Dropping a pending fetch cancels it.
#[async_trait]
pub trait Client: Send + Sync {
    /// Gets one value.
    ///
    /// # Errors
    /// [`ProviderError`], as its kind says.
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError>;
}

/// Why a provider gave no value: what a caller may branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderErrorKind {
    /// The key or an option makes no sense to this provider.
    InvalidRequest,
    /// There is nothing under the key.
    NotFound,
    /// It is there, and not for us.
    Denied,
    /// The login failed.
    Unauthenticated,
    /// It cannot be reached, now.
    Unavailable,
    /// No answer in time.
    TimedOut,
    /// The answer is no answer.
    Malformed,
}

/// Why a provider gave no value, in words that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What kind of failure.
    pub kind: ProviderErrorKind,
    /// What was found, with the key or the place; never a value, a token or a body.
    pub message: String,
    /// How to mend it, if the provider knows.
    pub help: Option<String>,
}

impl ProviderError {
    /// An error without help.
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> ProviderError {
        ProviderError { kind, message: message.into(), help: None }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> ProviderError {
        self.help = Some(help.into());
        self
    }
}
