//! The steps of a run with those of the workflows that they called, and their logs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use subrosa_engine::record::{self, FoundRun, ParamRecord, SecretRecord, StepRecord};
use subrosa_engine::steplog::{StepLog, logs};
use utoipa::ToSchema;

use super::{load, status};

/// Steps of a run, called ones included, that are looked at.
const STEPS_MAX: usize = 20_000;

/// A step and where its record lies.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The way through called workflows: `deploy`, or `release/2/deploy`.
    pub(crate) path: String,
    /// How many calls lead to it.
    pub(crate) depth: usize,
    /// What the record says.
    pub(crate) record: StepRecord,
    dir: PathBuf,
}

impl Step {
    /// Its logs, of all attempts.
    pub(crate) fn logs(&self) -> Vec<StepLog> {
        logs(&self.dir, &self.record)
    }

    /// The folders of the records of workflows that it called.
    pub(crate) fn called(&self) -> impl Iterator<Item = PathBuf> {
        self.record.called_records().map(|(_, path)| self.dir.join(path))
    }
}

/// All steps of the run recorded in a folder, each followed by those that it called. What cannot be read (yet)
/// counts as empty.
pub(crate) fn steps(dir: &Path) -> Vec<Step> {
    let mut found = Vec::new();
    push(dir, "", 0, &mut found);
    found
}

fn push(dir: &Path, prefix: &str, depth: usize, found: &mut Vec<Step>) {
    let Ok(FoundRun { record, .. }) = record::load(dir) else { return };
    for step in record.steps {
        if found.len() >= STEPS_MAX {
            return;
        }
        let called: Vec<(String, PathBuf)> = step
            .called_records()
            .map(|(inner, path)| (format!("{prefix}{inner}"), dir.join(path)))
            .collect();
        let path = format!("{prefix}{}", step.name);
        found.push(Step { path, depth, record: step, dir: dir.to_path_buf() });
        for (inner, dir) in called {
            push(&dir, &inner, depth + 1, found);
        }
    }
}

/// What a run was given, and its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RunDetail {
    /// Parameters that it was given, masked.
    pub(crate) params: Vec<GivenParam>,
    /// Secrets that it had; never a value.
    pub(crate) secrets: Vec<UsedSecret>,
    /// Its steps, each followed by those of workflows that it called, then handlers.
    pub(crate) steps: Vec<StepView>,
}

/// A parameter as given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct GivenParam {
    /// Its name; null: a positional one.
    pub(crate) name: Option<String>,
    /// Its value, masked.
    pub(crate) value: String,
    /// Whether masking changed it: a retry needs it again.
    pub(crate) masked: bool,
}

/// A secret of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct UsedSecret {
    /// The variable.
    pub(crate) name: String,
    /// `ref`, or the provider's name.
    pub(crate) provider: String,
    /// The ref, if it has one.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
    /// The version in the registry, if it came from there.
    pub(crate) version: Option<u64>,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct StepView {
    /// Its name, after those of the steps that called its workflow.
    #[schema(example = "release/2/deploy")]
    pub(crate) step: String,
    /// How many calls lead to it.
    pub(crate) depth: usize,
    /// `not_started`, `running`, `succeeded`, `failed`, `partially_succeeded`, `skipped`, `upstream_failed`, `aborted`, or
    /// `interrupted`.
    pub(crate) status: String,
    /// Attempts made.
    pub(crate) attempts: u32,
    /// When it started.
    #[schema(format = DateTime)]
    pub(crate) started: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    pub(crate) finished: Option<String>,
    /// Exit code of the last attempt.
    pub(crate) exit_code: Option<i32>,
    /// Signal that ended the last attempt.
    pub(crate) signal: Option<i32>,
    /// Why it ended so.
    pub(crate) message: Option<String>,
    /// Logs that have a byte at least.
    pub(crate) logs: Vec<LogView>,
}

/// A log of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LogView {
    /// `stdout`, `stderr`, or `output` if it holds both.
    pub(crate) stream: String,
    /// Which attempt, from 1.
    pub(crate) attempt: u32,
    /// How long it is by now, in bytes.
    pub(crate) bytes: u64,
}

/// Reads what is told of a run beside its list entry; `None`: its record is gone.
pub(crate) fn detail(dir: &Path) -> Option<RunDetail> {
    let FoundRun { record, alive, .. } = load(dir).ok()?;
    let is_interrupted = status(&record, alive) == "interrupted";
    Some(RunDetail {
        params: record.params.into_iter().map(GivenParam::of).collect(),
        secrets: record.secrets.into_iter().map(UsedSecret::of).collect(),
        steps: steps(dir).into_iter().map(|step| StepView::of(step, is_interrupted)).collect(),
    })
}

impl GivenParam {
    fn of(param: ParamRecord) -> GivenParam {
        GivenParam { name: param.name, value: param.value, masked: param.masked }
    }
}

impl UsedSecret {
    fn of(secret: SecretRecord) -> UsedSecret {
        UsedSecret {
            name: secret.name,
            provider: secret.provider,
            reference: secret.reference,
            version: secret.found.map(|found| found.version),
        }
    }
}

impl StepView {
    fn of(step: Step, is_interrupted: bool) -> StepView {
        let logs = step.logs().into_iter().map(|log| LogView {
            stream: log.stream.to_owned(),
            attempt: log.attempt,
            bytes: log.len(),
        });
        let logs = logs.filter(|log| log.bytes > 0).collect();
        let record = step.record;
        let status = match record.status.as_str() {
            "running" if is_interrupted => "interrupted".to_owned(),
            _ => record.status,
        };
        StepView {
            step: step.path,
            depth: step.depth,
            status,
            attempts: record.attempts,
            started: record.started,
            finished: record.finished,
            exit_code: record.exit_code,
            signal: record.signal,
            message: record.message,
            logs,
        }
    }
}
