//! What an answer that is no good means: known by its status and the name of its error alone.

use std::time::Duration;

use serde::Deserialize;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};

use crate::cloud;
use crate::http::{Address, Answer};

/// What was asked.
pub(super) struct Asked<'a> {
    /// Where.
    pub(super) address: &'a Address,
    /// What a policy has to allow, such as `ssm:GetParameter`.
    pub(super) action: &'a str,
    /// The place, in words.
    pub(super) what: &'a str,
    /// Where the credentials came from.
    pub(super) source: &'a str,
}

/// The name of an answer's error.
pub(super) fn error_name(answer: &Answer) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(rename = "__type")]
        name: &'a str,
    }
    let refusal: Refusal<'_> = serde_json::from_slice(&answer.body).ok()?;
    let name = refusal.name.rsplit('#').next()?;
    KNOWN.iter().find(|(known, _)| *known == name).map(|(known, _)| *known)
}

/// What an error means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NotFound,
    Denied,
    Undecrypted,
    Unauthenticated,
    Expired,
    Clock,
    Overloaded,
    Removed,
    Refused,
}

/// The errors of both services, and those that all services have.
const KNOWN: [(&str, Meaning); 33] = [
    ("ResourceNotFoundException", Meaning::NotFound),
    ("ParameterNotFound", Meaning::NotFound),
    ("ParameterVersionNotFound", Meaning::NotFound),
    ("AccessDeniedException", Meaning::Denied),
    ("AccessDenied", Meaning::Denied),
    ("NotAuthorized", Meaning::Denied),
    ("DecryptionFailure", Meaning::Undecrypted),
    ("InvalidKeyId", Meaning::Undecrypted),
    ("UnrecognizedClientException", Meaning::Unauthenticated),
    ("InvalidClientTokenId", Meaning::Unauthenticated),
    ("InvalidAccessKeyId", Meaning::Unauthenticated),
    ("MissingAuthenticationToken", Meaning::Unauthenticated),
    ("MissingAuthenticationTokenException", Meaning::Unauthenticated),
    ("IncompleteSignature", Meaning::Unauthenticated),
    ("IncompleteSignatureException", Meaning::Unauthenticated),
    ("InvalidSignatureException", Meaning::Clock),
    ("SignatureDoesNotMatch", Meaning::Clock),
    ("RequestExpired", Meaning::Clock),
    ("RequestTimeTooSkewed", Meaning::Clock),
    ("ExpiredToken", Meaning::Expired),
    ("ExpiredTokenException", Meaning::Expired),
    ("ThrottlingException", Meaning::Overloaded),
    ("Throttling", Meaning::Overloaded),
    ("ThrottledException", Meaning::Overloaded),
    ("TooManyRequestsException", Meaning::Overloaded),
    ("RequestLimitExceeded", Meaning::Overloaded),
    ("InternalServiceError", Meaning::Overloaded),
    ("InternalServerError", Meaning::Overloaded),
    ("InternalFailure", Meaning::Overloaded),
    ("ServiceUnavailable", Meaning::Overloaded),
    ("InvalidRequestException", Meaning::Removed),
    ("InvalidParameterException", Meaning::Refused),
    ("ValidationException", Meaning::Refused),
];

/// Whether the credentials were good once.
pub(super) fn is_expired(answer: &Answer) -> bool {
    meaning(answer) == Some(Meaning::Expired)
}

fn meaning(answer: &Answer) -> Option<Meaning> {
    let name = error_name(answer)?;
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

/// The error for an answer that is no good.
pub(super) fn refused(asked: &Asked<'_>, answer: &Answer) -> ProviderError {
    let Asked { address, what, .. } = asked;
    let status = answer.status.as_u16();
    match (meaning(answer), status) {
        (Some(Meaning::Overloaded), _) => overloaded(address, answer.retry_after()),
        (Some(meaning), _) => explained(asked, meaning),
        (None, 401) => explained(asked, Meaning::Unauthenticated),
        (None, 403) => explained(asked, Meaning::Denied),
        (None, _) => cloud::unanswered(address, answer, what),
    }
}

fn overloaded(address: &Address, pause: Option<Duration>) -> ProviderError {
    let message = format!("`{address}` cannot answer now");
    new(ProviderErrorKind::Unavailable, message).retry(pause.map_or(Retry::Later, Retry::After))
}

fn explained(asked: &Asked<'_>, meaning: Meaning) -> ProviderError {
    let Asked { address, action, what, source } = asked;
    let unauthenticated = |says: &str| {
        new(
            ProviderErrorKind::Unauthenticated,
            format!("`{address}` does not accept the credentials from {source}{says}"),
        )
    };
    match meaning {
        Meaning::NotFound => new(ProviderErrorKind::NotFound, format!("{what} not found"))
            .help(format!("look at the name, the version and the region; asked was `{address}`")),
        Meaning::Denied => new(
            ProviderErrorKind::Denied,
            format!("`{address}` denies reading {what}"),
        )
        .help(format!(
            "allow `{action}` on it to the identity from {source}, and `kms:Decrypt` if a key \
                     of your own encrypts it"
        )),
        Meaning::Undecrypted => {
            new(ProviderErrorKind::Denied, format!("`{address}` cannot decrypt {what} for us"))
                .help("allow `kms:Decrypt` on its key, and see that the key is enabled")
        }
        Meaning::Unauthenticated => {
            unauthenticated("").help("look whether the access key exists and is active")
        }
        Meaning::Expired => unauthenticated(": they have expired").help("log in again"),
        Meaning::Clock => unauthenticated(": the signature does not do").help(
            "the secret key is not that of the access key, or this machine's clock is minutes off",
        ),
        Meaning::Overloaded => overloaded(address, None),
        Meaning::Removed => {
            new(ProviderErrorKind::NotFound, format!("{what} cannot be read in its state")).help(
                "it may be marked for deletion: look with `aws secretsmanager describe-secret`",
            )
        }
        Meaning::Refused => new(
            ProviderErrorKind::InvalidRequest,
            format!("`{address}` does not accept the name or an option of {what}"),
        ),
    }
}

fn new(kind: ProviderErrorKind, message: impl Into<String>) -> ProviderError {
    ProviderError::new(kind, message)
}
