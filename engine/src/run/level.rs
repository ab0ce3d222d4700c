//! One workflow of a run: the outermost one, or one that a step called.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use subrosa_masker::MaskedText;

use super::{Shared, status_word};
use crate::env::{self, Layer, Variables};
use crate::event::{RunEvent, RunStatus, StepEnd, StepPath, StepStatus, Timestamp};
use crate::masks::Masks;
use crate::outputs::Collected;
use crate::record::{FORMAT, FoundRecord, ParamRecord, RunRecord, SecretRecord, StepRecord};
use crate::recorder::Recorder;
use crate::resolve::{Asker, Resolved, ResolvedSecret, Setup};
use crate::rundir::RunDir;
use crate::scope::StepFacts;
use crate::secret::SecretValue;
use crate::workflow::{Step, Workflow};

/// A workflow of a file: the file's own, or one of its other documents.
#[derive(Clone)]
pub(crate) struct WorkflowHandle {
    pub(crate) root: Arc<Workflow>,
    pub(crate) child: Option<String>,
}

impl WorkflowHandle {
    pub(crate) fn get(&self) -> &Workflow {
        let child = self.child.as_ref().and_then(|name| self.root.children.get(name));
        child.unwrap_or(&self.root)
    }
}

/// Where a level comes from.
pub(crate) struct Origin {
    /// In front of step names in events: empty, or `deploy/` and so on.
    pub(crate) prefix: String,
    /// How many calls lead here.
    pub(crate) depth: usize,
    pub(crate) retry_of: Option<String>,
}

/// A workflow that is running.
pub(crate) struct Level {
    pub(crate) shared: Arc<Shared>,
    pub(crate) handle: WorkflowHandle,
    pub(crate) setup: Setup,
    /// Who asks for the secrets of what it calls.
    pub(crate) asker: Asker,
    /// What every step has, before its own.
    pub(crate) base: Variables,
    pub(crate) dir: RunDir,
    pub(crate) recorder: Recorder,
    pub(crate) origin: Origin,
    facts: Mutex<BTreeMap<String, StepFacts>>,
    /// Whether any step has named outputs: what every step asks is not looked for in all of them.
    has_outputs: bool,
}

/// Which step: one of the list, or a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepIndex {
    Step(usize),
    Handler(Handler),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Init,
    Success,
    Failure,
    Abort,
    Exit,
}

impl Handler {
    fn of(self, workflow: &Workflow) -> Option<&Step> {
        let handlers = &workflow.handlers;
        match self {
            Handler::Init => handlers.init.as_ref(),
            Handler::Success => handlers.success.as_ref(),
            Handler::Failure => handlers.failure.as_ref(),
            Handler::Abort => handlers.abort.as_ref(),
            Handler::Exit => handlers.exit.as_ref(),
        }
    }
}

const HANDLERS: [(Handler, &str); 5] = [
    (Handler::Init, "handler/init"),
    (Handler::Success, "handler/success"),
    (Handler::Failure, "handler/failure"),
    (Handler::Abort, "handler/abort"),
    (Handler::Exit, "handler/exit"),
];

/// How a level ended.
#[derive(Clone)]
pub(crate) struct LevelEnd {
    pub(crate) status: RunStatus,
    pub(crate) reason: Option<MaskedText>,
}

impl Level {
    pub(crate) fn new(
        shared: Arc<Shared>,
        handle: WorkflowHandle,
        resolved: Resolved,
        dir: RunDir,
        origin: Origin,
    ) -> io::Result<Level> {
        let record = first_record(&shared, handle.get(), &resolved, &origin);
        let recorder = Recorder::new(dir.clone(), record)?;
        let facts = Mutex::new(BTreeMap::new());
        let (setup, asker) = (resolved.setup, resolved.asker);
        let base = base(&shared, &setup, &dir);
        let has_outputs = handle.get().steps.iter().any(|step| !step.outputs.is_empty());
        Ok(Level { shared, handle, setup, asker, base, dir, recorder, origin, facts, has_outputs })
    }

    pub(crate) fn workflow(&self) -> &Workflow {
        self.handle.get()
    }

