//! Asks the registry for the refs of a workflow: all of them at once, in one blocking call.
//!
//! Which scope answers is the registry's business; what its answers mean for the lines that asked is
//! said here, and how to mend it in [`super::cure`].

use std::time::{Duration, SystemTime};

use subrosa_registry::{
    Answer, Found, LookupError, Reader, RegistryError, Scope, SecretRef, WorkspaceName,
};
use tokio::time::{Instant, timeout_at};

use super::asker::Asker;
use super::cure;
use super::fetch::{Fetched, FetchedValue};
use super::refusal::{beside, names};
use crate::diagnostic::Diagnostic;
use crate::host::Host;
use crate::masks::Masks;
use crate::remedy::with_causes;
use crate::secret::SecretValue;
use crate::workflow::{SecretDecl, SecretSource, Workflow};

/// A secret whose value expires within this time is told.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where the registry had the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundAt {
    /// The scope that had it.
    pub scope: Scope,
    /// Its version.
    pub version: u64,
    /// Whether it is past its date, and used because that was allowed.
    pub expired: bool,
    /// Whether earlier values are in use beside it.
    pub overlapping: bool,
}

/// What came of all refs.
#[derive(Default)]
pub(super) struct Answered {
    /// By the place of the declaration.
    pub(super) results: Vec<(usize, Fetched)>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// A declaration with a ref.
#[derive(Clone, Copy)]
struct Asked<'a> {
    index: usize,
    secret: &'a SecretDecl,
    reference: &'a SecretRef,
}

/// Looks all refs of the workflow up.
pub(super) async fn look_up(
    workflow: &Workflow,
    asker: &Asker,
    host: &Host,
    masks: &Masks,
    deadline: Instant,
) -> Answered {
    let asked = asked(workflow);
    if asked.is_empty() {
        return Answered::default();
    }
    let lookup = asker.lookup(workflow, masks.text(&workflow.name).to_string(), host);
    let references: Vec<SecretRef> = asked.iter().map(|one| one.reference.clone()).collect();
    let read = move |reader: &dyn Reader| reader.resolve(&lookup, &references);
    match ask(host, deadline, read).await {
        Ok(answer) => each(&asked, answer, &asker.scope(workflow), (host.clock)()),
        Err(why) => none(&asked, refused(workflow, asker, &asked, &why)),
    }
}

/// Why the registry said nothing of any ref.
pub(super) enum Unanswered {
    /// There is none.
    NoRegistry,
    /// It cannot be read, or not so.
    Refused(RegistryError),
    /// The reader panicked.
    BrokeOff,
    /// It took too long.
    Late,
}

impl Unanswered {
    /// Why, in words.
    pub(super) fn why(&self) -> String {
        match self {
            Unanswered::NoRegistry => "there is no registry yet".to_owned(),
            Unanswered::Refused(error) => with_causes(error),
            Unanswered::BrokeOff => "reading it broke off".to_owned(),
            Unanswered::Late => "no answer in time".to_owned(),
        }
    }

    /// What to do about it, where `first` is one of the refs.
    pub(super) fn help(&self, first: &SecretRef, scope: &Scope) -> Option<String> {
        match self {
            Unanswered::NoRegistry => Some(cure::set(first, scope)),
            Unanswered::Refused(error) => cure::registry(error, first, scope),
            Unanswered::BrokeOff | Unanswered::Late => None,
        }
    }
}

/// Asks the registry, off the async threads and until all must be done.
pub(super) async fn ask<T: Send + 'static>(
    host: &Host,
    deadline: Instant,
    read: impl FnOnce(&dyn Reader) -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, Unanswered> {
    let reader = host.registry.clone().ok_or(Unanswered::NoRegistry)?;
    match timeout_at(deadline, tokio::task::spawn_blocking(move || read(&*reader))).await {
        Ok(Ok(read)) => read.map_err(Unanswered::Refused),
        Ok(Err(_)) => Err(Unanswered::BrokeOff),
        Err(_) => Err(Unanswered::Late),
    }
}

fn asked(workflow: &Workflow) -> Vec<Asked<'_>> {
    let declared = workflow.secrets.iter().enumerate();
    let asked = declared.filter_map(|(index, secret)| match &secret.source {
        SecretSource::Ref(reference) => Some(Asked { index, secret, reference }),
        SecretSource::Provider { .. } => None,
    });
    asked.collect()
}

