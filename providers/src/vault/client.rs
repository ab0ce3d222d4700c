//! A server that we are logged in to: reading, once for each place.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method as HttpMethod;
use subrosa_engine::provider::{Checked, Client, ProviderError, ProviderErrorKind, SecretRequest};
use subrosa_engine::secret::SecretValue;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::lease::Leases;
use super::login::Token;
use super::place::{Method, Place, Wanted};
use super::server::Server;
use super::wire::{self, Envelope, Fields};
use super::{check, hint, outcome};
use crate::http::Answer;
use crate::once::Once;

/// Names of fields that an error shows at most.
const NAMES_MAX: usize = 20;

/// How long it may take to find out more about a refusal.
const HINT_TIMEOUT: Duration = Duration::from_secs(1);

/// Characters of such a name at most: a longer one is hardly a name.
const NAME_LEN_MAX: usize = 64;

/// The client of one login.
pub(super) struct Session {
    login: LoggedIn,
    reads: Once<Place, Read>,
}

/// A server, our token for it, and what it gave us for this run alone.
pub(super) struct LoggedIn {
    pub(super) server: Server,
    pub(super) token: Token,
    pub(super) leases: Leases,
}

/// An answer: the body it came in.
struct Read(Zeroizing<Vec<u8>>);

impl Session {
    pub(super) fn new(server: Server, token: Token) -> Session {
        let leases = Leases::new(token.own.as_ref());
        Session { login: LoggedIn { server, token, leases }, reads: Once::default() }
    }
}

#[async_trait]
impl Client for Session {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let wanted = Wanted::parse(request)?;
        let read = Box::pin(self.login.read(&wanted.place));
        let read = self.reads.of(wanted.place.clone(), read);
        self.login.value(&*read.await?, &wanted)
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        check::probe(&self.login).await
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        check::check(&self.login, &Wanted::parse(request)?).await
    }

    async fn keep(&self) -> Result<(), ProviderError> {
        self.login.keep().await
    }

    async fn close(&self) -> Result<(), ProviderError> {
        self.login.close().await
    }
}

impl LoggedIn {
    /// Asks for a place, and notes its lease.
    async fn read(&self, place: &Place) -> Result<Read, ProviderError> {
        let answer = self.ask(place).await?;
        let address = &self.server.address;
        if !answer.status.is_success() {
            if let Some(error) = removed(place, &answer) {
                return Err(error);
            }
            let error = outcome::refused_place(address, place, &answer);
            // A server that does not answer that must not take the time in which this can be told.
            let plain = error.clone();
            let explained = timeout(HINT_TIMEOUT, hint::explained(self, place, error)).await;
            return Err(explained.unwrap_or(plain));
        }
        let malformed = || outcome::malformed(address, &place.path);
        let envelope = Envelope::parse(&answer.body).ok_or_else(malformed)?;
        if let Some(term) = envelope.lease() {
            self.leases.add(term, &place.path);
        }
        let found = envelope.fields().map(|fields| fields.version);
        // What answers without data and without an error has nothing there.
        let Some(version) = found else {
            let message = format!("secret not found at path \"{}\"", place.path);
            return Err(ProviderError::new(ProviderErrorKind::NotFound, message));
        };
        if place.version.is_some() && version != place.version {
            let message = format!("`{}` has no versions", place.path);
            return Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message)
                .help("`version` is for KV version 2, whose paths include `/data/`"));
        }
        Ok(Read(answer.body))
    }

    async fn ask(&self, place: &Place) -> Result<Answer, ProviderError> {
        let mut url = self.server.url(place.segments())?;
        let token = Some(&self.token.header);
        match place.method {
            Method::Read => {
                if place.version.is_some() || !place.data.is_empty() {
                    let mut query = url.query_pairs_mut();
                    query.extend_pairs(place.version.map(|number| ("version", number.to_string())));
                    query.extend_pairs(&place.data);
                }
                self.server.send(token, HttpMethod::GET, url, None).await
            }
            Method::Write => {
                let text = |value: &String| SecretValue::new(value.clone().into_bytes());
                let data = place.data.iter().map(|(name, value)| (name.as_str(), text(value)));
                let data: Vec<(&str, SecretValue)> = data.collect();
                let body = wire::object(data.iter().map(|(name, value)| (*name, value)))?;
                self.server.send(token, HttpMethod::POST, url, Some(body)).await
            }
        }
    }

    /// The field that is wanted.
    fn value(&self, read: &Read, wanted: &Wanted) -> Result<SecretValue, ProviderError> {
        let (address, path) = (&self.server.address, &wanted.place.path);
        let envelope = Envelope::parse(&read.0);
        let Some(fields) = envelope.as_ref().and_then(Envelope::fields) else {
            return Err(outcome::malformed(address, path));
        };
        match fields.field(&wanted.field) {
            Some(Some(value)) => fit_for_environment(value, wanted),
            Some(None) => {
                let message =
                    format!("field \"{}\" of vault secret \"{path}\" is no text", wanted.field);
                Err(ProviderError::new(ProviderErrorKind::Malformed, message))
            }
            None => Err(self.no_field(&fields, wanted)),
        }
    }

    fn no_field(&self, fields: &Fields<'_>, wanted: &Wanted) -> ProviderError {
        let Wanted { field, place } = wanted;
        let names: Vec<&str> = fields.names().filter(|name| self.is_name(name)).collect();
        let more = if names.len() > NAMES_MAX { ", ..." } else { "" };
        let shown = names[..names.len().min(NAMES_MAX)].join(", ");
        let message = format!(
            "field \"{field}\" not found in vault secret \"{}\" (available fields: {shown}{more})",
            place.path
        );
        let error = ProviderError::new(ProviderErrorKind::NotFound, message);
        match names.iter().find(|name| name.eq_ignore_ascii_case(field)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    /// Whether it can be shown as a name. A server that repeats what it was sent must not get our token
    /// into a message.
    fn is_name(&self, name: &str) -> bool {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '/');
        let token = self.token.header.to_str().unwrap_or_default();
        name.chars().count() <= NAME_LEN_MAX && name.chars().all(is_plain) && !name.contains(token)
    }
}

/// An environment variable cannot hold a NUL byte; this says which secret it was.
#[expect(clippy::disallowed_methods, reason = "a value with a NUL byte is refused")]
fn fit_for_environment(value: SecretValue, wanted: &Wanted) -> Result<SecretValue, ProviderError> {
    if !value.expose().contains(&0) {
        return Ok(value);
    }
    let Wanted { field, place } = wanted;
    let message = format!("field \"{field}\" of vault secret \"{}\" holds a NUL byte", place.path);
    Err(ProviderError::new(ProviderErrorKind::Malformed, message)
        .help("an environment variable cannot hold one; store the value as text, such as base64"))
}

/// A version that was there once: not found, with what KV version 2 still knows of it.
fn removed(place: &Place, answer: &Answer) -> Option<ProviderError> {
    let removal = (answer.status == reqwest::StatusCode::NOT_FOUND)
        .then(|| Envelope::parse(&answer.body)?.data::<hint::Removed>())??;
    Some(removal.error(place))
}
