//! Which providers there are, what is configured for them, and whether they answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Configured;
use crate::host::{Host, Limits};
use crate::provider::{
    Environment, Provider, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};
use crate::resolve::ask::Pace;
use crate::resolve::fetch::process;
use crate::resolve::group::Surroundings;
use crate::resolve::logins::Logins;

/// Which providers are asked whether they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probing {
    /// None.
    Nobody,
    /// Those that are configured, or need no configuration.
    Configured,
    /// All, also those that would be looked for at the places they have by default.
    Everybody,
}

/// A provider, or a named instance of it.
#[derive(Clone, Debug)]
pub struct ProbedProvider {
    /// The word in `provider:`.
    pub name: String,
    /// The word in `options.instance`; `None`: what is used without it.
    pub instance: Option<String>,
    /// Whose it is.
    pub kind: ProviderKind,
    /// `FILE:LINE` of what is configured for it.
    pub from: Vec<String>,
    /// Whether it answered; `None`: it was not asked.
    pub answer: Option<Result<(), ProviderError>>,
}

/// Whose a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// This build has it.
    BuiltIn,
    /// It was found from outside, by its name.
    Plugin,
    /// There is none of this name.
    Missing,
}

/// Tells of every provider of this build or of the configuration, asking them all at the same time.
pub async fn probe_providers(host: &Host, probing: Probing) -> Vec<ProbedProvider> {
    let logins = Logins::default();
    let context = ResolveContext {
        env: Arc::new(Environment { workflow: BTreeMap::new(), process: process(host) }),
        folders: [host.current_dir.clone()].into(),
        request_timeout: host.limits.request,
        clock: host.clock,
        asking: None,
    };
    let mut probed = listed(host);
    // One that hangs makes nobody else late.
    let limits = Limits { at_once: probed.len(), ..host.limits };
    let pace = Pace::new(host, logins.permits(limits));
    let session = Arc::new(logins.session(context.clone()));
    let at = Surroundings { context, logins: logins.clone(), session, pace };
    let mut running = JoinSet::new();
    for (index, one) in probed.iter().enumerate() {
        let provider = host.providers.named(&one.name);
        let Some(provider) = provider.filter(|provider| wanted(probing, one, &**provider)) else {
            continue;
        };
        let options = configured(host, one).map(|found| found.options.clone()).unwrap_or_default();
        let request = SecretRequest { name: String::new(), key: String::new(), options };
        let group = at.session.group(&provider, provider.identity(&request));
        let (at, limit) = (at.clone(), host.limits.request);
        running.spawn(async move {
            // Instances that share a login wait for each other, but not longer than one request takes.
            let late = || ProviderError::new(ProviderErrorKind::TimedOut, "no answer in time");
            (index, timeout(limit, group.probe(at)).await.unwrap_or_else(|_| Err(late())))
        });
    }
    while let Some(ended) = running.join_next().await {
        if let Ok((index, answer)) = ended {
            probed[index].answer = Some(answer);
        }
    }
    // Who answers has shown it; what a login that nobody used leaves behind ends by itself.
    drop(logins.close(host.limits.close).await);
    probed
}

fn kind(host: &Host, name: &str) -> ProviderKind {
    if host.providers.is_built_in(name) {
        return ProviderKind::BuiltIn;
    }
    host.providers.named(name).map_or(ProviderKind::Missing, |_| ProviderKind::Plugin)
}

fn wanted(probing: Probing, one: &ProbedProvider, provider: &dyn Provider) -> bool {
    match probing {
        Probing::Nobody => false,
        Probing::Configured => !one.from.is_empty() || !provider.needs_settings(),
        Probing::Everybody => true,
    }
}

fn configured<'a>(host: &'a Host, one: &ProbedProvider) -> Option<&'a Configured> {
    let settings = host.settings.providers.get(&one.name)?;
    match &one.instance {
        None => Some(&settings.defaults),
        Some(name) => settings.instances.get(name),
    }
}

/// Every provider with its instances: those of this build first, in their order.
fn listed(host: &Host) -> Vec<ProbedProvider> {
    let known = host.providers.names();
    let foreign = host.settings.providers.keys().map(String::as_str);
    let foreign = foreign.filter(|name| !host.providers.is_built_in(name));
    let mut listed = Vec::new();
    for name in known.chain(foreign) {
        let kind = kind(host, name);
        let one = |instance: Option<&String>, from: &[String]| ProbedProvider {
            name: name.to_owned(),
            instance: instance.cloned(),
            kind,
            from: from.to_vec(),
            answer: None,
        };
        let settings = host.settings.providers.get(name);
        listed.push(one(None, settings.map_or(&[], |settings| &settings.defaults.from)));
        let instances = settings.into_iter().flat_map(|settings| &settings.instances);
        listed.extend(instances.map(|(instance, found)| one(Some(instance), &found.from)));
    }
    listed
}
