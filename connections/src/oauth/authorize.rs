//! A person grants access in a browser: authorization code with PKCE, over this machine (RFC 8252).

use subrosa_http::Url;
use tokio::time::timeout;

use crate::oauth::callback::{Callback, Expected};
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
        let outcome = match callback {
            Callback::Code(code) => {
                ui.exchanging();
                let form = Form::of(&[
                    ("grant_type", b"authorization_code"),
                    ("code", &code),
                    ("redirect_uri", uri.as_bytes()),
                    ("code_verifier", verifier.as_bytes()),
                ]);
                self.granted(Some(self.client), form, scopes).await
            }
            Callback::Denied(word) => Err(OAuthError::Denied { server: endpoint.server(), word }),
            Callback::Nothing => Err(OAuthError::NoCode { server: endpoint.server() }),
            Callback::OtherIssuer => Err(OAuthError::Issuer { server: endpoint.server() }),
        };
        visitor.show(last_page(&outcome)).await;
        outcome
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

fn last_page(outcome: &Result<Tokens, OAuthError>) -> Page {
    match outcome {
        Ok(_) => Page::Granted,
        Err(OAuthError::Denied { word, .. }) => Page::Denied(*word),
        Err(_) => Page::Failed,
    }
}
