//! Sockets, with TLS or without, and lines over them.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use subrosa_http::{NotPublic, Reach};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::{Outcome, optional, text};
use crate::opened::Opened;

/// Bytes a line may have: the greeting of a large NATS cluster is some kilobytes.
const LINE_LEN_MAX: usize = 64 * 1024;

/// How long TLS may take to begin. A server without it may wait for the end of a line for ever: Redis does.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// A stream of bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Host and port.
pub(super) struct Place {
    host: String,
    port: u16,
}

/// Lines over a stream.
pub(super) struct Lines {
    stream: Box<dyn Stream>,
}

impl Place {
    /// The fields `host` and `port`.
    pub(super) fn of(opened: &Opened) -> Result<Place, Outcome> {
        let host = text(opened, "host")?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = text(opened, "port")?.parse();
        let port = port.map_err(|_| Outcome::untested("the field `port` is no port"))?;
        Ok(Place { host: bare, port })
    }

    /// The host, bare.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// As it is shown.
    pub(super) fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Connects.
    pub(super) async fn connect(&self, reach: &Reach) -> Result<Box<dyn Stream>, Outcome> {
        match reach.connect(&self.host, self.port).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Goes on with TLS.
    pub(super) async fn secure(
        &self,
        stream: Box<dyn Stream>,
        tls: &Arc<ClientConfig>,
    ) -> Result<Box<dyn Stream>, Outcome> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Outcome::untested("the field `host` cannot stand in a certificate"))?;
        let connect = TlsConnector::from(tls.clone()).connect(name, stream);
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, connect).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => {
                let place = self.shown();
                let why = format!("`{place}` does not answer to TLS; does it speak it?");
                Err(Outcome::unreachable(why))
            }
        }
    }

    /// What an error of the system or of TLS means.
    pub(super) fn failed(&self, error: &(dyn Error + 'static)) -> Outcome {
        let place = self.shown();
        if let Some(why) = tls_failure(error) {
            return Outcome::unreachable(format!("cannot trust `{place}`: {why}"));
        }
        if links(error).any(|link| link.is::<NotPublic>()) {
            return Outcome::unreachable(format!("`{place}` {NotPublic}"));
        }
        let kind = io_kind(error);
        let why = match kind {
            Some(io::ErrorKind::ConnectionRefused) => "connection refused",
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => "it closed the connection",
            Some(io::ErrorKind::TimedOut) => "no answer in time",
            Some(
                io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown,
            ) => "there is no way there",
            _ if error.to_string().contains("lookup") => "its name leads to no address",
            _ => "no connection",
        };
        Outcome::unreachable(format!("cannot reach `{place}`: {why}"))
    }
}

/// The links of a chain of errors, those within errors of the system too.
fn links<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| behind(*link))
}

fn behind<'e>(link: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match link.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => link.source(),
    }
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    links(error).find_map(|link| Some(link.downcast_ref::<io::Error>()?.kind()))
}

fn tls_failure(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let failure = links(error).find_map(|link| link.downcast_ref::<rustls::Error>())?;
    let rustls::Error::InvalidCertificate(certificate) = failure else {
        let is_other = matches!(failure, rustls::Error::InvalidMessage(_));
        return Some(if is_other { "it does not speak TLS" } else { "TLS failed" });
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

/// Whether the field `tls` says so.
pub(super) fn wants_tls(opened: &Opened) -> Result<bool, Outcome> {
    Ok(optional(opened, "tls")?.is_none_or(|text| text != "false"))
}

impl Lines {
    /// Lines over this stream.
    pub(super) fn new(stream: Box<dyn Stream>) -> Lines {
        Lines { stream }
    }

    /// The stream; nothing was read beyond the last line.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Sends bytes.
    pub(super) async fn send(&mut self, place: &Place, bytes: &[u8]) -> Result<(), Outcome> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| place.failed(&error))
    }

    /// The next line, without its ending. Byte by byte: what follows a line may be TLS.
    pub(super) async fn next(&mut self, place: &Place) -> Result<Zeroizing<Vec<u8>>, Outcome> {
        let mut line = Zeroizing::new(Vec::new());
        loop {
            let byte = self.stream.read_u8().await.map_err(|error| place.failed(&error))?;
            if byte == b'\n' {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if line.len() == LINE_LEN_MAX {
                return Err(Outcome::unexpected("the server's answer is too long"));
            }
            line.push(byte);
        }
    }
}
