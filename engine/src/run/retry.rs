//! What a retry need not run again.
//!
//! A step that succeeded is kept with its outputs, unless an output is needed whose record is
//! masked: a masked copy is never read back as a value, so such a step runs again. So does one that registered
//! values to hide, if a step depends on it that runs, or if there is a handler: that runs at the end of all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::env;
use crate::masks::Masks;
use crate::record::{self, FoundRun, StepRecord};
use crate::scope::StepFacts;
use crate::workflow::{Handlers, Step, Workflow};

use super::RunError;

/// What is kept of a run.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) run: Option<String>,
    pub(crate) steps: BTreeMap<usize, StepFacts>,
}

/// Plans the retry of the run recorded in `dir`.
pub(crate) fn plan(workflow: &Workflow, dir: &Path, masks: &Masks) -> Result<Kept, RunError> {
    let FoundRun { record, alive, .. } = record::load(dir).map_err(|error| RunError {
        message: masks.text(&format!("the run to retry cannot be read: {error}")),
        help: None,
    })?;
    // One whose record says how it ended only has its end to tell.
    if alive && record.status == "running" {
        return Err(RunError {
            message: masks.text(&format!("run {} is still going on", record.run)),
            help: Some("stop it first, or wait for its end"),
        });
    }
    let by_name: BTreeMap<&str, &StepRecord> =
        record.steps.iter().map(|step| (step.name.as_str(), step)).collect();
    let of = |step: &Step| by_name.get(masks.text(&step.name).as_str()).copied();
    let kept = kept_steps(workflow, of);
    let steps = kept.into_iter().map(|index| (index, facts(of(&workflow.steps[index]), dir)));
    Ok(Kept { run: Some(record.run.clone()), steps: steps.collect() })
}

/// Indices of the steps that need not run again.
fn kept_steps<'a>(
    workflow: &'a Workflow,
    of: impl Fn(&'a Step) -> Option<&'a StepRecord>,
) -> BTreeSet<usize> {
    let steps = &workflow.steps;
    // What a step registered is on no disk, and what follows may print it.
    let registered = |step: &'a Step| of(step).is_some_and(|record| record.registered > 0);
    let handled = has_handler(&workflow.handlers);
    let usable = |step: &'a Step| {
        let outputs = of(step).map(|record| record.outputs.as_slice()).unwrap_or_default();
        let found = |name: &str| outputs.iter().any(|output| output.name == name && !output.masked);
        !registered(step) && step.outputs.iter().all(|output| found(&output.name))
    };
    let succeeded = |index: &usize| of(&steps[*index]).is_some_and(|r| r.status == "succeeded");
    let known = |index: &usize| !(handled && registered(&steps[*index]));
    let mut kept: BTreeSet<usize> = (0..steps.len()).filter(succeeded).filter(known).collect();
    loop {
        let needed = needed_by_others(steps, &kept);
        let again: Vec<usize> =
            kept.intersection(&needed).copied().filter(|index| !usable(&steps[*index])).collect();
        if again.is_empty() {
            return kept;
        }
        kept.retain(|index| !again.contains(index));
    }
}

/// Whether anything runs beside the steps.
fn has_handler(handlers: &Handlers) -> bool {
    let Handlers { init, success, failure, abort, exit } = handlers;
    [init, success, failure, abort, exit].into_iter().any(Option::is_some)
}

/// Steps on which one that runs depends, directly or not.
fn needed_by_others(steps: &[Step], kept: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut needed = BTreeSet::new();
    let runs = (0..steps.len()).filter(|index| !kept.contains(index));
    let mut open: Vec<usize> = runs.flat_map(|index| steps[index].depends.clone()).collect();
    while let Some(index) = open.pop() {
        if needed.insert(index) {
            open.extend(&steps[index].depends);
        }
    }
    needed
}

fn facts(record: Option<&StepRecord>, dir: &Path) -> StepFacts {
    let Some(record) = record else {
        return StepFacts::default();
    };
    let usable = record.outputs.iter().filter(|output| !output.masked);
    let log = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map(|path| dir.join(path).display().to_string())
    };
    StepFacts {
        outputs: usable
            .map(|output| (output.name.clone(), env::from_text(&output.value)))
            .collect(),
        stdout: log(&record.stdout),
        stderr: log(&record.stderr),
        exit_code: record.exit_code,
    }
}