    pub(crate) fn handler(&self, handler: Handler) -> Option<&Step> {
        handler.of(self.workflow())
    }

    pub(crate) fn step(&self, index: StepIndex) -> Option<&Step> {
        match index {
            StepIndex::Step(index) => self.workflow().steps.get(index),
            StepIndex::Handler(handler) => self.handler(handler),
        }
    }

    /// The name in logs, records and events.
    pub(crate) fn step_name(&self, index: StepIndex) -> String {
        match index {
            StepIndex::Step(index) => self.workflow().steps[index].name.clone(),
            StepIndex::Handler(handler) => handler_name(handler).to_owned(),
        }
    }

    /// The name of the step's files, which is masked too; masked names are told apart by their place.
    pub(crate) fn file_name(&self, index: StepIndex) -> String {
        let name = self.step_name(index);
        let masked = self.shared.masks.text(&name);
        if masked.as_str() == name {
            return name;
        }
        format!("{masked} {}", self.record_index(index))
    }

    pub(crate) fn step_path(&self, index: StepIndex) -> StepPath {
        let name = format!("{}{}", self.origin.prefix, self.step_name(index));
        StepPath(self.shared.masks.text(&name))
    }

    /// The place of a step in the record.
    pub(crate) fn record_index(&self, index: StepIndex) -> usize {
        match index {
            StepIndex::Step(index) => index,
            StepIndex::Handler(handler) => {
                let present = HANDLERS.iter().filter(|(other, _)| self.handler(*other).is_some());
                let before = present.take_while(|(other, _)| *other != handler).count();
                self.workflow().steps.len() + before
            }
        }
    }

    pub(crate) fn facts_of(&self, name: &str) -> Option<StepFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn note(&self, step: &Step, facts: &StepFacts) {
        let mut all = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        for name in std::iter::once(&step.name).chain(step.id.as_ref()) {
            all.insert(name.clone(), facts.clone());
        }
    }

    /// Outputs of the steps that a step depends on, directly or not; nearer ones come later. A handler
    /// sees those of all steps.
    pub(crate) fn outputs_before(&self, index: StepIndex) -> Vec<(String, String, SecretValue)> {
        if !self.has_outputs {
            return Vec::new();
        }
        let steps = &self.workflow().steps;
        let mut order = Vec::new();
        match index {
            StepIndex::Handler(_) => order.extend(0..steps.len()),
            StepIndex::Step(index) => {
                let mut seen = BTreeSet::new();
                let mut open: Vec<(usize, bool)> =
                    steps[index].depends.iter().map(|before| (*before, false)).collect();
                while let Some((at, expanded)) = open.pop() {
                    if expanded {
                        order.push(at);
                    } else if seen.insert(at) {
                        open.push((at, true));
                        open.extend(steps[at].depends.iter().map(|before| (*before, false)));
                    }
                }
            }
        }
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_step = |at: usize| {
            let step = &steps[at];
            let outputs = facts.get(&step.name).map(|facts| facts.outputs.clone());
            outputs
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (name, step.name.clone(), value))
        };
        order.into_iter().flat_map(of_step).collect()
    }

    /// Named outputs of all steps, in file order.
    pub(crate) fn collected(&self) -> Vec<Collected<'_>> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut collected = Vec::new();
        for step in &self.workflow().steps {
            for output in &step.outputs {
                let value = facts.get(&step.name).and_then(|facts| facts.outputs.get(&output.name));
                collected.extend(value.map(|value| Collected { output, value: value.clone() }));
            }
        }
        collected
    }

    pub(crate) fn warn(&self, step: Option<&StepPath>, message: &str) {
        self.shared.events.emit(&RunEvent::Warning {
            time: self.shared.now(),
            step: step.cloned(),
            message: self.shared.masks.text(message),
        });
    }

    /// A record that cannot be written ends the whole run, whichever level it belongs to.
    pub(super) fn pass_on_failure(&self) {
        if let Some(error) = self.recorder.failure() {
            self.shared.events.fail(error);
        }
    }

    /// Tells that a step was not run.
    pub(super) fn never_ran(&self, index: usize, status: StepStatus, reason: &str) {
        let index = StepIndex::Step(index);
        let reason = self.shared.masks.text(reason);
        self.recorder.step(self.record_index(index), |record| {
            record.status = status_word(status);
            record.message = Some(reason.clone());
        });
        self.shared.events.emit(&RunEvent::StepFinished {
            time: self.shared.now(),
            step: self.step_path(index),
            status,
            attempts: 0,
            end: StepEnd::NotRun { reason },
            duration_ms: 0,
        });
    }
}

