//! What an answer that is no good means.
//!
//! Known by its status alone. The answer's own words are never shown: a server may repeat what it was sent.

use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};

use super::place::Place;
use super::wire::kind;
use crate::http::{Address, Answer};

/// The error for an answer about a Secret; `login` is where the credentials came from.
pub(super) fn refused(
    address: &Address,
    login: &str,
    place: &Place,
    answer: &Answer,
) -> ProviderError {
    let Place { namespace, secret } = place;
    match answer.status.as_u16() {
        401 => unauthenticated(address, login),
        403 => denied(place),
        404 => {
            let message =
                format!("kubernetes secret \"{secret}\" not found in namespace \"{namespace}\"");
            let error = new(ProviderErrorKind::NotFound, message);
            match kind(&answer.body) {
                Some("Status") => {
                    error.help("look with: kubectl get secrets -n ".to_owned() + namespace)
                }
                _ => error.help(format!("is `{address}` the address of a Kubernetes API server?")),
            }
        }
        300..=399 => new(
            ProviderErrorKind::Unavailable,
            format!("`{address}` sends elsewhere, and credentials do not follow"),
        )
        .help("name the final address in the kubeconfig"),
        429 | 500..=599 => busy(address, answer),
        400 if answer.body.starts_with(b"Client sent an HTTP request to an HTTPS server") => {
            let message = format!("`{address}` wants to be asked by `https://`");
            new(ProviderErrorKind::InvalidRequest, message)
                .help("write `https://` in the kubeconfig")
        }
        status => new(
            ProviderErrorKind::Malformed,
            format!("the cluster at `{address}` answered {status} for secret \"{secret}\""),
        ),
    }
}

/// What the answer to a question about our own rights says of cluster and login.
///
/// # Errors
/// The cluster cannot answer, does not know us, or is none.
pub(super) fn probed(address: &Address, login: &str, answer: &Answer) -> Result<(), ProviderError> {
    match answer.status.as_u16() {
        // Who may not even ask is known: an unknown one gets 401.
        200..=299 | 403 => Ok(()),
        401 => Err(unauthenticated(address, login)),
        429 | 500..=599 => Err(busy(address, answer)),
        status => {
            let message = format!("`{address}` answered {status}, as no cluster does");
            Err(new(ProviderErrorKind::Malformed, message)
                .help("is that the address of a Kubernetes API server?"))
        }
    }
}

fn unauthenticated(address: &Address, login: &str) -> ProviderError {
    let message = format!("the cluster at `{address}` does not accept the credentials (401)");
    new(ProviderErrorKind::Unauthenticated, message)
        .help(format!("they come from {login}; a token may have expired: log in again"))
}

fn busy(address: &Address, answer: &Answer) -> ProviderError {
    let status = answer.status.as_u16();
    let message = format!("the cluster at `{address}` cannot answer now ({status})");
    let retry = answer.retry_after().map_or(Retry::Later, Retry::After);
    new(ProviderErrorKind::Unavailable, message).retry(retry)
}

/// We may not read it.
pub(super) fn denied(place: &Place) -> ProviderError {
    let Place { namespace, secret } = place;
    let message = format!(
        "permission denied reading kubernetes secret \"{secret}\" in namespace \"{namespace}\""
    );
    new(ProviderErrorKind::Denied, message).help(format!(
        "let a Role in `{namespace}` grant it, and bind it to the user: \
         rules: [{{apiGroups: [\"\"], resources: [secrets], resourceNames: [{secret}], verbs: [get]}}]"
    ))
}

/// An answer that is none.
pub(super) fn malformed(address: &Address, place: &Place) -> ProviderError {
    let message = format!(
        "the cluster at `{address}` answered for secret \"{}\" with something that is no answer",
        place.secret
    );
    new(ProviderErrorKind::Malformed, message).help("is it the address of a Kubernetes API server?")
}

fn new(kind: ProviderErrorKind, message: impl Into<String>) -> ProviderError {
    ProviderError::new(kind, message)
}
