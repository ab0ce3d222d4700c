//! RESOLVE: from a checked workflow to values, all or nothing.
//!
//! Order: parameters, working folder, dotenv files, `env:`, then every secret at once. Nothing of
//! the workflow runs before all of it is there, except commands in back-ticks of parameters and
//! `env:`, and those not in a dry run. Failures are collected and shown beside the lines that asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use subrosa_masker::{MaskSet, Reach};
use subrosa_registry::{EnvironmentName, SecretRef};

use crate::diagnostic::Diagnostic;
use crate::env::{self, Layer};
use crate::host::Host;
use crate::masks::{Masks, Owner};
use crate::params::{Given, RunParam};
use crate::secret::SecretValue;
use crate::workflow::{SecretDecl, SecretSource, Workflow};

mod ask;
mod asker;
mod backoff;
mod connections;
mod contained;
mod cure;
mod fetch;
mod group;
mod logins;
mod look;
mod offline;
mod refusal;
mod registry;
mod request;
mod setup;
mod summary;
mod warned;

use fetch::FetchedValue;

pub(crate) use asker::Asker;
pub use asker::{EnvironmentChoice, Purpose, ResolveOptions};
pub use logins::Logins;
pub use look::{
    CheckDepth, CheckReport, CheckedSecret, Finding, ProbedProvider, Probing, ProviderKind,
    check_secrets, probe_providers,
};
pub use registry::FoundAt;
pub(crate) use registry::scope_words;
pub(crate) use setup::{Setup, prepare};
pub use summary::{ProviderSummary, Summary};

/// A parameter given from outside, literal.
#[derive(Clone, Debug)]
pub struct ParamArg {
    /// `None`: positional.
    pub name: Option<String>,
    /// The value as given.
    pub value: String,
}

/// Why nothing was started.
pub struct ResolveFailure {
    /// What is wrong, beside the lines that asked; then what a person should know besides.
    pub diagnostics: Vec<Diagnostic>,
    /// Hides the values that did resolve; everything that is shown passes it.
    pub masks: Arc<MaskSet>,
    /// Whether secrets are missing, or already parameters, dotenv or `env:` failed.
    pub about_secrets: bool,
    /// On whose behalf it was tried.
    pub(crate) asker: Asker,
}

/// A secret that was resolved, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedSecret {
    /// The variable.
    pub name: String,
    /// `ref` or the provider's name.
    pub provider: String,
    /// The ref, of a secret that has one.
    pub reference: Option<SecretRef>,
    /// Where the registry had the value, of a secret with a ref.
    pub found: Option<FoundAt>,
    /// When the value was kept, of one that the offline cache gave.
    pub cached: Option<SystemTime>,
    /// Whether the value is masked: not with `mask: false`.
    pub masked: bool,
    /// Whether the value is too short or too common a word to be masked well.
    pub short: bool,
}

/// All values of a workflow, and what hides them.
pub struct Resolved {
    pub(crate) setup: Setup,
    pub(crate) secrets: Vec<ResolvedSecret>,
    pub(crate) masks: Arc<Masks>,
    pub(crate) asker: Asker,
    warnings: Vec<Diagnostic>,
    summary: Summary,
}

impl Resolved {
    /// What it took.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The secrets with where they came from, in order.
    pub fn secrets(&self) -> &[ResolvedSecret] {
        &self.secrets
    }

