//! Whether a value could be got, without reading it.
//!
//! By what the token may do (`sys/capabilities-self`) and, for KV version 2, by `subkeys`, which names the
//! fields, or else `metadata`, which says that there is something.

use std::collections::BTreeMap;

use reqwest::{Method as HttpMethod, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::provider::{Checked, ProviderError, ProviderErrorKind};
use subrosa_engine::secret::SecretValue;

use super::client::LoggedIn;
use super::hint::{Mount, explained, is_accepted};
use super::outcome;
use super::place::{Method, Place, Wanted};
use super::wire::Envelope;

/// What a token may do with a path.
#[derive(Deserialize)]
struct Capabilities {
    capabilities: Vec<String>,
}

impl Capabilities {
    fn allow(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|given| given == capability || given == "root")
    }
}

/// Finds out what can be found out.
pub(super) async fn check(login: &LoggedIn, wanted: &Wanted) -> Result<Checked, ProviderError> {
    let place = &wanted.place;
    let Some(may) = capabilities(login, &place.path).await? else {
        return Ok(Checked::WouldRead);
    };
    let is_allowed = match place.method {
        Method::Read => may.allow("read"),
        Method::Write => may.allow("update") || may.allow("create"),
    };
    if !is_allowed {
        let address = &login.server.address;
        let message = format!("vault at `{address}` denies access to `{}` (403)", place.path);
        let error = ProviderError::new(ProviderErrorKind::Denied, message);
        return Err(explained(login, place, error.help(outcome::grant(place))).await);
    }
    if place.method == Method::Write {
        return Ok(Checked::Likely);
    }
    let Some(mount) = Mount::of(login, place).await else {
        return Ok(Checked::Likely);
    };
    if let Some(path) = mount.part(place, "subkeys")
        && let Some(found) = field_is_there(login, wanted, &path).await?
    {
        return Ok(found);
    }
    match mount.part(place, "metadata") {
        Some(path) => something_is_there(login, place, &path).await,
        None => Ok(Checked::Likely),
    }
}

/// Finds out whether the server answers and knows the token.
pub(super) async fn probe(login: &LoggedIn) -> Result<(), ProviderError> {
    let path = "auth/token/lookup-self";
    let url = login.server.url(path.split('/'))?;
    let answer = login.server.send(Some(&login.token.header), HttpMethod::GET, url, None).await?;
    let address = &login.server.address;
    match answer.status {
        status if status.is_success() => Ok(()),
        StatusCode::FORBIDDEN if is_accepted(login).await => Ok(()),
        StatusCode::FORBIDDEN => Err(outcome::unauthenticated(address)),
        _ => Err(outcome::refused(address, path, &answer)),
    }
}

/// What our token may do with a path; `None` if it may not even ask.
async fn capabilities(login: &LoggedIn, path: &str) -> Result<Option<Capabilities>, ProviderError> {
    let path = SecretValue::new(path.into());
    let token = Some(&login.token.header);
    let fields = [("path", &path)];
    let asked = login
        .server
        .post(token, "sys/capabilities-self", &fields, |envelope| envelope.data::<Capabilities>());
    match asked.await {
        Ok(found) => Ok(Some(found)),
        // Every token may ask by default; one that may not may still read.
        Err(error) if error.kind == ProviderErrorKind::Denied => match is_accepted(login).await {
            true => Ok(None),
            false => Err(outcome::unauthenticated(&login.server.address)),
        },
        // A server that does not know the question is no reason to call the secret missing.
        Err(error) if error.kind == ProviderErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the field is there, by the names of the fields; `None` if they cannot be had.
async fn field_is_there(
    login: &LoggedIn,
    wanted: &Wanted,
    path: &str,
) -> Result<Option<Checked>, ProviderError> {
    #[derive(Deserialize)]
    struct Subkeys<'a> {
        #[serde(borrow)]
        subkeys: BTreeMap<String, &'a RawValue>,
    }
    let mut url = login.server.url(path.split('/'))?;
    url.query_pairs_mut()
        .append_pair("depth", "1")
        .extend_pairs(wanted.place.version.map(|number| ("version", number.to_string())));
    let answer = login.server.send(Some(&login.token.header), HttpMethod::GET, url, None).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(outcome::refused_place(&login.server.address, &wanted.place, &answer));
    }
    let envelope = Envelope::parse(&answer.body).filter(|_| answer.status.is_success());
    let Some(found) = envelope.and_then(|envelope| envelope.data::<Subkeys<'_>>()) else {
        return Ok(None);
    };
    if found.subkeys.contains_key(&wanted.field) {
        return Ok(Some(Checked::Readable));
    }
    let (field, path) = (&wanted.field, &wanted.place.path);
    let message = format!("field \"{field}\" not found in vault secret \"{path}\"");
    Err(ProviderError::new(ProviderErrorKind::NotFound, message))
}

/// Whether there is a secret, by its metadata.
async fn something_is_there(
    login: &LoggedIn,
    place: &Place,
    path: &str,
) -> Result<Checked, ProviderError> {
    let url = login.server.url(path.split('/'))?;
    let answer = login.server.send(Some(&login.token.header), HttpMethod::GET, url, None).await?;
    match answer.status {
        StatusCode::NOT_FOUND => Err(outcome::refused_place(&login.server.address, place, &answer)),
        _ => Ok(Checked::Likely),
    }
}
