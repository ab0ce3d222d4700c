//! Asking providers and the registry: in parallel, each provider opened once, under deadlines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use subrosa_registry::{Actor, Lookup, LookupError, Scope};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Setup, search_folders};
use crate::diagnostic::Diagnostic;
use crate::env::{self, Layer};
use crate::host::Host;
use crate::provider::{
    Client, Environment, Provider, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use crate::secret::SecretValue;
use crate::workflow::{SecretDecl, SecretSource, Workflow};

type Fetched = Result<SecretValue, Diagnostic>;

/// How many secrets are asked for at once.
const AT_ONCE_MAX: usize = 32;

/// Fetches every secret; results are in the order of the declarations.
pub(super) async fn fetch_all(workflow: &Workflow, setup: &Setup, host: &Host) -> Vec<Fetched> {
    let deadline = Instant::now() + host.limits.resolve;
    let context = context(workflow, setup, host);
    let clients = open_all(workflow, host, &context, deadline).await;
    let mut results: Vec<Option<Fetched>> = workflow.secrets.iter().map(|_| None).collect();
    let mut waiting = workflow.secrets.iter().enumerate();
    let mut running: JoinSet<(usize, Fetched)> = JoinSet::new();
    loop {
        while running.len() < AT_ONCE_MAX
            && let Some((index, secret)) = waiting.next()
        {
            match &secret.source {
                SecretSource::Provider { provider, key, options } => match &clients[provider] {
                    Ok(client) => {
                        let request = SecretRequest {
                            name: secret.name.clone(),
                            key: key.clone(),
                            options: options.clone(),
                        };
                        let asked = ask(client.clone(), request, host.limits.request, deadline);
                        let secret = secret.clone();
                        let provider = provider.clone();
                        running.spawn(async move {
                            let failed =
                                |error: ProviderError| from_provider(&secret, &provider, &error);
                            (index, asked.await.map_err(failed))
                        });
                    }
                    Err(error) => {
                        results[index] = Some(Err(from_provider(secret, provider, error)))
                    }
                },
                SecretSource::Ref(_) => look_up(&mut running, index, secret, workflow, host),
            }
        }
        match running.join_next().await {
            Some(Ok((index, result))) => results[index] = Some(result),
            Some(Err(_)) => {}
            None => break,
        }
    }
    let lost = |secret: &SecretDecl| {
        Err(Diagnostic::error(
            "secret-not-resolved",
            format!("fetching `{}` broke off", secret.name),
        )
        .at(secret.key_span, "asked for here"))
    };
    let results = workflow.secrets.iter().zip(results);
    results.map(|(secret, result)| result.unwrap_or_else(|| lost(secret))).collect()
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

fn look_up(
    running: &mut JoinSet<(usize, Fetched)>,
    index: usize,
    secret: &SecretDecl,
    workflow: &Workflow,
    host: &Host,
) {
    let (secret, workspace, registry) =
        (secret.clone(), workflow.workspace(), host.registry.clone());
    running.spawn_blocking(move || {
        let SecretSource::Ref(reference) = &secret.source else {
            return (index, Err(Diagnostic::error("secret-not-resolved", "not a ref")));
        };
        let Some(registry) = registry else {
            let message = format!(
                "could not resolve secret `{}` from ref `{reference}`: there is no registry",
                secret.name
            );
            let found = Diagnostic::error("secret-not-resolved", message)
                .at(secret.key_span, "asked for here")
                .help("this build has no secrets registry yet; use `provider` and `key`");
            return (index, Err(found));
        };
        let lookup = Lookup {
            scope: Scope { workspace, environment: None },
            allow_protected: false,
            allow_expired: false,
            audit_required: false,
            actor: Actor::default(),
        };
        let found = match registry.resolve(&lookup, std::slice::from_ref(reference)) {
            Ok(mut answer) => answer
                .results
                .pop()
                .unwrap_or(Err(LookupError::NotFound))
                .map(|found| SecretValue::from(found.value))
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        (index, found.map_err(|error| from_registry(&secret, reference.as_str(), &error)))
    });
}

fn from_registry(secret: &SecretDecl, reference: &str, error: &str) -> Diagnostic {
    let message =
        format!("could not resolve secret `{}` from ref `{reference}`: {error}", secret.name);
    Diagnostic::error("secret-not-resolved", message).at(secret.key_span, "asked for here")
}

fn from_provider(secret: &SecretDecl, provider: &str, error: &ProviderError) -> Diagnostic {
    let message = if error.kind == ProviderErrorKind::InvalidRequest
        && error.message.starts_with(UNKNOWN)
    {
        format!("could not resolve secret `{}`: {error}", secret.name)
    } else {
        format!("could not resolve secret `{}` from provider `{provider}`: {error}", secret.name)
    };
    let found =
        Diagnostic::error("secret-not-resolved", message).at(secret.key_span, "asked for here");
    match &error.help {
        Some(help) => found.help(help),
        None => found,
    }
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
                running.spawn(
                    async move { (provider.name(), open(&*provider, &context, limit).await) },
                );
            }
            None => {
                opened.insert(name.to_owned(), Err(unknown_provider(name, host)));
            }
        }
    }
    while let Some(result) = running.join_next().await {
        if let Ok((name, client)) = result {
            opened.insert(name.to_owned(), client);
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
    match timeout(limit, provider.open(context)).await {
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
