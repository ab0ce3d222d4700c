//! What is known before any secret: parameters, working folder, dotenv, `env:`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Purpose, params_json, search_folders, too_many_masks};
use crate::diagnostic::Diagnostic;
use crate::dotenv;
use crate::env::{self, Layer, Variables};
use crate::host::Host;
use crate::masks::Masks;
use crate::names;
use crate::params::{self, Given, RunParam};
use crate::scope::TextScope;
use crate::substitute::{Place, expand};
use crate::workflow::{EnvEntry, Param, Text, Workflow};

/// The workflow's own layers, without secrets.
pub(crate) struct Setup {
    /// Parameters, `env:`, dotenv and the managed variables that are the same for all steps; after
    /// resolution also the secrets.
    pub(crate) variables: Variables,
    pub(crate) params: Vec<RunParam>,
    pub(crate) working_dir: PathBuf,
    pub(crate) warnings: Vec<Diagnostic>,
}

struct Preparation<'a> {
    workflow: &'a Workflow,
    host: &'a Host,
    masks: &'a Masks,
    purpose: Purpose,
    params: Vec<RunParam>,
}

/// Evaluates everything that comes before secrets.
pub(crate) async fn prepare(
    workflow: &Workflow,
    given: &[Given],
    host: &Host,
    masks: &Masks,
    purpose: Purpose,
) -> Result<Setup, Vec<Diagnostic>> {
    let mut preparation = Preparation { workflow, host, masks, purpose, params: Vec::new() };
    let (params, warnings) = preparation.choose_params(given).await?;
    preparation.params = params;
    let working_dir = preparation.working_dir().await?;
    let dotenv = preparation.dotenv(&working_dir).await?;
    let env = preparation.env(&dotenv, &working_dir, purpose.runs_commands()).await?;
    let mut variables = Variables::default();
    for param in &preparation.params {
        let source = if param.given { "given to the run" } else { "default in params" };
        variables.set(Layer::Params, &param.name, Some(param.value.clone()), source);
    }
    variables.put(&env);
    variables.put(&dotenv);
    let values = preparation.params.iter().map(|param| &param.value);
    masks.add_quoted(values).map_err(|_| vec![too_many_masks()])?;
    let json = params_json(&preparation.params);
    variables.set(Layer::Managed, "DAG_PARAMS_JSON", Some(json), "engine");
    variables.set(Layer::Managed, "DAG_NAME", Some(env::from_text(&workflow.name)), "engine");
    Ok(Setup { variables, params: preparation.params, working_dir, warnings })
}

