//! A client at a server: the questions to the token endpoint that need nobody.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use subrosa_http::{Answer, Call, HeaderMap, HeaderValue, Http, Method};

use crate::kind::ClientAuth;
use crate::oauth::form::{Form, basic};
use crate::oauth::tokens::{Known, NoTokens};
use crate::oauth::{Client, Endpoint, Endpoints, ErrorWord, OAuthError, Tokens, json};

/// One client at one server.
pub struct Flow<'a> {
    /// How the server is reached; it bounds how long one request may take.
    pub http: &'a Http,
    /// Who asks.
    pub client: &'a Client,
    /// Where.
    pub endpoints: &'a Endpoints,
    /// The wall clock.
    pub clock: fn() -> SystemTime,
    /// How long people and visitors have.
    pub limits: Limits,
}

/// How long people and visitors have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a person has to grant access in the browser.
    pub window: Duration,
    /// How long a visitor of the waiting address has for its request.
    pub visitor: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { window: Duration::from_secs(5 * 60), visitor: Duration::from_secs(5) }
    }
}

/// What the server took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Whether the refresh token is no good any more.
    pub refresh: bool,
    /// Whether the access token is no good any more; servers may let it live until it ends.
    pub access: bool,
}

#[derive(Deserialize)]
struct Complaint<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Flow<'_> {
    /// Asks for a token with the client's own credentials (RFC 6749, 4.4).
    ///
    /// # Errors
    /// [`OAuthError`]
    pub async fn client_credentials(&self, scopes: &[String]) -> Result<Tokens, OAuthError> {
        let mut form = Form::of(&[("grant_type", b"client_credentials")]);
        self.ask_for(scopes, &mut form)?;
        self.granted(Some(self.client), form, scopes).await
    }

    /// Exchanges a refresh token for the next tokens. `scopes` are those held so far: the answer names
    /// them only if they are others.
    ///
    /// # Errors
    /// [`OAuthError`]; one that [`OAuthError::ends_grant`] needs a person.
    #[expect(clippy::disallowed_methods, reason = "the token is sent to the server it is of")]
    pub async fn refresh(
        &self,
        token: &SecretValue,
        scopes: &[String],
    ) -> Result<Tokens, OAuthError> {
        let form = Form::of(&[("grant_type", b"refresh_token"), ("refresh_token", token.expose())]);
        self.granted(Some(self.client), form, scopes).await
    }

    /// Gives tokens back (RFC 7009): the refresh token first, which ends the grant. Both are tried even
    /// if the first fails.
    ///
    /// # Errors
    /// [`OAuthError`]: a token may be as good as before.
    pub async fn revoke(
        &self,
        refresh: Option<&SecretValue>,
        access: Option<&SecretValue>,
    ) -> Result<Revoked, OAuthError> {
        let endpoint =
            self.endpoints.revoke.as_ref().ok_or(OAuthError::NoEndpoint("revoke_url"))?;
        let refresh = self.revoke_one(endpoint, "refresh_token", refresh).await;
        let access = self.revoke_one(endpoint, "access_token", access).await;
        Ok(Revoked { refresh: refresh?, access: access? })
    }

    /// Whether the token is no good any more.
    #[expect(clippy::disallowed_methods, reason = "the token is sent to the server it is of")]
    async fn revoke_one(
        &self,
        endpoint: &Endpoint,
        kind: &str,
        token: Option<&SecretValue>,
    ) -> Result<bool, OAuthError> {
        let Some(token) = token else { return Ok(false) };
        let form = Form::of(&[("token", token.expose()), ("token_type_hint", kind.as_bytes())]);
        let answer = self.post(endpoint, Some(self.client), form).await?;
        // Some answer 200 and say in the body that nothing was done.
        if answer.status.is_success() && complaint(&answer.body).is_none() {
            return Ok(true);
        }
        match refusal(endpoint, &answer) {
            // Some say of what is gone that it is not good, and some keep no list of access tokens.
            OAuthError::Refused { word: Some(ErrorWord::InvalidToken), .. } => Ok(true),
            OAuthError::Refused { word: Some(ErrorWord::UnsupportedTokenType), .. } => Ok(false),
            error => Err(error),
        }
    }

    /// Adds what asks for access: scopes, and the type's own parts.
    pub(super) fn ask_for(&self, scopes: &[String], form: &mut Form) -> Result<(), OAuthError> {
        if let Some(scope) = self.endpoints.joined(scopes) {
            form.extend(&[("scope", scope.as_bytes())]);
        }
        for (name, value) in self.endpoints.extra()? {
            form.extend(&[(name, value.as_bytes())]);
        }
        Ok(())
    }

    /// Asks the token endpoint.
    pub(super) async fn granted(
        &self,
        client: Option<&Client>,
        form: Form,
        scopes: &[String],
    ) -> Result<Tokens, OAuthError> {
        let endpoint = &self.endpoints.token;
        let known = Known {
            now: (self.clock)(),
            scopes,
            separator: &self.endpoints.scope_separator,
            expires_in: self.endpoints.expires_in,
        };
        let answer = self.post(endpoint, client, form).await?;
        let server = || endpoint.server();
        if !answer.status.is_success() {
            return Err(refusal(endpoint, &answer));
        }
        Tokens::read(&answer.body, &known).map_err(|reason| match reason {
            NoTokens::TokenType => OAuthError::TokenType { server: server() },
            // Some answer 200 and say in the body that it is none.
            NoTokens::Malformed => match complaint(&answer.body) {
                Some(word) => {
                    OAuthError::Refused { server: server(), status: answer.status.as_u16(), word }
                }
                None => OAuthError::Malformed { server: server(), what: "token" },
            },
        })
    }

    /// Sends a form, as `client` if it is one's own.
    #[expect(clippy::disallowed_methods, reason = "the secret is sent to the server it is for")]
    pub(super) async fn post(
        &self,
        endpoint: &Endpoint,
        client: Option<&Client>,
        mut form: Form,
    ) -> Result<Answer, OAuthError> {
        let mut headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/json")),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        ]);
        if let Some(Client { id, secret, auth }) = client {
            match (secret, auth) {
                (Some(secret), ClientAuth::Basic) => {
                    headers.insert(AUTHORIZATION, basic(id, secret.expose()));
                }
                (Some(secret), ClientAuth::Body) => {
                    form.extend(&[("client_id", id.as_bytes()), ("client_secret", secret.expose())])
                }
                (None, ClientAuth::Basic | ClientAuth::Body) => {
                    form.extend(&[("client_id", id.as_bytes())]);
                }
            }
        }
        let url = endpoint.url().clone();
        let call = Call { method: Method::POST, url, headers, body: Some(form.into_body()) };
        self.http
            .send(call)
            .await
            .map_err(|fault| OAuthError::Unanswered { server: endpoint.server(), fault })
    }
}

/// What an answer means that grants nothing.
pub(super) fn refusal(endpoint: &Endpoint, answer: &Answer) -> OAuthError {
    let server = endpoint.server();
    let status = answer.status.as_u16();
    match status {
        300..=399 => OAuthError::Redirected { server },
        408 | 425 | 429 | 500..=599 => {
            OAuthError::Busy { server, status, retry_after: answer.retry_after() }
        }
        _ => OAuthError::Refused { server, status, word: complaint(&answer.body).flatten() },
    }
}

/// The error that a body tells of, of a word that is known or not; `None`: it tells of none.
pub(super) fn complaint(body: &[u8]) -> Option<Option<ErrorWord>> {
    let complaint: Complaint<'_> = json::object(body)?;
    let word = complaint.error?;
    Some(json::text(word).and_then(|word| ErrorWord::parse(&word)))
}
