//! The environment, folder and shell of a step.

use std::ffi::OsString;

use subrosa_masker::MaskedText;

use super::{Attempt, Context, StepRun};
use crate::env::{self, Layer, Variables};
use crate::expand::{Scope, Template};
use crate::host::Host;
use crate::outputs;
use crate::run::level::{Level, StepIndex};
use crate::scope::TextScope;
use crate::secret::SecretValue;
use crate::shell::ShellLine;
use crate::sink::Captured;
use crate::substitute::{Place, expand};
use crate::workflow::{Step, Text};

impl StepRun {
    pub(super) async fn context(&self, step: &Step) -> Result<Context, MaskedText> {
        let level = &self.level;
        let mut variables = level.base.clone();
        let name = level.step_name(self.index);
        let shared = &level.shared;
        let of_step = env::from_text(&name);
        variables.set(Layer::Managed, "DAG_RUN_STEP_NAME", Some(of_step), "engine");
        if let StepIndex::Handler(_) = self.index {
            let status = level.recorder.status();
            variables.set(Layer::Managed, "DAG_RUN_STATUS", Some(env::from_text(status)), "engine");
        }
        for (name, of, value) in level.outputs_before(self.index) {
            variables.set(Layer::Output, &name, Some(value), format!("output of step {of}"));
        }
        let working_dir = match &step.working_dir {
            None => level.setup.working_dir.clone(),
            Some(text) => {
                let value = fill(level, text, &variables, &level.setup.working_dir).await?;
                level.setup.working_dir.join(env::to_os(&value))
            }
        };
        // Entries do not see each other: each is filled from the layers below.
        let below = variables.clone();
        for entry in &step.env {
            let value = fill(level, &entry.value, &below, &working_dir).await?;
            let source = format!("env of step {name}");
            variables.set(Layer::Step, &entry.name, Some(value), source);
        }
        variables.set(Layer::Managed, "PWD", Some(env::from_os(working_dir.as_os_str())), "engine");
        let shell = match (&step.shell, &level.workflow().shell) {
            (Some(shell), _) => {
                ShellLine::of_step(arguments(level, &variables, &working_dir, &shell.words).await?)
            }
            (None, Some(shell)) => ShellLine::of_workflow(
                arguments(level, &variables, &working_dir, &shell.words).await?,
            ),
            (None, None) => ShellLine::default_of(&shared.host),
        };
        Ok(Context { variables, working_dir, shell })
    }
}

impl Context {
    /// What a test between two rounds sees: also the outputs of the round before it.
    pub(super) fn after(
        &self,
        level: &Level,
        name: &str,
        step: &Step,
        attempt: &Attempt,
    ) -> Context {
        let mut variables = self.variables.clone();
        let printed = attempt.captured.as_ref().map(Captured::value);
        let masks = &level.shared.masks;
        for output in &step.outputs {
            let value =
                printed.as_ref().and_then(|printed| outputs::take(output, printed, masks).ok());
            if value.is_some() && !step.env.iter().any(|entry| entry.name == output.name) {
                let source = format!("output of step {name}");
                variables.set(Layer::Output, &output.name, value, source);
            }
        }
        let (working_dir, shell) = (self.working_dir.clone(), self.shell.clone());
        Context { variables, working_dir, shell }
    }
}

/// Words of a command line. Others can read those of every process: none may hold a secret.
pub(crate) async fn arguments(
    level: &Level,
    variables: &Variables,
    working_dir: &std::path::Path,
    words: &[Text],
) -> Result<Vec<OsString>, MaskedText> {
    let masks = &level.shared.masks;
    let mut line = Vec::new();
    for word in words {
        let value = fill(level, word, variables, working_dir).await?;
        if masks.value(&value).1 {
            let place = level.workflow().source.position(word.span.start).line;
            return Err(masks.text(&format!(
                "an argument in line {place} would hold a secret, and arguments can be seen by others: \
                 use the environment"
            )));
        }
        line.push(env::to_os(&value));
    }
    Ok(line)
}

/// Expands a text of the level's workflow.
pub(crate) async fn fill(
    level: &Level,
    text: &Text,
    variables: &Variables,
    working_dir: &std::path::Path,
) -> Result<SecretValue, MaskedText> {
    let host: &Host = &level.shared.host;
    let place =
        Place { variables, working_dir: working_dir.to_path_buf(), timeout: host.limits.resolve };
    let layers = [variables];
    let facts = |name: &str| level.facts_of(name);
    let scope = scope(level, &layers, &facts);
    expand(&text.raw, &scope, Some(&place)).await.map_err(|error| {
        let line = level.workflow().source.position(text.span.start).line;
        level.shared.masks.text(&format!("{error} (line {line})"))
    })
}

/// Fills a text that is data: nothing in it is run.
pub(crate) fn fill_data(level: &Level, text: &str, variables: &Variables) -> SecretValue {
    let layers = [variables];
    let facts = |name: &str| level.facts_of(name);
    Template::parse_data(text).fill(&scope(level, &layers, &facts), &[])
}

/// What a reference in a text leads to.
pub(crate) fn reference(level: &Level, variables: &Variables, path: &str) -> Option<SecretValue> {
    let layers = [variables];
    let facts = |name: &str| level.facts_of(name);
    scope(level, &layers, &facts).reference(path)
}

fn scope<'a>(
    level: &'a Level,
    variables: &'a [&'a Variables],
    steps: &'a (dyn Fn(&str) -> Option<crate::scope::StepFacts> + Sync),
) -> TextScope<'a> {
    TextScope {
        host: &level.shared.host,
        variables,
        params: &level.setup.params,
        steps,
        masks: &level.shared.masks,
    }
}
