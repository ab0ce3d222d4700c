//! Where the masked logs of steps are: from a step's name to its files, through called workflows.

use std::path::{Path, PathBuf};

use subrosa_engine::record::{self, StepRecord};

/// A log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// The step, with the way through called workflows: `release/2/deploy`.
    pub(crate) step: String,
    /// Which stream: `stdout`, `stderr`, or `output` if it holds both.
    pub(crate) stream: &'static str,
    /// The file.
    pub(crate) path: PathBuf,
}

/// The logs of all steps of a run, called workflows after the step that called them. Records that
/// cannot be read (yet) count as empty.
pub(crate) fn files(run_dir: &Path) -> Vec<LogFile> {
    let mut files = Vec::new();
    push_files(run_dir, "", &mut files);
    files
}

/// The logs of one step.
pub(crate) fn files_of_step(run_dir: &Path, step: &str) -> Vec<LogFile> {
    let mut files = files(run_dir);
    files.retain(|file| file.step == step);
    files
}

/// Names of all steps of a run, called ones included.
pub(crate) fn steps(run_dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    push_steps(run_dir, "", &mut names);
    names
}

fn push_files(run_dir: &Path, prefix: &str, files: &mut Vec<LogFile>) {
    for step in steps_of(run_dir) {
        let name = format!("{prefix}{}", step.name);
        let is_merged = step.stdout.is_some() && step.stdout == step.stderr;
        let stdout = if is_merged { "output" } else { "stdout" };
        let mut push = |stream, path: &Option<PathBuf>| {
            if let Some(path) = path.as_ref().filter(|path| record::is_below(path)) {
                files.push(LogFile { step: name.clone(), stream, path: run_dir.join(path) });
            }
        };
        push(stdout, &step.stdout);
        if !is_merged {
            push("stderr", &step.stderr);
        }
        for (inner, called) in step.called_records() {
            push_files(&run_dir.join(called), &format!("{prefix}{inner}"), files);
        }
    }
}

fn push_steps(run_dir: &Path, prefix: &str, names: &mut Vec<String>) {
    for step in steps_of(run_dir) {
        let name = format!("{prefix}{}", step.name);
        for (inner, called) in step.called_records() {
            push_steps(&run_dir.join(called), &format!("{prefix}{inner}"), names);
        }
        names.push(name);
    }
}

fn steps_of(run_dir: &Path) -> Vec<StepRecord> {
    record::load(run_dir).map(|found| found.record.steps).unwrap_or_default()
}
