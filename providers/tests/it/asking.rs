//! Asking a provider as the engine does: one client, many requests at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use subrosa_engine::provider::{Provider, ProviderError, ResolveContext, SecretRequest};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::workflow::Options;

/// A provider of the table.
pub(crate) fn named(name: &str) -> Arc<dyn Provider> {
    subrosa_providers::builtin().into_iter().find(|provider| provider.name() == name).unwrap()
}

/// A request with options.
pub(crate) fn request(key: &str, options: &[(&str, &str)]) -> SecretRequest {
    let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options: BTreeMap<String, String> = options.iter().map(option).collect();
    SecretRequest { name: "NAME".into(), key: key.into(), options: Options(options) }
}

/// Runs to the end, as the engine would.
pub(crate) fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// The plaintext.
#[expect(clippy::disallowed_methods, reason = "tests compare what was fetched")]
pub(crate) fn plain(value: &SecretValue) -> Vec<u8> {
    value.expose().to_vec()
}

/// Everything that one client answers to requests that need the same login, all asked at once.
pub(crate) fn fetch_all(
    provider: &Arc<dyn Provider>,
    context: &ResolveContext,
    requests: &[SecretRequest],
) -> Vec<Result<Vec<u8>, ProviderError>> {
    in_runtime(async {
        let identity = provider.identity(&requests[0]);
        let client: Arc<dyn subrosa_engine::provider::Client> =
            match provider.open(context, &identity).await {
                Ok(client) => Arc::from(client),
                Err(error) => return requests.iter().map(|_| Err(error.clone())).collect(),
            };
        let asked: Vec<_> = requests
            .iter()
            .map(|request| {
                let (client, request) = (client.clone(), request.clone());
                tokio::spawn(async move { client.fetch(&request).await })
            })
            .collect();
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap().map(|value| plain(&value)));
        }
        client.close().await.unwrap();
        answers
    })
}

/// What one request is answered.
pub(crate) fn fetch_one(
    provider: &Arc<dyn Provider>,
    context: &ResolveContext,
    request: SecretRequest,
) -> Result<Vec<u8>, ProviderError> {
    let answer = fetch_all(provider, context, &[request]).remove(0);
    if let Err(error) = &answer {
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    answer
}
