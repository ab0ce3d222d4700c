//! The record of a run that could not start: whoever looks at the runs sees it, and why.

use std::io;
use std::path::PathBuf;

use subrosa_masker::MASK;

use crate::event::{RunEvent, RunStatus, Timestamp};
use crate::host::Host;
use crate::record::{FORMAT, ParamRecord, RunRecord, SecretRecord, StepRecord};
use crate::resolve::{ParamArg, ResolveFailure, provider_of, reference_of};
use crate::rundir::{RunDir, run_id};
use crate::workflow::Workflow;

use super::{RunOptions, status_word};

/// More reasons than these are only counted.
const REASONS_MAX: usize = 5;

/// Records that a workflow was to be run and was not, since something could not be resolved. Returns
/// the record's folder. Everything in it passes the masks of the failure. Values of parameters are left
/// out altogether: one may equal a secret that was not resolved, and no mask knows that one.
///
/// # Errors
/// The record cannot be written.
pub fn record_unstarted(
    workflow: &Workflow,
    params: &[ParamArg],
    options: &RunOptions,
    failure: &ResolveFailure,
    host: &Host,
) -> io::Result<PathBuf> {
    let masks = &failure.masks;
    let now = Timestamp((host.clock)());
    let name = masks.mask_text(&workflow.name);
    let run = failure.asker.run.clone().map_or_else(|| run_id(now.0), Ok)?;
    let dir = RunDir::create(&host.data_dir, name.as_str(), &run)?;
    let reason = masks.mask_text(&reason(failure));
    let given = params.iter().map(|param| ParamRecord {
        name: param.name.as_deref().map(|name| masks.mask_text(name)),
        value: masks.mask_text(MASK),
        masked: true,
    });
    let secrets = workflow.secrets.iter().map(|secret| SecretRecord {
        name: masks.mask_text(&secret.name),
        provider: masks.mask_text(&provider_of(secret)),
        reference: reference_of(secret).map(|reference| masks.mask_text(reference.as_str())),
        found: None,
        cached: None,
        masked: secret.mask,
        short: false,
    });
    let steps =
        workflow.steps.iter().map(|step| StepRecord::not_started(masks.mask_text(&step.name)));
    let environment = &failure.asker.environment;
    let file = host.absolute(workflow.source.path()).display().to_string();
    let record = RunRecord {
        format: FORMAT,
        run,
        retry_of: options.retried_run(),
        workflow: name,
        file: masks.mask_text(&file),
        workspace: workflow.workspace().map(|name| masks.mask_text(name.as_str())),
        by: Some(masks.mask_text(&host.user)),
        environment: environment.as_ref().map(|name| masks.mask_text(name.as_str())),
        environment_given: failure.asker.is_given(),
        status: status_word(RunStatus::Failed),
        reason: Some(reason.clone()),
        started: now.to_string(),
        finished: Some(now.to_string()),
        pid: std::process::id(),
        params: given.collect(),
        secrets: secrets.collect(),
        steps: steps.collect(),
    };
    let status = RunStatus::Failed;
    let end = RunEvent::RunFinished { time: now, status, duration_ms: 0, reason: Some(reason) };
    let mut line = serde_json::to_vec(&end)?;
    line.push(b'\n');
    dir.replace_file("events.jsonl", &line)?;
    dir.replace_file("status.json", &serde_json::to_vec_pretty(&record)?)?;
    Ok(dir.path().to_path_buf())
}

fn reason(failure: &ResolveFailure) -> String {
    let errors = failure.diagnostics.iter().filter(|found| found.is_error());
    let messages: Vec<&str> = errors.map(|found| found.message.as_str()).collect();
    let mut told = messages[..messages.len().min(REASONS_MAX)].join("; ");
    if messages.len() > REASONS_MAX {
        told.push_str(&format!("; and {} more", messages.len() - REASONS_MAX));
    }
    format!("nothing was started: {told}")
}
