//! A server over HTTP: each message is a request, its answer a document or a stream of events.
//!
//! A credential is opened for each request and goes to its own server only; redirects are refusals. The name
//! of a session is a credential, too: it is hidden and not shown.

use std::sync::Arc;
use std::time::Duration;

use subrosa_connections::apply::locate;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{ACCEPT, CONTENT_TYPE};
use subrosa_http::{
    Address, Call, Fault, HeaderName, HeaderValue, Http, Incoming, Method, StatusCode, TlsFault,
    Url,
};
use zeroize::Zeroizing;

use super::McpSteps;
use super::message::{Bytes, Heard, hear, notification};
use super::wanted::Wanted;
use crate::chat::events::Events;
use crate::clients::Identity;
use crate::http::send::{changed, malformed, of_connection, own_url};
use crate::lender::Credential;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Bytes that the name of a session may have; a shorter one than the second is no secret.
const SESSION_LEN_MAX: usize = 1024;
const SESSION_LEN_MIN: usize = 16;
/// No request takes as long; the time of the step's own is what counts.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How long saying goodbye may take.
const LEAVE_MAX: Duration = Duration::from_secs(2);

/// A session with a server over HTTP.
pub(super) struct Remote<'a> {
    steps: &'a McpSteps,
    request: &'a StepRequest,
    wanted: &'a Wanted,
    target: &'a str,
    shown: String,
    session: Option<HeaderValue>,
    version: Option<&'static str>,
    /// The request that is under way.
    asked: Option<u64>,
}

