//! Secrets Manager: each version of a secret is read once.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use subrosa_engine::provider::{
    Checked, Client, Environment, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::account::Account;
use super::place::{Place, Wanted};
use crate::cloud;
use crate::once::Once;
use crate::vault::json as text_of;

/// The client of one login.
pub(super) struct Session {
    account: Arc<Account>,
    environment: Arc<Environment>,
    reads: Once<Place, SecretValue>,
}

impl Session {
    pub(super) fn new(account: Account, context: &ResolveContext) -> Session {
        let environment = context.env.clone();
        Session { account: Arc::new(account), environment, reads: Once::default() }
    }
}

#[async_trait]
impl Client for Session {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let Wanted { place, field } = Wanted::secret(request)?;
        let read = self.reads.of(place.clone(), Box::pin(read(&self.account, &place)));
        cloud::pick(&*read.await?, field.as_ref(), &self.environment, &words(&place))
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        let body = json!({ "MaxResults": 1 });
        let asked = self.account.call("ListSecrets", "the list of secrets", &body).await;
        match asked {
            // It knows us, and has no need to let us list.
            Err(error) if error.kind == ProviderErrorKind::Denied => Ok(()),
            asked => asked.map(drop),
        }
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        let Wanted { place, .. } = Wanted::secret(request)?;
        let body = json!({ "SecretId": place.id });
        match self.account.call("DescribeSecret", &words(&place), &body).await {
            Ok(answer) => is_there(&self.account, &place, &answer.body),
            // Whether it may be read is another question.
            Err(error) if error.kind == ProviderErrorKind::Denied => Ok(Checked::WouldRead),
            Err(error) => Err(error),
        }
    }
}

fn words(place: &Place) -> String {
    format!("secret `{}`", place.label())
}

async fn read(account: &Account, place: &Place) -> Result<SecretValue, ProviderError> {
    let mut body = json!({ "SecretId": place.id });
    if let Some(version) = &place.version {
        body["VersionId"] = json!(version);
    }
    if let Some(stage) = &place.stage {
        body["VersionStage"] = json!(stage);
    }
    let answer = account.call("GetSecretValue", &words(place), &body).await?;
    value(&answer.body).ok_or_else(|| cloud::malformed(&account.address, &words(place)))
}

/// The text, or else the bytes.
fn value(body: &[u8]) -> Option<SecretValue> {
    #[derive(Deserialize)]
    struct Found<'a> {
        #[serde(borrow, rename = "SecretString")]
        text: Option<&'a RawValue>,
        #[serde(borrow, rename = "SecretBinary")]
        binary: Option<&'a RawValue>,
    }
    let found: Found<'_> = serde_json::from_slice(body).ok()?;
    let is_text = |raw: &&RawValue| raw.get().starts_with('"');
    match (found.text.filter(is_text), found.binary.filter(is_text)) {
        (Some(text), _) => text_of::text(text),
        (None, Some(binary)) => decode(&text_of::text(binary)?),
        (None, None) => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "base64 is decoded into its own buffer")]
fn decode(encoded: &SecretValue) -> Option<SecretValue> {
    let bytes = encoded.expose();
    let mut decoded = Zeroizing::new(vec![0; BASE64.decode_len(bytes.len()).ok()?]);
    let length = BASE64.decode_mut(bytes, &mut decoded).ok()?;
    decoded.truncate(length);
    Some(SecretValue::new(std::mem::take(&mut *decoded)))
}

fn is_there(account: &Account, place: &Place, body: &[u8]) -> Result<Checked, ProviderError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Described<'a> {
        #[serde(borrow, rename = "ARN")]
        _arn: &'a str,
        #[serde(borrow)]
        deleted_date: Option<&'a RawValue>,
    }
    match serde_json::from_slice::<Described<'_>>(body) {
        Ok(Described { deleted_date: None, .. }) => Ok(Checked::Likely),
        Ok(_) => {
            let message = format!("{} is marked for deletion", words(place));
            Err(ProviderError::new(ProviderErrorKind::NotFound, message))
        }
        Err(_) => Err(cloud::malformed(&account.address, &words(place))),
    }
}
