//! Managed identities: what Azure lends to whoever runs on it.
//!
//! An app asks the address that its environment names, a machine its metadata service; both have to be near.

use std::time::SystemTime;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use subrosa_engine::provider::{ProviderError, ResolveContext};

use super::place::Cloud;
use crate::cloud;
use crate::cloud::token::{Asked, Token};
use crate::http::{self, Answer, Call, Http};
use crate::setup::invalid;

/// Where machines ask.
const METADATA: &str = "http://169.254.169.254";

const METADATA_MARK: HeaderName = HeaderName::from_static("metadata");
const APP_MARK: HeaderName = HeaderName::from_static("x-identity-header");

/// Whom to ask, and how.
pub(super) struct ManagedIdentity {
    http: Http,
    url: Url,
    headers: HeaderMap,
    /// What it is called in messages.
    words: &'static str,
}

/// What came of asking a machine.
pub(super) enum Answered {
    Token(Token),
    /// Nobody is there, or it has no identity: others may be asked.
    Nothing,
}

impl ManagedIdentity {
    /// That of an app; none if the environment does not say that this is one.
    ///
    /// # Errors
    /// What it says is no good.
    pub(super) fn of_app(
        context: &ResolveContext,
        cloud: &Cloud,
    ) -> Result<Option<ManagedIdentity>, ProviderError> {
        let endpoint = cloud::variable(&context.env, "IDENTITY_ENDPOINT");
        let mark = cloud::credential(&context.env, "IDENTITY_HEADER");
        let (Some(endpoint), Some(mark)) = (endpoint, mark) else { return Ok(None) };
        let url = Url::parse(&endpoint).ok().filter(is_near);
        let bad = || invalid("`IDENTITY_ENDPOINT` names no service of this machine");
        let mut url = url.filter(|url| url.query().is_none()).ok_or_else(bad)?;
        ask_for(&mut url, context, cloud, "2019-08-01");
        let mark = cloud::header("", &mark)
            .ok_or_else(|| invalid("`IDENTITY_HEADER` holds what no header holds"))?;
        let headers = HeaderMap::from_iter([(APP_MARK, mark)]);
        let http = cloud::metadata_http(context)?;
        Ok(Some(ManagedIdentity { http, url, headers, words: "the app's managed identity" }))
    }

    /// That of a machine.
    ///
    /// # Errors
    /// The environment names a metadata service that is no good.
    pub(super) fn of_machine(
        context: &ResolveContext,
        cloud: &Cloud,
    ) -> Result<ManagedIdentity, ProviderError> {
        let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
        let named = cloud::variable(&context.env, name);
        let url = Url::parse(named.as_deref().unwrap_or(METADATA)).ok().filter(is_near);
        let bad = || invalid(format!("`{name}` names no metadata service"));
        let mut url = url.filter(|url| url.query().is_none()).ok_or_else(bad)?;
        url.set_path("/metadata/identity/oauth2/token");
        ask_for(&mut url, context, cloud, "2018-02-01");
        let headers = HeaderMap::from_iter([(METADATA_MARK, HeaderValue::from_static("true"))]);
        let http = cloud::metadata_http(context)?;
        Ok(ManagedIdentity { http, url, headers, words: "the machine's managed identity" })
    }

    /// The token of an app.
    ///
    /// # Errors
    /// It gives none.
    pub(super) async fn token(&self, now: SystemTime) -> Result<Token, ProviderError> {
        let server = self.url.origin().ascii_serialization();
        let answer =
            self.http.send(self.call()).await.map_err(|fault| http::no_answer(fault, &server))?;
        self.granted(&answer, &server, now)
    }

    /// The token of a machine, if this is one that has an identity.
    ///
    /// # Errors
    /// It has, and gives none now.
    pub(super) async fn token_if_any(&self, now: SystemTime) -> Result<Answered, ProviderError> {
        let Ok(answer) = self.http.send(self.call()).await else { return Ok(Answered::Nothing) };
        // A machine to which no identity was given says 400; one of another cloud does not know the question.
        let is_busy = answer.status == reqwest::StatusCode::TOO_MANY_REQUESTS;
        if answer.status.is_client_error() && !is_busy {
            return Ok(Answered::Nothing);
        }
        let server = self.url.origin().ascii_serialization();
        self.granted(&answer, &server, now).map(Answered::Token)
    }

    fn call(&self) -> Call {
        let (url, headers) = (self.url.clone(), self.headers.clone());
        Call { method: Method::GET, url, headers, body: None }
    }

    fn granted(
        &self,
        answer: &Answer,
        server: &str,
        now: SystemTime,
    ) -> Result<Token, ProviderError> {
        let help = "give it a managed identity; `AZURE_CLIENT_ID` says which, if it has several";
        Token::of(answer, &Asked { server, from: self.words, help, now })
    }
}

/// Loopback, or link-local: nothing that is routed.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.parse::<std::net::Ipv4Addr>();
    let own = address.is_ok_and(|address| address.is_link_local()).then_some(host);
    cloud::is_near(url, own.as_slice())
}

fn ask_for(url: &mut Url, context: &ResolveContext, cloud: &Cloud, version: &str) {
    let client = cloud::variable(&context.env, "AZURE_CLIENT_ID");
    let mut query = url.query_pairs_mut();
    query.append_pair("api-version", version).append_pair("resource", &cloud.audience());
    if let Some(client) = client {
        query.append_pair("client_id", &client);
    }
}