    /// The environment of the registry that was chosen.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        self.asker.environment.as_ref()
    }

    /// What a person should know: values too short to mask well, parameters nobody declared.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// What hides the values.
    pub fn masks(&self) -> Arc<MaskSet> {
        self.masks.current()
    }

    /// The name of the secret whose value stands at a place of the masks, as counts of what was found
    /// tell places.
    pub fn secret_at(&self, place: usize) -> String {
        self.masks.owner(place).name().to_owned()
    }

    /// A file in which a command that is no step registers more values; what it prints is to be masked
    /// with the masks of the file. It lies in memory, or below the data directory of `host`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn mask_file(&self, host: &Host) -> std::io::Result<crate::MaskFile> {
        crate::MaskFile::create(self.masks.clone(), host, &host.data_dir)
    }

    /// Where a command of the workflow starts.
    pub fn working_dir(&self) -> &Path {
        &self.setup.working_dir
    }

    /// The environment of a command that is no step: process, workflow, secrets.
    pub fn exec_environment(&self, host: &Host, keep_all: bool) -> Vec<(String, SecretValue)> {
        let mut all = env::process_layer(host, keep_all);
        all.put(&self.setup.variables);
        let usable = all.values().filter(|(name, _)| crate::names::is_env_name(name));
        usable.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

/// Resolves a workflow.
///
/// The logins stay open: whoever has the values polls [`Logins::keep`] while they are in use, and ends
/// with [`Logins::close`]; a run does both. After a failure they are closed here; whoever drops this
/// before its end closes them.
///
/// # Errors
/// [`ResolveFailure`] with everything that is wrong.
pub async fn resolve(
    workflow: &Workflow,
    params: &[ParamArg],
    host: &Host,
    options: ResolveOptions,
) -> Result<Resolved, ResolveFailure> {
    let given = given(params);
    let masks = Arc::new(Masks::of_run(workflow, host));
    let logins = options.logins.clone();
    let asker = Asker::outermost(workflow, options, host);
    let mut resolved = resolve_with(workflow, &given, host, masks, asker).await;
    if let Err(failure) = &mut resolved {
        // Nothing is started that could use what was lent.
        let left = logins.close(host.limits.close).await;
        let told = left.into_iter().map(|message| Diagnostic::warning("provider-close", message));
        failure.diagnostics.extend(told);
    }
    resolved
}

/// The parameters as a called workflow gets them.
fn given(params: &[ParamArg]) -> Vec<Given> {
    let given =
        |param: &ParamArg| Given { name: param.name.clone(), value: env::from_text(&param.value) };
    params.iter().map(given).collect()
}

/// Resolves a workflow whose secrets join those of its caller.
pub(crate) async fn resolve_with(
    workflow: &Workflow,
    given: &[Given],
    host: &Host,
    masks: Arc<Masks>,
    asker: Asker,
) -> Result<Resolved, ResolveFailure> {
    let failure = |diagnostics, about_secrets| ResolveFailure {
        diagnostics,
        masks: masks.current(),
        about_secrets,
        asker: asker.clone(),
    };
    let mut setup = prepare(workflow, given, host, &masks, asker.options.purpose)
        .await
        .map_err(|diagnostics| failure(diagnostics, false))?;
    let mut warnings = std::mem::take(&mut setup.warnings);
    let (fetched, looked) = tokio::join!(
        fetch::fetch_all(workflow, &setup, &asker, host, &masks),
        connections::look(workflow, &asker, host, &masks),
    );
    warnings.extend(fetched.warnings);
    let mut diagnostics = Vec::new();
    let mut values = Vec::new();
    for (secret, result) in workflow.secrets.iter().zip(fetched.results) {
        match result {
            Ok(fetched) => match check_value(secret, &fetched.value) {
                None => values.push((secret, fetched)),
                Some(found) => diagnostics.push(found),
            },
            Err(found) => diagnostics.extend(found),
        }
    }
    let (unusable, told) = looked.into_iter().partition(Diagnostic::is_error);
    warnings.extend::<Vec<_>>(told);
    diagnostics.extend::<Vec<_>>(unusable);
    if masks.add(to_mask(&values)).is_err() {
        diagnostics.push(too_many_masks());
    }
    if !diagnostics.is_empty() {
        refusal::join_same_failures(&mut diagnostics);
        // Where credentials went is told all the more if nothing came of it.
        diagnostics.extend(warnings);
        return Err(failure(diagnostics, true));
    }
    let mut secrets = Vec::new();
    for (secret, FetchedValue { value, found, cached, .. }) in values {
        let short = if secret.mask { warn_short(secret, &value, &masks) } else { None };
        let resolved = resolved(secret, found);
        secrets.push(ResolvedSecret { short: short.is_some(), cached, ..resolved });
        warnings.extend(short.or_else(|| warn_unmasked(secret)));
        let source = source_of(secret);
        setup.variables.set(Layer::Secret, &secret.name, Some(value), source);
    }
    let asker = asker.keeping(fetched.session);
    Ok(Resolved { setup, secrets, masks, asker, warnings, summary: fetched.summary })
}

/// The values, and those that others may still use in their place.
fn to_mask(values: &[(&SecretDecl, FetchedValue)]) -> Vec<(Owner, SecretValue)> {
    let all = values.iter().filter(|(secret, _)| secret.mask).flat_map(|(secret, fetched)| {
        let owner = Owner::Secret(secret.name.as_str().into());
        let of_one = std::iter::once(&fetched.value).chain(&fetched.retired).cloned();
        of_one.map(move |value| (owner.clone(), value))
    });
    all.collect()
}

fn resolved(secret: &SecretDecl, found: Option<FoundAt>) -> ResolvedSecret {
    ResolvedSecret {
        name: secret.name.clone(),
        provider: provider_of(secret),
        reference: reference_of(secret).cloned(),
        found,
        cached: None,
        masked: secret.mask,
        short: false,
    }
}

/// The ref, if the secret has one.
pub(crate) fn reference_of(secret: &SecretDecl) -> Option<&SecretRef> {
    match &secret.source {
        SecretSource::Ref(reference) => Some(reference),
        SecretSource::Provider { .. } => None,
    }
}

/// `ref`, or the provider's name.
pub(crate) fn provider_of(secret: &SecretDecl) -> String {
    match &secret.source {
        SecretSource::Ref(_) => "ref".to_owned(),
        SecretSource::Provider { provider, .. } => provider.clone(),
    }
}

/// Where a secret comes from, in words.
pub(crate) fn source_of(secret: &SecretDecl) -> String {
    match &secret.source {
        SecretSource::Ref(reference) => format!("ref {reference}"),
        SecretSource::Provider { provider, key, .. } => format!("provider {provider}, key {key}"),
    }
}

/// A string of the environment ends at the first NUL, and the kernel takes 128 KiB of it at most.
const ENTRY_LEN_MAX: usize = 128 * 1024 - 1;

#[expect(clippy::disallowed_methods, reason = "what cannot be an environment value is refused")]
fn check_value(secret: &SecretDecl, value: &SecretValue) -> Option<Diagnostic> {
    let bytes = value.expose();
    let refused = |message: String, help: &str| {
        Some(
            Diagnostic::error("unusable-secret-value", message)
                .at(secret.key_span, "its value comes from here")
                .help(help),
        )
    };
    if bytes.contains(&0) {
        let message = format!("the value of secret `{}` holds a NUL byte", secret.name);
        return refused(
            message,
            "an environment variable cannot hold it; encode it, say as base64",
        );
    }
    if bytes.len() + secret.name.len() + 1 > ENTRY_LEN_MAX {
        let message =
            format!("the value of secret `{}` is too large for the environment", secret.name);
        return refused(
            message,
            "128 KiB is the limit of the system; hand over a file's path instead",
        );
    }
    None
}

#[expect(clippy::disallowed_methods, reason = "the masking policy looks at the value")]
fn warn_short(secret: &SecretDecl, value: &SecretValue, masks: &Masks) -> Option<Diagnostic> {
    let bytes = value.expose().trim_ascii();
    if bytes.is_empty() {
        return None;
    }
    let how = match masks.policy().reach(bytes) {
        Reach::Anywhere => return None,
        Reach::WholeWord => "is masked only where it stands as a whole word",
        Reach::Nowhere => "is not masked",
    };
    let message =
        format!("the value of secret `{}` is short or a common word: it {how}", secret.name);
    Some(
        Diagnostic::warning("short-secret-value", message)
            .at(secret.key_span, "its value comes from here")
            .help("use a longer value, or `masking: {short: always}` to mask it everywhere"),
    )
}

fn warn_unmasked(secret: &SecretDecl) -> Option<Diagnostic> {
    let message = format!("the value of secret `{}` is not masked", secret.name);
    (!secret.mask).then(|| {
        Diagnostic::warning("unmasked-secret", message)
            .at(secret.span, "`mask: false` is here")
            .help("remove `mask: false` if the value must not be seen in logs and records")
    })
}

fn too_many_masks() -> Diagnostic {
    Diagnostic::error("too-many-secrets", "the secrets are too many or too large to be masked")
        .help("at most 10 000 values and 4 MiB can be masked in one run")
}

/// The folders in which relative paths are looked up, in order.
pub(crate) fn search_folders(working_dir: &Path, workflow: &Workflow, host: &Host) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in
        [working_dir.to_path_buf(), host.absolute(&workflow.folder()), host.current_dir.clone()]
    {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// The parameters as JSON, for `DAG_PARAMS_JSON`.
#[expect(clippy::disallowed_methods, reason = "a variable made from the parameters' values")]
pub(crate) fn params_json(params: &[RunParam]) -> SecretValue {
    let text = |param: &RunParam| String::from_utf8_lossy(param.value.expose()).into_owned();
    let map: serde_json::Map<String, serde_json::Value> =
        params.iter().map(|param| (param.name.clone(), text(param).into())).collect();
    env::from_text(serde_json::Value::Object(map).to_string())
}
