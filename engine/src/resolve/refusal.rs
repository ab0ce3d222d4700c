//! What is said beside the lines that asked a provider in vain.
//!
//! What has one cause is said once: a login that failed, or a provider that is out of reach, for all
//! secrets that needed it; everything else beside its own line.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::is_outage;
use super::provider_of;
use super::request::Unready;
use crate::diagnostic::Diagnostic;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::workflow::SecretDecl;

/// A failure that concerns many secrets names and shows so many of them.
const TOLD_MAX: usize = 8;

/// What is wrong, by the place of the declaration; `None` if the diagnostic of another one says it.
pub(super) type Refusals = BTreeMap<usize, Option<Diagnostic>>;

/// Why a request could not be put.
pub(super) fn unready(secret: &SecretDecl, why: &Unready) -> Diagnostic {
    match why {
        Unready::NoProvider(error) => {
            let message = format!("could not resolve secret `{}`: {error}", secret.name);
            told(message, &[secret], error)
        }
        Unready::Refused(error) => refused(&[secret], &provider_of(secret), error),
    }
}

/// One failure of these secrets.
pub(super) fn refused(
    secrets: &[&SecretDecl],
    provider: &str,
    error: &ProviderError,
) -> Diagnostic {
    let message =
        format!("could not resolve {} from provider `{provider}`: {error}", names(secrets));
    told(message, secrets, error)
}

/// `secret `A`` or `` secrets `A`, `B` and 3 more ``.
pub(super) fn names(secrets: &[&SecretDecl]) -> String {
    let told = secrets.iter().take(TOLD_MAX).map(|secret| format!("`{}`", secret.name));
    let told = told.collect::<Vec<_>>().join(", ");
    match (secrets.len(), secrets.len().saturating_sub(TOLD_MAX)) {
        (1, _) => format!("secret {told}"),
        (_, 0) => format!("secrets {told}"),
        (_, more) => format!("secrets {told} and {more} more"),
    }
}

/// Shows the lines of these secrets.
pub(super) fn beside(found: Diagnostic, secrets: &[&SecretDecl]) -> Diagnostic {
    let shown = secrets.iter().take(TOLD_MAX);
    shown.fold(found, |found, secret| found.at(secret.key_span, "asked for here"))
}

fn told(message: String, secrets: &[&SecretDecl], error: &ProviderError) -> Diagnostic {
    let mut found = beside(Diagnostic::error("secret-not-resolved", message), secrets);
    found.help.clone_from(&error.help);
    found
}

/// What is said of the failures of one group; `is_shut_out` if there was no login.
pub(super) fn of_group(
    provider: &str,
    failures: &[(usize, ProviderError)],
    is_shut_out: bool,
    has_values: bool,
    secrets: &[SecretDecl],
) -> Refusals {
    // Out of reach as a whole: that each answer names another place makes no difference.
    let is_down = !has_values && failures.iter().all(|(_, error)| is_outage(error));
    let mut causes: Vec<(&ProviderError, Vec<usize>)> = Vec::new();
    for (index, error) in failures {
        let is_same = |other: &ProviderError| {
            is_shut_out
                || is_down
                || is_common(error) && (other.kind, &other.message) == (error.kind, &error.message)
        };
        match causes.iter_mut().find(|(other, _)| is_same(other)) {
            Some((_, indexes)) => indexes.push(*index),
            None => causes.push((error, vec![*index])),
        }
    }
    let mut refusals = Refusals::new();
    for (error, mut indexes) in causes {
        indexes.sort_unstable();
        let asked: Vec<&SecretDecl> = indexes.iter().map(|index| &secrets[*index]).collect();
        let mut told = Some(refused(&asked, provider, error));
        refusals.extend(indexes.into_iter().map(|index| (index, told.take())));
    }
    refusals
}

/// Whether a failure says something of the provider, not of what was asked for.
fn is_common(error: &ProviderError) -> bool {
    error.kind == ProviderErrorKind::Unauthenticated || is_outage(error)
}

/// Failures that say the same for several secrets stay apart in place, but repeat their help once.
pub(super) fn join_same_failures(diagnostics: &mut [Diagnostic]) {
    let mut told = BTreeSet::new();
    for found in diagnostics {
        if let Some(help) = &found.help
            && !told.insert(help.clone())
        {
            found.help = None;
        }
    }
}
