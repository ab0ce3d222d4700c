//! What the registry would answer to the refs of a workflow: from its index, opening no value, unless
//! values are to be read.

use subrosa_registry::{Lookup, LookupError, Reader, RegistryError, SecretRef};
use tokio::time::Instant;

use super::{CheckDepth, Finding, Values};
use crate::host::Host;
use crate::masks::Masks;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::resolve::asker::Asker;
use crate::resolve::registry::{Unanswered, ask};
use crate::resolve::{cure, reference_of};
use crate::secret::SecretValue;
use crate::workflow::Workflow;

type Outcomes = Vec<(usize, Result<Finding, ProviderError>)>;

/// What the registry says of each ref, with the values that were read for it.
type Answers = Vec<Result<(Finding, Vec<SecretValue>), LookupError>>;

/// What is known of each ref, and what was read of it.
pub(super) async fn look(
    workflow: &Workflow,
    asker: &Asker,
    host: &Host,
    masks: &Masks,
    (depth, deadline): (CheckDepth, Instant),
) -> (Outcomes, Values) {
    let declared = workflow.secrets.iter().enumerate();
    let (indexes, references): (Vec<usize>, Vec<SecretRef>) =
        declared.filter_map(|(index, secret)| Some((index, reference_of(secret)?.clone()))).unzip();
    let (mut outcomes, mut values) = (Outcomes::new(), Values::new());
    let Some(first) = references.first().cloned() else { return (outcomes, values) };
    let scope = asker.scope(workflow);
    let lookup = asker.lookup(workflow, masks.text(&workflow.name).to_string(), host);
    let asked = references.clone();
    let answered = ask(host, deadline, move |reader| answer(reader, &lookup, &asked, depth)).await;
    let answered = match answered {
        Ok(answered) => answered,
        Err(why) => {
            let help = why.help(&first, &scope);
            let error = ProviderError { help, ..ProviderError::new(kind(&why), why.why()) };
            outcomes.extend(indexes.into_iter().map(|index| (index, Err(error.clone()))));
            return (outcomes, values);
        }
    };
    for ((index, reference), result) in indexes.into_iter().zip(&references).zip(answered) {
        let outcome = match result {
            Ok((finding, read)) => {
                values.extend(read.into_iter().map(|value| (index, value)));
                Ok(finding)
            }
            Err(error) => Err(ProviderError::new(lookup_kind(&error), error.to_string())
                .help(cure::lookup(&error, reference, &scope))),
        };
        outcomes.push((index, outcome));
    }
    (outcomes, values)
}

fn answer(
    reader: &dyn Reader,
    lookup: &Lookup,
    references: &[SecretRef],
    depth: CheckDepth,
) -> Result<Answers, RegistryError> {
    match depth {
        CheckDepth::Metadata => {
            let looked = reader.look(lookup, references)?;
            let found = |one: Result<_, _>| one.map(|_| (Finding::Readable, Vec::new()));
            Ok(looked.into_iter().map(found).collect())
        }
        CheckDepth::Values => {
            let answer = reader.resolve(lookup, references)?;
            let read = answer.results.into_iter().map(|one| {
                let found = one?;
                let all = std::iter::once(found.value).chain(found.retired);
                Ok((Finding::Read, all.map(SecretValue::from).collect()))
            });
            Ok(read.collect())
        }
    }
}

fn lookup_kind(error: &LookupError) -> ProviderErrorKind {
    match error {
        LookupError::NotFound | LookupError::NoValue(_) => ProviderErrorKind::NotFound,
        LookupError::Disabled(_) | LookupError::Expired { .. } => ProviderErrorKind::Denied,
        LookupError::Damaged { .. } => ProviderErrorKind::Malformed,
    }
}

fn kind(why: &Unanswered) -> ProviderErrorKind {
    match why {
        Unanswered::NoRegistry | Unanswered::Refused(RegistryError::NoStore { .. }) => {
            ProviderErrorKind::NotFound
        }
        Unanswered::Refused(RegistryError::UnknownEnvironment { .. }) => {
            ProviderErrorKind::InvalidRequest
        }
        Unanswered::Refused(RegistryError::Protected(_)) => ProviderErrorKind::Denied,
        Unanswered::Refused(RegistryError::Key(_)) => ProviderErrorKind::Unauthenticated,
        Unanswered::Refused(_) | Unanswered::BrokeOff => ProviderErrorKind::Unavailable,
        Unanswered::Late => ProviderErrorKind::TimedOut,
    }
}
