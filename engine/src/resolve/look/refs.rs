//! What the registry would answer to the refs of a workflow: from its index, opening no value.

use subrosa_registry::{Lookup, LookupError, Reader, RegistryError, SecretRef};
use tokio::time::{Instant, timeout_at};

use super::{CheckDepth, Finding};
use crate::host::Host;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::remedy::with_causes;
use crate::resolve::asker::Asker;
use crate::resolve::{cure, reference_of};
use crate::workflow::Workflow;

type Outcomes = Vec<(usize, Result<Finding, ProviderError>)>;

/// What is known of each ref, by the place of the declaration.
pub(super) async fn look(
    workflow: &Workflow,
    asker: &Asker,
    host: &Host,
    depth: CheckDepth,
    deadline: Instant,
) -> Outcomes {
    let declared = workflow.secrets.iter().enumerate();
    let (indexes, references): (Vec<usize>, Vec<SecretRef>) =
        declared.filter_map(|(index, secret)| Some((index, reference_of(secret)?.clone()))).unzip();
    let Some(first) = references.first().cloned() else { return Vec::new() };
    let scope = asker.scope(workflow);
    let all = |error: ProviderError| {
        let all = indexes.iter().map(|index| (*index, Err(error.clone())));
        all.collect::<Outcomes>()
    };
    let Some(reader) = host.registry.clone() else {
        let error = ProviderError::new(ProviderErrorKind::NotFound, "there is no registry yet");
        return all(error.help(cure::set(&first, &scope)));
    };
    let lookup = asker.lookup(workflow, workflow.name.clone(), host);
    let asked = references.clone();
    let asking = tokio::task::spawn_blocking(move || answer(&*reader, &lookup, &asked, depth));
    let answered = match timeout_at(deadline, asking).await {
        Ok(Ok(Ok(answered))) => answered,
        Ok(Ok(Err(error))) => {
            let told = ProviderError::new(kind(&error), with_causes(&error));
            let help = cure::registry(&error, &first, &scope);
            return all(ProviderError { help, ..told });
        }
        Ok(Err(_)) => {
            return all(ProviderError::new(ProviderErrorKind::Unavailable, "reading it broke off"));
        }
        Err(_) => {
            return all(ProviderError::new(ProviderErrorKind::TimedOut, "no answer in time"));
        }
    };
    let told = |(result, reference): (Result<Finding, LookupError>, &SecretRef)| {
        result.map_err(|error| {
            ProviderError::new(lookup_kind(&error), error.to_string())
                .help(cure::lookup(&error, reference, &scope))
        })
    };
    indexes.iter().copied().zip(answered.into_iter().zip(&references).map(told)).collect()
}

fn answer(
    reader: &dyn Reader,
    lookup: &Lookup,
    references: &[SecretRef],
    depth: CheckDepth,
) -> Result<Vec<Result<Finding, LookupError>>, RegistryError> {
    match depth {
        CheckDepth::Metadata => {
            let looked = reader.look(lookup, references)?;
            Ok(looked.into_iter().map(|one| one.map(|_| Finding::Readable)).collect())
        }
        CheckDepth::Values => {
            let answer = reader.resolve(lookup, references)?;
            Ok(answer.results.into_iter().map(|one| one.map(|_| Finding::Read)).collect())
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

fn kind(error: &RegistryError) -> ProviderErrorKind {
    match error {
        RegistryError::NoStore { .. } => ProviderErrorKind::NotFound,
        RegistryError::UnknownEnvironment { .. } => ProviderErrorKind::InvalidRequest,
        RegistryError::Protected(_) => ProviderErrorKind::Denied,
        RegistryError::Key(_) => ProviderErrorKind::Unauthenticated,
        _ => ProviderErrorKind::Unavailable,
    }
}
