//! Runs as their records tell of them: who may see them is told by where the workflow is.
//!
//! Records lie in the data folder and are written by the processes of runs. One that is over is read once; of
//! those that go on, each look reads what has changed.

pub(crate) mod steps;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use subrosa_engine::record::{self, FoundRun, RunRecord};
use subrosa_registry::WorkspaceName;
use utoipa::ToSchema;

use crate::access::Placed;
use crate::workflows::{Catalogue, stem};

/// How old what is known may be.
const AGE_MAX: Duration = Duration::from_millis(250);
/// A folder that was changed so short before it was read may have been changed again without that showing.
const UNSETTLED: Duration = Duration::from_secs(1);

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RunView {
    /// Its id.
    #[schema(example = "20261122T153205-k3v9x2")]
    pub(crate) id: String,
    /// Which workflow of this server it is one of; null: of none.
    pub(crate) workflow: Option<String>,
    /// The name that the workflow gives itself.
    pub(crate) title: String,
    /// The workspace; null: none.
    pub(crate) workspace: Option<String>,
    /// The environment of the registry; null: none.
    pub(crate) environment: Option<String>,
    /// `running`, `succeeded`, `partially_succeeded`, `failed`, `aborted`, or `interrupted`: its process was killed.
    #[schema(example = "succeeded")]
    pub(crate) status: String,
    /// Why, where the steps do not say it.
    pub(crate) reason: Option<String>,
    /// When it started.
    #[schema(format = DateTime)]
    pub(crate) started: String,
    /// When it ended; null: it did not.
    #[schema(format = DateTime)]
    pub(crate) finished: Option<String>,
    /// Who started it; null: that was not recorded.
    pub(crate) by: Option<String>,
    /// The run that this one tries again.
    pub(crate) retry_of: Option<String>,
    /// Steps and handlers.
    pub(crate) steps_total: usize,
    /// Those of them that are done with.
    pub(crate) steps_done: usize,
    /// Those of them that failed.
    pub(crate) steps_failed: usize,
}

/// A run and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What is told of it.
    pub(crate) view: RunView,
    /// Where it is.
    pub(crate) placed: Placed,
    /// The folder of its record.
    pub(crate) dir: PathBuf,
    /// When it started.
    pub(crate) started: SystemTime,
}

impl Run {
    /// Whether it goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.view.status == "running"
    }
}

/// The runs of the data folder, as last found.
pub(crate) struct Runs {
    data_dir: PathBuf,
    /// The folder of workflows, as it was named and without links.
    folders: Vec<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// What lies in the folder of each workflow, and when that changed last.
    folders: HashMap<PathBuf, (SystemTime, Vec<PathBuf>)>,
    runs: HashMap<PathBuf, Arc<Run>>,
    list: Arc<Vec<Arc<Run>>>,
    read: Option<Instant>,
}

impl Runs {
    /// Of a data folder; `folder` is the one of the workflows.
    pub(crate) fn new(data_dir: &Path, folder: &Path) -> Runs {
        let real = fs::canonicalize(folder).ok();
        let folders = std::iter::once(folder.to_path_buf()).chain(real).collect();
        Runs { data_dir: data_dir.to_path_buf(), folders, known: Mutex::default() }
    }

