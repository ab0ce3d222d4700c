//! Why access was not granted, kept up or given back.
//!
//! Servers are named by scheme, host and port; what they say is told in the standard's words or not at
//! all.

use std::io;
use std::time::Duration;

use subrosa_http::{Fault, FaultKind};

use crate::oauth::ErrorWord;

/// Why a flow came to no good end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The type of the connection has no such endpoint; the word is its name in declarations.
    #[error("there is no `{0}` to ask at")]
    NoEndpoint(&'static str),
    /// `extra` names a part of the request that is made here.
    #[error("`{0}` is not for `extra`: the flow says it itself")]
    ReservedParameter(String),
    /// The private key of the service account cannot be used.
    #[error("the private key of the service account is no RSA key in PEM")]
    Key,
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Random,
    /// Somebody else has the port.
    #[error("port {port} of this machine is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// Listening on this machine failed.
    #[error("cannot listen on this machine: {0}")]
    Listen(io::ErrorKind),
    /// Nobody answered in the browser.
    #[error("nobody granted access within {}", words(*.0))]
    Window(Duration),
    /// Nobody entered the code.
    #[error("nobody granted access before the code expired")]
    CodeExpired,
    /// A person or a rule said no, or the server could not ask.
    #[error("`{server}` granted no access{}", because(*word))]
    Denied {
        /// The server.
        server: String,
        /// Why, if it is a word of the standard.
        word: Option<ErrorWord>,
    },
    /// The browser came back with neither a code nor an error.
    #[error("`{server}` sent the browser back without a code")]
    NoCode {
        /// The server.
        server: String,
    },
    /// The browser came back with the answer to another question.
    #[error("the browser came back from `{server}` with an answer that belongs to another request")]
    State {
        /// The server.
        server: String,
    },
    /// The answer in the browser is another server's (RFC 9207).
    #[error("another server than `{server}` sent the browser back")]
    Issuer {
        /// The server.
        server: String,
    },
    /// There is no answer.
    #[error("{}", fault.message(server))]
    Unanswered {
        /// The server.
        server: String,
        /// Why.
        fault: Fault,
    },
    /// The server cannot answer now.
    #[error("`{server}` cannot answer now ({status})")]
    Busy {
        /// The server.
        server: String,
        /// The status of its answer.
        status: u16,
        /// When to ask again, if it says so.
        retry_after: Option<Duration>,
    },
    /// The server answers no.
    #[error("`{server}` refuses{}", reason(*word, *status))]
    Refused {
        /// The server.
        server: String,
        /// The status of its answer.
        status: u16,
        /// Why, if it is a word of the standard.
        word: Option<ErrorWord>,
    },
    /// The server sends us elsewhere, where credentials do not go.
    #[error("`{server}` sends the request elsewhere, which is not followed")]
    Redirected {
        /// The server.
        server: String,
    },
    /// The answer is not what the standard says.
    #[error("`{server}` gave something that is no {what}")]
    Malformed {
        /// The server.
        server: String,
        /// What was wanted.
        what: &'static str,
    },
    /// The token is of a kind that cannot be used.
    #[error("`{server}` gave a token that is no bearer token")]
    TokenType {
        /// The server.
        server: String,
    },
}

impl OAuthError {
    /// Whether the same question may be answered in a while.
    pub fn is_retryable(&self) -> bool {
        match self {
            OAuthError::Busy { .. } => true,
            OAuthError::Unanswered { fault, .. } => {
                matches!(fault.kind(), FaultKind::Unavailable | FaultKind::TimedOut)
            }
            OAuthError::Refused { word, .. } | OAuthError::Denied { word, .. } => {
                word.is_some_and(ErrorWord::is_retryable)
            }
            OAuthError::NoEndpoint(_)
            | OAuthError::ReservedParameter(_)
            | OAuthError::Key
            | OAuthError::Random
            | OAuthError::PortTaken { .. }
            | OAuthError::Listen(_)
            | OAuthError::Window(_)
            | OAuthError::CodeExpired
            | OAuthError::NoCode { .. }
            | OAuthError::State { .. }
            | OAuthError::Issuer { .. }
            | OAuthError::Redirected { .. }
            | OAuthError::Malformed { .. }
            | OAuthError::TokenType { .. } => false,
        }
    }

