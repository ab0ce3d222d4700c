//! From drafts to workflows: what takes a whole document, or the whole file, to judge.
//!
//! Names of steps are made and found to be unique, dependencies become indices, the graph has no
//! cycle, documents have names and do not call each other in circles, and no secret stands where it
//! would become an argument of a process.

mod documents;
mod exposure;
mod graph;
mod names;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::source::SourceFile;
use crate::spec::{Draft, Notes};
use crate::workflow::{Handlers, Step, Workflow};

/// The first document as the workflow, the others as its children. Problems go to `notes`; what is
/// returned may only be used if there are no errors among them.
pub(crate) fn check(
    notes: &mut Notes,
    source: &Arc<SourceFile>,
    drafts: Vec<Draft>,
) -> Option<Workflow> {
    let names = documents::names(notes, source, &drafts);
    let mut workflows = Vec::with_capacity(drafts.len());
    for (draft, name) in drafts.into_iter().zip(names) {
        workflows.push(workflow(notes, source, draft, name));
    }
    documents::check_calls(notes, &workflows);
    documents::check_triggers(notes, &workflows);
    let mut workflows = workflows.into_iter();
    let main = workflows.next()?;
    let children: BTreeMap<String, Workflow> =
        workflows.map(|child| (child.name.clone(), child)).collect();
    Some(Workflow { children: Arc::new(children), ..main })
}

fn workflow(notes: &mut Notes, source: &Arc<SourceFile>, draft: Draft, name: String) -> Workflow {
    let mut steps = draft.steps;
    names::check(notes, &mut steps);
    let mut handlers = Handlers::default();
    for (key, step) in steps.handlers {
        *handler(&mut handlers, key) = Some(step);
    }
    let trigger = draft.trigger.and_then(|trigger| trigger.named(notes, &name));
    let workflow = Workflow {
        name,
        description: draft.description,
        labels: draft.labels,
        env: draft.env,
        dotenv: draft.dotenv,
        params: draft.params,
        secrets: draft.secrets,
        environment: draft.environment,
        masking: draft.masking,
        audit_required: draft.audit_required,
        trigger,
        working_dir: draft.working_dir,
        shell: draft.shell,
        steps: graph::connect(notes, steps.steps, draft.chain),
        handlers,
        preconditions: draft.preconditions,
        max_active_steps: draft.max_active_steps,
        timeout: draft.timeout,
        log_output: draft.log_output,
        source: Arc::clone(source),
        children: Arc::default(),
    };
    exposure::check(notes, &workflow);
    workflow
}

fn handler<'a>(handlers: &'a mut Handlers, key: &str) -> &'a mut Option<Step> {
    match key {
        "init" => &mut handlers.init,
        "success" => &mut handlers.success,
        "failure" => &mut handlers.failure,
        "abort" => &mut handlers.abort,
        _ => &mut handlers.exit,
    }
}
