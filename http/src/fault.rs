//! Why a request got no answer.
//!
//! The libraries below say it in nested errors whose texts hold addresses and what a peer said; only the
//! kinds are taken out of them.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::NotPublic;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens there.
    Refused,
    /// The host's name leads nowhere.
    UnknownHost,
    /// There is no way there.
    Unreachable,
    /// Its address is none that may be connected to for whoever asked.
    NotPublic,
    /// The connection ended before the answer did.
    Closed,
    /// The proxy did not let us through.
    Proxy,
    /// No answer in time.
    TimedOut,
    /// The server is not who it should be, or we are not.
    Tls(TlsFault),
    /// The answer is larger than allowed.
    TooLarge,
    /// The answer is not HTTP.
    NotHttp,
}

/// What a fault means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It cannot be reached, now.
    Unavailable,
    /// It is not who it should be, or does not take us for who we should be.
    Untrusted,
    /// No answer in time.
    TimedOut,
    /// The answer is no answer.
    Malformed,
}

/// What failed in TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is for another host.
    WrongHost,
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not come.
    NotYetValid,
    /// Nobody we trust signed the certificate.
    UnknownIssuer,
    /// The certificate is no good for another reason.
    InvalidCertificate,
    /// The server speaks only versions before TLS 1.2, or no cipher of ours.
    TooOld,
    /// The server wants a certificate of us, or another one.
    ClientRefused,
    /// What the server speaks is no TLS.
    NotTls,
    /// Anything else.
    Failed,
}

impl Fault {
    /// The kind of what the HTTP library says.
    pub(crate) fn of(error: &reqwest::Error) -> Fault {
        // What resolves names says only that it failed; why, is behind that.
        if links(error).any(|link| link.is::<NotPublic>()) {
            return Fault::NotPublic;
        }
        if let Some(fault) = links(error).find_map(known) {
            return fault;
        }
        match error {
            error if error.is_timeout() => Fault::TimedOut,
            error if error.is_connect() => Fault::Unreachable,
            error if error.is_body() || error.is_decode() => Fault::Closed,
            _ => Fault::NotHttp,
        }
    }

    /// What it means for whoever asked.
    pub fn kind(self) -> FaultKind {
        match self {
            Fault::Refused
            | Fault::UnknownHost
            | Fault::Unreachable
            | Fault::NotPublic
            | Fault::Closed
            | Fault::Proxy => FaultKind::Unavailable,
            Fault::Tls(_) => FaultKind::Untrusted,
            Fault::TimedOut => FaultKind::TimedOut,
            Fault::TooLarge | Fault::NotHttp => FaultKind::Malformed,
        }
    }

    /// What failed, in words that may be shown; `server` is the place as it may be shown.
    pub fn message(self, server: &str) -> String {
        match self {
            Fault::Refused => format!("cannot reach `{server}`: connection refused"),
            Fault::NotPublic => format!("`{server}` {NotPublic}"),
            Fault::UnknownHost => format!("cannot reach `{server}`: its name leads to no address"),
            Fault::Unreachable => format!("cannot reach `{server}`: no connection"),
            Fault::Closed => format!("`{server}` closed the connection before it answered"),
            Fault::Proxy => format!("cannot reach `{server}`: the proxy gives no way there"),
            Fault::TimedOut => format!("`{server}` did not answer in time"),
            Fault::Tls(fault) => format!("cannot trust `{server}`: {}", fault.message()),
            Fault::TooLarge => format!("`{server}` answered with more than 2 MiB"),
            Fault::NotHttp => format!("`{server}` answered with something that is not HTTP"),
        }
    }

    /// How to mend it, if there is something to say.
    pub fn help(self) -> Option<&'static str> {
        match self {
            Fault::Refused => Some("is the server running, and is its port right?"),
            Fault::UnknownHost => Some("is the host written right, and is the network up?"),
            Fault::Unreachable | Fault::TimedOut => {
                Some("is there a network, and does a firewall let this machine through?")
            }
            Fault::Proxy => Some("look at `HTTPS_PROXY`, and at `NO_PROXY` for what needs none"),
            Fault::NotHttp => Some("is it the right port, and does it want `https://`?"),
            Fault::Tls(fault) => fault.help(),
            Fault::NotPublic | Fault::Closed | Fault::TooLarge => None,
        }
    }
}

impl TlsFault {
    fn message(self) -> &'static str {
        match self {
            TlsFault::WrongHost => "its certificate is for another host",
            TlsFault::Expired => "its certificate has expired",
            TlsFault::NotYetValid => "its certificate is not valid yet",
            TlsFault::UnknownIssuer => "nobody known here signed its certificate",
            TlsFault::InvalidCertificate => "its certificate is not valid",
            TlsFault::TooOld => "it speaks nothing as new as TLS 1.2",
            TlsFault::ClientRefused => "it does not accept the client certificate, or wants one",
            TlsFault::NotTls => "it does not speak TLS",
            TlsFault::Failed => "TLS failed",
        }
    }

    fn help(self) -> Option<&'static str> {
        match self {
            TlsFault::WrongHost => Some("use a host name that the certificate was made for"),
            TlsFault::Expired => {
                Some("renew the server's certificate; is this machine's clock right?")
            }
            TlsFault::NotYetValid => Some("is this machine's clock right?"),
            TlsFault::UnknownIssuer => Some("name the certificate authority that signed it"),
            TlsFault::ClientRefused => Some("give a client certificate that it knows"),
            TlsFault::NotTls => Some("is it the right port, or an `http://` address?"),
            TlsFault::InvalidCertificate | TlsFault::TooOld | TlsFault::Failed => None,
        }
    }

    fn of(error: &rustls::Error) -> TlsFault {
        match error {
            rustls::Error::InvalidCertificate(error) => TlsFault::of_certificate(error),
            rustls::Error::InvalidMessage(_) => TlsFault::NotTls,
            rustls::Error::PeerIncompatible(_) => TlsFault::TooOld,
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity => TlsFault::TooOld,
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => TlsFault::ClientRefused,
                _ => TlsFault::Failed,
            },
            _ => TlsFault::Failed,
        }
    }

    fn of_certificate(error: &CertificateError) -> TlsFault {
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongHost
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsFault::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFault::NotYetValid
            }
            // An issuer of the same name with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsFault::UnknownIssuer
            }
            _ => TlsFault::InvalidCertificate,
        }
    }
}

/// The links of a chain of errors.
fn links<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| behind(*link))
}

/// An error of the system keeps what it was made from apart from its source.
fn behind<'e>(link: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => link.source(),
    }
}

/// What one link of the chain of errors says, if it says it all.
fn known(link: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(error) = link.downcast_ref::<rustls::Error>() {
        return Some(Fault::Tls(TlsFault::of(error)));
    }
    if let Some(error) = link.downcast_ref::<io::Error>() {
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Fault::Refused),
            io::ErrorKind::TimedOut => Some(Fault::TimedOut),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Some(Fault::Closed),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown => Some(Fault::Unreachable),
            _ => None,
        };
    }
    // These have no types of their own that could be named here.
    let text = link.to_string();
    if text == "dns error" {
        return Some(Fault::UnknownHost);
    }
    if text.starts_with("tunnel error") {
        return Some(Fault::Proxy);
    }
    (text == "connection closed before message completed").then_some(Fault::Closed)
}
