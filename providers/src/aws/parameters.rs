//! Parameter Store of Systems Manager: decrypted, ten in one call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use subrosa_engine::provider::{
    Client, Environment, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use subrosa_engine::secret::SecretValue;

use super::account::Account;
use super::place::{Place, Wanted};
use crate::cloud;
use crate::once::Once;
use crate::vault::json as text_of;

/// Parameters that one call takes.
const BATCH_LEN_MAX: usize = 10;

/// The client of one login.
pub(super) struct Session {
    account: Arc<Account>,
    environment: Arc<Environment>,
    reads: Once<Place, SecretValue>,
}

/// What one call gave for several names; what is neither is to be asked for by itself.
#[derive(Default)]
struct Batch {
    found: BTreeMap<String, SecretValue>,
    absent: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter<'a> {
    name: &'a str,
    #[serde(borrow)]
    value: &'a RawValue,
}

impl Parameter<'_> {
    fn text(&self) -> Option<SecretValue> {
        self.value.get().starts_with('"').then(|| text_of::text(self.value))?
    }
}

impl Session {
    pub(super) fn new(account: Account, context: &ResolveContext) -> Session {
        let environment = context.env.clone();
        Session { account: Arc::new(account), environment, reads: Once::default() }
    }

    fn pick(&self, whole: &SecretValue, wanted: &Wanted) -> Result<SecretValue, ProviderError> {
        cloud::pick(whole, wanted.field.as_ref(), &self.environment, &words(&wanted.place))
    }
}

#[async_trait]
impl Client for Session {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let wanted = Wanted::parameter(request)?;
        let read =
            self.reads.of(wanted.place.clone(), Box::pin(read(&self.account, &wanted.place)));
        self.pick(&*read.await?, &wanted)
    }

    fn batch_len_max(&self) -> usize {
        BATCH_LEN_MAX
    }

    async fn fetch_many(
        &self,
        requests: &[SecretRequest],
    ) -> Vec<Result<SecretValue, ProviderError>> {
        let wanted: Vec<_> = requests.iter().map(Wanted::parameter).collect();
        // How an answer names what was asked for by ARN or in a version is not certain, and one name may
        // be asked for in two versions: those go by themselves.
        let names: BTreeSet<String> = wanted
            .iter()
            .flatten()
            .filter(|wanted| is_plain(&wanted.place))
            .map(|wanted| wanted.place.id.clone())
            .collect();
        let batch = match names.len() {
            0 | 1 => Ok(Batch::default()),
            _ => read_many(&self.account, &names).await,
        };
        let batch = match batch {
            Ok(batch) => batch,
            // One name that is refused spoils the call for all: each is asked for by itself.
            Err(error) if is_about_one(error.kind) => Batch::default(),
            Err(error) => {
                let refused =
                    |wanted: Result<Wanted, _>| Err(wanted.err().unwrap_or(error.clone()));
                return wanted.into_iter().map(refused).collect();
            }
        };
        let mut answers = Vec::with_capacity(requests.len());
        for (request, wanted) in requests.iter().zip(wanted) {
            answers.push(match wanted {
                Err(error) => Err(error),
                Ok(wanted) => match batch.found.get(&wanted.place.id) {
                    Some(value) if is_plain(&wanted.place) => self.pick(value, &wanted),
                    None if is_plain(&wanted.place) && batch.absent.contains(&wanted.place.id) => {
                        Err(absent(&wanted.place))
                    }
                    Some(_) | None => self.fetch(request).await,
                },
            });
        }
        answers
    }

    async fn probe(&self) -> Result<(), ProviderError> {
        let body = json!({ "MaxResults": 1 });
        let asked = self.account.call("DescribeParameters", "the list of parameters", &body).await;
        match asked {
            // It knows us, and has no need to let us list.
            Err(error) if error.kind == ProviderErrorKind::Denied => Ok(()),
            asked => asked.map(drop),
        }
    }
}

/// Whether it is asked for by nothing but its name.
fn is_plain(place: &Place) -> bool {
    place.version.is_none() && place.stage.is_none() && !place.id.contains(':')
}

fn is_about_one(kind: ProviderErrorKind) -> bool {
    matches!(
        kind,
        ProviderErrorKind::Denied | ProviderErrorKind::NotFound | ProviderErrorKind::InvalidRequest
    )
}

fn words(place: &Place) -> String {
    format!("parameter `{}`", place.selector())
}

fn absent(place: &Place) -> ProviderError {
    ProviderError::new(ProviderErrorKind::NotFound, format!("{} not found", words(place)))
        .help("look at the name, the version and the region")
}

async fn read(account: &Account, place: &Place) -> Result<SecretValue, ProviderError> {
    #[derive(Deserialize)]
    struct Found<'a> {
        #[serde(borrow, rename = "Parameter")]
        parameter: Parameter<'a>,
    }
    let body = json!({ "Name": place.selector(), "WithDecryption": true });
    let answer = account.call("GetParameter", &words(place), &body).await?;
    let found = serde_json::from_slice::<Found<'_>>(&answer.body).ok();
    let value = found.and_then(|found| found.parameter.text());
    value.ok_or_else(|| cloud::malformed(&account.address, &words(place)))
}

async fn read_many(account: &Account, names: &BTreeSet<String>) -> Result<Batch, ProviderError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Found<'a> {
        #[serde(borrow)]
        parameters: Vec<Parameter<'a>>,
        #[serde(default)]
        invalid_parameters: BTreeSet<String>,
    }
    let body = json!({ "Names": names, "WithDecryption": true });
    let what = format!("{} parameters", names.len());
    let answer = account.call("GetParameters", &what, &body).await?;
    let malformed = || cloud::malformed(&account.address, &what);
    let answered: Found<'_> = serde_json::from_slice(&answer.body).map_err(|_| malformed())?;
    let mut batch = Batch { absent: answered.invalid_parameters, ..Batch::default() };
    for parameter in &answered.parameters {
        batch.found.insert(parameter.name.to_owned(), parameter.text().ok_or_else(malformed)?);
    }
    Ok(batch)
}
