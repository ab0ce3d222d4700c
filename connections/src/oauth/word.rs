//! The error words of OAuth.
//!
//! Only words that the standards register are ever told, and as texts of ours: whatever else a server
//! says could hold anything. A few large servers say their own words for the same things; those are
//! understood as the standard's.

use std::fmt;

/// An error that the standards give a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorWord {
    /// The person, or a rule, said no.
    AccessDenied,
    /// The person has not decided yet (RFC 8628).
    AuthorizationPending,
    /// The code of the device is over (RFC 8628).
    ExpiredToken,
    /// The token does not allow this (RFC 6750).
    InsufficientScope,
    /// The client is not known, or not who it says.
    InvalidClient,
    /// The code or the refresh token is not, or no more, good.
    InvalidGrant,
    /// Something is missing or said twice.
    InvalidRequest,
    /// A scope is not known, or too much.
    InvalidScope,
    /// The resource or audience is not known (RFC 8707).
    InvalidTarget,
    /// The token is not good (RFC 6750).
    InvalidToken,
    /// The server failed.
    ServerError,
    /// Too many questions (RFC 8628).
    SlowDown,
    /// Not now.
    TemporarilyUnavailable,
    /// The client may not do this.
    UnauthorizedClient,
    /// Not this grant.
    UnsupportedGrantType,
    /// Not this kind of answer.
    UnsupportedResponseType,
    /// Tokens of this kind cannot be revoked (RFC 7009).
    UnsupportedTokenType,
    /// A person has to do something (OpenID Connect).
    InteractionRequired,
    /// A person has to log in (OpenID Connect).
    LoginRequired,
    /// A person has to choose an account (OpenID Connect).
    AccountSelectionRequired,
    /// A person has to consent (OpenID Connect).
    ConsentRequired,
}

const WORDS: [(&str, ErrorWord); 21] = [
    ("access_denied", ErrorWord::AccessDenied),
    ("authorization_pending", ErrorWord::AuthorizationPending),
    ("expired_token", ErrorWord::ExpiredToken),
    ("insufficient_scope", ErrorWord::InsufficientScope),
    ("invalid_client", ErrorWord::InvalidClient),
    ("invalid_grant", ErrorWord::InvalidGrant),
    ("invalid_request", ErrorWord::InvalidRequest),
    ("invalid_scope", ErrorWord::InvalidScope),
    ("invalid_target", ErrorWord::InvalidTarget),
    ("invalid_token", ErrorWord::InvalidToken),
    ("server_error", ErrorWord::ServerError),
    ("slow_down", ErrorWord::SlowDown),
    ("temporarily_unavailable", ErrorWord::TemporarilyUnavailable),
    ("unauthorized_client", ErrorWord::UnauthorizedClient),
    ("unsupported_grant_type", ErrorWord::UnsupportedGrantType),
    ("unsupported_response_type", ErrorWord::UnsupportedResponseType),
    ("unsupported_token_type", ErrorWord::UnsupportedTokenType),
    ("interaction_required", ErrorWord::InteractionRequired),
    ("login_required", ErrorWord::LoginRequired),
    ("account_selection_required", ErrorWord::AccountSelectionRequired),
    ("consent_required", ErrorWord::ConsentRequired),
];

/// What some servers say instead.
const OTHER_WORDS: [(&str, ErrorWord); 10] = [
    ("authorization_declined", ErrorWord::AccessDenied),
    ("bad_refresh_token", ErrorWord::InvalidGrant),
    ("bad_verification_code", ErrorWord::InvalidGrant),
    ("incorrect_client_credentials", ErrorWord::InvalidClient),
    ("incorrect_device_code", ErrorWord::InvalidGrant),
    ("invalid_code", ErrorWord::InvalidGrant),
    ("invalid_refresh_token", ErrorWord::InvalidGrant),
    ("redirect_uri_mismatch", ErrorWord::InvalidRequest),
    ("token_expired", ErrorWord::InvalidGrant),
    ("token_revoked", ErrorWord::InvalidGrant),
];

impl ErrorWord {
    /// The error that a word means, if it is known.
    pub fn parse(text: &[u8]) -> Option<ErrorWord> {
        let mut words = WORDS.iter().chain(&OTHER_WORDS);
        words.find(|(word, _)| word.as_bytes() == text).map(|(_, found)| *found)
    }

    /// The standard's word.
    pub fn as_str(self) -> &'static str {
        let found = WORDS.iter().find(|(_, word)| *word == self);
        found.expect("each error has its word: a test goes through them").0
    }

    /// Whether it may be otherwise in a while.
    pub(super) fn is_retryable(self) -> bool {
        matches!(
            self,
            ErrorWord::ServerError | ErrorWord::SlowDown | ErrorWord::TemporarilyUnavailable
        )
    }

    /// Whether a refresh that is refused with it will be refused until a person grants access anew.
    pub(super) fn ends_grant(self) -> bool {
        matches!(
            self,
            ErrorWord::AccessDenied
                | ErrorWord::ExpiredToken
                | ErrorWord::InvalidGrant
                | ErrorWord::InvalidToken
                | ErrorWord::InteractionRequired
                | ErrorWord::LoginRequired
                | ErrorWord::AccountSelectionRequired
                | ErrorWord::ConsentRequired
        )
    }
}

impl fmt::Display for ErrorWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorWord, OTHER_WORDS, WORDS};

    #[test]
    fn each_word_is_itself_and_others_are_the_standards() {
        for (text, word) in WORDS {
            assert_eq!(ErrorWord::parse(text.as_bytes()), Some(word));
            assert_eq!(word.to_string(), text);
        }
        for (text, word) in OTHER_WORDS {
            assert_eq!(ErrorWord::parse(text.as_bytes()), Some(word), "{text}");
            assert_ne!(word.as_str(), text);
        }
        for text in ["", "ACCESS_DENIED", "access_denied ", "canary"] {
            assert_eq!(ErrorWord::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn no_word_is_left_out() {
        // Counted from the last one, which a new one would follow.
        assert_eq!(WORDS.len(), ErrorWord::ConsentRequired as usize + 1);
    }

    #[test]
    fn what_passes_ends_no_grant() {
        for (_, word) in WORDS {
            assert!(!(word.is_retryable() && word.ends_grant()), "{word}");
        }
        assert!(ErrorWord::InvalidGrant.ends_grant());
        assert!(!ErrorWord::InvalidClient.ends_grant());
        assert!(ErrorWord::TemporarilyUnavailable.is_retryable());
    }
}
