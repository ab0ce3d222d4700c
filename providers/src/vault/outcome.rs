//! What an answer that is no good means.
//!
//! Known by its status, and by a few phrases that all versions of Vault and OpenBao use. The answer's own
//! words are never shown: a server may repeat what it was sent.

use reqwest::StatusCode;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};

use super::place::{Method, Place};
use super::wire::says;
use crate::http::{Address, Answer};

/// The error for an answer to a request for `path`.
pub(super) fn refused(address: &Address, path: &str, answer: &Answer) -> ProviderError {
    let says = |phrase| says(&answer.body, phrase);
    match answer.status.as_u16() {
        300..=399 => redirected(address),
        400 if is_plain_to_tls(&answer.body) => new(
            ProviderErrorKind::InvalidRequest,
            format!("`{address}` wants to be asked by `https://`"),
        )
        .help("write `https://` in the address"),
        400 => new(
            ProviderErrorKind::InvalidRequest,
            format!("vault at `{address}` takes the request for `{path}` for wrong (400)"),
        )
        .help("is the path right, and does it need `method: write` or more `data.NAME`?"),
        401 => unauthenticated(address),
        403 if says("invalid token") || says("bad token") || says("missing client token") => {
            unauthenticated(address)
        }
        403 => new(
            ProviderErrorKind::Denied,
            format!("vault at `{address}` denies access to `{path}` (403)"),
        ),
        404 => new(ProviderErrorKind::NotFound, format!("secret not found at path \"{path}\"")),
        405 => new(
            ProviderErrorKind::InvalidRequest,
            format!("`{path}` cannot be asked in this way (405)"),
        )
        .help("`method: write` is for what makes something new, `method: read` for the rest"),
        // The node has not yet seen what another one already acknowledged.
        412 => unavailable(address, "is behind the other nodes (412)"),
        429 => limited(address, answer),
        472 | 473 => unavailable(address, "is a standby node that answers nothing"),
        503 if says("sealed") => sealed(address),
        503 if says("standby") => unavailable(address, "is a standby node without an active one"),
        status @ 500..=599 => unavailable(address, &format!("cannot answer now ({status})")),
        status => new(
            ProviderErrorKind::Malformed,
            format!("vault at `{address}` answered {status} for `{path}`"),
        ),
    }
}

/// The same for a secret, with the policy to ask for.
pub(super) fn refused_place(address: &Address, place: &Place, answer: &Answer) -> ProviderError {
    let mut error = refused(address, &place.path, answer);
    if let (StatusCode::NOT_FOUND, Some(version)) = (answer.status, place.version) {
        error.message = format!("{} in version {version}", error.message);
    }
    match error.kind {
        ProviderErrorKind::Denied => error.help(grant(place)),
        ProviderErrorKind::NotFound if says(&answer.body, "no handler for route") => {
            error.help("no secrets engine is mounted there, in this namespace")
        }
        ProviderErrorKind::NotFound if !place.path.contains("/data/") => {
            error.help("for KV version 2, the path must include `/data/`")
        }
        _ => error,
    }
}

/// The policy that would allow it.
pub(super) fn grant(place: &Place) -> String {
    let capability = match place.method {
        Method::Read => "read",
        Method::Write => "update",
    };
    format!(
        "let a policy grant it: path \"{}\" {{ capabilities = [\"{capability}\"] }}",
        place.path
    )
}

/// An answer that is none.
pub(super) fn malformed(address: &Address, path: &str) -> ProviderError {
    new(
        ProviderErrorKind::Malformed,
        format!("vault at `{address}` answered for `{path}` with something that is no answer"),
    )
    .help("is it a Vault or OpenBao server, and is the address complete?")
}

/// The token is none, or no longer.
pub(super) fn unauthenticated(address: &Address) -> ProviderError {
    new(
        ProviderErrorKind::Unauthenticated,
        format!("vault at `{address}` does not accept the token"),
    )
    .help("it may have expired or been revoked, or belong to another server or namespace")
}

fn redirected(address: &Address) -> ProviderError {
    // A standby node does this when it does not pass requests on itself.
    new(
        ProviderErrorKind::Unavailable,
        format!("`{address}` sends elsewhere, and tokens do not follow"),
    )
    .help("name the server that answers itself: the active node, or the final address")
}

fn limited(address: &Address, answer: &Answer) -> ProviderError {
    let error = unavailable(address, "gets too many requests (429)");
    match answer.retry_after() {
        Some(pause) => error.retry(Retry::After(pause)),
        None => error,
    }
}

fn sealed(address: &Address) -> ProviderError {
    // Not worth asking again: people have to come with their keys.
    new(ProviderErrorKind::Unavailable, format!("vault at `{address}` is sealed"))
        .help("unseal it: `bao operator unseal`, or `vault operator unseal`")
}

fn unavailable(address: &Address, what: &str) -> ProviderError {
    new(ProviderErrorKind::Unavailable, format!("vault at `{address}` {what}")).retry(Retry::Later)
}

/// What Go's servers say to a client that does not speak TLS.
fn is_plain_to_tls(body: &[u8]) -> bool {
    body.starts_with(b"Client sent an HTTP request to an HTTPS server")
}

fn new(kind: ProviderErrorKind, message: impl Into<String>) -> ProviderError {
    ProviderError::new(kind, message)
}
