//! Run records: what a run leaves on disk, and how it is found again.
//!
//! ```text
//! <data dir>/runs/<workflow>/<run id>/      0700, files 0600
//!   status.json     the run and its steps; replaced as a whole
//!   events.jsonl    one event per line, appended; the run holds a lock on it while it lives
//!   outputs.json    named outputs, masked
//!   steps/<step>.out .err (or .log)   masked output; `.2.out` for the second attempt, and so on
//!   work/           scratch folder for steps (DAG_RUN_WORK_DIR)
//!   called/<step>/[<item>/]   the same again for a called workflow
//! ```
//!
//! Writers fill the text fields with [`subrosa_masker::MaskedText`]; readers get `String`s.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::rundir::{file_name, open_regular};

/// Version of `status.json`.
pub const FORMAT: u32 = 1;

/// `status.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord<T = String> {
    /// Version of the format.
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// The run that this one is a retry of.
    pub retry_of: Option<String>,
    /// The workflow's name.
    pub workflow: T,
    /// Its file, absolute.
    pub file: T,
    /// The workspace of its label.
    #[serde(default = "none")]
    pub workspace: Option<T>,
    /// Who started it: a user, here or of a server, or a hook.
    #[serde(default = "none")]
    pub by: Option<T>,
    /// The environment of the registry that was chosen for it.
    pub environment: Option<T>,
    /// Whether `--env` chose it: then it holds for called workflows too.
    #[serde(default)]
    pub environment_given: bool,
    /// `running`, `succeeded`, `partially_succeeded`, `failed`, `aborted`.
    pub status: String,
    /// Why, where the steps do not say it.
    pub reason: Option<T>,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC.
    pub finished: Option<String>,
    /// Process id of the engine.
    pub pid: u32,
    /// Parameters the run was given.
    pub params: Vec<ParamRecord<T>>,
    /// The secrets it was given, by name and source; never a value.
    pub secrets: Vec<SecretRecord<T>>,
    /// Steps in file order, then handlers.
    pub steps: Vec<StepRecord<T>>,
}

/// A parameter as given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParamRecord<T = String> {
    /// Its name; positional ones have none.
    pub name: Option<T>,
    /// Its value, masked.
    pub value: T,
    /// Whether masking changed it, so that it cannot be used again.
    pub masked: bool,
}

/// A secret of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretRecord<T = String> {
    /// The variable.
    pub name: T,
    /// `ref` or the provider's name.
    pub provider: T,
    /// The ref, if it has one.
    #[serde(rename = "ref")]
    pub reference: Option<T>,
    /// Where the registry had the value, if it came from there.
    pub found: Option<FoundRecord<T>>,
    /// When the value was kept, if the offline cache gave it since the provider was out of reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<String>,
    /// Whether its value is masked: not with `mask: false`.
    #[serde(default = "yes")]
    pub masked: bool,
    /// Whether its value is too short or too common a word to be masked well.
    #[serde(default)]
    pub short: bool,
}

/// What records of before say by saying nothing.
fn yes() -> bool {
    true
}

/// The same, where it is nothing.
fn none<T>() -> Option<T> {
    None
}

/// Where the registry had a value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FoundRecord<T = String> {
    /// The workspace; `None` is the global scope.
    pub workspace: Option<T>,
    /// The environment; `None` are the defaults.
    pub environment: Option<T>,
    /// The version.
    pub version: u64,
    /// Whether it was past its date, which had been allowed.
    pub expired: bool,
    /// Whether earlier values were in use beside it.
    pub overlapping: bool,
}

/// A step of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepRecord<T = String> {
    /// The step's name, or `handler/success` and so on.
    pub name: T,
    /// As in [`crate::event::StepStatus`].
    pub status: String,
    /// Attempts made.
    pub attempts: u32,
    /// RFC 3339, UTC.
    pub started: Option<String>,
    /// RFC 3339, UTC.
    pub finished: Option<String>,
    /// Exit code of the last attempt.
    pub exit_code: Option<i32>,
    /// Signal that ended the last attempt.
    pub signal: Option<i32>,
    /// Why it ended so, in words.
    pub message: Option<T>,
    /// Log of standard output of the last attempt, relative to the run's folder.
    pub stdout: Option<PathBuf>,
    /// Log of standard error of the last attempt; the same as `stdout` if merged.
    pub stderr: Option<PathBuf>,
    /// What was masked in its output, all attempts together.
    #[serde(default = "Vec::new")]
    pub masked: Vec<MaskedCount<T>>,
    /// How many values it registered, each attempt for itself, whether others had them or not.
    #[serde(default)]
    pub registered: u64,
    /// Which shared clients it used, all attempts together.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientRecord<T>>,
    /// Named outputs.
    pub outputs: Vec<OutputRecord<T>>,
    /// Folders of called workflows' records, relative to the run's folder.
    pub called: Vec<PathBuf>,
}

impl<T> StepRecord<T> {
    /// The record of a step that was not reached yet.
    pub(crate) fn not_started(name: T) -> StepRecord<T> {
        StepRecord {
            name,
            status: "not_started".to_owned(),
            attempts: 0,
            started: None,
            finished: None,
            exit_code: None,
            signal: None,
            message: None,
            stdout: None,
            stderr: None,
            masked: Vec::new(),
            registered: 0,
            clients: Vec::new(),
            outputs: Vec::new(),
            called: Vec::new(),
        }
    }
}