    /// All of them, newest first, as they were a moment ago. Blocks.
    pub(crate) fn all(&self, flows: &Catalogue) -> Arc<Vec<Arc<Run>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known, flows);
        known.list.clone()
    }

    /// Reads the folder if that was not done a moment ago.
    fn refresh(&self, known: &mut Known, flows: &Catalogue) {
        if known.read.is_none_or(|read| read.elapsed() > AGE_MAX) {
            self.read(known, flows);
        }
    }

    /// The one with this id, as it is now. What is not there costs no more than what is: the folder is not read
    /// again for each id that somebody makes up. Blocks.
    pub(crate) fn find(&self, id: &str, flows: &Catalogue) -> Option<Arc<Run>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |known: &Known| known.list.iter().find(|run| run.view.id == id).cloned();
        match found(&known) {
            Some(run) if run.goes_on() => {
                let names = flows.all();
                let now = self.run(&run.dir, |file| names.contains_key(file)).map(Arc::new);
                if !now.as_ref().is_some_and(|now| now.goes_on()) {
                    // The list is to say the same.
                    known.read = None;
                }
                now
            }
            Some(run) if run.dir.exists() => Some(run),
            _ => {
                self.refresh(&mut known, flows);
                found(&known).filter(|run| run.dir.exists())
            }
        }
    }

    /// Has the next look see what was just started.
    pub(crate) fn look_again(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).read = None;
    }

    fn read(&self, known: &mut Known, flows: &Catalogue) {
        let names = flows.all();
        let folders = children(&self.data_dir.join("runs"));
        let mut runs = HashMap::with_capacity(known.runs.len());
        let mut seen = HashMap::with_capacity(folders.len());
        for folder in folders {
            let before = known.folders.remove(&folder);
            let (changed, inside) = inside(&folder, before);
            for dir in &inside {
                let former = known.runs.get(dir);
                let run = match former.filter(|run| !run.goes_on()) {
                    Some(run) => Some(run.clone()),
                    None => self.run(dir, |file| names.contains_key(file)).map(Arc::new),
                };
                runs.extend(run.map(|run| (dir.clone(), run)));
            }
            seen.insert(folder, (changed, inside));
        }
        let mut list: Vec<Arc<Run>> = runs.values().cloned().collect();
        list.sort_by(|a, b| b.view.id.cmp(&a.view.id));
        (known.folders, known.runs) = (seen, runs);
        (known.list, known.read) = (Arc::new(list), Some(Instant::now()));
    }

    /// Reads a record; `None`: there is none (yet).
    fn run(&self, dir: &Path, is_name: impl Fn(&str) -> bool) -> Option<Run> {
        let FoundRun { record, alive, .. } = load(dir).ok()?;
        let below = |folder: &PathBuf| Path::new(&record.file).strip_prefix(folder).ok();
        let file = self.folders.iter().find_map(below).and_then(Path::to_str);
        let named = file.map(|file| match is_name(file) {
            true => file.to_owned(),
            false => stem(file),
        });
        let placed = placed(&record);
        let started = humantime::parse_rfc3339(&record.started).ok();
        let view = view(record, alive, named);
        let started = started.unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Run { view, placed, dir: dir.to_path_buf(), started })
    }
}

/// Reads a record. One that says that it goes on while its engine is gone is read again: it may have ended in
/// between.
pub(crate) fn load(dir: &Path) -> std::io::Result<FoundRun> {
    let found = record::load(dir)?;
    match (found.record.status.as_str(), found.alive) {
        ("running", false) => record::load(dir),
        _ => Ok(found),
    }
}

