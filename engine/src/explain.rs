//! Where each variable of a step comes from, and what it hides; never a value.
//!
//! Built from the same layers as a run, without asking any provider and without running a command.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::env::{self, Layer, Variables};
use crate::host::Host;
use crate::masks::Masks;
use crate::params::Given;
use crate::resolve::{
    Asker, EnvironmentChoice, ParamArg, Purpose, ResolveFailure, ResolveOptions, prepare,
    reference_of, scope_words, source_of,
};
use crate::workflow::{Step, Text, Workflow};

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its name.
    pub name: String,
    /// `process`, `params`, `env`, `dotenv`, `managed`, `secret`, `output` or `step`.
    pub layer: &'static str,
    /// Where in that layer: `app.yaml:3`, `/srv/app/.env:2`, `provider env, key PROD`.
    pub source: String,
    /// What it hides, nearest first.
    pub overrides: Vec<Overridden>,
}

/// A hidden variable of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overridden {
    /// Its layer.
    pub layer: &'static str,
    /// Where in that layer.
    pub source: String,
}

/// Explains the variables of a step; of what every step has, if none is named.
///
/// # Errors
/// [`ResolveFailure`]: there is no such step, or parameters, dotenv or `env:` are wrong.
pub async fn explain(
    workflow: &Workflow,
    step: Option<&str>,
    params: &[ParamArg],
    environment: EnvironmentChoice,
    host: &Host,
) -> Result<Vec<Explained>, ResolveFailure> {
    let masks = Masks::of_run(workflow, host);
    let options = ResolveOptions { environment, ..ResolveOptions::new(Purpose::Dry) };
    let asker = Asker::outermost(workflow, options, host);
    let failure = |diagnostics| ResolveFailure {
        diagnostics,
        masks: masks.current(),
        about_secrets: false,
        asker: asker.clone(),
    };
    let step = match step {
        None => None,
        Some(name) => {
            let found = find(workflow, name);
            Some(found.ok_or_else(|| failure(vec![no_such_step(workflow, name)]))?)
        }
    };
    let given: Vec<Given> = params
        .iter()
        .map(|param| Given { name: param.name.clone(), value: env::from_text(&param.value) })
        .collect();
    let setup = prepare(workflow, &given, host, &masks, Purpose::Dry).await.map_err(failure)?;
    let mut variables = env::process_layer(host, false);
    variables.put(&setup.variables);
    for name in ["DAG_RUN_ID", "DAG_RUN_LOG_FILE", "DAG_RUN_WORK_DIR"] {
        variables.set(Layer::Managed, name, None, "engine");
    }
    for secret in &workflow.secrets {
        let scope = reference_of(secret).map(|_| scope_words(&asker.scope(workflow)));
        let mut source = vec![source_of(secret)];
        source.extend(scope.unwrap_or_default());
        source.push(place(workflow, secret.span.start));
        variables.set(Layer::Secret, &secret.name, None, source.join(", "));
    }
    if let Some(step) = step {
        add_step(&mut variables, workflow, step);
    }
    Ok(variables.iter().filter(|(name, _)| crate::names::is_env_name(name)).map(entry).collect())
}

fn add_step(variables: &mut Variables, workflow: &Workflow, step: &Step) {
    let names =
        ["DAG_RUN_STEP_NAME", "DAG_RUN_STEP_STDOUT_FILE", "DAG_RUN_STEP_STDERR_FILE", "PWD"];
    for name in names {
        variables.set(Layer::Managed, name, None, "engine");
    }
    for index in before(workflow, step) {
        let other = &workflow.steps[index];
        for output in &other.outputs {
            let place = place(workflow, output.span.start);
            let source = format!("output of step {}, {place}", other.name);
            variables.set(Layer::Output, &output.name, None, source);
        }
    }
    for entry in &step.env {
        let Text { span, .. } = entry.value;
        variables.set(Layer::Step, &entry.name, None, place(workflow, span.start));
    }
}

/// Steps that a step depends on, the farthest first.
fn before(workflow: &Workflow, step: &Step) -> Vec<usize> {
    let mut order = Vec::new();
    let mut open: Vec<usize> = step.depends.clone();
    while let Some(index) = open.pop() {
        if !order.contains(&index) {
            order.push(index);
            open.extend(&workflow.steps[index].depends);
        }
    }
    order.reverse();
    order
}

fn find<'a>(workflow: &'a Workflow, name: &str) -> Option<&'a Step> {
    let named = |step: &&Step| step.name == name || step.id.as_deref() == Some(name);
    workflow.steps.iter().find(named)
}

fn no_such_step(workflow: &Workflow, name: &str) -> Diagnostic {
    let names: Vec<&str> = workflow.steps.iter().map(|step| step.name.as_str()).collect();
    Diagnostic::error("unknown-step", format!("there is no step `{name}`"))
        .help(format!("steps: {}", names.join(", ")))
}

fn place(workflow: &Workflow, offset: usize) -> String {
    let source = &workflow.source;
    let file = source.path().file_name().map(|name| name.to_string_lossy().into_owned());
    format!("{}:{}", file.unwrap_or_default(), source.position(offset).line)
}

fn entry((name, variable): (&str, &env::Variable)) -> Explained {
    let hidden = |hidden: &env::Variable| Overridden {
        layer: hidden.layer.as_str(),
        source: hidden.source.to_string(),
    };
    Explained {
        name: name.to_owned(),
        layer: variable.layer.as_str(),
        source: variable.source.to_string(),
        overrides: variable.hides().map(hidden).collect(),
    }
}
