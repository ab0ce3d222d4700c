//! Requests to one server.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use subrosa_engine::provider::ProviderError;
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::outcome;
use super::wire::{self, Envelope};
use crate::http::{self, Address, Answer, Call, Fault, Http, TlsFault, sensitive};
use crate::setup::invalid;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// Without it, agents in between refuse requests, because browsers cannot be made to send it.
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// A server.
pub(super) struct Server {
    pub(super) http: Http,
    pub(super) address: Address,
    pub(super) namespace: Option<HeaderValue>,
}

impl Server {
    /// The address of a place below `/v1/`.
    ///
    /// # Errors
    /// A segment would lead elsewhere.
    pub(super) fn url<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Url, ProviderError> {
        let url = self.address.join(std::iter::once("v1").chain(segments));
        url.ok_or_else(|| invalid("a part of the path is `.` or `..`"))
    }

    /// Sends a request, and gives back any answer.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn send(
        &self,
        token: Option<&HeaderValue>,
        method: Method,
        url: Url,
        body: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Answer, ProviderError> {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(token) = token {
            headers.insert(TOKEN, token.clone());
        }
        if let Some(namespace) = &self.namespace {
            headers.insert(NAMESPACE, namespace.clone());
        }
        let sent = self.http.send(Call { method, url, headers, body }).await;
        sent.map_err(|fault| self.fault(fault))
    }

    /// Sends texts to a place, and gives back what `read` makes of a good answer.
    ///
    /// # Errors
    /// There is no answer, or it is no good one.
    pub(super) async fn post<T>(
        &self,
        token: Option<&HeaderValue>,
        path: &str,
        fields: &[(&str, &SecretValue)],
        read: impl FnOnce(Envelope<'_>) -> Option<T>,
    ) -> Result<T, ProviderError> {
        let url = self.url(path.split('/'))?;
        let body = wire::object(fields.iter().copied())?;
        let answer = self.send(token, Method::POST, url, Some(body)).await?;
        if !answer.status.is_success() {
            return Err(outcome::refused(&self.address, path, &answer));
        }
        let malformed = || outcome::malformed(&self.address, path);
        // What only does something answers with nothing.
        let body: &[u8] = if answer.body.is_empty() { b"{}" } else { &answer.body };
        Envelope::parse(body).and_then(read).ok_or_else(malformed)
    }

    /// A request without an answer, with the cure that Vault has for it.
    fn fault(&self, fault: Fault) -> ProviderError {
        let error = http::no_answer(fault, &self.address.to_string());
        match fault {
            Fault::Tls(TlsFault::UnknownIssuer) => error.help(
                "name the certificate authority that signed it: option `ca_cert`, or `VAULT_CACERT`",
            ),
            Fault::Tls(TlsFault::ClientRefused) => {
                error.help("give a client certificate that it knows: `client_cert` and `client_key`")
            }
            _ => error,
        }
    }
}

/// A token as it is sent.
///
/// # Errors
/// It holds what no token holds.
#[expect(clippy::disallowed_methods, reason = "the token is sent to the server it is for")]
pub(super) fn header(token: &SecretValue) -> Result<HeaderValue, ProviderError> {
    let bytes = token.expose().trim_ascii();
    let is_token = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    is_token.then(|| sensitive(Zeroizing::new(bytes.to_vec()))).flatten().ok_or_else(|| {
        invalid("what is given as a token is none: it is empty, or has blanks in it")
    })
}