/// How a step used a client that steps share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRecord<T = String> {
    /// Its kind, and what authenticates it.
    pub client: T,
    /// How often the step made it: connected and logged in.
    pub opened: u64,
    /// How often it used one that was there, or was being made.
    pub shared: u64,
}

impl StepRecord {
    /// Where the records of called workflows lie, each with what the names of its steps begin with: `release/`,
    /// or `release/2/` for an item of a parallel call. A path that is none of a called workflow is left out.
    pub fn called_records(&self) -> impl Iterator<Item = (String, &Path)> {
        let below = |path: &&PathBuf| is_below(path) && path.starts_with("called");
        self.called.iter().filter(below).filter_map(|path| {
            let mut parts = path.iter().skip(1);
            let (_step, item) = (parts.next()?, parts.next());
            let prefix = match item {
                Some(item) => format!("{}/{}/", self.name, item.to_string_lossy()),
                None => format!("{}/", self.name),
            };
            Some((prefix, path.as_path()))
        })
    }
}

/// Whether a path that a record names leads into its folder: anything else is not ours to open.
pub fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// How often a secret stood in a stream of a step, in one form. Never the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskedCount<T = String> {
    /// The secret's name; of what a step registered and of what was made of secrets, a word in brackets.
    pub secret: T,
    /// `value`, `line`, `layout`, or the name of an encoding.
    pub form: String,
    /// Of base64: how many bytes stood before the value in its group of three. Otherwise 0.
    pub offset: u8,
    /// `stdout`, also for both in one, or `stderr`.
    pub stream: String,
    /// How often.
    pub count: u64,
}

/// A named output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutputRecord<T = String> {
    /// The variable.
    pub name: String,
    /// Its value, masked.
    pub value: T,
    /// Whether it is not the value, since masking changed it or it is no text: it is never read back.
    pub masked: bool,
}

/// A record that was found.
#[derive(Debug)]
pub struct FoundRun {
    /// Its folder.
    pub dir: PathBuf,
    /// What it says.
    pub record: RunRecord,
    /// Whether its engine lives. `running` and not alive: the engine was killed.
    pub alive: bool,
}

/// Reads one record.
///
/// # Errors
/// The file cannot be read, or is no record that this version understands.
pub fn load(dir: &Path) -> io::Result<FoundRun> {
    let mut text = Vec::new();
    open(&dir.join("status.json"))?.read_to_end(&mut text)?;
    let record: RunRecord = serde_json::from_slice(&text).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, "status.json is damaged or of a newer version")
    })?;
    Ok(FoundRun { dir: dir.to_path_buf(), record, alive: is_alive(dir) })
}

/// Opens a file of a record. Links, pipes and devices in its place are refused without waiting.
///
/// # Errors
/// It is not there, cannot be read or is no regular file.
pub fn open(path: &Path) -> io::Result<fs::File> {
    open_regular(path)
}

/// Whether the engine of a run that has a record lives; after that, nothing more is written.
pub fn is_alive(dir: &Path) -> bool {
    let Ok(file) = open(&dir.join("events.jsonl")) else {
        return false;
    };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}

/// Folders of all runs below the data directory, newest first, optionally of one workflow.
///
/// # Errors
/// A folder cannot be read. A data directory without runs is no error.
pub fn list(data_dir: &Path, workflow: Option<&str>) -> io::Result<Vec<PathBuf>> {
    let workflow = workflow.map(file_name);
    let mut found = Vec::new();
    for folder in folders(&data_dir.join("runs"))? {
        if workflow.as_ref().is_none_or(|name| folder.file_name().is_some_and(|f| f == &**name)) {
            found.extend(folders(&folder)?);
        }
    }
    // An engine that ended before it could write its first record has run nothing.
    found.retain(|dir| dir.join("status.json").exists());
    found.sort_by(|a, b| b.file_name().cmp(&a.file_name()));
    Ok(found)
}

/// Finds a run by its id or the unambiguous start of one; `None` means the newest.
///
/// # Errors
/// As [`list`].
pub fn find(data_dir: &Path, run: Option<&str>) -> io::Result<Vec<PathBuf>> {
    let mut all = list(data_dir, None)?;
    match run {
        None => all.truncate(1),
        Some(id) => all.retain(|dir| {
            dir.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(id))
        }),
    }
    Ok(all)
}

fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{StepRecord, is_below};

    #[test]
    fn a_record_cannot_lead_out_of_its_folder() {
        assert!(is_below(Path::new("steps/build.out")));
        assert!(!is_below(Path::new("../other/build.out")));
        assert!(!is_below(Path::new("/etc/passwd")));
    }

    #[test]
    fn called_records_are_those_of_called_workflows() {
        let check = |path: &str, prefix: Option<&str>| {
            let mut step = StepRecord::not_started("release".to_owned());
            step.called = vec![PathBuf::from(path)];
            let found = step.called_records().next().map(|(prefix, _)| prefix);
            assert_eq!(found.as_deref(), prefix, "{path}");
        };
        check("called/release", Some("release/"));
        check("called/release/2", Some("release/2/"));
        // These are no end, or none of ours.
        for path in
            ["", ".", "called", "called/.", "work/release", "called/../..", "/called/release"]
        {
            check(path, None);
        }
    }
}
