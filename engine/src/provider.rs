//! The port to wherever secrets come from.
//!
//! A provider is opened once per run and identity (one login), then asked for each secret; it decides
//! nothing about order, deadlines or retries, but says what may be asked again. Errors state facts: never
//! a value, a token or a response body.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use subrosa_registry::Lookup;

use crate::names::{closest, shown};
use crate::secret::SecretValue;

/// The option that names an instance of the configuration; every provider may find it.
pub(crate) const INSTANCE: &str = "instance";

/// What a provider may know of the run.
#[derive(Clone, Debug)]
pub struct ResolveContext {
    /// The environment before any secret: workflow `env:` and dotenv over the process environment.
    pub env: Arc<Environment>,
    /// Folders in which relative paths are looked up, in order.
    pub folders: Arc<[PathBuf]>,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// The wall clock: when a token ends, and what a signature is dated.
    pub clock: fn() -> SystemTime,
    /// On whose behalf, for a provider that has its values from the registry; `None`: there is no run.
    pub asking: Option<Arc<Asking>>,
}

/// On whose behalf the registry is asked.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The scope of the workflow, what is allowed, and what the audit log says.
    pub lookup: Lookup,
    /// Whether connections are looked at before they are used: whether they ended, and refreshed if so.
    pub checks_connections: bool,
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

/// One secret that is asked for: literal texts of the workflow file, with the options that the
/// configuration adds.
#[derive(Clone, Debug)]
pub struct SecretRequest {
    /// The variable it is for; only for messages.
    pub name: String,
    /// `key:`.
    pub key: String,
    /// `options:`.
    pub options: crate::workflow::Options,
}

/// Whether an option is among those that a provider lists.
pub fn is_known_option(known: &[&str], name: &str) -> bool {
    let is_it = |one: &&str| match one.strip_suffix('.') {
        Some(_) => name.strip_prefix(one).is_some_and(|rest| !rest.is_empty()),
        None => *one == name,
    };
    known.iter().any(is_it)
}

impl SecretRequest {
    /// Refuses options that are not among those that a provider lists; an empty list knows all.
    ///
    /// # Errors
    /// [`ProviderErrorKind::InvalidRequest`]: there is one; the help names what it was probably meant to be.
    pub fn only(&self, known: &[&str]) -> Result<(), ProviderError> {
        let is_known = |name: &&String| name == &INSTANCE || is_known_option(known, name);
        let unknown = self.options.0.keys().find(|name| !is_known(name));
        let Some(name) = unknown.filter(|_| !known.is_empty()) else { return Ok(()) };
        let message = format!("unknown option {}", shown(name));
        let whole = known.iter().map(|name| match name.ends_with('.') {
            true => format!("{name}NAME"),
            false => (*name).to_owned(),
        });
        let list = format!("known options: {}", whole.collect::<Vec<_>>().join(", "));
        let help = match closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? {list}"),
            None => list,
        };
        Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message).help(help))
    }
}

