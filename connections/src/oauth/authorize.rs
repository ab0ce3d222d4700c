//! A person grants access in a browser: authorization code with PKCE, over this machine (RFC 8252).

use subrosa_http::Url;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::oauth::callback::{Callback, Expected, came_back};
use crate::oauth::form::Form;
use crate::oauth::listener::Listener;
use crate::oauth::page::Page;
use crate::oauth::{Endpoint, Flow, OAuthError, Redirect, Tokens, Ui, random};

impl Flow<'_> {
    /// Asks a person in a browser. The page to open is given to `ui`; the port is closed as soon as the
    /// browser is back, and when this future is dropped.
    ///
    /// # Errors
    /// [`OAuthError`]
    pub async fn authorize(
        &self,
        scopes: &[String],
        redirect: &Redirect,
        ui: &dyn Ui,
    ) -> Result<Tokens, OAuthError> {
        let endpoint =
            self.endpoints.authorize.as_ref().ok_or(OAuthError::NoEndpoint("authorize_url"))?;
        let (state, verifier) = (random::token()?, random::token()?);
        let listener = Listener::bind(redirect).await?;
        let uri = redirect.uri(listener.port());
        let asked = Asked { uri: &uri, state: &state, challenge: random::challenge(&verifier) };
        let page = self.page(endpoint, scopes, &asked)?;
        let expected = Expected {
            authority: redirect.authority(listener.port()),
            path: redirect.path().to_owned(),
            state,
            issuer: self.endpoints.issuer.clone(),
        };
        ui.open(&page);
        let wait = listener.wait(&expected, self.limits.visitor, ui);
        let window = self.limits.window;
        let (visitor, callback) =
            timeout(window, wait).await.map_err(|_| OAuthError::Window(window))??;
        // Nobody else is heard from here on: the state is spent.
        drop(listener);
        let back = Back { callback, uri: &uri, verifier: &verifier };
        let outcome = self.exchange(endpoint, back, scopes, ui).await;
        visitor.show(last_page(&outcome)).await;
        outcome
    }

    /// Asks a person in a browser that comes back to somebody else, at `uri`: `back` gives the query that it
    /// brought. Whose browser that was is for them to know.
    ///
    /// # Errors
    /// [`OAuthError`]
    pub async fn authorize_elsewhere(
        &self,
        scopes: &[String],
        uri: &str,
        back: impl Future<Output = Option<Zeroizing<Vec<u8>>>>,
        ui: &dyn Ui,
    ) -> Result<Tokens, OAuthError> {
        let endpoint =
            self.endpoints.authorize.as_ref().ok_or(OAuthError::NoEndpoint("authorize_url"))?;
        let (state, verifier) = (random::token()?, random::token()?);
        let asked = Asked { uri, state: &state, challenge: random::challenge(&verifier) };
        ui.open(&self.page(endpoint, scopes, &asked)?);
        let window = OAuthError::Window(self.limits.window);
        let query = timeout(self.limits.window, back).await.ok().flatten().ok_or(window)?;
        let callback = came_back(&query, &state, self.endpoints.issuer.as_deref());
        let callback = callback.ok_or_else(|| OAuthError::State { server: endpoint.server() })?;
        let back = Back { callback, uri, verifier: &verifier };
        self.exchange(endpoint, back, scopes, ui).await
    }

    /// Exchanges what the browser came back with.
    async fn exchange(
        &self,
        endpoint: &Endpoint,
        back: Back<'_>,
        scopes: &[String],
        ui: &dyn Ui,
    ) -> Result<Tokens, OAuthError> {
        let server = endpoint.server();
        match back.callback {
            Callback::Code(code) => {
                ui.exchanging();
                let form = Form::of(&[
                    ("grant_type", b"authorization_code"),
                    ("code", &code),
                    ("redirect_uri", back.uri.as_bytes()),
                    ("code_verifier", back.verifier.as_bytes()),
                ]);
                self.granted(Some(self.client), form, scopes).await
            }
            Callback::Denied(word) => Err(OAuthError::Denied { server, word }),
            Callback::Nothing => Err(OAuthError::NoCode { server }),
            Callback::OtherIssuer => Err(OAuthError::Issuer { server }),
        }
    }

    /// The page that a person grants access at.
    fn page(
        &self,
        endpoint: &Endpoint,
        scopes: &[String],
        asked: &Asked<'_>,
    ) -> Result<Url, OAuthError> {
        let mut url = endpoint.url().clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", &self.client.id);
        query.append_pair("redirect_uri", asked.uri);
        if let Some(scope) = self.endpoints.joined(scopes) {
            query.append_pair("scope", &scope);
        }
        query.append_pair("state", asked.state);
        query.append_pair("code_challenge", &asked.challenge);
        query.append_pair("code_challenge_method", "S256");
        query.extend_pairs(self.endpoints.extra()?);
        drop(query);
        Ok(url)
    }
}

/// What is new in each authorization.
struct Asked<'a> {
    uri: &'a str,
    state: &'a str,
    challenge: String,
}

/// What a browser came back with, and what belongs to it.
struct Back<'a> {
    callback: Callback,
    uri: &'a str,
    verifier: &'a str,
}

fn last_page(outcome: &Result<Tokens, OAuthError>) -> Page {
    match outcome {
        Ok(_) => Page::Granted,
        Err(OAuthError::Denied { word, .. }) => Page::Denied(*word),
        Err(_) => Page::Failed,
    }
}
