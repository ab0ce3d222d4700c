//! Who asks, and where.

use std::collections::BTreeMap;
use std::time::Duration;

use subrosa_engine::secret::SecretValue;
use subrosa_http::{Address, Url};

use crate::kind::ClientAuth;
use crate::oauth::OAuthError;

/// Who asks.
#[derive(Clone)]
pub struct Client {
    /// The name that the server knows it by.
    pub id: String,
    /// `None`: a public client, which says its id in the body.
    pub secret: Option<SecretValue>,
    /// Where the secret goes.
    pub auth: ClientAuth,
}

/// Where to ask, and what belongs to each question there.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Where a person grants access.
    pub authorize: Option<Endpoint>,
    /// Where codes and tokens are exchanged.
    pub token: Endpoint,
    /// Where a device asks for a code.
    pub device: Option<Endpoint>,
    /// Where a token is revoked.
    pub revoke: Option<Endpoint>,
    /// The name of the server (RFC 9207): an answer in the browser that names another is refused.
    pub issuer: Option<String>,
    /// What stands between scopes.
    pub scope_separator: String,
    /// Further parts of the request that asks for access.
    pub extra: BTreeMap<String, String>,
    /// How long an access token holds if the answer does not say; `None`: for ever.
    pub expires_in: Option<Duration>,
}

/// An address that credentials may go to: encrypted, or on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is no endpoint. The text is not shown: it may hold credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It cannot be read.
    #[error("it is no address like `https://host/path`")]
    Malformed,
    /// It goes over the network unencrypted.
    #[error("it does not begin with `https://`")]
    Unencrypted,
    /// It holds credentials.
    #[error("it holds a user name or a password")]
    Credentials,
    /// It holds what is not sent.
    #[error("it has a part behind `#`")]
    Fragment,
}

impl Endpoint {
    /// Reads an endpoint; a query is kept.
    ///
    /// # Errors
    /// [`EndpointError`]
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        let url = Url::parse(text.trim()).map_err(|_| EndpointError::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment);
        }
        let origin = url.origin().ascii_serialization();
        match Address::parse(&origin) {
            Ok(address) if address.is_encrypted() || address.is_loopback() => Ok(Endpoint(url)),
            Ok(_) => Err(EndpointError::Unencrypted),
            Err(_) => Err(EndpointError::Malformed),
        }
    }

    /// All of it.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The server, as it may be shown.
    pub(super) fn server(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

/// What a flow says itself, and what would change how it is answered.
const RESERVED: [&str; 19] = [
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "device_code",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

impl Endpoints {
    /// The further parts of the request that asks for access.
    ///
    /// # Errors
    /// One of them is the flow's own.
    pub(super) fn extra(&self) -> Result<impl Iterator<Item = (&str, &str)>, OAuthError> {
        if let Some(name) = self.extra.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(OAuthError::ReservedParameter(name.clone()));
        }
        Ok(self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Scopes as they are asked for; `None`: none.
    pub(super) fn joined(&self, scopes: &[String]) -> Option<String> {
        (!scopes.is_empty()).then(|| scopes.join(&self.scope_separator))
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointError};

    fn check(text: &str, expected: Result<&str, EndpointError>) {
        let found = Endpoint::parse(text).map(|endpoint| endpoint.server());
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn endpoints_are_encrypted_or_here() {
        check("https://id.example/token?v=2", Ok("https://id.example"));
        check("https://id.example:8443/token", Ok("https://id.example:8443"));
        check("http://127.0.0.1:1/token", Ok("http://127.0.0.1:1"));
        check("http://localhost:1/token", Ok("http://localhost:1"));
        check("http://id.example/token", Err(EndpointError::Unencrypted));
        check("http://localhost.example/token", Err(EndpointError::Unencrypted));
        check("https://canary@id.example/", Err(EndpointError::Credentials));
        check("https://id.example/#canary", Err(EndpointError::Fragment));
        check("ftp://id.example/", Err(EndpointError::Malformed));
        check("file:///etc/passwd", Err(EndpointError::Malformed));
        check("id.example/token", Err(EndpointError::Malformed));
        check("", Err(EndpointError::Malformed));
    }

    #[test]
    fn the_server_is_shown_without_path_and_query() {
        let endpoint = Endpoint::parse("https://id.example/a/b?key=canary").unwrap();
        assert_eq!(endpoint.server(), "https://id.example");
        assert_eq!(endpoint.url().query(), Some("key=canary"));
    }
}
