//! RUN: drives a resolved workflow to its end.
//!
//! The [`crate::scheduler`] says what may start; each step is a task; this module owns the run's state
//! and is the only one that decides. A stop first ends the steps gently, then handlers still run; a
//! second one ends everything at once. What providers lent is kept valid until the last handler has ended,
//! and then given back, however the run went.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use subrosa_masker::MaskedText;

use crate::cancel::{Stop, StopToken};
use crate::event::{EventSink, RunEvent, RunStatus, Timestamp};
use crate::executor::{Executor, Local};
use crate::guard::{Groups, Guard};
use crate::host::Host;
use crate::masks::Masks;
use crate::recorder::Events;
use crate::resolve::{Resolved, ResolvedSecret};
use crate::rundir::{RunDir, run_id};
use crate::scope::StepFacts;
use crate::workflow::Workflow;

pub(crate) mod call;
mod drive;
pub(crate) mod level;
mod retry;
mod unstarted;

pub use unstarted::record_unstarted;

use drive::run_level;
use level::{Level, LevelEnd, Origin, WorkflowHandle};

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Folder of the run to retry: what succeeded there is not run again, unless an output is
    /// needed whose record is masked.
    pub retry_of: Option<PathBuf>,
}

impl RunOptions {
    /// The id of the run to retry: the name of its folder.
    fn retried_run(&self) -> Option<String> {
        let name = self.retry_of.as_ref()?.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Its id.
    pub run: String,
    /// The folder of its record.
    pub dir: PathBuf,
    /// How it ended.
    pub status: RunStatus,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// What stops the engine itself. A failed step is no such error, but an outcome.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    /// What happened.
    pub message: MaskedText,
    /// How to mend it.
    pub help: Option<&'static str>,
}

/// What all levels of a run share.
pub(crate) struct Shared {
    pub(crate) host: Arc<Host>,
    pub(crate) events: Events,
    pub(crate) executor: Box<dyn Executor>,
    /// Where steps note process groups that they start by themselves.
    pub(crate) groups: Groups,
    pub(crate) masks: Arc<Masks>,
    pub(crate) run: String,
    /// The engine's log, for `DAG_RUN_LOG_FILE`.
    pub(crate) log: PathBuf,
}

impl Shared {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp((self.host.clock)())
    }
}

/// Runs a workflow whose secrets are all there.
///
/// # Errors
/// [`RunError`] if records cannot be written or a retry cannot be planned. Steps that were running
/// have been stopped.
pub async fn run(
    workflow: Arc<Workflow>,
    resolved: Resolved,
    options: RunOptions,
    host: Arc<Host>,
    events: Arc<dyn EventSink>,
    stop: StopToken,
) -> Result<RunReport, RunError> {
    let (logins, close) = (resolved.asker.options.logins.clone(), host.limits.close);
    let (level, kept, started) = match begin(&workflow, resolved, &options, &host, events) {
        Ok(begun) => begun,
        Err(error) => {
            // Nothing was started; that something lent was not taken back is the lesser news.
            drop(logins.close(close).await);
            return Err(error);
        }
    };
    let mut watched = stop.clone();
    let tell = |message: String| level.warn(None, &message);
    let end = tokio::select! {
        end = run_level(level.clone(), stop, kept) => end,
        never = logins.keep(tell) => match never {},
    };
    logins.close(close).await.into_iter().for_each(tell);
    finish(&level, started, &end, signal(&mut watched))
}

type Begun = (Arc<Level>, BTreeMap<usize, StepFacts>, Timestamp);

/// Makes the record and tells that the run starts.
fn begin(
    workflow: &Arc<Workflow>,
    resolved: Resolved,
    options: &RunOptions,
    host: &Arc<Host>,
    events: Arc<dyn EventSink>,
) -> Result<Begun, RunError> {
    let masks = resolved.masks.clone();
    let kept = match &options.retry_of {
        Some(dir) => retry::plan(workflow, dir, &masks)?,
        None => retry::Kept::default(),
    };
    let names = |of: fn(&ResolvedSecret) -> bool| {
        let some = resolved.secrets.iter().filter(|secret| of(secret));
        some.map(|secret| masks.text(&secret.name)).collect()
    };
    let (secrets, unmasked) = (names(|_| true), names(|secret| !secret.masked));
    let environment = resolved.environment().map(|name| masks.text(name.as_str()));
    let level = start(workflow, resolved, &kept, host, events)?;
    let started = level.shared.now();
    level.shared.events.emit(&RunEvent::RunStarted {
        time: started,
        run: level.shared.run.clone(),
        workflow: masks.text(&workflow.name),
        environment,
        steps: workflow.steps.len(),
        secrets,
        unmasked,
        dir: level.dir.path().to_path_buf(),
    });
    Ok((level, kept.steps, started))
}

fn start(
    workflow: &Arc<Workflow>,
    resolved: Resolved,
    kept: &retry::Kept,
    host: &Arc<Host>,
    events: Arc<dyn EventSink>,
) -> Result<Arc<Level>, RunError> {
    let masks = resolved.masks.clone();
    let failed = |error: std::io::Error| record_error(&error, &masks);
    let name = masks.text(&workflow.name);
    let run = match resolved.asker.run.clone() {
        Some(run) => run,
        None => run_id((host.clock)()).map_err(failed)?,
    };
    let dir = RunDir::create(&host.data_dir, name.as_str(), &run).map_err(failed)?;
    let guard = Arc::new(Guard::start(host.guard.as_deref(), dir.path()));
    let shared = Shared {
        events: Events::open(&dir, events).map_err(failed)?,
        executor: Box::new(Local::new(guard.clone())),
        groups: Groups::new(guard),
        host: host.clone(),
        masks: masks.clone(),
        run,
        log: dir.path().join("events.jsonl"),
    };
    let handle = WorkflowHandle { root: workflow.clone(), child: None };
    let origin = Origin { prefix: String::new(), depth: 0, retry_of: kept.run.clone() };
    let level = Level::new(Arc::new(shared), handle, resolved, dir, origin).map_err(failed)?;
    Ok(Arc::new(level))
}

fn signal(stop: &mut StopToken) -> Option<i32> {
    match stop.state() {
        Stop::No => None,
        Stop::Gently { signal } | Stop::Now { signal } => Some(signal),
    }
}

fn finish(
    level: &Level,
    started: Timestamp,
    end: &LevelEnd,
    signal: Option<i32>,
) -> Result<RunReport, RunError> {
    let now = level.shared.now();
    let took = now.0.duration_since(started.0).unwrap_or_default();
    level.shared.events.emit(&RunEvent::RunFinished {
        time: now,
        status: end.status,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        reason: end.reason.clone(),
    });
    if let Some(error) = level.shared.events.failure() {
        return Err(record_error(&error, &level.shared.masks));
    }
    let signal = if end.status == RunStatus::Aborted { signal } else { None };
    let dir = level.dir.path().to_path_buf();
    Ok(RunReport { run: level.shared.run.clone(), dir, status: end.status, signal })
}

fn record_error(error: &std::io::Error, masks: &Masks) -> RunError {
    RunError {
        message: masks.text(&format!("the run's record cannot be written: {error}")),
        help: Some("check space and permissions of SUBROSA_HOME"),
    }
}

/// The name that `status.json` and events use for a status.
pub(crate) fn status_word<T: serde::Serialize>(status: T) -> String {
    match serde_json::to_value(status) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
