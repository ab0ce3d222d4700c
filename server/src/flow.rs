//! What is told of a workflow: its line in a list, and all of it. No value of its text is.

use serde::{Deserialize, Serialize};
use subrosa_engine::diagnostic::Severity;
use subrosa_engine::workflow::{
    Action, Param, ParamKind, SecretDecl, SecretSource, Step, Workflow,
};
use utoipa::ToSchema;

use crate::access::Placed;
use crate::channel::runs::ProblemView;
use crate::runs::RunView;
use crate::workflows::{BLANK, Flow};

/// A workflow, as a list has it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FlowView {
    /// The path of its file below the folder of workflows, without the ending.
    #[schema(example = "team/deploy")]
    pub(crate) name: String,
    /// The name that it gives itself; null: it cannot be used.
    pub(crate) title: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Its workspace; null: none, or that cannot be told.
    pub(crate) workspace: Option<String>,
    /// How many errors it has; with one, it cannot be used.
    pub(crate) errors: usize,
    /// How many warnings there are.
    pub(crate) warnings: usize,
    /// Its newest run; null: none yet.
    pub(crate) last_run: Option<RunView>,
}

/// A workflow, all of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FlowDetail {
    /// The path of its file below the folder of workflows, without the ending.
    #[schema(example = "team/deploy")]
    pub(crate) name: String,
    /// The path of its file.
    #[schema(example = "team/deploy.yaml")]
    pub(crate) file: String,
    /// The name that it gives itself; null: it cannot be used.
    pub(crate) title: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Its workspace; null: none, or that cannot be told.
    pub(crate) workspace: Option<String>,
    /// The environment of the registry that it names.
    pub(crate) environment: Option<String>,
    /// The text of its file; `•••` stands in place of each value that may be a secret.
    pub(crate) text: String,
    /// What is wrong with it. Columns are those of the file.
    pub(crate) problems: Vec<ProblemView>,
    /// Its parameters.
    pub(crate) params: Vec<ParamView>,
    /// Its secrets.
    pub(crate) secrets: Vec<SecretSourceView>,
    /// Its steps, in the order of the file.
    pub(crate) steps: Vec<FlowStep>,
}

/// A parameter of a workflow.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ParamView {
    /// Its name; null: a positional one.
    pub(crate) name: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// `string`, `integer`, `number` or `boolean`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Whether a run without it is refused.
    pub(crate) required: bool,
    /// What it is without being given; `•••` in place of one that may be a secret.
    pub(crate) default: Option<String>,
    /// The values that it may have; none: any.
    pub(crate) one_of: Vec<String>,
}

/// Where a secret of a workflow comes from.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SecretSourceView {
    /// The variable.
    pub(crate) name: String,
    /// `ref`, or the provider's name.
    pub(crate) provider: String,
    /// The ref, or the provider's key.
    pub(crate) key: String,
}

/// A step of a workflow.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FlowStep {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// `command`, `script`, `exec`, `call`, or a kind of step: `http`.
    pub(crate) kind: String,
    /// The steps that it waits for.
    pub(crate) depends: Vec<String>,
}

fn workspace(flow: &Flow) -> Option<String> {
    match &flow.placed {
        Placed::In(workspace) => workspace.as_ref().map(ToString::to_string),
        Placed::Unknown => None,
    }
}

impl FlowView {
    /// With its newest run.
    pub(crate) fn of(flow: &Flow, last_run: Option<&RunView>) -> FlowView {
        let workflow = flow.workflow.as_ref();
        FlowView {
            name: flow.name.clone(),
            title: workflow.map(|workflow| workflow.name.clone()),
            description: workflow.and_then(|workflow| workflow.description.clone()),
            workspace: workspace(flow),
            errors: flow.count(Severity::Error),
            warnings: flow.count(Severity::Warning),
            last_run: last_run.cloned(),
        }
    }
}

impl FlowDetail {
    /// All of it.
    pub(crate) fn of(flow: &Flow) -> FlowDetail {
        let workflow = flow.workflow.as_ref();
        let of = |read: fn(&Workflow) -> Option<String>| workflow.and_then(read);
        let steps = workflow.map_or(&[][..], |workflow| &workflow.steps[..]);
        let params = workflow.map_or(&[][..], |workflow| &workflow.params[..]);
        let secrets = workflow.map_or(&[][..], |workflow| &workflow.secrets[..]);
        FlowDetail {
            name: flow.name.clone(),
            file: flow.file.clone(),
            title: of(|workflow| Some(workflow.name.clone())),
            description: of(|workflow| workflow.description.clone()),
            workspace: workspace(flow),
            environment: of(|workflow| Some(workflow.environment.as_ref()?.name.to_string())),
            text: flow.text(),
            problems: flow.problems.clone(),
            params: params.iter().map(|param| ParamView::of(flow, param)).collect(),
            secrets: secrets.iter().map(SecretSourceView::of).collect(),
            steps: steps.iter().map(|step| FlowStep::of(steps, step)).collect(),
        }
    }
}

impl ParamView {
    fn of(flow: &Flow, param: &Param) -> ParamView {
        let kind = match param.kind {
            ParamKind::String => "string",
            ParamKind::Integer => "integer",
            ParamKind::Number => "number",
            ParamKind::Boolean => "boolean",
        };
        let default = param.default.as_ref().map(|text| match flow.may_show(text.span) {
            true => text.raw.clone(),
            false => BLANK.to_owned(),
        });
        ParamView {
            name: param.name.clone(),
            description: param.description.clone(),
            kind: kind.to_owned(),
            required: param.required,
            default,
            one_of: param.one_of.clone(),
        }
    }
}

impl SecretSourceView {
    fn of(secret: &SecretDecl) -> SecretSourceView {
        let (provider, key) = match &secret.source {
            SecretSource::Ref(reference) => ("ref", reference.as_str()),
            SecretSource::Provider { provider, key, .. } => (provider.as_str(), key.as_str()),
        };
        let (provider, key) = (provider.to_owned(), key.to_owned());
        SecretSourceView { name: secret.name.clone(), provider, key }
    }
}

impl FlowStep {
    fn of(steps: &[Step], step: &Step) -> FlowStep {
        let kind = match &step.action {
            Action::Shell(_) => "command",
            Action::Script { .. } => "script",
            Action::Exec(_) => "exec",
            Action::Call { .. } => "call",
            Action::Typed(typed) => typed.kind,
        };
        let depends = step.depends.iter().filter_map(|at| steps.get(*at));
        FlowStep {
            name: step.name.clone(),
            description: step.description.clone(),
            kind: kind.to_owned(),
            depends: depends.map(|step| step.name.clone()).collect(),
        }
    }
}
