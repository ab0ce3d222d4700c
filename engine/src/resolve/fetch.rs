//! Asking providers and the registry for all secrets of a workflow, at the same time.
//!
//! What is asked of the registry, and what its answers mean, is in [`super::registry`]; how a provider
//! is asked in [`super::group`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ask::Pace;
use super::asker::Asker;
use super::group::{Answered, Group, Indexed, Surroundings};
use super::logins::InUse;
use super::offline::Offline;
use super::refusal::{self, of_group};
use super::registry::{FoundAt, look_up};
use super::request::{Looked, Ready, Unready, ready};
use super::summary::{ProviderSummary, Summary};
use super::warned::warned;
use super::{Setup, search_folders};
use crate::diagnostic::Diagnostic;
use crate::env::{self, Layer};
use crate::host::Host;
use crate::masks::Masks;
use crate::provider::{Environment, Identity, Provider, ProviderError, ResolveContext};
use crate::secret::SecretValue;
use crate::workflow::{SecretDecl, SecretSource, Workflow};

/// A value of the workflow.
pub(super) struct FetchedValue {
    pub(super) value: SecretValue,
    /// Earlier values of the secret, to be masked like the value.
    pub(super) retired: Vec<SecretValue>,
    /// Where the registry had it; `None` for one of a provider.
    pub(super) found: Option<FoundAt>,
    /// When the offline cache kept it; `None` for a value of now.
    pub(super) cached: Option<SystemTime>,
}

/// A value; or what is wrong, unless the diagnostic of another secret says it too.
pub(super) type Fetched = Result<FetchedValue, Option<Diagnostic>>;

/// What came of all secrets.
pub(super) struct AllFetched {
    /// In the order of the declarations.
    pub(super) results: Vec<Fetched>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) summary: Summary,
    /// Keeps open what was opened for them.
    pub(super) session: Arc<InUse>,
}

/// Fetches every secret, from the registry and the providers at the same time.
pub(super) async fn fetch_all(
    workflow: &Workflow,
    setup: &Setup,
    asker: &Asker,
    host: &Host,
    masks: &Masks,
) -> AllFetched {
    let started = Instant::now();
    let from_registry = async {
        let answered = look_up(workflow, asker, host, masks, started + host.limits.resolve).await;
        (answered, started.elapsed())
    };
    let at = surroundings(workflow, setup, asker, host, masks);
    let (provided, (answered, registry_took)) =
        tokio::join!(Box::pin(from_providers(workflow, &at, host)), Box::pin(from_registry),);
    let Provided { mut results, mut warnings, mut providers } = provided;
    let refs = answered.results.len();
    providers.extend((refs > 0).then(|| ProviderSummary::registry(refs, registry_took)));
    warnings.extend(answered.warnings);
    results.extend(answered.results);
    let lost = |secret: &SecretDecl| {
        let message = format!("fetching `{}` broke off", secret.name);
        let lost = Diagnostic::error("secret-not-resolved", message);
        Err(Some(lost.at(secret.key_span, "asked for here")))
    };
    let declared = workflow.secrets.iter().enumerate();
    let results =
        declared.map(|(index, secret)| results.remove(&index).unwrap_or_else(|| lost(secret)));
    let results: Vec<Fetched> = results.collect();
    let summary = Summary { secrets: results.len(), took: started.elapsed(), providers };
    AllFetched { results, warnings, summary, session: at.session }
}

#[derive(Default)]
struct Provided {
    results: BTreeMap<usize, Fetched>,
    warnings: Vec<Diagnostic>,
    providers: Vec<ProviderSummary>,
}

/// What the providers answered, by the place of the declaration.
async fn from_providers(workflow: &Workflow, at: &Surroundings, host: &Host) -> Provided {
    let Plan { groups, refusals, warnings } = plan(workflow, host);
    let mut provided = Provided { warnings, ..Provided::default() };
    for (index, why) in refusals {
        let found = refusal::unready(&workflow.secrets[index], &why);
        provided.results.insert(index, Err(Some(found)));
    }
    let mut offline = Offline::new(&groups, at, host);
    let ask = |group: Arc<Group>, requests| Box::pin(group.fetch(requests, at.clone()));
    for (provider, answered) in ask_groups(groups, at, ask).await {
        provided.providers.push(ProviderSummary::of(
            &provider,
            answered.results.len(),
            answered.tally,
        ));
        let (mut values, mut failures) = part(answered.results);
        offline.note(&values, &answered.asked);
        offline.note_lost(&failures);
        let both = (&mut values, &mut failures);
        provided.warnings.extend(offline.stand_in(&provider, both, &workflow.secrets).await);
        let has_values = !values.is_empty();
        let found =
            of_group(&provider, &failures, answered.is_shut_out, has_values, &workflow.secrets);
        provided.results.extend(found.into_iter().map(|(index, found)| (index, Err(found))));
        let value = |(index, value)| {
            let cached = offline.kept_at(index);
            (index, Ok(FetchedValue { value, retired: Vec::new(), found: None, cached }))
        };
        provided.results.extend(values.into_iter().map(value));
    }
    provided.warnings.extend(offline.keep().await);
    let clients = at.logins.clients();
    for (name, retired) in clients.iter().flat_map(|client| client.retired()) {
        for (index, result) in &mut provided.results {
            if let Ok(fetched) = result
                && workflow.secrets[*index].name == name
            {
                fetched.retired.push(retired.clone());
            }
        }
    }
    provided.warnings.extend(warned(&clients, workflow));
    provided.providers = ProviderSummary::joined(provided.providers);
    provided
}

