//! Secret Manager, logged in: each version is read once.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde::Deserialize;
use subrosa_engine::provider::{
    Checked, Client, Environment, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::checksum::crc32c;
use super::credentials::Source;
use super::place::{self, Place, Wanted};
use crate::cloud;
use crate::http::{self, Address, Answer, Call, Http};
use crate::once::Once;
use crate::setup::invalid;

/// Where Secret Manager is.
const ADDRESS: &str = "https://secretmanager.googleapis.com";

/// The address: another one for private access, and for tests.
///
/// # Errors
/// The environment names one that is no good.
pub(super) fn address(environment: &Environment) -> Result<Address, ProviderError> {
    let name = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER";
    let named = cloud::variable(environment, name);
    cloud::address(named.as_deref().unwrap_or(ADDRESS), &format!("`{name}`"))
}

/// The client of one login.
pub(super) struct Session {
    server: Arc<Server>,
    environment: Arc<Environment>,
    project: Option<String>,
    reads: Once<Place, SecretValue>,
}

/// The server, and our token for it.
struct Server {
    address: Address,
    http: Http,
    source: Source,
}

impl Session {
    pub(super) fn new(
        context: &ResolveContext,
        address: Address,
        http: Http,
        source: Source,
    ) -> Session {
        let server = Arc::new(Server { address, http, source });
        let project = place::project(&context.env);
        Session { server, environment: context.env.clone(), project, reads: Once::default() }
    }
}

#[async_trait]
impl Client for Session {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let Wanted { place, field } = Wanted::parse(request, self.project.as_deref())?;
        let read = self.reads.of(place.clone(), Box::pin(self.server.read(&place)));
        let words = format!("secret `{}`", place.label());
        cloud::pick(&*read.await?, field.as_ref(), &self.environment, &words)
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        let Wanted { place, .. } = Wanted::parse(request, self.project.as_deref())?;
        match self.server.ask(&place, "").await {
            Ok(answer) => self.server.is_enabled(&place, &answer.body),
            // Whether it may be read is another question.
            Err(error) if error.kind == ProviderErrorKind::Denied => Ok(Checked::WouldRead),
            Err(error) => Err(error),
        }
    }
}

impl Server {
    async fn ask(&self, place: &Place, verb: &str) -> Result<Answer, ProviderError> {
        let version = format!("{}{verb}", place.version);
        let path =
            ["v1", "projects", &place.project, "secrets", &place.secret, "versions", &version];
        let url = self.address.join(path);
        let url = url.ok_or_else(|| invalid("a part of the key is `.` or `..`"))?;
        let token = self.source.token().await?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, token.header.clone())]);
        let sent = self.http.send(Call { method: Method::GET, url, headers, body: None }).await;
        let answer = sent.map_err(|fault| http::no_answer(fault, &self.address.to_string()))?;
        if answer.status == reqwest::StatusCode::OK {
            return Ok(answer);
        }
        Err(self.refused(place, &answer, &token.from))
    }

    async fn read(&self, place: &Place) -> Result<SecretValue, ProviderError> {
        let answer = self.ask(place, ":access").await?;
        match value(&answer.body) {
            Some(Ok(value)) => Ok(value),
            Some(Err(Damaged)) => {
                let message = format!("`{}` came damaged: its checksum differs", place.label());
                Err(ProviderError::new(ProviderErrorKind::Malformed, message))
            }
            None => Err(self.malformed(place)),
        }
    }

    fn is_enabled(&self, place: &Place, body: &[u8]) -> Result<Checked, ProviderError> {
        #[derive(Deserialize)]
        struct Version<'a> {
            state: &'a str,
        }
        match serde_json::from_slice::<Version<'_>>(body) {
            Ok(Version { state: "ENABLED" }) => Ok(Checked::Likely),
            Ok(_) => Err(ProviderError::new(
                ProviderErrorKind::NotFound,
                format!("`{}` is disabled or destroyed", place.label()),
            )),
            Err(_) => Err(self.malformed(place)),
        }
    }

    fn malformed(&self, place: &Place) -> ProviderError {
        cloud::malformed(&self.address, &format!("`{}`", place.label()))
    }

    fn refused(&self, place: &Place, answer: &Answer, source: &str) -> ProviderError {
        use ProviderErrorKind::{Denied, NotFound, Unauthenticated};
        let (address, label) = (&self.address, place.label());
        let error = ProviderError::new;
        match answer.status.as_u16() {
            // Also what is said of a version that is disabled or destroyed, and of a name that is none.
            400 => error(NotFound, format!("`{label}` cannot be read in its state (400)"))
                .help("the version may be disabled or destroyed"),
            401 => error(
                Unauthenticated,
                format!("`{address}` does not accept the credentials from {source} (401)"),
            )
            .help("log in again, or look whether the key still exists"),
            403 => {
                error(Denied, format!("`{address}` denies reading `{label}` (403)")).help(format!(
                    "grant `roles/secretmanager.secretAccessor` on the secret to the identity from \
                 {source}, and see that the Secret Manager API is enabled in the project"
                ))
            }
            404 => error(NotFound, format!("`{label}` not found"))
                .help("look at the project, the name and the version"),
            _ => cloud::unanswered(address, answer, &format!("`{label}`")),
        }
    }
}

/// A value that is not what was sent.
struct Damaged;

/// The bytes of a payload, with their checksum looked at.
fn value(body: &[u8]) -> Option<Result<SecretValue, Damaged>> {
    #[derive(Deserialize)]
    struct Accessed<'a> {
        #[serde(borrow)]
        payload: Payload<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload<'a> {
        // An empty value is left out.
        #[serde(default)]
        data: &'a str,
        // A number of 64 bits, which JSON has as a text.
        data_crc32c: &'a str,
    }
    let Accessed { payload } = serde_json::from_slice(body).ok()?;
    let encoded = payload.data.as_bytes();
    let mut decoded = Zeroizing::new(vec![0; BASE64.decode_len(encoded.len()).ok()?]);
    let length = BASE64.decode_mut(encoded, &mut decoded).ok()?;
    decoded.truncate(length);
    let expected: u32 = payload.data_crc32c.parse().ok()?;
    if crc32c(&decoded) != expected {
        return Some(Err(Damaged));
    }
    Some(Ok(SecretValue::new(std::mem::take(&mut *decoded))))
}
