//! Asking providers and the registry: in parallel, each provider opened once, under deadlines.
//!
//! What is asked of the registry, and what its answers mean, is in [`super::registry`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::asker::Asker;
use super::registry::{FoundAt, look_up};
use super::{Setup, search_folders};
use crate::diagnostic::Diagnostic;
use crate::env::{self, Layer};
use crate::host::Host;
use crate::masks::Masks;
use crate::provider::{
    Client, Environment, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext,
    SecretRequest,
};
use crate::secret::SecretValue;
use crate::workflow::{SecretDecl, SecretSource, Workflow};

/// A value of the workflow.
pub(super) struct FetchedValue {
    pub(super) value: SecretValue,
    /// Earlier values of the secret, to be masked like the value.
    pub(super) retired: Vec<SecretValue>,
    /// Where the registry had it; `None` for one of a provider.
    pub(super) found: Option<FoundAt>,
}

/// A value; or what is wrong, unless the diagnostic of another secret says it too.
pub(super) type Fetched = Result<FetchedValue, Option<Diagnostic>>;

/// What came of all secrets.
pub(super) struct AllFetched {
    /// In the order of the declarations.
    pub(super) results: Vec<Fetched>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// How many secrets are asked for at once.
const AT_ONCE_MAX: usize = 32;

/// Fetches every secret, from the registry and the providers at the same time.
pub(super) async fn fetch_all(
    workflow: &Workflow,
    setup: &Setup,
    asker: &Asker,
    host: &Host,
    masks: &Masks,
) -> AllFetched {
    let deadline = Instant::now() + host.limits.resolve;
    let (mut results, answered) = tokio::join!(
        Box::pin(from_providers(workflow, setup, host, deadline)),
        Box::pin(look_up(workflow, asker, host, masks, deadline)),
    );
    results.extend(answered.results);
    let lost = |secret: &SecretDecl| {
        let message = format!("fetching `{}` broke off", secret.name);
        let lost = Diagnostic::error("secret-not-resolved", message);
        Err(Some(lost.at(secret.key_span, "asked for here")))
    };
    let declared = workflow.secrets.iter().enumerate();
    let results =
        declared.map(|(index, secret)| results.remove(&index).unwrap_or_else(|| lost(secret)));
    AllFetched { results: results.collect(), warnings: answered.warnings }
}

/// What the providers answered, by the place of the declaration.
async fn from_providers(
    workflow: &Workflow,
    setup: &Setup,
    host: &Host,
    deadline: Instant,
) -> BTreeMap<usize, Fetched> {
    let context = context(workflow, setup, host);
    let clients = open_all(workflow, host, &context, deadline).await;
    let mut results: BTreeMap<usize, Fetched> = BTreeMap::new();
    let mut waiting = workflow.secrets.iter().enumerate();
    let mut running: JoinSet<(usize, Fetched)> = JoinSet::new();
    loop {
        while running.len() < AT_ONCE_MAX
            && let Some((index, secret)) = waiting.next()
        {
            let SecretSource::Provider { provider, key, options } = &secret.source else {
                continue;
            };
            match &clients[provider] {
                Ok(client) => {
                    let request = SecretRequest {
                        name: secret.name.clone(),
                        key: key.clone(),
                        options: options.clone(),
                    };
                    let asked = ask(client.clone(), request, host.limits.request, deadline);
                    let (secret, provider) = (secret.clone(), provider.clone());
                    running.spawn(async move {
                        let failed = |error: ProviderError| refused(&secret, &provider, &error);
                        (index, asked.await.map(provided).map_err(failed))
                    });
                }
                Err(error) => {
                    results.insert(index, Err(refused(secret, provider, error)));
                }
            }
        }
        match running.join_next().await {
            Some(Ok((index, result))) => {
                results.insert(index, result);
            }
            Some(Err(_)) => {}
            None => return results,
        }
    }
}

fn provided(value: SecretValue) -> FetchedValue {
    FetchedValue { value, retired: Vec::new(), found: None }
}

async fn ask(
    client: Arc<dyn Client>,
    request: SecretRequest,
    limit: std::time::Duration,
    deadline: Instant,
) -> Result<SecretValue, ProviderError> {
    let until = deadline.min(Instant::now() + limit);
    match timeout_at(until, client.fetch(&request)).await {
        Ok(result) => result,
        Err(_) => Err(ProviderError::new(ProviderErrorKind::TimedOut, "no answer in time")),
    }
}

fn refused(secret: &SecretDecl, provider: &str, error: &ProviderError) -> Option<Diagnostic> {
    let message = if error.kind == ProviderErrorKind::InvalidRequest
        && error.message.starts_with(UNKNOWN)
    {
        format!("could not resolve secret `{}`: {error}", secret.name)
    } else {
        format!("could not resolve secret `{}` from provider `{provider}`: {error}", secret.name)
    };
    let found =
        Diagnostic::error("secret-not-resolved", message).at(secret.key_span, "asked for here");
    Some(match &error.help {
        Some(help) => found.help(help),
        None => found,
    })
}

const UNKNOWN: &str = "unknown secret provider";

fn context(workflow: &Workflow, setup: &Setup, host: &Host) -> ResolveContext {
    let in_workflow = |layer: Layer| matches!(layer, Layer::Env | Layer::Dotenv);
    let workflow_scope = setup
        .variables
        .iter()
        .filter(|(_, variable)| in_workflow(variable.layer))
        .filter_map(|(name, variable)| Some((name.to_owned(), variable.value.clone()?)));
    let process = env::utf8_names(host).map(|(name, value)| (name.to_owned(), env::from_os(value)));
    ResolveContext {
        env: Arc::new(Environment {
            workflow: workflow_scope.collect(),
            process: process.collect(),
        }),
        folders: search_folders(&setup.working_dir, workflow, host).into(),
        request_timeout: host.limits.request,
    }
}

type Opened = Result<Arc<dyn Client>, ProviderError>;

async fn open_all(
    workflow: &Workflow,
    host: &Host,
    context: &ResolveContext,
    deadline: Instant,
) -> BTreeMap<String, Opened> {
    let names: BTreeSet<&str> = workflow
        .secrets
        .iter()
        .filter_map(|secret| match &secret.source {
            SecretSource::Provider { provider, .. } => Some(provider.as_str()),
            SecretSource::Ref(_) => None,
        })
        .collect();
    let mut opened = BTreeMap::new();
    let mut running = JoinSet::new();
    for name in names {
        match host.providers.iter().find(|provider| provider.name() == name) {
            Some(provider) => {
                let (provider, context) = (provider.clone(), context.clone());
                let limit = host.limits.request.min(deadline - Instant::now());
                running.spawn(async move {
                    (provider.name().to_owned(), open(&*provider, &context, limit).await)
                });
            }
            None => {
                opened.insert(name.to_owned(), Err(unknown_provider(name, host)));
            }
        }
    }
    while let Some(result) = running.join_next().await {
        if let Ok((name, client)) = result {
            opened.insert(name, client);
        }
    }
    for secret in &workflow.secrets {
        if let SecretSource::Provider { provider, .. } = &secret.source {
            let broke = || Err(ProviderError::new(ProviderErrorKind::Unavailable, "it broke off"));
            opened.entry(provider.clone()).or_insert_with(broke);
        }
    }
    opened
}

async fn open(
    provider: &dyn Provider,
    context: &ResolveContext,
    limit: std::time::Duration,
) -> Opened {
    match timeout(limit, provider.open(context, &Identity::default())).await {
        Ok(result) => result.map(Arc::from),
        Err(_) => Err(ProviderError::new(ProviderErrorKind::TimedOut, "no login in time")),
    }
}

fn unknown_provider(name: &str, host: &Host) -> ProviderError {
    let known: Vec<&str> = host.providers.iter().map(|provider| provider.name()).collect();
    let near =
        known.iter().find(|known| strsim::damerau_levenshtein(known, &name.to_lowercase()) <= 2);
    let help = match near {
        Some(near) => format!("did you mean `{near}`? Known providers: {}", known.join(", ")),
        None => format!("known providers: {}", known.join(", ")),
    };
    ProviderError::new(ProviderErrorKind::InvalidRequest, format!("{UNKNOWN}: {name}")).help(help)
}

/// Failures that say the same for several secrets stay apart in place, but repeat their help once.
pub(super) fn join_same_failures(diagnostics: &mut [Diagnostic]) {
    let mut told = BTreeSet::new();
    for found in diagnostics {
        if let Some(help) = &found.help
            && !told.insert(help.clone())
        {
            found.help = None;
        }
    }
}
