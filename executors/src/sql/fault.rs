//! What went wrong at a database, in words that may be shown.
//!
//! Texts of servers quote values: of parameters, of rows, of what was inserted. What is shown is the code, the
//! place in the statement and the names of tables, columns and constraints; the server's own sentence only
//! where it is about the text of the statement, which has no values in it.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use sqlx::error::DatabaseError;
use subrosa_engine::kind::StepFault;

use crate::contained::contained;

/// Characters of a server's sentence that are shown.
const SENTENCE_LEN_MAX: usize = 300;

/// Why a statement did not end well.
pub(super) enum Broken {
    /// At the database or on the way there.
    Driver(sqlx::Error),
    /// Here.
    Fault(StepFault),
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Broken {
        Broken::Driver(error)
    }
}

impl From<StepFault> for Broken {
    fn from(fault: StepFault) -> Broken {
        Broken::Fault(fault)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Fault(StepFault::new(format!("the output cannot be written: {}", error.kind())))
    }
}

/// What a database says of an error: words of our own, or a sentence of its own that has no values.
pub(super) type Refusal = fn(&dyn DatabaseError, &str) -> StepFault;

/// What an error at a server means; `place` is its name, `sql` what was sent.
pub(super) fn meaning(place: &str, refusal: Refusal, sql: &str, error: &sqlx::Error) -> StepFault {
    match error {
        sqlx::Error::Database(error) => {
            let fault = refusal(error.as_ref(), sql);
            StepFault { message: format!("{place}: {}", fault.message), help: fault.help }
        }
        sqlx::Error::Tls(inner) => unsafe_server(place, inner.as_ref()),
        sqlx::Error::Io(error) => unreachable_server(place, error),
        sqlx::Error::Configuration(_) => {
            StepFault::new(format!("{place}: the driver does not take the settings"))
        }
        sqlx::Error::Encode(_) => {
            StepFault::new(format!("{place}: a parameter is of a type that cannot be sent"))
        }
        _ => StepFault::new(format!("{place}: the server answered something else than asked for")),
    }
}

/// The drivers panic over some messages that are none of their protocol: an error like any other here. What
/// they spoke with must not be used again.
pub(super) async fn guarded<T, E: From<sqlx::Error>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    contained(work).await.unwrap_or_else(|| Err(sqlx::Error::Protocol(String::new()).into()))
}

/// A fault with the name of the place before it.
pub(super) fn at(place: &str, fault: StepFault) -> StepFault {
    StepFault { message: format!("{place}: {}", fault.message), help: fault.help }
}

/// A server's sentence in one line, cut if it is long.
pub(super) fn sentence(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(SENTENCE_LEN_MAX).collect()
}

/// Where in a text a character is, counted from 1: as line and column.
pub(super) fn line_and_column(text: &str, position: usize) -> (usize, usize) {
    let before: String = text.chars().take(position.saturating_sub(1)).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn links<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| behind(*link))
}

/// Errors of the system have others within.
fn behind<'e>(link: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => link.source(),
    }
}

fn unsafe_server(place: &str, error: &(dyn Error + 'static)) -> StepFault {
    if let Some(why) = tls_failure(error) {
        return StepFault::new(format!("cannot trust {place}: {why}"))
            .help("name the certificate authority that signed it");
    }
    StepFault::new(format!("{place} does not offer TLS"))
        .help("have it offer TLS, or say with `sslmode` that none is wanted")
}

fn tls_failure(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let failure = links(error).find_map(|link| link.downcast_ref::<rustls::Error>())?;
    let rustls::Error::InvalidCertificate(certificate) = failure else {
        return Some("TLS failed");
    };
    Some(match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired"
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "nobody known here signed its certificate"
        }
        _ => "its certificate is not valid",
    })
}

fn unreachable_server(place: &str, error: &io::Error) -> StepFault {
    if tls_failure(error).is_some() {
        return unsafe_server(place, error);
    }
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => "it closed the connection",
        io::ErrorKind::TimedOut => "no answer in time",
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown => "there is no way there",
        io::ErrorKind::NotFound => "there is no such socket",
        io::ErrorKind::PermissionDenied => "permission denied",
        _ if error.to_string().contains("lookup") => "its name leads to no address",
        _ => "no connection",
    };
    StepFault::new(format!("cannot reach {place}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::{line_and_column, sentence};

    #[test]
    fn a_place_is_counted_in_characters() {
        for (text, position, expected) in
            [("abc", 1, (1, 1)), ("é\nab", 4, (2, 2)), ("", 1, (1, 1)), ("a", 99, (1, 2))]
        {
            assert_eq!(line_and_column(text, position), expected, "{text}");
        }
    }

    #[test]
    fn a_sentence_is_one_line_of_bounded_length() {
        assert_eq!(sentence("a\nb"), "a b");
        assert_eq!(sentence(&"x".repeat(10_000)).len(), 300);
    }
}