/// What of a request decides which login it needs: requests with equal identities share a client.
///
/// The options a provider logs in by (address, namespace, role), as they were written. They may be
/// credentials, and are not printed.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(pub BTreeMap<String, String>);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Identity {
    /// The options of a request that have one of these names.
    pub fn of(request: &SecretRequest, names: &[&str]) -> Identity {
        let options = request.options.0.iter().filter(|(name, _)| names.contains(&name.as_str()));
        Identity(options.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// Where secrets come from.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The word in `provider:`.
    fn name(&self) -> &str;

    /// Which login a request needs; asks nobody.
    fn identity(&self, _request: &SecretRequest) -> Identity {
        Identity::default()
    }

    /// What one read answers: requests of an identity with equal places are asked together, and count
    /// as one where the number of requests at a time is bounded.
    fn place(&self, request: &SecretRequest) -> String {
        request.key.clone()
    }

    /// The options it knows: a misspelt one is found before anybody is asked, and in a configuration. A
    /// name that ends with a dot stands for all that begin with it; no names at all: any is taken.
    fn options(&self) -> &[&str] {
        &[]
    }

    /// Where the value of a request is, so that it may be kept for when the other side is out of reach:
    /// texts that differ wherever another value could be meant, those that come from the environment
    /// included (the address in effect, the account, the namespace). `None`: it is not kept, as nothing
    /// should be that is lent or at hand anyway.
    fn cache_scope(
        &self,
        _context: &ResolveContext,
        _request: &SecretRequest,
    ) -> Option<Vec<String>> {
        None
    }

    /// Whether it is of use only once somebody said where it is or who asks; others can be tried at once.
    fn needs_settings(&self) -> bool {
        true
    }

    /// Logs in, if there is anything to log in to.
    ///
    /// # Errors
    /// [`ProviderError`]: it stands for every secret that needed this login.
    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError>;
}

/// Looks for a provider that is not of this build, by the word in `provider:`; starts nothing.
pub type FindProvider = Arc<dyn Fn(&str) -> Option<Arc<dyn Provider>> + Send + Sync>;

/// The providers that a workflow can name.
#[derive(Clone, Default)]
pub struct Providers {
    /// Those of this build.
    pub built_in: Vec<Arc<dyn Provider>>,
    /// Asked for every other name; `None`: there are no others.
    pub find: Option<FindProvider>,
}

impl Providers {
    /// The provider of this name: of this build, else one that is found.
    pub fn named(&self, name: &str) -> Option<Arc<dyn Provider>> {
        let built_in = self.built_in.iter().find(|provider| provider.name() == name);
        built_in.cloned().or_else(|| self.find.as_ref()?(name))
    }

    /// Whether the provider of this name is one of this build.
    pub fn is_built_in(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The names of those of this build.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.built_in.iter().map(|provider| provider.name())
    }
}

/// A provider that is logged in, for one run. Dropping a pending call cancels it.
#[async_trait]
pub trait Client: Send + Sync {
    /// Gets one value. Called at the same time for many requests; what several of them need (one read
    /// of a place with several fields), a client asks for once.
    ///
    /// # Errors
    /// [`ProviderError`], as its kind says.
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError>;

    /// How many requests one call of [`Client::fetch_many`] takes; 1: it is not called.
    fn batch_len_max(&self) -> usize {
        1
    }

    /// Gets several values in one call: one answer for each request, in their order.
    async fn fetch_many(
        &self,
        requests: &[SecretRequest],
    ) -> Vec<Result<SecretValue, ProviderError>> {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(self.fetch(request).await);
        }
        answers
    }

    /// Says whether the other side answers and knows us, as far as that can be asked without a key;
    /// where logging in has shown it, there is nothing to ask.
    ///
    /// # Errors
    /// It does not.
    async fn probe(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    /// Says whether a value could be got, without reading it.
    ///
    /// # Errors
    /// What `fetch` would answer.
    async fn check(&self, _request: &SecretRequest) -> Result<Checked, ProviderError> {
        Ok(Checked::WouldRead)
    }

    /// Keeps what was got valid (renews leases) until it is dropped; returns at once if nothing
    /// needs it. Polled while the run lasts, and called again when values were got after it returned;
    /// what is got while it is polled is its business, too.
    ///
    /// # Errors
    /// It could not, and values that the run uses may end.
    async fn keep(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    /// Values that others may still use in the place of those that were got, each with the variable of a
    /// secret: they are masked, too. Each is told once. Asked after the fetches.
    fn retired(&self) -> Vec<(String, SecretValue)> {
        Vec::new()
    }

    /// What should be mended although values were got, and was not told yet. Asked after the fetches.
    fn warnings(&self) -> Vec<ProviderWarning> {
        Vec::new()
    }

    /// Gives back what was got for this run alone (revokes leases, logs out); the last call, which has
    /// a short time of its own.
    ///
    /// # Errors
    /// Something was not given back, and ends by itself at best.
    async fn close(&self) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// Something that should be mended although a value was got, in words that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderWarning {
    /// The variable of the secret it was noticed with.
    pub secret: String,
    /// What was found, with the place; never a value.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

/// What a check found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is there, and may be read.
    Readable,
    /// The place exists, or may be read; only reading tells all.
    Likely,
    /// There is no way to tell without reading it.
    WouldRead,
}

/// Whether asking again may help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// No: the same answer would come.
    #[default]
    Never,
    /// After a pause.
    Later,
    /// After the pause that the answer asks for.
    After(Duration),
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
    /// Whether asking again may help.
    pub retry: Retry,
}

impl ProviderError {
    /// An error without help.
    pub fn new(kind: ProviderErrorKind, message: impl Into<String>) -> ProviderError {
        ProviderError { kind, message: message.into(), help: None, retry: Retry::Never }
    }

    /// Says that asking again may help.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> ProviderError {
        self.retry = retry;
        self
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> ProviderError {
        self.help = Some(help.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::SecretRequest;
    use crate::workflow::Options;

    /// The help on an option, if it is refused.
    fn check(known: &[&str], option: &str, expected: Option<&str>) {
        let options = Options([(option.to_owned(), "canary".to_owned())].into());
        let request = SecretRequest { name: "N".into(), key: "k".into(), options };
        let refused = request.only(known).err().map(|error| {
            assert!(!format!("{error:?}").contains("canary"));
            error.help.unwrap_or_default()
        });
        assert_eq!(refused.as_deref(), expected, "{option}");
    }

    #[test]
    fn options_that_nobody_knows_are_refused_with_what_was_meant() {
        let known = ["role_id", "field", "data."];
        let list = "known options: role_id, field, data.NAME";
        for option in ["role_id", "data.x", "instance"] {
            check(&known, option, None);
        }
        check(&known, "rol_id", Some(&format!("did you mean `role_id`? {list}")));
        check(&known, "canopy", Some(list));
        check(&known, "data.", Some(&format!("did you mean `data.`? {list}")));
        check(&[], "whatever", None);
    }
}