pub(super) fn handler_name(handler: Handler) -> &'static str {
    HANDLERS.iter().find(|(other, _)| *other == handler).map_or("handler", |(_, name)| name)
}

/// Process, workflow, secrets, and what the engine sets for all steps.
fn base(shared: &Shared, setup: &Setup, dir: &RunDir) -> Variables {
    let mut variables = env::process_layer(&shared.host, false);
    variables.put(&setup.variables);
    let managed = [
        ("DAG_RUN_ID", env::from_text(&shared.run)),
        ("DAG_RUN_LOG_FILE", env::from_os(shared.log.as_os_str())),
        ("DAG_RUN_WORK_DIR", env::from_os(dir.work().as_os_str())),
    ];
    for (name, value) in managed {
        variables.set(Layer::Managed, name, Some(value), "engine");
    }
    variables
}

fn first_record(
    shared: &Shared,
    workflow: &Workflow,
    resolved: &Resolved,
    origin: &Origin,
) -> RunRecord<MaskedText> {
    let masks = &shared.masks;
    let given = resolved.setup.params.iter().filter(|param| param.given);
    let params = given.map(|param| {
        let (value, masked) = masks.record(&param.value);
        let name = (!param.positional).then(|| masks.text(&param.name));
        ParamRecord { name, value, masked }
    });
    let secrets = resolved.secrets.iter().map(|secret| secret_record(secret, masks));
    let handlers = HANDLERS.iter().filter(|(handler, _)| handler.of(workflow).is_some());
    let names = workflow.steps.iter().map(|step| step.name.as_str());
    let names = names.chain(handlers.map(|(_, name)| *name));
    let file = shared.host.absolute(workflow.source.path());
    RunRecord {
        format: FORMAT,
        run: shared.run.clone(),
        retry_of: origin.retry_of.clone(),
        workflow: masks.text(&workflow.name),
        file: masks.text(&file.display().to_string()),
        workspace: workflow.workspace().map(|name| masks.text(name.as_str())),
        by: Some(masks.text(&shared.host.user)),
        environment: resolved.environment().map(|name| masks.text(name.as_str())),
        environment_given: resolved.asker.is_given(),
        status: status_word(RunStatus::Running),
        reason: None,
        started: shared.now().to_string(),
        finished: None,
        pid: std::process::id(),
        params: params.collect(),
        secrets: secrets.collect(),
        steps: names.map(|name| StepRecord::not_started(masks.text(name))).collect(),
    }
}

fn secret_record(secret: &ResolvedSecret, masks: &Masks) -> SecretRecord<MaskedText> {
    let found = secret.found.as_ref().map(|found| FoundRecord {
        workspace: found.scope.workspace.as_ref().map(|name| masks.text(name.as_str())),
        environment: found.scope.environment.as_ref().map(|name| masks.text(name.as_str())),
        version: found.version,
        expired: found.expired,
        overlapping: found.overlapping,
    });
    SecretRecord {
        name: masks.text(&secret.name),
        provider: masks.text(&secret.provider),
        reference: secret.reference.as_ref().map(|reference| masks.text(reference.as_str())),
        found,
        cached: secret.cached.map(|at| Timestamp(at).to_string()),
        masked: secret.masked,
        short: secret.short,
    }
}

/// The first line of a text, cut to a readable length: half a value would pass the masks.
pub(crate) fn first_line(text: &MaskedText) -> String {
    let text = text.as_str();
    let line = text.lines().next().unwrap_or("");
    let cut: String = line.chars().take(80).collect();
    if cut.len() < text.trim_end().len() { format!("{cut}…") } else { cut }
}
