//! Values of an earlier run in place of those of a provider that is out of reach, if the user wants that.
//!
//! Only for a provider that does not answer: what it refuses, or says is not there, is refused and is not
//! there. Whatever comes from the cache is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subrosa_registry::About;

use super::fetch::{Failures, Groups};
use super::refusal::{TOLD_MAX, names};
use crate::cache::ValueCache;
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::provider::{Provider, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest};
use crate::remedy::with_causes;
use crate::secret::SecretValue;
use crate::workflow::SecretDecl;

/// The cache in one resolution.
pub(super) struct Offline {
    cache: Option<Arc<dyn ValueCache>>,
    now: SystemTime,
    /// What each request is about that may be kept, by the place of the declaration.
    abouts: BTreeMap<usize, About>,
    got: Vec<(About, SecretValue)>,
    /// When the values that stand in were kept, by the place of the declaration.
    stand_ins: BTreeMap<usize, SystemTime>,
}

impl Offline {
    /// Notes what is about to be asked.
    pub(super) fn new(groups: &Groups, context: &ResolveContext, host: &Host) -> Offline {
        let mut abouts = BTreeMap::new();
        if host.cache.is_some() {
            for (provider, requests) in groups.values() {
                let about = requests.iter().filter_map(|(index, request)| {
                    Some((*index, about(&**provider, context, request)?))
                });
                abouts.extend(about);
            }
        }
        let (cache, now) = (host.cache.clone(), (host.clock)());
        Offline { cache, now, abouts, got: Vec::new(), stand_ins: BTreeMap::new() }
    }

    /// Notes values to be kept.
    pub(super) fn note(&mut self, values: &[(usize, SecretValue)]) {
        let kept = values
            .iter()
            .filter_map(|(index, value)| Some((self.abouts.get(index)?.clone(), value.clone())));
        self.got.extend(kept);
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
        let finding = tokio::task::spawn_blocking(move || cache.find(&abouts));
        let found = match finding.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Some(unusable("read", &with_causes(&error))),
            Err(_) => return Some(unusable("read", "it broke off")),
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
        let mut found = Diagnostic::warning("secret-from-cache", message);
        for secret in secrets.iter().take(TOLD_MAX) {
            found = found.at(secret.key_span, "asked for here");
        }
        found.help(
            "what was changed since then is not known; `[cache]` of your subrosa.toml allows this",
        )
    }

    /// Keeps what was got.
    pub(super) async fn keep(self) -> Option<Diagnostic> {
        let cache = self.cache.filter(|_| !self.got.is_empty())?;
        let got = self.got;
        match tokio::task::spawn_blocking(move || cache.keep(got)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(unusable("written", &with_causes(&error))),
            Err(_) => Some(unusable("written", "it broke off")),
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

fn is_out_of_reach(error: &ProviderError) -> bool {
    match error.kind {
        ProviderErrorKind::Unavailable | ProviderErrorKind::TimedOut => true,
        ProviderErrorKind::InvalidRequest
        | ProviderErrorKind::NotFound
        | ProviderErrorKind::Denied
        | ProviderErrorKind::Unauthenticated
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