    /// How long the server asks us to wait, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            OAuthError::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the refresh token is no good any more, so that a person has to grant access anew.
    pub fn ends_grant(&self) -> bool {
        // Some services say it with 200, one says it with 403; the other words may with 403 be somebody's on
        // the way.
        match self {
            OAuthError::Refused { word: Some(ErrorWord::InvalidGrant), .. } => true,
            OAuthError::Refused { word: Some(word), status: 200 | 400 | 401, .. } => {
                word.ends_grant()
            }
            _ => false,
        }
    }

    /// The standard's word for it, if the server said one.
    pub fn word(&self) -> Option<ErrorWord> {
        match self {
            OAuthError::Refused { word, .. } | OAuthError::Denied { word, .. } => *word,
            _ => None,
        }
    }

    /// How to mend it, if there is something to say.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            OAuthError::Unanswered { fault, .. } => fault.help(),
            OAuthError::PortTaken { .. } => {
                Some("end what listens there, or register a redirect without a port")
            }
            OAuthError::Key => Some("take `private_key` of the JSON file as it stands there"),
            OAuthError::Redirected { .. } => Some("name the address that it sends to"),
            OAuthError::Refused { word: Some(word), .. } => match word {
                ErrorWord::InvalidClient | ErrorWord::UnauthorizedClient => {
                    Some("look at the client id and secret, and at what the client may do")
                }
                ErrorWord::InvalidScope => Some("look at the scopes that are asked for"),
                _ => None,
            },
            _ => None,
        }
    }
}

fn because(word: Option<ErrorWord>) -> String {
    word.map_or_else(String::new, |word| format!(": `{word}`"))
}

fn reason(word: Option<ErrorWord>, status: u16) -> String {
    word.map_or_else(|| format!(" ({status})"), |word| format!(": `{word}`"))
}

fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 60, seconds % 60) {
        (1, 0) => "one minute".to_owned(),
        (minutes, 0) if minutes > 0 => format!("{minutes} minutes"),
        _ => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use subrosa_http::{Fault, TlsFault};

    use super::OAuthError;
    use crate::oauth::ErrorWord;

    fn check(error: &OAuthError, expected: &str, is_retryable: bool, ends_grant: bool) {
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.is_retryable(), is_retryable, "{error}");
        assert_eq!(error.ends_grant(), ends_grant, "{error}");
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let server = || "https://id.example".to_owned();
        let refused = |word| OAuthError::Refused { server: server(), status: 400, word };
        let text = "`https://id.example` refuses: `invalid_grant`";
        check(&refused(Some(ErrorWord::InvalidGrant)), text, false, true);
        let text = "`https://id.example` refuses: `invalid_client`";
        check(&refused(Some(ErrorWord::InvalidClient)), text, false, false);
        let text = "`https://id.example` refuses: `temporarily_unavailable`";
        check(&refused(Some(ErrorWord::TemporarilyUnavailable)), text, true, false);
        check(&refused(None), "`https://id.example` refuses (400)", false, false);
        let forbidden =
            |word| OAuthError::Refused { server: server(), status: 403, word: Some(word) };
        let text = "`https://id.example` refuses: `access_denied`";
        check(&forbidden(ErrorWord::AccessDenied), text, false, false);
        let text = "`https://id.example` refuses: `invalid_grant`";
        check(&forbidden(ErrorWord::InvalidGrant), text, false, true);
        let retry_after = Some(Duration::from_secs(7));
        let busy = OAuthError::Busy { server: server(), status: 429, retry_after };
        check(&busy, "`https://id.example` cannot answer now (429)", true, false);
        assert_eq!(busy.retry_after(), retry_after);
        let unanswered = |fault| OAuthError::Unanswered { server: server(), fault };
        let text = "cannot reach `https://id.example`: connection refused";
        check(&unanswered(Fault::Refused), text, true, false);
        let text = "`https://id.example` did not answer in time";
        check(&unanswered(Fault::TimedOut), text, true, false);
        let text = "cannot trust `https://id.example`: its certificate is for another host";
        check(&unanswered(Fault::Tls(TlsFault::WrongHost)), text, false, false);
        let word = Some(ErrorWord::AccessDenied);
        let text = "`https://id.example` granted no access: `access_denied`";
        check(&OAuthError::Denied { server: server(), word }, text, false, false);
        let window = OAuthError::Window(Duration::from_secs(300));
        check(&window, "nobody granted access within 5 minutes", false, false);
    }
}