/// There is no value at all, and one diagnostic says why.
fn none(asked: &[Asked<'_>], refusal: Diagnostic) -> Answered {
    let mut refusal = Some(refusal);
    let results = asked.iter().map(|one| (one.index, Err(refusal.take())));
    Answered { results: results.collect(), warnings: Vec::new() }
}

fn refusal(asked: &[Asked<'_>], why: &str) -> Diagnostic {
    let secrets: Vec<&SecretDecl> = asked.iter().map(|one| one.secret).collect();
    let message = match asked {
        [one] => could_not(one, why),
        _ => format!("could not resolve {} from the registry: {why}", names(&secrets)),
    };
    beside(Diagnostic::error("secret-not-resolved", message), &secrets)
}

fn could_not(one: &Asked<'_>, why: &str) -> String {
    format!("could not resolve secret `{}` from ref `{}`: {why}", one.secret.name, one.reference)
}

fn refused(
    workflow: &Workflow,
    asker: &Asker,
    asked: &[Asked<'_>],
    why: &Unanswered,
) -> Diagnostic {
    let mut refusal = refusal(asked, &why.why());
    let about_environment = matches!(
        why,
        Unanswered::Refused(RegistryError::UnknownEnvironment { .. } | RegistryError::Protected(_))
    );
    let named = workflow.environment.as_ref();
    if let Some(named) = named.filter(|named| Some(&named.name) == asker.environment.as_ref())
        && about_environment
    {
        refusal = refusal.at(named.span, "the environment is named here");
    }
    let scope = asker.scope(workflow);
    refusal.help = asked.first().and_then(|first| why.help(first.reference, &scope));
    refusal
}

fn each(asked: &[Asked<'_>], answer: Answer, scope: &Scope, now: SystemTime) -> Answered {
    let warning = |text: &String| Diagnostic::warning("registry-warning", text);
    let mut answered =
        Answered { results: Vec::new(), warnings: answer.warnings.iter().map(warning).collect() };
    for (one, result) in asked.iter().zip(answer.results) {
        let fetched = match result {
            Ok(found) => {
                answered.warnings.extend(expiry(one, &found, now));
                Ok(taken(found, now))
            }
            Err(error) => Err(Some(missing(one, &error, scope))),
        };
        answered.results.push((one.index, fetched));
    }
    answered
}

fn missing(one: &Asked<'_>, error: &LookupError, scope: &Scope) -> Diagnostic {
    Diagnostic::error("secret-not-resolved", could_not(one, &error.to_string()))
        .at(one.secret.key_span, "asked for here")
        .help(cure::lookup(error, one.reference, scope))
}

fn taken(found: Found, now: SystemTime) -> FetchedValue {
    let at = FoundAt {
        scope: found.address.scope,
        version: found.version,
        expired: found.expires.is_some_and(|expires| expires <= now),
        overlapping: !found.retired.is_empty(),
    };
    FetchedValue {
        value: SecretValue::from(found.value),
        retired: found.retired.into_iter().map(SecretValue::from).collect(),
        found: Some(at),
        cached: None,
    }
}

fn expiry(one: &Asked<'_>, found: &Found, now: SystemTime) -> Option<Diagnostic> {
    let expires = found.expires?;
    let (code, verb) = match expires.duration_since(now) {
        Ok(left) if left > EXPIRES_SOON => return None,
        Ok(left) if !left.is_zero() => ("secret-expires-soon", "expires"),
        Ok(_) | Err(_) => ("secret-expired", "expired"),
    };
    // Nothing that was stored makes the formatter panic, as a time before 1970 would.
    let date = humantime::format_rfc3339_seconds(expires.max(SystemTime::UNIX_EPOCH));
    let (name, reference) = (&one.secret.name, one.reference);
    let message = format!("secret `{name}` from ref `{reference}` {verb} on {date}");
    Some(
        Diagnostic::warning(code, message)
            .at(one.secret.key_span, "asked for here")
            .help(cure::rotate(&found.address)),
    )
}

/// The words of a scope for a list: `workspace payments, environment prod`; none for the global one.
pub(crate) fn scope_words(scope: &Scope) -> Vec<String> {
    let workspace = scope.workspace.as_ref().map(WorkspaceName::as_str);
    let workspace = workspace.map(|name| format!("workspace {name}"));
    let environment = scope.environment.as_ref().map(|name| format!("environment {name}"));
    workspace.into_iter().chain(environment).collect()
}
