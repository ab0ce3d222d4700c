//! Values of an earlier run in place of those of a provider that is out of reach, if the user wants that.
//!
//! Only for a provider that does not answer: what it refuses, or says is not there, is refused and is not
//! there, and is not kept any longer. Whatever comes from the cache is told. A cache that is not done in
//! time is left to itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subrosa_registry::{About, RegistryError};
use tokio::time::{Instant, timeout_at};

use super::ask::Pace;
use super::fetch::{Failures, Groups};
use super::group::Surroundings;
use super::logins::broke_off;
use super::refusal::{beside, names};
use crate::cache::ValueCache;
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::provider::{Provider, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest};
use crate::remedy::with_causes;
use crate::secret::SecretValue;
use crate::workflow::SecretDecl;

/// What reading and writing a few small files never takes.
const FILES_TIME: Duration = Duration::from_secs(2);

/// The cache in one resolution.
pub(super) struct Offline {
    cache: Option<Arc<dyn ValueCache>>,
    pace: Pace,
    now: SystemTime,
    /// What each request is about that may be kept, by the place of the declaration.
    abouts: BTreeMap<usize, About>,
    got: Vec<(About, SecretValue)>,
    /// What a provider says is gone, or not for us.
    lost: Vec<About>,
    /// When the values that stand in were kept, by the place of the declaration.
    stand_ins: BTreeMap<usize, SystemTime>,
}

impl Offline {
    /// Notes what is about to be asked.
    pub(super) fn new(groups: &Groups, at: &Surroundings, host: &Host) -> Offline {
        let mut abouts = BTreeMap::new();
        if host.cache.is_some() {
            for (provider, requests) in groups.values() {
                let about = requests.iter().filter_map(|(index, request)| {
                    Some((*index, about(&**provider, &at.context, request)?))
                });
                abouts.extend(about);
            }
        }
        let (cache, pace, now) = (host.cache.clone(), at.pace.clone(), (host.clock)());
        Offline {
            cache,
            pace,
            now,
            abouts,
            got: Vec::new(),
            lost: Vec::new(),
            stand_ins: BTreeMap::new(),
        }
    }

    /// Notes values to be kept. Only those that were `asked` for now: others were kept when they came, and
    /// would be made younger.
    pub(super) fn note(&mut self, values: &[(usize, SecretValue)], asked: &BTreeSet<usize>) {
        let fresh = values.iter().filter(|(index, _)| asked.contains(index));
        let kept = fresh
            .filter_map(|(index, value)| Some((self.abouts.get(index)?.clone(), value.clone())));
        self.got.extend(kept);
    }

    /// Notes what is to be kept no longer.
    pub(super) fn note_lost(&mut self, failures: &Failures) {
        let lost = failures.iter().filter(|(_, error)| is_lost(error));
        self.lost.extend(lost.filter_map(|(index, _)| self.abouts.get(index).cloned()));
    }

    /// Moves what the cache has from the failures of a provider to its values.
    pub(super) async fn stand_in(
        &mut self,
        provider: &str,
        (values, failures): (&mut Vec<(usize, SecretValue)>, &mut Failures),
        secrets: &[SecretDecl],
    ) -> Option<Diagnostic> {
        let cache = self.cache.clone()?;
        let (indexes, abouts): (Vec<usize>, Vec<About>) = failures
            .iter()
            .filter(|(_, error)| is_out_of_reach(error))
            .filter_map(|(index, _)| Some((*index, self.abouts.get(index)?.clone())))
            .unzip();
        if indexes.is_empty() {
            return None;
        }
        let found = match self.in_time(move || cache.find(&abouts)).await {
            Ok(found) => found,
            Err(why) => {
                // It would not be there for others, and each would wait for it.
                self.cache = None;
                return Some(unusable("read", &why));
            }
        };
        let found: BTreeMap<usize, (SecretValue, SystemTime)> =
            indexes.into_iter().zip(found).filter_map(|(at, one)| Some((at, one?))).collect();
        let oldest = found.values().map(|(_, at)| *at).min()?;
        let (index, _) = found.first_key_value()?;
        let why = failures.iter().find(|(at, _)| at == index).map(|(_, error)| error.clone())?;
        let told =
            self.told(provider, &why, found.keys().map(|at| &secrets[*at]).collect(), oldest);
        self.stand_ins.extend(found.iter().map(|(index, (_, at))| (*index, *at)));
        failures.retain(|(index, _)| !found.contains_key(index));
        values.extend(found.into_iter().map(|(index, (value, _))| (index, value)));
        Some(told)
    }