/// Failures, by the place of the declaration.
pub(super) type Failures = Vec<(usize, ProviderError)>;

/// Values and failures, each in the order of the declarations.
pub(super) fn part<T>(
    mut results: Vec<(usize, Result<T, ProviderError>)>,
) -> (Vec<(usize, T)>, Failures) {
    results.sort_by_key(|(index, _)| *index);
    let (mut values, mut failures) = (Vec::new(), Vec::new());
    for (index, result) in results {
        match result {
            Ok(value) => values.push((index, value)),
            Err(error) => failures.push((index, error)),
        }
    }
    (values, failures)
}

/// Requests by provider and login.
pub(super) type Groups = BTreeMap<(String, Identity), (Arc<dyn Provider>, Vec<Indexed>)>;

/// The requests of a workflow by who is asked.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) groups: Groups,
    /// Requests that cannot be put.
    pub(super) refusals: Vec<(usize, Unready)>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Sorts the requests by provider and login; asks nobody.
pub(super) fn plan(workflow: &Workflow, host: &Host) -> Plan {
    let mut plan = Plan::default();
    let mut looked = Looked::default();
    let mut led: BTreeMap<String, Vec<&SecretDecl>> = BTreeMap::new();
    for (index, secret) in workflow.secrets.iter().enumerate() {
        let SecretSource::Provider { provider: name, .. } = &secret.source else { continue };
        match ready(secret, host, &mut looked) {
            None => {}
            Some(Ok(Ready { provider, request, leads_elsewhere })) => {
                if leads_elsewhere {
                    led.entry(name.clone()).or_default().push(secret);
                }
                let key = (name.clone(), provider.identity(&request));
                let group = plan.groups.entry(key).or_insert_with(|| (provider, Vec::new()));
                group.1.push((index, request));
            }
            Some(Err(why)) => plan.refusals.push((index, why)),
        }
    }
    plan.warnings = led.iter().map(|(name, secrets)| elsewhere(name, secrets)).collect();
    plan
}

fn elsewhere(provider: &str, secrets: &[&SecretDecl]) -> Diagnostic {
    let message = format!(
        "the workflow names an address for {} that is not in your configuration of provider \
         `{provider}`: your credentials go there",
        refusal::names(secrets)
    );
    let found = Diagnostic::warning("provider-address", message);
    refusal::beside(found, secrets).help(format!(
        "list it in `trusted_addresses` of `[provider.{provider}]` in your subrosa.toml; addresses \
         that are not listed are then refused"
    ))
}

/// Asks each group, all at the same time.
pub(super) async fn ask_groups<T, F>(
    groups: Groups,
    at: &Surroundings,
    ask: impl Fn(Arc<Group>, Vec<Indexed>) -> F,
) -> Vec<(String, Answered<T>)>
where
    T: Send + 'static,
    F: Future<Output = Answered<T>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for ((name, identity), (provider, requests)) in groups {
        let asking = ask(at.session.group(&provider, identity), requests);
        running.spawn(async move { (name, asking.await) });
    }
    let mut answered = Vec::new();
    while let Some(ended) = running.join_next().await {
        // A provider's panic is contained nearer to it; a request without an answer is told as lost.
        answered.extend(ended);
    }
    answered.sort_by_key(|(_, answered): &(String, Answered<T>)| {
        answered.results.iter().map(|(index, _)| *index).min()
    });
    answered
}

/// What providers see, and how they are asked.
pub(super) fn surroundings(
    workflow: &Workflow,
    setup: &Setup,
    asker: &Asker,
    host: &Host,
    masks: &Masks,
) -> Surroundings {
    let logins = asker.options.logins.clone();
    let pace = Pace::new(host, logins.permits(host.limits));
    let asking = Some(Arc::new(asker.asking(workflow, host, masks)));
    let context = ResolveContext { asking, ..context(workflow, setup, host) };
    let session = Arc::new(logins.session(context.clone()));
    Surroundings { context, logins, session, pace }
}

fn context(workflow: &Workflow, setup: &Setup, host: &Host) -> ResolveContext {
    let in_workflow = |layer: Layer| matches!(layer, Layer::Env | Layer::Dotenv);
    let workflow_scope = setup
        .variables
        .iter()
        .filter(|(_, variable)| in_workflow(variable.layer))
        .filter_map(|(name, variable)| Some((name.to_owned(), variable.value.clone()?)));
    ResolveContext {
        env: Arc::new(Environment { workflow: workflow_scope.collect(), process: process(host) }),
        folders: search_folders(&setup.working_dir, workflow, host).into(),
        request_timeout: host.limits.request,
        clock: host.clock,
        asking: None,
    }
}

/// The process environment as providers see it.
pub(super) fn process(host: &Host) -> BTreeMap<String, SecretValue> {
    env::utf8_names(host).map(|(name, value)| (name.to_owned(), env::from_os(value))).collect()
}