impl<'a> Remote<'a> {
    /// A session that did not begin yet.
    pub(super) fn new(
        steps: &'a McpSteps,
        request: &'a StepRequest,
        wanted: &'a Wanted,
        target: &'a str,
    ) -> Remote<'a> {
        let shown = "the server".to_owned();
        Remote { steps, request, wanted, target, shown, session: None, version: None, asked: None }
    }

    /// The server as it may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Notes the version that both speak.
    pub(super) fn agreed(&mut self, version: &'static str) {
        self.version = Some(version);
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&mut self, id: u64, message: Bytes) -> Result<Heard, StepFault> {
        self.asked = Some(id);
        let timeout = self.wanted.timeout;
        let heard = tokio::time::timeout(timeout, Box::pin(self.exchange(id, message))).await;
        let heard = heard.unwrap_or_else(|_| Err(self.fault(Fault::TimedOut)));
        if heard.is_ok() {
            self.asked = None;
        }
        heard
    }

    /// Sends a notification, or a reply.
    pub(super) async fn tell(&mut self, message: Bytes) -> Result<(), StepFault> {
        let timeout = self.wanted.timeout;
        let sent = tokio::time::timeout(timeout, Box::pin(self.send(Method::POST, Some(message))));
        let incoming = sent.await.unwrap_or_else(|_| Err(self.fault(Fault::TimedOut)))?;
        self.judge(&incoming)
    }

    async fn exchange(&mut self, id: u64, message: Bytes) -> Result<Heard, StepFault> {
        let mut incoming = self.send(Method::POST, Some(message)).await?;
        self.judge(&incoming)?;
        self.begin(&incoming)?;
        let kind =
            incoming.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
        if !kind.is_some_and(|kind| kind.starts_with(b"text/event-stream")) {
            let body = incoming.body(self.wanted.length_max).await;
            let body = body.map_err(|fault| self.fault(fault))?;
            return self.heard(&body, id);
        }
        let mut events = Events::within(self.wanted.length_max);
        loop {
            let piece = incoming.chunk().await.map_err(|fault| self.fault(fault))?;
            let too_large = |_| self.fault(Fault::TooLarge);
            let (found, is_over) = match &piece {
                Some(piece) => (events.take(piece).map_err(too_large)?, false),
                None => (events.rest().map_err(too_large)?.into_iter().collect(), true),
            };
            for data in found {
                if data.trim_ascii().is_empty() {
                    continue;
                }
                match self.heard(&data, id)? {
                    Heard::Asked(reply) => {
                        let incoming = Box::pin(self.send(Method::POST, Some(reply))).await?;
                        self.judge(&incoming)?;
                    }
                    Heard::Other => {}
                    answer @ (Heard::Result(_) | Heard::Error { .. }) => return Ok(answer),
                }
            }
            if is_over {
                return Err(self.fault(Fault::Closed));
            }
        }
    }

    fn heard(&self, data: &[u8], id: u64) -> Result<Heard, StepFault> {
        hear(data, id).map_err(|_| {
            let message = "answered with something that is no message of the protocol";
            StepFault::new(format!("{} {message}", self.shown))
                .help("is it the right URL? that of the server itself often ends with `/mcp`")
        })
    }

    /// Takes the name of the session from the first answer.
    fn begin(&mut self, incoming: &Incoming) -> Result<(), StepFault> {
        let Some(name) = incoming.headers.get(SESSION).filter(|_| self.session.is_none()) else {
            return Ok(());
        };
        let bytes = name.as_bytes();
        let is_name = bytes.len() <= SESSION_LEN_MAX && bytes.iter().all(u8::is_ascii_graphic);
        if bytes.is_empty() || !is_name {
            let message =
                format!("{} named the session with something that is no name", self.shown);
            return Err(StepFault::new(message));
        }
        if bytes.len() >= SESSION_LEN_MIN {
            let value = SecretValue::new(bytes.to_vec());
            let hidden = self.request.hiding.hide("mcp session", &[value]);
            hidden.map_err(|error| StepFault::new(error.to_string()))?;
        }
        let mut name = name.clone();
        name.set_sensitive(true);
        self.session = Some(name);
        Ok(())
    }

    /// Whether an answer is a good one.
    fn judge(&self, incoming: &Incoming) -> Result<(), StepFault> {
        let status = incoming.status;
        if status.is_success() {
            return Ok(());
        }
        let fault = StepFault::new(format!("{} answered {}", self.shown, status.as_u16()));
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                fault.help("it wants another credential: see `connection`")
            }
            StatusCode::NOT_FOUND if self.session.is_some() => {
                fault.help("it has ended the session")
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                fault.help("is it the right URL? that of the server itself often ends with `/mcp`")
            }
            status if status.is_redirection() => {
                fault.help("redirects are not followed: name the right address in `url`")
            }
            _ => fault,
        })
    }

    fn fault(&self, fault: Fault) -> StepFault {
        let server = self.shown.as_str();
        let server = server.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        let message = match fault {
            Fault::TooLarge => {
                format!("{} sent more than {} bytes", self.shown, self.wanted.length_max)
            }
            other => other.message(server.unwrap_or("the server")),
        };
        let help = match fault {
            Fault::TooLarge => Some("`max_bytes` allows more in a message"),
            Fault::TimedOut => Some("`timeout` gives it more time"),
            Fault::Tls(TlsFault::UnknownIssuer) => {
                Some("name the certificate authority that signed it in `ca_cert`")
            }
            other => other.help(),
        };
        StepFault { message, help: help.map(str::to_owned) }
    }

    /// Sends a message with the credential, which is opened for it alone.
    async fn send(&mut self, method: Method, body: Option<Bytes>) -> Result<Incoming, StepFault> {
        let looked = self.steps.means.lender.look(self.request, &self.steps.clients).await?;
        let versions = looked.identity(self.request.connection.as_deref());
        let credential = self.steps.means.lender.open(self.request, looked).await?;
        let url = place(&credential, self.target)?;
        let origin = url.origin().ascii_serialization();
        self.shown = format!("`{origin}`");
        let mut headers = self.wanted.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accepted);
        headers.remove(&SESSION);
        if let Some(version) = self.version {
            headers.insert(VERSION, HeaderValue::from_static(version));
        }
        if let Some(session) = &self.session {
            headers.insert(SESSION, session.clone());
        }
        let mut call = Call { method, url, headers, body };
        credential.apply(&mut call, self.request)?;
        drop(credential);
        let client = self.client(&origin, versions).await?;
        client.open(call).await.map_err(|fault| self.fault(fault))
    }

    /// The client that steps with the same credential share for a server.
    async fn client(
        &self,
        origin: &str,
        (identity, version): (Identity, Identity),
    ) -> Result<Arc<Http>, StepFault> {
        let address = Address::parse(origin).map_err(|_| malformed())?;
        let roots = self.wanted.roots();
        let file = self.wanted.roots.as_ref().map(|path| path.as_os_str().as_encoded_bytes());
        let identity = identity.and([origin.as_bytes(), file.unwrap_or_default()]);
        let version = version.and([changed(&roots).as_bytes()]);
        let make = self.steps.means.http.clone();
        let open = || async move {
            // The authorities are read from files.
            let make = move || make(&address, roots, REQUEST_TIMEOUT);
            let made = tokio::task::spawn_blocking(make).await;
            made.map_err(|_| StepFault::new("no HTTP client can be made"))?
        };
        let whose = self.request.connection.as_ref().map(|name| format!(", connection {name}"));
        let name = format!("mcp {origin}{}", whose.unwrap_or_default());
        self.steps.clients.get((identity, version), (&self.request.usage, &name), open).await
    }

    /// Says goodbye; a request that is under way is called off before.
    pub(super) async fn end(mut self, is_done: bool, grace: Duration) {
        let goodbye = async {
            if let Some(id) = self.asked.filter(|_| !is_done && self.version.is_some()) {
                let params = Zeroizing::new(format!("{{\"requestId\":{id}}}").into_bytes());
                let message = notification("notifications/cancelled", &params);
                drop(self.send(Method::POST, Some(message)).await);
            }
            if self.session.is_some() {
                drop(self.send(Method::DELETE, None).await);
            }
        };
        // Whether it hears it is its own affair.
        drop(tokio::time::timeout(LEAVE_MAX.min(grace.mul_f64(0.8)), goodbye).await);
    }
}

/// Where a server is. With a connection that is where the connection belongs.
fn place(credential: &Credential, target: &str) -> Result<Url, StepFault> {
    match credential {
        Credential::Connection(opened) => locate(opened, target).map_err(of_connection),
        Credential::Http(_) | Credential::Nothing => own_url(target),
    }
}