/// What lies in a folder; read again if it may have changed.
fn inside(folder: &Path, before: Option<(SystemTime, Vec<PathBuf>)>) -> (SystemTime, Vec<PathBuf>) {
    let changed = fs::symlink_metadata(folder).and_then(|found| found.modified());
    let changed = changed.unwrap_or(SystemTime::UNIX_EPOCH);
    match before {
        Some((at, inside)) if at == changed => (at, inside),
        _ => {
            let inside = children(folder);
            // Times of files are not fine enough to tell two changes in a row.
            let is_settled = changed.elapsed().is_ok_and(|age| age > UNSETTLED);
            (if is_settled { changed } else { SystemTime::UNIX_EPOCH }, inside)
        }
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let folders =
        entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// Where the workflow of a run was. Records of before did not say.
fn placed(record: &RunRecord) -> Placed {
    match (&record.workspace, &record.by) {
        (None, None) => Placed::Unknown,
        (None, Some(_)) => Placed::In(None),
        // A name that is masked is none.
        (Some(name), _) => {
            WorkspaceName::parse(name).map_or(Placed::Unknown, |name| Placed::In(Some(name)))
        }
    }
}

/// How a run stands, in a word: one that was running when its engine was killed was interrupted.
pub(crate) fn status(record: &RunRecord, alive: bool) -> &str {
    match record.status.as_str() {
        "running" if !alive => "interrupted",
        status => status,
    }
}

fn view(record: RunRecord, alive: bool, workflow: Option<String>) -> RunView {
    let status = status(&record, alive).to_owned();
    let count = |is: fn(&str) -> bool| record.steps.iter().filter(|step| is(&step.status)).count();
    RunView {
        steps_total: record.steps.len(),
        steps_done: count(|status| !matches!(status, "not_started" | "running")),
        steps_failed: count(|status| status == "failed"),
        id: record.run,
        workflow,
        title: record.workflow,
        workspace: record.workspace,
        environment: record.environment,
        status,
        reason: record.reason,
        started: record.started,
        finished: record.finished,
        by: record.by,
        retry_of: record.retry_of,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::json;

    use super::Runs;
    use crate::access::Placed;
    use crate::workflows::Catalogue;

    /// Writes the record of a run that is over.
    pub(crate) fn record(data_dir: &Path, id: &str, status: &str, more: &serde_json::Value) {
        let dir = data_dir.join("runs/deploy").join(id);
        fs::create_dir_all(&dir).unwrap();
        let mut record = json!({
            "format": 1, "run": id, "retry_of": null, "workflow": "deploy",
            "file": data_dir.join("flows/team/deploy.yaml"), "workspace": null, "by": "ada",
            "environment": null, "status": status, "reason": null,
            "started": "2026-11-22T15:32:05.123Z", "finished": "2026-11-22T15:32:06.123Z",
            "pid": 1, "params": [], "secrets": [], "steps": [],
        });
        for (name, value) in more.as_object().unwrap() {
            record[name] = value.clone();
        }
        fs::write(dir.join("status.json"), record.to_string()).unwrap();
    }

    #[test]
    fn runs_are_listed_newest_first_and_found_as_they_come_and_go() {
        let home = tempfile::tempdir().unwrap();
        let (flows, runs) = (home.path().join("flows"), home.path());
        let (catalogue, index) = (Catalogue::new(&flows, &[]), Runs::new(runs, &flows));
        record(runs, "20261122T153205-b", "failed", &json!({}));
        record(runs, "20261122T153205-a", "running", &json!({"workspace": "pay"}));
        record(runs, "20261122T153204-c", "succeeded", &json!({"by": null}));
        let all = index.all(&catalogue);
        let seen: Vec<_> =
            all.iter().map(|run| (run.view.id.as_str(), run.view.status.as_str())).collect();
        let expected = [
            ("20261122T153205-b", "failed"),
            ("20261122T153205-a", "interrupted"),
            ("20261122T153204-c", "succeeded"),
        ];
        assert_eq!(seen, expected);
        assert_eq!(all[0].view.workflow.as_deref(), Some("team/deploy"));
        assert_eq!((&all[0].placed, &all[2].placed), (&Placed::In(None), &Placed::Unknown));
        record(runs, "20261122T153206-d", "succeeded", &json!({}));
        index.look_again();
        assert!(index.find("20261122T153206-d", &catalogue).is_some());
        fs::remove_dir_all(runs.join("runs/deploy/20261122T153206-d")).unwrap();
        assert!(index.find("20261122T153206-d", &catalogue).is_none());
        assert!(index.find("../deploy", &catalogue).is_none());
    }

    #[test]
    fn an_id_that_is_made_up_does_not_have_everything_read() {
        let home = tempfile::tempdir().unwrap();
        let flows = home.path().join("flows");
        let (catalogue, index) = (Catalogue::new(&flows, &[]), Runs::new(home.path(), &flows));
        let read = || index.known.lock().unwrap().read;
        let before = (index.all(&catalogue), std::time::Instant::now()).1;
        assert!(index.find("made-up", &catalogue).is_none());
        let is_late = before.elapsed() > super::AGE_MAX;
        assert!(is_late || read().is_some_and(|read| read <= before));
    }

    #[test]
    fn what_is_over_is_read_once() {
        let home = tempfile::tempdir().unwrap();
        let flows = home.path().join("flows");
        let (catalogue, index) = (Catalogue::new(&flows, &[]), Runs::new(home.path(), &flows));
        let id = "20261122T153205-a";
        record(home.path(), id, "failed", &json!({}));
        assert_eq!(index.all(&catalogue).len(), 1);
        fs::write(home.path().join("runs/deploy").join(id).join("status.json"), "x").unwrap();
        let mut known = index.known.lock().unwrap();
        index.read(&mut known, &catalogue);
        assert_eq!(known.list[0].view.status, "failed");
    }
}