    /// When the value that stands in for one was kept.
    pub(super) fn kept_at(&self, index: usize) -> Option<SystemTime> {
        self.stand_ins.get(&index).copied()
    }

    fn told(
        &self,
        provider: &str,
        why: &ProviderError,
        secrets: Vec<&SecretDecl>,
        oldest: SystemTime,
    ) -> Diagnostic {
        let age = self.now.duration_since(oldest).unwrap_or_default();
        let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
        let message = format!(
            "provider `{provider}` is out of reach ({why}): {} from the offline cache, up to {age} old",
            names(&secrets)
        );
        beside(Diagnostic::warning("secret-from-cache", message), &secrets).help(
            "what was changed since then is not known; `[cache]` of your subrosa.toml allows this",
        )
    }

    /// Keeps what was got, and nothing of what was lost.
    pub(super) async fn keep(mut self) -> Option<Diagnostic> {
        let (got, lost) = (std::mem::take(&mut self.got), std::mem::take(&mut self.lost));
        let cache = self.cache.clone().filter(|_| !got.is_empty() || !lost.is_empty())?;
        let keeping = self.in_time(move || {
            if !lost.is_empty() {
                cache.forget(&lost)?;
            }
            if got.is_empty() { Ok(()) } else { cache.keep(got) }
        });
        keeping.await.err().map(|why| unusable("written", &why))
    }

    /// Has the cache do something, off the async threads, until all must be done; also after that for as
    /// long as files take, since it is for providers that used up the time.
    async fn in_time<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
    ) -> Result<T, String> {
        let least = self.pace.limits.request.min(FILES_TIME);
        let until = self.pace.deadline.max(Instant::now() + least);
        match timeout_at(until, tokio::task::spawn_blocking(work)).await {
            Ok(Ok(done)) => done.map_err(|error| with_causes(&error)),
            Ok(Err(_)) => Err("it broke off".to_owned()),
            Err(_) => Err("it is not done in time".to_owned()),
        }
    }
}

fn unusable(how: &str, why: &str) -> Diagnostic {
    let message = format!("the offline cache cannot be {how}: {why}");
    Diagnostic::warning("cache-unusable", message).help(
        "it is sealed by the key of the registry, which `subrosa init` makes; without `[cache]` in \
         your subrosa.toml there is none",
    )
}

/// A provider that panicked may have been reached.
fn is_out_of_reach(error: &ProviderError) -> bool {
    match error.kind {
        ProviderErrorKind::Unavailable => *error != broke_off(),
        ProviderErrorKind::TimedOut => true,
        ProviderErrorKind::InvalidRequest
        | ProviderErrorKind::NotFound
        | ProviderErrorKind::Denied
        | ProviderErrorKind::Unauthenticated
        | ProviderErrorKind::Malformed => false,
    }
}

/// Whether a provider that was reached says that there is nothing, or nothing for us.
fn is_lost(error: &ProviderError) -> bool {
    match error.kind {
        ProviderErrorKind::NotFound | ProviderErrorKind::Denied => true,
        ProviderErrorKind::InvalidRequest
        | ProviderErrorKind::Unauthenticated
        | ProviderErrorKind::Unavailable
        | ProviderErrorKind::TimedOut
        | ProviderErrorKind::Malformed => false,
    }
}

/// What a request is about, each list with its length before it; `None` if its value is not to be kept.
fn about(
    provider: &dyn Provider,
    context: &ResolveContext,
    request: &SecretRequest,
) -> Option<About> {
    let scope = provider.cache_scope(context, request)?;
    let mut parts = vec![provider.name().to_owned(), scope.len().to_string()];
    parts.extend(scope);
    parts.push(request.key.clone());
    for (name, value) in &request.options.0 {
        parts.extend([name.clone(), value.clone()]);
    }
    Some(About(parts))
}
