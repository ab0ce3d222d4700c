//! Why something about people cannot be done.

use axum::http::StatusCode;

use crate::app::App;
use crate::log;
use crate::problem::Problem;
use crate::shelf::ShelfError;

/// Why something about people cannot be done, in words that may be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeopleError {
    /// The disk refused.
    #[error(transparent)]
    Kept(#[from] ShelfError),
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// There is no memory to derive the digest of a password in.
    #[error("there is no memory to look at a password")]
    Memory,
    /// Too many passwords are being looked at.
    #[error("too many people are signing in at the same time")]
    Busy,
    /// Too many wrong passwords; after so many seconds it may be tried again.
    #[error("too many attempts")]
    Throttled(u64),
    /// Whoever it is, they are not let in.
    #[error("the name or the password is wrong")]
    Unknown,
    /// The password that was asked for once more is wrong.
    #[error("the password that you have now is another")]
    WrongPassword,
    /// Who comes in by a provider alone, and would come in without it from then on.
    #[error("you come in by the provider, and have no password here")]
    ByProvider,
    /// A new password is too short or too long.
    #[error("a password has 12 characters or more, and at most 1024 bytes")]
    PasswordLength,
    /// A name breaks the grammar.
    #[error(
        "a name of a user begins with a small letter or a digit, goes on with these and `.`, `_`, `-`, \
         `@`, and has 64 characters at most"
    )]
    UserName,
    /// There is such a user already.
    #[error("there is a user of this name")]
    UserExists,
    /// There is no such user, session or token.
    #[error("there is no such thing, or you may not see it")]
    NotThere,
    /// Somebody else has changed it since it was read.
    #[error("somebody else has changed it since you read it")]
    Changed,
    /// Nobody could give rights any more.
    #[error("this is the last admin who can come in")]
    LastAdmin,
    /// A name of a token is empty or too long.
    #[error("a name of a token has 1 to 64 characters, none of them a control character")]
    TokenName,
    /// A token that would hold for ever.
    #[error("a token holds for 1 to 366 days")]
    TokenDays,
    /// More than anybody needs.
    #[error("there are too many {0} already")]
    TooMany(&'static str),
    /// More than its user may.
    #[error("a token may have no right that its user has not")]
    TokenRights,
}

impl PeopleError {
    fn status(&self) -> StatusCode {
        match self {
            PeopleError::Kept(_) | PeopleError::Randomness => StatusCode::INTERNAL_SERVER_ERROR,
            PeopleError::Memory | PeopleError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            PeopleError::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            PeopleError::Unknown | PeopleError::WrongPassword => StatusCode::FORBIDDEN,
            PeopleError::PasswordLength
            | PeopleError::UserName
            | PeopleError::TokenName
            | PeopleError::TokenDays
            | PeopleError::TokenRights => StatusCode::UNPROCESSABLE_ENTITY,
            PeopleError::UserExists
            | PeopleError::LastAdmin
            | PeopleError::ByProvider
            | PeopleError::TooMany(_) => StatusCode::CONFLICT,
            PeopleError::NotThere => StatusCode::NOT_FOUND,
            PeopleError::Changed => StatusCode::PRECONDITION_FAILED,
        }
    }

    /// As it is told; what the disk said stands in the log.
    pub(crate) fn problem(self, app: &App) -> Problem {
        let status = self.status();
        match self {
            PeopleError::Kept(error) => {
                log::broken(app, &error);
                Problem::new(status, "what the server keeps cannot be written")
            }
            PeopleError::Throttled(seconds) => Problem::new(status, self.to_string())
                .help(format!("it may be tried again in {seconds} s"))
                .retry_after(seconds),
            PeopleError::Busy | PeopleError::Memory => {
                Problem::new(status, self.to_string()).retry_after(1)
            }
            PeopleError::LastAdmin => {
                Problem::new(status, self.to_string()).help("make somebody else an admin first")
            }
            PeopleError::ByProvider => {
                Problem::new(status, self.to_string()).help("an admin can set one")
            }
            error => Problem::new(status, error.to_string()),
        }
    }
}
