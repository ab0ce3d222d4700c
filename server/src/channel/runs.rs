//! Runs, as the channel and the API tell of them: how they are started and stopped. What they leave is
//! read from disk.

use serde::{Deserialize, Serialize};
use subrosa_engine::diagnostic::{Diagnostic, Label};
use subrosa_engine::source::SourceFile;
use utoipa::ToSchema;

use super::{Ask, Call, Sealed};

/// What can be asked about runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunsCall {
    /// A run, or a look at what one would need.
    StartRun(StartRun),
    /// A run that goes on is to end.
    StopRun(StopRun),
    /// Nothing more will be asked.
    Finish(Finish),
}

/// Asks for a run of a workflow file. The answer comes once the record of the run is on disk.
#[derive(Debug, Serialize, Deserialize)]
pub struct StartRun {
    /// The file, relative to the folder of workflows.
    pub file: String,
    /// The workspace in which the caller may do this: the workflow must be in it.
    pub workspace: Option<String>,
    /// The environment, in place of what files say.
    pub environment: Option<String>,
    /// [`Param`]s as a JSON list; `None`: none.
    pub params: Option<Sealed>,
    /// What is wanted.
    pub kind: StartKind,
}

/// What is wanted of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartKind {
    /// A run.
    Run,
    /// Everything is resolved and nothing run.
    Dry,
    /// What did not succeed in a run is run again.
    Retry {
        /// Its id.
        run: String,
    },
    /// Where each variable comes from; nothing is resolved.
    Explain {
        /// Of this step; `None`: of what every step has.
        step: Option<String>,
    },
}

/// A parameter of a run. It is no secret: records tell it, masked. It may hold one all the same, so that it is
/// sealed on its way.
#[derive(Clone, Serialize, Deserialize)]
pub struct Param {
    /// `None`: positional.
    pub name: Option<String>,
    /// The value.
    pub value: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Started {
    /// It runs, and is recorded.
    Run {
        /// Its id.
        run: String,
    },
    /// It was not started.
    Not {
        /// The id of the record that says so, if there is one.
        run: Option<String>,
        /// What is wrong.
        problems: Vec<ProblemView>,
    },
    /// What a run would do.
    Plan(PlanView),
    /// Where variables come from.
    Explained(Vec<VariableView>),
}

impl Ask for StartRun {
    type Answer = Started;

    fn into_call(self) -> Call {
        Call::Runs(RunsCall::StartRun(self))
    }
}

/// Something that is wrong with a workflow, or with what a run of it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    /// A word that never changes.
    #[schema(example = "unknown-field")]
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What was found.
    pub message: String,
    /// Where: the first place is what it is about; there may be none.
    pub places: Vec<PlaceView>,
    /// How to mend it.
    pub help: Option<String>,
}

/// A place in a workflow file, counted from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlaceView {
    /// Its line.
    pub line: usize,
    /// Its column.
    pub column: usize,
    /// The line where it ends.
    pub end_line: usize,
    /// The column after its end.
    pub end_column: usize,
    /// What is there; may be empty.
    pub text: String,
}

impl ProblemView {
    /// A diagnostic about a file, whose texts `mask` makes fit to be shown. Places that are not in the file are
    /// left out.
    pub fn of(
        diagnostic: &Diagnostic,
        source: &SourceFile,
        mask: impl Fn(&str) -> String,
    ) -> ProblemView {
        let is_inside = |label: &&Label| label.span.start <= source.text().len();
        let place = |label: &Label| {
            let (start, end) = (source.position(label.span.start), source.position(label.span.end));
            PlaceView {
                line: start.line,
                column: start.column,
                end_line: end.line,
                end_column: end.column,
                text: mask(&label.text),
            }
        };
        ProblemView {
            code: diagnostic.code.to_owned(),
            severity: diagnostic.severity.as_str().to_owned(),
            message: mask(&diagnostic.message),
            places: diagnostic.labels.iter().filter(is_inside).map(place).collect(),
            help: diagnostic.help.as_deref().map(mask),
        }
    }
}

/// What a run would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// The environment of the registry.
    pub environment: Option<String>,
    /// The secrets, all of which were found.
    pub secrets: Vec<PlannedSecret>,
    /// What should be known besides.
    pub warnings: Vec<ProblemView>,
}

/// A secret that a run would have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedSecret {
    /// The variable.
    pub name: String,
    /// `ref`, or the provider's name.
    pub provider: String,
    /// The ref, if it has one.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Where the registry has it: `workspace payments, environment prod, version 3`.
    pub found: Option<String>,
}

/// A variable and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VariableView {
    /// Its name.
    pub name: String,
    /// `process`, `params`, `env`, `dotenv`, `managed`, `secret`, `output` or `step`.
    pub layer: String,
    /// Where in that layer.
    #[schema(example = "deploy.yaml:3")]
    pub source: String,
    /// What it hides, nearest first.
    pub overrides: Vec<HiddenView>,
}

/// A hidden variable of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HiddenView {
    /// Its layer.
    pub layer: String,
    /// Where in that layer.
    pub source: String,
}

/// Asks for the end of a run that goes on.
#[derive(Debug, Serialize, Deserialize)]
pub struct StopRun {
    /// Its id.
    pub run: String,
    /// How.
    pub how: StopHow,
}

/// How a run is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopHow {
    /// Steps are asked to end; handlers still run.
    #[default]
    Graceful,
    /// Steps are killed, and nothing more is run.
    Kill,
}

/// Whether a run could be told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopping {
    /// It was told.
    Told,
    /// None of this runner's that goes on has this id.
    NotOurs,
}

impl Ask for StopRun {
    type Answer = Stopping;

    fn into_call(self) -> Call {
        Call::Runs(RunsCall::StopRun(self))
    }
}

/// Says that nothing more will be asked: runs may finish, up to the grace. Once the channel ends, they are
/// stopped.
#[derive(Debug, Serialize, Deserialize)]
pub struct Finish {}

impl Ask for Finish {
    type Answer = ();

    fn into_call(self) -> Call {
        Call::Runs(RunsCall::Finish(self))
    }
}
