//! What could be resolved, found out with as little reading as the other side allows; and which
//! providers answer at all.
//!
//! A value that had to be read is dropped at once. Logins that were made are closed before the answer
//! is given.

mod providers;
mod refs;

use std::collections::BTreeMap;
use std::sync::Arc;

use subrosa_masker::MaskSet;
use tokio::time::Instant;

use super::asker::Asker;
use super::fetch::{ask_groups, part, plan, surroundings};
use super::group::{Answered, Group, Indexed, Surroundings};
use super::{
    ParamArg, ResolveFailure, ResolveOptions, given, prepare, provider_of, too_many_masks,
};
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::masks::{Masks, Owner};
use crate::provider::{Checked, ProviderError};
use crate::secret::SecretValue;
use crate::workflow::{SecretDecl, SecretSource, Workflow};

pub use providers::{ProbedProvider, Probing, ProviderKind, probe_providers};

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDepth {
    /// As far as it goes without reading values.
    Metadata,
    /// Every value is read, and dropped.
    Values,
}

/// What a check found out of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It was read.
    Read,
    /// It is there and may be read.
    Readable,
    /// The place exists, or may be read; only reading tells all.
    Likely,
    /// The provider has no way to tell without reading it.
    WouldRead,
}

/// One secret of a check.
#[derive(Clone, Debug)]
pub struct CheckedSecret {
    /// The variable.
    pub name: String,
    /// `ref`, or the provider's name.
    pub provider: String,
    /// The key or the ref.
    pub key: String,
    /// What was found out, or why it would not resolve.
    pub outcome: Result<Finding, ProviderError>,
}

/// What a check found out.
pub struct CheckReport {
    /// In the order of the declarations.
    pub secrets: Vec<CheckedSecret>,
    /// What a person should know.
    pub warnings: Vec<Diagnostic>,
    /// Hides what was read, and what parameters and `env:` brought.
    pub masks: Arc<MaskSet>,
}

/// What was read, by the place of the declaration; of one place there can be several.
type Values = Vec<(usize, SecretValue)>;

/// What is known, by the place of the declaration.
type Outcomes = BTreeMap<usize, Result<Finding, ProviderError>>;

/// Finds out for every secret of a workflow whether it would resolve.
///
/// # Errors
/// [`ResolveFailure`]: already parameters, dotenv or `env:` are wrong, or what was read is too much to be
/// masked.
pub async fn check_secrets(
    workflow: &Workflow,
    params: &[ParamArg],
    host: &Host,
    options: ResolveOptions,
    depth: CheckDepth,
) -> Result<CheckReport, ResolveFailure> {
    let masks = Masks::of_run(workflow, host);
    let asker = Asker::outermost(workflow, options, host);
    let setup = prepare(workflow, &given(params), host, &masks, asker.options.purpose).await;
    let failure = |diagnostics, about_secrets| ResolveFailure {
        diagnostics,
        masks: masks.current(),
        about_secrets,
        asker: asker.clone(),
    };
    let setup = setup.map_err(|diagnostics| failure(diagnostics, false))?;
    let at = surroundings(workflow, &setup, &asker, host, &masks);
    let deadline = Instant::now() + host.limits.resolve;
    let ((mut outcomes, mut warnings, mut values), (of_refs, read)) = tokio::join!(
        Box::pin(of_providers(workflow, host, &at, depth)),
        Box::pin(refs::look(workflow, &asker, host, &masks, (depth, deadline))),
    );
    outcomes.extend(of_refs);
    values.extend(read);
    // Messages of a provider that was given values by others pass the masks, too.
    let masked = values.into_iter().filter(|(index, _)| workflow.secrets[*index].mask);
    let added = masks.add(masked.map(|(_, value)| (Owner::Derived, value)).collect());
    let left = asker.options.logins.close(host.limits.close).await;
    warnings.extend(left.into_iter().map(|told| Diagnostic::warning("provider-close", told)));
    if added.is_err() {
        warnings.insert(0, too_many_masks());
        return Err(failure(warnings, true));
    }
    let declared = workflow.secrets.iter().enumerate();
    let secrets = declared.map(|(index, secret)| checked(secret, outcomes.remove(&index)));
    Ok(CheckReport { secrets: secrets.collect(), warnings, masks: masks.current() })
}

fn checked(secret: &SecretDecl, outcome: Option<Result<Finding, ProviderError>>) -> CheckedSecret {
    let key = match &secret.source {
        SecretSource::Ref(reference) => reference.as_str().to_owned(),
        SecretSource::Provider { key, .. } => key.clone(),
    };
    CheckedSecret {
        name: secret.name.clone(),
        provider: provider_of(secret),
        key,
        outcome: outcome.unwrap_or_else(|| Err(super::logins::broke_off())),
    }
}

async fn of_providers(
    workflow: &Workflow,
    host: &Host,
    at: &Surroundings,
    depth: CheckDepth,
) -> (Outcomes, Vec<Diagnostic>, Values) {
    let plan = plan(workflow, host);
    let mut outcomes = Outcomes::new();
    for (index, why) in plan.refusals {
        outcomes.insert(index, Err(why.into_error()));
    }
    let mut values = Vec::new();
    match depth {
        CheckDepth::Metadata => {
            let ask = |group: Arc<Group>, requests: Vec<Indexed>| {
                Box::pin(group.check(requests, at.clone()))
            };
            for (_, Answered { results, .. }) in ask_groups(plan.groups, at, ask).await {
                let found = results.into_iter().map(|(index, result)| (index, result.map(finding)));
                outcomes.extend(found);
            }
        }
        CheckDepth::Values => {
            let ask = |group: Arc<Group>, requests: Vec<Indexed>| {
                Box::pin(group.fetch(requests, at.clone()))
            };
            for (_, Answered { results, .. }) in ask_groups(plan.groups, at, ask).await {
                let (read, failures) = part(results);
                outcomes.extend(failures.into_iter().map(|(index, error)| (index, Err(error))));
                outcomes.extend(read.iter().map(|(index, _)| (*index, Ok(Finding::Read))));
                values.extend(read);
            }
        }
    }
    (outcomes, plan.warnings, values)
}

fn finding(checked: Checked) -> Finding {
    match checked {
        Checked::Readable => Finding::Readable,
        Checked::Likely => Finding::Likely,
        Checked::WouldRead => Finding::WouldRead,
    }
}
