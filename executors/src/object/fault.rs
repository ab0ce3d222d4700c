//! Why something with an object failed, in words that may be shown.
//!
//! The errors of `object_store` hold addresses and what a server said. Nothing of their texts is used: the
//! wire notes what went wrong in the last request, and the kind of the error says the rest.

use object_store::Error;
use subrosa_engine::kind::StepFault;
use subrosa_http::{Fault, StatusCode, TlsFault};

/// Words of servers that say more than a status does. Others are not repeated.
const WORDS: &[&str] = &[
    "AccessDenied",
    "AccountIsDisabled",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "BlobNotFound",
    "ContainerNotFound",
    "EntityTooLarge",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidToken",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "PreconditionFailed",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "SlowDown",
];

/// What went wrong in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// An answer that is a refusal.
    Status { status: StatusCode, word: Option<&'static str>, region: Option<String> },
    /// No answer.
    Fault(Fault),
    /// An answer that is larger than any of the kind.
    TooLarge,
    /// The request could not be signed.
    Unsigned(String),
}

/// The word of a server that is in our list.
pub(super) fn word(text: &[u8]) -> Option<&'static str> {
    let known = std::str::from_utf8(text).ok()?.trim();
    WORDS.iter().copied().find(|word| *word == known)
}

/// The word in the body of an error, which is XML.
pub(super) fn word_of(body: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("<Code>")?;
    let (found, _) = rest.split_once("</Code>")?;
    word(found.as_bytes())
}

impl Trouble {
    /// Whether it says that there is no such object, rather than no such bucket.
    pub(super) fn is_absence(&self) -> bool {
        let Trouble::Status { status, word, .. } = self else { return false };
        *status == StatusCode::NOT_FOUND
            && !matches!(word, Some("NoSuchBucket" | "ContainerNotFound"))
    }

    fn told(&self, shown: &str, server: &str) -> StepFault {
        match self {
            Trouble::Status { status, word, region } => {
                let word = word.map(|word| format!(" (`{word}`)")).unwrap_or_default();
                let code = status.as_u16();
                let told = StepFault::new(format!("{shown}: `{server}` answered {code}{word}"));
                match help(*status, region.as_deref()) {
                    Some(help) => told.help(help),
                    None => told,
                }
            }
            Trouble::Fault(fault) => {
                let help = match fault {
                    Fault::Tls(TlsFault::UnknownIssuer) => {
                        Some("name the certificate authority that signed it in `ca_cert`")
                    }
                    Fault::TimedOut => Some("`timeout` lets it be silent for longer"),
                    other => other.help(),
                };
                let message = format!("{shown}: {}", fault.message(server));
                StepFault { message, help: help.map(str::to_owned) }
            }
            Trouble::TooLarge => {
                StepFault::new(format!("{shown}: `{server}` answered with more than 16 MiB"))
            }
            Trouble::Unsigned(why) => StepFault::new(format!("{shown}: {why}")),
        }
    }
}

fn help(status: StatusCode, region: Option<&str>) -> Option<String> {
    match (status.as_u16(), region) {
        (301 | 307 | 308 | 400, Some(region)) => {
            Some(format!("the bucket is in the region `{region}`"))
        }
        (300..=399, _) => Some("redirects are not followed: is the address right?".to_owned()),
        (401 | 403, _) => Some("is the key right, and may it do this here?".to_owned()),
        _ => None,
    }
}

/// What to tell of an error; `trouble` is what was noted of the last request.
pub(super) fn told(
    error: &Error,
    trouble: Option<Trouble>,
    shown: &str,
    server: Option<&str>,
) -> StepFault {
    if let (Some(trouble), Some(server)) = (&trouble, server) {
        return trouble.told(shown, server);
    }
    let what = match error {
        Error::NotFound { .. } => "there is no such object",
        Error::AlreadyExists { .. } => "there is such an object already",
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => "this is not allowed",
        Error::InvalidPath { .. } => "this is no name of an object",
        Error::NotSupported { .. } | Error::NotImplemented { .. } => "the store cannot do this",
        _ if server.is_some() => "the server answered with something that cannot be understood",
        _ => match io_kind(error) {
            Some(kind) => return StepFault::new(format!("{shown}: {kind}")),
            None => "the store failed",
        },
    };
    StepFault::new(format!("{shown}: {what}"))
}

/// What the system said, below an error.
fn io_kind(error: &Error) -> Option<std::io::ErrorKind> {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(link) = at {
        if let Some(error) = link.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        at = link.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use subrosa_http::StatusCode;

    use super::{Trouble, word_of};

    #[test]
    fn only_known_words_are_repeated() {
        let check = |body: &str, expected| assert_eq!(word_of(body.as_bytes()), expected, "{body}");
        check("<Error><Code>NoSuchKey</Code><Message>m</Message>", Some("NoSuchKey"));
        check("<Code> AccessDenied\n</Code>", Some("AccessDenied"));
        check("<Code>canary-4711</Code>", None);
        check("<Code>NoSuchKey", None);
        check("", None);
    }

    #[test]
    fn a_missing_bucket_is_no_missing_object() {
        let trouble = |status, word| Trouble::Status { status, word, region: None };
        assert!(trouble(StatusCode::NOT_FOUND, None).is_absence());
        assert!(trouble(StatusCode::NOT_FOUND, Some("NoSuchKey")).is_absence());
        assert!(!trouble(StatusCode::NOT_FOUND, Some("NoSuchBucket")).is_absence());
        assert!(!trouble(StatusCode::FORBIDDEN, None).is_absence());
    }
}
