//! RESOLVE: from a checked workflow to values, all or nothing.
//!
//! Order: parameters, working folder, dotenv files, `env:`, then every secret at once. Nothing of
//! the workflow runs before all of it is there, except commands in back-ticks of parameters and
//! `env:`, and those not in a dry run. Failures are collected and shown beside the lines that asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use subrosa_masker::{MaskSet, Reach};

use crate::diagnostic::Diagnostic;
use crate::env::{self, Layer};
use crate::host::Host;
use crate::masks::Masks;
use crate::params::{Given, RunParam};
use crate::secret::SecretValue;
use crate::workflow::{SecretDecl, SecretSource, Workflow};

mod fetch;
mod setup;

pub(crate) use setup::{Setup, prepare};

/// A parameter given from outside, literal.
#[derive(Clone, Debug)]
pub struct ParamArg {
    /// `None`: positional.
    pub name: Option<String>,
    /// The value as given.
    pub value: String,
}

/// What the resolution is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A run.
    Run,
    /// A look: no command of the file is run, also not those in back-ticks.
    Dry,
}

/// Why nothing was started.
pub struct ResolveFailure {
    /// What is wrong, beside the lines that asked.
    pub diagnostics: Vec<Diagnostic>,
    /// Hides the values that did resolve; everything that is shown passes it.
    pub masks: Arc<MaskSet>,
    /// Whether secrets are missing, or already parameters, dotenv or `env:` failed.
    pub about_secrets: bool,
}

/// All values of a workflow, and what hides them.
pub struct Resolved {
    pub(crate) setup: Setup,
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) masks: Arc<Masks>,
    warnings: Vec<Diagnostic>,
}

impl Resolved {
    /// The names of the secrets with where they came from (`ref`, or the provider), in order.
    pub fn secrets(&self) -> &[(String, String)] {
        &self.secrets
    }

    /// What a person should know: values too short to mask well, parameters nobody declared.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// What hides the values.
    pub fn masks(&self) -> Arc<MaskSet> {
        self.masks.current()
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
/// # Errors
/// [`ResolveFailure`] with everything that is wrong.
pub async fn resolve(
    workflow: &Workflow,
    params: &[ParamArg],
    host: &Host,
    purpose: Purpose,
) -> Result<Resolved, ResolveFailure> {
    let given: Vec<Given> = params
        .iter()
        .map(|param| Given { name: param.name.clone(), value: env::from_text(&param.value) })
        .collect();
    let masks = Arc::new(Masks::new(host.policy));
    resolve_with(workflow, &given, host, masks, purpose).await
}

/// Resolves a workflow whose secrets join those of its caller.
pub(crate) async fn resolve_with(
    workflow: &Workflow,
    given: &[Given],
    host: &Host,
    masks: Arc<Masks>,
    purpose: Purpose,
) -> Result<Resolved, ResolveFailure> {
    let failure = |diagnostics, masks: &Masks, about_secrets| ResolveFailure {
        diagnostics,
        masks: masks.current(),
        about_secrets,
    };
    let mut setup = prepare(workflow, given, host, &masks, purpose)
        .await
        .map_err(|diagnostics| failure(diagnostics, &masks, false))?;
    let mut warnings = std::mem::take(&mut setup.warnings);
    let fetched = fetch::fetch_all(workflow, &setup, host).await;
    let mut diagnostics = Vec::new();
    let mut values = Vec::new();
    for (secret, result) in workflow.secrets.iter().zip(fetched) {
        match result.and_then(|value| check_value(secret, value)) {
            Ok(value) => values.push((secret, value)),
            Err(found) => diagnostics.push(found),
        }
    }
    let all = values.iter().map(|(_, value)| value.clone()).collect();
    if masks.add(all).is_err() {
        diagnostics.push(too_many_masks());
    }
    if !diagnostics.is_empty() {
        fetch::join_same_failures(&mut diagnostics);
        return Err(failure(diagnostics, &masks, true));
    }
    for (secret, value) in &values {
        warnings.extend(warn_short(secret, value, &masks));
        let source = source_of(secret);
        setup.variables.set(Layer::Secret, &secret.name, Some(value.clone()), source);
    }
    let secrets =
        workflow.secrets.iter().map(|secret| (secret.name.clone(), provider_of(secret))).collect();
    Ok(Resolved { setup, secrets, masks, warnings })
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
fn check_value(secret: &SecretDecl, value: SecretValue) -> Result<SecretValue, Diagnostic> {
    let bytes = value.expose();
    let refused = |message: String, help: &str| {
        Err(Diagnostic::error("unusable-secret-value", message)
            .at(secret.key_span, "its value comes from here")
            .help(help))
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
    Ok(value)
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
            .help("use a longer value, or `--short-secrets always` to mask it everywhere"),
    )
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
