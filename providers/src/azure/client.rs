//! A vault, logged in: each version is read once.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::provider::{
    Checked, Client, Environment, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;

use super::credentials::Source;
use super::outcome::{self, Asked};
use super::place::{Place, Wanted};
use crate::cloud::{self, token::Token};
use crate::http::{self, Address, Answer, Call, Http};
use crate::once::Once;
use crate::setup::invalid;
use crate::vault::json;

/// The version of the protocol.
const API_VERSION: &str = "7.4";

/// Versions that one answer tells of: the most there can be.
const PAGE_LEN: &str = "25";

/// The client of one login.
pub(super) struct Session {
    vault: Arc<KeyVault>,
    environment: Arc<Environment>,
    reads: Once<Place, SecretValue>,
}

/// The vault, and our tokens for it.
struct KeyVault {
    address: Address,
    http: Http,
    source: Source,
}

/// What a list tells of the versions of a secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versions<'a> {
    #[serde(borrow)]
    value: Vec<Version<'a>>,
    #[serde(borrow, default)]
    next_link: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Version<'a> {
    id: &'a str,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    enabled: bool,
    #[serde(default)]
    created: u64,
}

impl Session {
    pub(super) fn new(
        context: &ResolveContext,
        address: Address,
        http: Http,
        source: Source,
    ) -> Session {
        let vault = Arc::new(KeyVault { address, http, source });
        Session { vault, environment: context.env.clone(), reads: Once::default() }
    }
}

#[async_trait]
impl Client for Session {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let Wanted { place, field } = Wanted::parse(request)?;
        let read = self.reads.of(place.clone(), Box::pin(self.vault.read(&place)));
        cloud::pick(&*read.await?, field.as_ref(), &self.environment, &words(&place))
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        let what = "the list of secrets";
        let (answer, token) = self.vault.ask(&["secrets"], Some("1")).await?;
        match answer.status.as_u16() {
            200 => Ok(()),
            // It knows us, and has no need to let us list.
            403 if outcome::denial(&answer.body) != outcome::Denial::Firewall => Ok(()),
            _ => Err(self.vault.refused(what, &answer, &token)),
        }
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        let Wanted { place, .. } = Wanted::parse(request)?;
        let path = ["secrets", &place.secret, "versions"];
        let (answer, token) = self.vault.ask(&path, Some(PAGE_LEN)).await?;
        if answer.status == reqwest::StatusCode::OK {
            return self.vault.is_there(&place, &answer.body);
        }
        match self.vault.refused(&words(&place), &answer, &token) {
            // Whether it may be read is another question.
            error if error.kind == ProviderErrorKind::Denied => Ok(Checked::WouldRead),
            error => Err(error),
        }
    }
}

fn words(place: &Place) -> String {
    format!("secret `{}`", place.label())
}

impl KeyVault {
    /// Asks for what lies at a path; for so many entries of it, if it is a list.
    async fn ask(
        &self,
        path: &[&str],
        entries: Option<&str>,
    ) -> Result<(Answer, Arc<Token>), ProviderError> {
        let url = self.address.join(path.iter().copied());
        let mut url = url.ok_or_else(|| invalid("a part of the key is `.` or `..`"))?;
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        if let Some(entries) = entries {
            url.query_pairs_mut().append_pair("maxresults", entries);
        }
        let token = self.source.token().await?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, token.header.clone())]);
        let sent = self.http.send(Call { method: Method::GET, url, headers, body: None }).await;
        Ok((sent.map_err(|fault| http::no_answer(fault, &self.address.to_string()))?, token))
    }

    async fn read(&self, place: &Place) -> Result<SecretValue, ProviderError> {
        #[derive(Deserialize)]
        struct Found<'a> {
            #[serde(borrow)]
            value: &'a RawValue,
        }
        let version = place.version.as_deref();
        let path: Vec<&str> = ["secrets", &place.secret].into_iter().chain(version).collect();
        let (answer, token) = self.ask(&path, None).await?;
        if answer.status != reqwest::StatusCode::OK {
            return Err(self.refused(&words(place), &answer, &token));
        }
        let found = serde_json::from_slice::<Found<'_>>(&answer.body).ok();
        // What is read here would also be taken from a list of one.
        let found = found.filter(|_| answer.body.trim_ascii_start().starts_with(b"{"));
        let text = found.map(|found| found.value).filter(|raw| raw.get().starts_with('"'));
        let value = text.and_then(json::text);
        value.ok_or_else(|| cloud::malformed(&self.address, &words(place)))
    }

    /// What a page of versions says of the one that is asked for. Others may be on the next page: nothing
    /// that an answer names is followed.
    fn is_there(&self, place: &Place, body: &[u8]) -> Result<Checked, ProviderError> {
        let page: Versions<'_> = serde_json::from_slice(body)
            .map_err(|_| cloud::malformed(&self.address, &words(place)))?;
        let is_all = page.next_link.is_none_or(|link| matches!(link.get(), "null" | "\"\""));
        let is_asked =
            |version: &&Version<'_>| version.id.rsplit('/').next() == place.version.as_deref();
        let found = match &place.version {
            Some(_) => page.value.iter().find(is_asked),
            None if is_all => page.value.iter().max_by_key(|version| version.attributes.created),
            None => None,
        };
        match found {
            Some(version) if version.attributes.enabled => Ok(Checked::Likely),
            Some(_) => {
                let message = format!("{} is disabled", words(place));
                Err(ProviderError::new(ProviderErrorKind::NotFound, message))
            }
            None if is_all => {
                let message = format!("{} not found", words(place));
                Err(ProviderError::new(ProviderErrorKind::NotFound, message))
            }
            None => Ok(Checked::Likely),
        }
    }

    fn refused(&self, what: &str, answer: &Answer, token: &Token) -> ProviderError {
        outcome::refused(&Asked { address: &self.address, what, from: &token.from }, answer)
    }
}