impl Preparation<'_> {
    fn place<'a>(&self, variables: &'a Variables, working_dir: &Path) -> Option<Place<'a>> {
        self.purpose.runs_commands().then(|| Place {
            variables,
            working_dir: working_dir.to_path_buf(),
            timeout: self.host.limits.resolve,
        })
    }

    async fn fill(
        &self,
        text: &Text,
        variables: &[&Variables],
        place: Option<&Place<'_>>,
    ) -> Result<crate::secret::SecretValue, Diagnostic> {
        let (steps, params) = (&|_: &str| None, &self.params);
        let scope = TextScope { host: self.host, variables, params, steps, masks: self.masks };
        expand(&text.raw, &scope, place).await.map_err(|error| {
            Diagnostic::error("substitution-failed", error.to_string())
                .at(text.span, "in this text")
                .help("run the command by hand to see why")
        })
    }

    /// Defaults may name parameters before them, so they are evaluated one by one.
    async fn choose_params(
        &self,
        given: &[Given],
    ) -> Result<(Vec<RunParam>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let process = env::process_layer(self.host, false);
        let folder = self.host.absolute(&self.workflow.folder());
        let mut defaults: BTreeMap<usize, crate::secret::SecretValue> = BTreeMap::new();
        let mut before = Variables::default();
        let mut unnamed = given.iter().filter(|given| given.name.is_none());
        for (index, param) in self.workflow.params.iter().enumerate() {
            let place = self.place(&process, &folder);
            let named = given.iter().rev().find(|g| g.name.is_some() && g.name == param.name);
            let value = match (&param.default, named.or_else(|| unnamed.next())) {
                (_, Some(given)) => given.value.clone(),
                (Some(text), None) => self
                    .fill(text, &[&before], place.as_ref())
                    .await
                    .map_err(|found| vec![found])?,
                (None, None) => continue,
            };
            if let Some(name) = &param.name {
                before.set(Layer::Params, name, Some(value.clone()), "");
            }
            defaults.insert(index, value);
        }
        let place_of = |param: &Param| self.workflow.params.iter().position(|p| p == param);
        let chosen = params::choose(&self.workflow.params, given, |param, _| {
            let found = place_of(param).and_then(|index| defaults.get(&index)).cloned();
            found.unwrap_or_else(|| env::from_text(""))
        });
        let (errors, warnings): (Vec<_>, Vec<_>) =
            chosen.diagnostics.into_iter().partition(Diagnostic::is_error);
        if errors.is_empty() { Ok((chosen.params, warnings)) } else { Err(errors) }
    }

    /// The folder that steps start in. It may name variables of `env:`, though dotenv files, which
    /// are looked for in it, come later.
    async fn working_dir(&self) -> Result<PathBuf, Vec<Diagnostic>> {
        let folder = self.host.absolute(&self.workflow.folder());
        let Some(text) = &self.workflow.working_dir else {
            return Ok(folder);
        };
        let nothing = Variables::default();
        let env = self.env(&nothing, &folder, false).await?;
        let params = self.param_variables();
        let place = self.place(&env, &folder);
        let value =
            self.fill(text, &[&env, &params], place.as_ref()).await.map_err(|found| vec![found])?;
        let path = folder.join(env::to_os(&value));
        if path.is_dir() {
            return Ok(path);
        }
        let shown = self.masks.text(&shown_path(text, &path));
        Err(vec![
            Diagnostic::error("no-working-dir", format!("working_dir `{shown}` is not a folder"))
                .at(text.span, "named here")
                .help(
                    "make the folder, or name another; a relative path starts at the workflow file",
                ),
        ])
    }

    fn param_variables(&self) -> Variables {
        let mut variables = Variables::default();
        for param in &self.params {
            variables.set(Layer::Params, &param.name, Some(param.value.clone()), "");
        }
        variables
    }

    async fn env(
        &self,
        dotenv: &Variables,
        working_dir: &Path,
        commands: bool,
    ) -> Result<Variables, Vec<Diagnostic>> {
        let params = self.param_variables();
        let process = env::process_layer(self.host, false);
        let mut variables = Variables::default();
        let mut diagnostics = Vec::new();
        for EnvEntry { name, value, .. } in &self.workflow.env {
            let place = if commands { self.place(&process, working_dir) } else { None };
            match self.fill(value, &[&variables, dotenv, &params], place.as_ref()).await {
                Ok(filled) => {
                    let source = self.place_name(value);
                    variables.set(Layer::Env, name, Some(filled), source);
                }
                Err(found) => diagnostics.push(found),
            }
        }
        if diagnostics.is_empty() { Ok(variables) } else { Err(diagnostics) }
    }

    /// `workflow.yaml:3`.
    fn place_name(&self, text: &Text) -> String {
        let source = &self.workflow.source;
        let file = source
            .path()
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into());
        format!("{file}:{}", source.position(text.span.start).line)
    }

    async fn dotenv(&self, working_dir: &Path) -> Result<Variables, Vec<Diagnostic>> {
        let params = self.param_variables();
        let mut variables = Variables::default();
        let mut diagnostics = Vec::new();
        let folders = search_folders(working_dir, self.workflow, self.host);
        let folder = self.host.absolute(&self.workflow.folder());
        for text in &self.workflow.dotenv {
            let place = self.place(&params, working_dir);
            let name = match self.fill(text, &[&params], place.as_ref()).await {
                Ok(value) => env::to_os(&value),
                Err(found) => {
                    diagnostics.push(found);
                    continue;
                }
            };
            // The current folder is no place for dotenv files: only the first two count.
            let beside = folders.iter().take(2).map(|folder| folder.join(&name));
            let Some(path) = beside.into_iter().find(|path| path.exists()) else {
                continue;
            };
            let shown = path.strip_prefix(&folder).unwrap_or(&path);
            match read_dotenv(&path, text) {
                Ok(pairs) => {
                    for (name, value, line) in pairs {
                        let source = format!("{}:{line}", shown_path(text, shown));
                        variables.set(Layer::Dotenv, &name, Some(value), source);
                    }
                }
                Err(found) => diagnostics.extend(found),
            }
        }
        if diagnostics.is_empty() { Ok(variables) } else { Err(diagnostics) }
    }
}

/// A path as it may be shown before secrets are known, and so before anything can be masked: one that
/// was filled in may hold what is going to be a secret, so its text stands for it.
fn shown_path(asked: &Text, path: &Path) -> String {
    if asked.raw.contains(['$', '`']) { asked.raw.clone() } else { path.display().to_string() }
}

const DOTENV_LEN_MAX: u64 = 1024 * 1024;

type Pair = (String, crate::secret::SecretValue, usize);

fn read_dotenv(path: &Path, asked: &Text) -> Result<Vec<Pair>, Vec<Diagnostic>> {
    let shown = shown_path(asked, path);
    let refuse = |code: &'static str, message: String, help: &str| {
        vec![Diagnostic::error(code, message).at(asked.span, "named here").help(help)]
    };
    let read = || -> std::io::Result<Vec<u8>> {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(DOTENV_LEN_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| {
        let message = format!("dotenv file `{shown}` cannot be read: {error}");
        refuse(
            "dotenv-unreadable",
            message,
            "a dotenv file that is not there is passed over; one that is there must be readable",
        )
    })?;
    if bytes.len() as u64 > DOTENV_LEN_MAX {
        let message = format!("dotenv file `{shown}` is larger than 1 MiB");
        return Err(refuse("dotenv-too-large", message, "name the right file"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        let message = format!("{shown}:{line}: the line is not UTF-8");
        refuse("dotenv-syntax", message, "save the file as UTF-8")
    })?;
    let pairs = dotenv::parse(&text).map_err(|errors| {
        let told = errors.iter().map(|error| {
            Diagnostic::error("dotenv-syntax", format!("{shown}:{}: {}", error.line, error.message))
                .at(asked.span, "the file is named here")
                .help("write `NAME=value`, quoted if the value holds blanks or `#`")
        });
        told.collect::<Vec<_>>()
    })?;
    let mut refused = Vec::new();
    for (name, pair) in &pairs {
        if names::is_managed(name) || names::reserved_prefix(name).is_some() {
            let message = format!("{shown}:{}: `{name}` is reserved", pair.line);
            refused.extend(refuse(
                "reserved-name",
                message,
                "a dotenv file cannot set variables of the engine",
            ));
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let flat = |(name, pair): (String, dotenv::Pair)| {
        let line = pair.line;
        (name, pair.into_value(), line)
    };
    Ok(pairs.into_iter().map(flat).collect())
}
