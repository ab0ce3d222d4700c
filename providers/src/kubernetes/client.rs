//! A cluster that we are logged in to: each Secret is read once.

use async_trait::async_trait;
use subrosa_engine::provider::{Checked, Client, ProviderError, ProviderErrorKind, SecretRequest};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::cluster::Cluster;
use super::outcome;
use super::place::{Place, Wanted};
use super::wire::{self, Secret};
use crate::once::Once;

/// Data keys that an error shows at most.
const KEYS_MAX: usize = 20;

/// The client of one login.
pub(super) struct Session {
    cluster: Cluster,
    reads: Once<Place, Read>,
    checks: Once<Place, Checked>,
}

/// An answer: the body it came in.
struct Read(Zeroizing<Vec<u8>>);

impl Session {
    pub(super) fn new(cluster: Cluster) -> Session {
        Session { cluster, reads: Once::default(), checks: Once::default() }
    }
}

#[async_trait]
impl Client for Session {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let wanted = Wanted::parse(request)?;
        let read = Box::pin(read(&self.cluster, &wanted.place));
        let read = self.reads.of(wanted.place.clone(), read);
        value(&self.cluster, &*read.await?, &wanted)
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        let anything = Place { namespace: "default".to_owned(), secret: "any".to_owned() };
        // Everybody who is known may ask what they may; nothing has to be there for it.
        let review = self.cluster.review(&anything).await?;
        outcome::probed(&self.cluster.address, &self.cluster.login, &review)
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        let wanted = Wanted::parse(request)?;
        let check = Box::pin(check(&self.cluster, &wanted.place));
        let checked = self.checks.of(wanted.place.clone(), check);
        checked.await.map(|checked| *checked)
    }
}

async fn read(cluster: &Cluster, place: &Place) -> Result<Read, ProviderError> {
    let answer = cluster.read(place).await?;
    if answer.status != reqwest::StatusCode::OK {
        return Err(outcome::refused(&cluster.address, &cluster.login, place, &answer));
    }
    let malformed = || outcome::malformed(&cluster.address, place);
    Secret::parse(&answer.body).ok_or_else(malformed)?;
    Ok(Read(answer.body))
}

/// The Secret is there and may be read. Its data keys are not metadata: whether the one that is wanted is
/// there, only reading tells.
async fn check(cluster: &Cluster, place: &Place) -> Result<Checked, ProviderError> {
    let review = cluster.review(place).await?;
    if wire::is_allowed(&review.body) == Some(false) {
        return Err(outcome::denied(place));
    }
    // A cluster that answers no such questions still tells what it thinks of the next.
    if matches!(review.status.as_u16(), 401 | 429 | 500..=599) {
        return Err(outcome::refused(&cluster.address, &cluster.login, place, &review));
    }
    let answer = cluster.metadata(place).await?;
    if answer.status != reqwest::StatusCode::OK {
        return Err(outcome::refused(&cluster.address, &cluster.login, place, &answer));
    }
    match wire::kind(&answer.body) {
        Some("PartialObjectMetadata" | "Secret") => Ok(Checked::Likely),
        Some(_) | None => Err(outcome::malformed(&cluster.address, place)),
    }
}

/// The value that is wanted.
#[expect(clippy::disallowed_methods, reason = "a value with a NUL byte is refused")]
fn value(cluster: &Cluster, read: &Read, wanted: &Wanted) -> Result<SecretValue, ProviderError> {
    let Wanted { place, key } = wanted;
    let Place { namespace, secret: name } = place;
    let malformed = || outcome::malformed(&cluster.address, place);
    let secret = Secret::parse(&read.0).ok_or_else(malformed)?;
    let value = match secret.value(key) {
        Some(value) => value.ok_or_else(malformed)?,
        None => return Err(no_key(cluster, &secret, wanted)),
    };
    if value.expose().contains(&0) {
        let message = format!(
            "key \"{key}\" of kubernetes secret \"{name}\" in namespace \"{namespace}\" holds a NUL byte"
        );
        return Err(ProviderError::new(ProviderErrorKind::Malformed, message).help(
            "an environment variable cannot hold one; store the value as text, such as base64",
        ));
    }
    Ok(value)
}

fn no_key(cluster: &Cluster, secret: &Secret<'_>, wanted: &Wanted) -> ProviderError {
    let Wanted { place: Place { namespace, secret: name }, key } = wanted;
    let message = format!(
        "key \"{key}\" not found in kubernetes secret \"{name}\" in namespace \"{namespace}\""
    );
    let error = ProviderError::new(ProviderErrorKind::NotFound, message);
    // A server that repeats what it was sent must not get our token into a message.
    let is_key = |key: &&str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        key.len() <= 253 && key.chars().all(is_plain) && !cluster.gives_away(key)
    };
    let keys: Vec<&str> = secret.keys().filter(is_key).collect();
    if keys.is_empty() {
        return error.help("it has no keys");
    }
    let shown: Vec<String> = keys.iter().take(KEYS_MAX).map(|key| format!("`{key}`")).collect();
    let more = if keys.len() > KEYS_MAX { ", ..." } else { "" };
    error.help(format!("it has: {}{more}", shown.join(", ")))
}
