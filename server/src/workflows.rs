//! The workflow files of the folder: which there are, what they say, and what is wrong with them.
//!
//! They are read when they are new or have changed, and checked without anything being asked or run. A name is
//! looked up among those that were found, so that it can mean nothing else.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use subrosa_engine::diagnostic::Severity;
use subrosa_engine::kind::Kinds;
use subrosa_engine::source::{SourceFile, Span};
use subrosa_engine::workflow::Workflow;
use subrosa_engine::{Validation, validate};

use crate::access::Placed;
use crate::channel::runs::ProblemView;
use crate::folder::{ENDINGS, workflow_file};

/// Folders below folders.
const DEPTH_MAX: usize = 8;
/// Files; beyond that, the rest is left out.
const FILES_MAX: usize = 2000;
/// How old what is known of the folder may be.
const AGE_MAX: Duration = Duration::from_secs(1);

/// A workflow file.
pub(crate) struct Flow {
    /// Its path below the folder, without the ending; with it, if another file has the same name.
    pub(crate) name: String,
    /// Its path below the folder.
    pub(crate) file: String,
    /// Where it is.
    pub(crate) placed: Placed,
    /// The workflow, if it can be used.
    pub(crate) workflow: Option<Workflow>,
    /// What is wrong with it.
    pub(crate) problems: Vec<ProblemView>,
    source: Arc<SourceFile>,
    private: Vec<Span>,
    stamp: Stamp,
}

/// What changes whenever the file does.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    inode: u64,
}

/// The files, as last found.
pub(crate) struct Catalogue {
    folder: PathBuf,
    kinds: Kinds,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    flows: Arc<BTreeMap<String, Arc<Flow>>>,
    read: Option<Instant>,
}

impl Flow {
    /// The text with what must not be shown left out, line by line.
    pub(crate) fn text(&self) -> String {
        let text = self.source.text();
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        for span in &self.private {
            let (start, end) = (span.start.max(at), span.end.min(text.len()));
            let (Some(before), Some(hidden)) = (text.get(at..start), text.get(start..end)) else {
                continue;
            };
            shown.push_str(before);
            let lines = hidden.split('\n').map(|line| if line.is_empty() { "" } else { BLANK });
            shown.push_str(&lines.collect::<Vec<_>>().join("\n"));
            at = end;
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        shown
    }

    /// Where a column of a line is in [`Flow::text`].
    pub(crate) fn shown_column(&self, line: usize, column: usize) -> usize {
        let end_of_line = self.source.line(line).chars().count() + 1;
        let (mut shown, mut after) = (column, 1);
        for span in &self.private {
            let (start, end) = (self.source.position(span.start), self.source.position(span.end));
            if start.line > line || end.line < line {
                continue;
            }
            let from = if start.line == line { start.column.max(after) } else { 1 };
            let to = if end.line == line { end.column } else { end_of_line };
            let (len, blank) = (to.saturating_sub(from), BLANK.chars().count());
            if len == 0 || from >= column {
                continue;
            }
            // What is inside is shown where the blank begins.
            shown = match column >= to {
                true => (shown + blank).saturating_sub(len),
                false => shown - (column - from),
            };
            after = to;
        }
        shown
    }

    /// Whether some text of the file may be shown.
    pub(crate) fn may_show(&self, span: Span) -> bool {
        !self.private.iter().any(|hidden| hidden.start < span.end && span.start < hidden.end)
    }

    /// How many problems of a severity there are.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity.as_str()).count()
    }
}

/// What stands in place of text that must not be shown.
pub(crate) const BLANK: &str = "•••";

/// What is wrong with a text, and whether it can be used.
pub(crate) fn check_text(name: &str, text: &str, kinds: Kinds) -> (bool, Vec<ProblemView>) {
    let source = Arc::new(SourceFile::new(name, text));
    let found = validate(source.clone(), kinds);
    (found.workflow.is_some(), problems(&found, &source))
}

fn problems(found: &Validation, source: &SourceFile) -> Vec<ProblemView> {
    found.diagnostics.iter().map(|one| ProblemView::of(one, source, str::to_owned)).collect()
}

impl Catalogue {
    /// Of a folder.
    pub(crate) fn new(folder: &Path, kinds: Kinds) -> Catalogue {
        Catalogue { folder: folder.to_path_buf(), kinds, known: Mutex::default() }
    }

    /// All of them by name, as they were a moment ago. Blocks.
    pub(crate) fn all(&self) -> Arc<BTreeMap<String, Arc<Flow>>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut known);
        known.flows.clone()
    }

    /// Reads the folder if that was not done a moment ago.
    fn refresh(&self, known: &mut Known) {
        if known.read.is_none_or(|read| read.elapsed() > AGE_MAX) {
            self.read(known);
        }
    }

    /// The one of this name, as it is now. A name that is none costs no more than one that is: the time would
    /// tell which names there are to who may not see them. Blocks.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Flow>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.flows.get(name).cloned();
        match &found {
            None => self.refresh(&mut known),
            Some(flow) if stamp(&self.folder.join(&flow.file)) == Some(flow.stamp) => {}
            Some(_) => self.read(&mut known),
        }
        known.flows.get(name).cloned()
    }

    fn read(&self, known: &mut Known) {
        let mut files = Vec::new();
        collect(&self.folder, &mut PathBuf::new(), 0, &mut files);
        files.sort();
        let mut named: HashMap<String, usize> = HashMap::new();
        for file in &files {
            *named.entry(stem(file)).or_default() += 1;
        }
        let former: HashMap<&str, &Arc<Flow>> =
            known.flows.values().map(|flow| (flow.file.as_str(), flow)).collect();
        let flows = files.iter().filter_map(|file| {
            let name = stem(file);
            let name = if named.get(&name) == Some(&1) { name } else { file.clone() };
            let flow = self.flow(&name, file, former.get(file.as_str()).copied())?;
            Some((name, flow))
        });
        known.flows = Arc::new(flows.collect());
        known.read = Some(Instant::now());
    }

    /// Reads a file, unless it is as it was.
    fn flow(&self, name: &str, file: &str, former: Option<&Arc<Flow>>) -> Option<Arc<Flow>> {
        let path = workflow_file(&self.folder, file)?;
        let stamp = stamp(&path)?;
        if let Some(former) = former.filter(|flow| flow.stamp == stamp && flow.name == name) {
            return Some(former.clone());
        }
        let source = Arc::new(subrosa_engine::load(&path).ok()?.named(file));
        let found = validate(source.clone(), self.kinds);
        let problems = problems(&found, &source);
        // A text that tells nothing while it is being written is where it was before.
        let before = former.map_or(Placed::Unknown, |flow| flow.placed.clone());
        let placed = found.workspace.clone().map_or(before, Placed::In);
        let Validation { workflow, private, .. } = found;
        let (name, file) = (name.to_owned(), file.to_owned());
        Some(Arc::new(Flow { name, file, placed, workflow, problems, source, private, stamp }))
    }
}

/// A file's path without its ending.
pub(crate) fn stem(file: &str) -> String {
    let endings = ENDINGS.iter().find_map(|end| file.strip_suffix(end)?.strip_suffix('.'));
    endings.unwrap_or(file).to_owned()
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path).ok()?;
    Some(Stamp { modified: found.modified().ok(), len: found.len(), inode: found.ino() })
}

/// Paths of files that end as workflows do, below the folder. Folders that are links are left out: they could
/// lead in circles.
fn collect(folder: &Path, below: &mut PathBuf, depth: usize, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder.join(&*below)) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
        if name.as_encoded_bytes().starts_with(b".") || files.len() >= FILES_MAX {
            continue;
        }
        below.push(&name);
        let ending = below.extension().and_then(|ending| ending.to_str());
        if kind.is_dir() {
            if depth < DEPTH_MAX {
                collect(folder, below, depth + 1, files);
            }
        } else if ending.is_some_and(|ending| ENDINGS.contains(&ending)) {
            files.extend(below.to_str().map(str::to_owned));
        }
        below.pop();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use subrosa_registry::WorkspaceName;

    use super::{Catalogue, check_text};
    use crate::access::Placed;

    const GOOD: &str = "labels: [workspace=pay]\nsteps: [{run: 'true'}]\n";

    fn placed(name: Option<&str>) -> Placed {
        Placed::In(name.map(|name| WorkspaceName::parse(name).unwrap()))
    }

    #[test]
    fn files_are_named_by_their_paths_and_nothing_else_is_found() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("flows");
        fs::create_dir_all(folder.join("team/.git")).unwrap();
        for file in ["a.yaml", "b.yaml", "b.yml", "team/c.yml", "team/.git/x.yaml", "../out.yaml"] {
            fs::write(folder.join(file), GOOD).unwrap();
        }
        fs::write(folder.join("notes.txt"), GOOD).unwrap();
        symlink("../out.yaml", folder.join("out.yaml")).unwrap();
        symlink(home.path(), folder.join("up")).unwrap();
        let catalogue = Catalogue::new(&folder, &[]);
        let names: Vec<String> = catalogue.all().keys().cloned().collect();
        assert_eq!(names, ["a", "b.yaml", "b.yml", "team/c"]);
        for name in ["../out", "out", "up/out", "a.yaml", "team/../a", "notes.txt", ""] {
            assert!(catalogue.find(name).is_none(), "{name}");
        }
        assert_eq!(catalogue.find("team/c").unwrap().file, "team/c.yml");
    }

    #[test]
    fn a_name_that_is_made_up_does_not_have_everything_read() {
        let home = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::new(home.path(), &[]);
        let before = (catalogue.all(), std::time::Instant::now()).1;
        assert!(catalogue.find("made-up").is_none());
        let read = catalogue.known.lock().unwrap().read;
        assert!(before.elapsed() > super::AGE_MAX || read.is_some_and(|read| read <= before));
    }

    #[test]
    fn a_change_is_seen_and_a_text_that_is_unclear_stays_where_it_was() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.yaml");
        let catalogue = Catalogue::new(home.path(), &[]);
        let check = |text: &str, expected: Placed, is_usable: bool| {
            fs::write(&file, text).unwrap();
            let flow = catalogue.find("a").unwrap();
            assert_eq!((&flow.placed, flow.workflow.is_some()), (&expected, is_usable), "{text}");
        };
        check("steps: [", Placed::Unknown, false);
        check(GOOD, placed(Some("pay")), true);
        check("labels: [workspace=pay", placed(Some("pay")), false);
        check("steps: [{run: 'true'}]", placed(None), true);
    }

    #[test]
    fn values_of_a_file_are_not_in_its_text() {
        let home = tempfile::tempdir().unwrap();
        let text = "env:\n- PASSWORD: hunter2hunter2\nsteps: [{run: echo}]\n";
        fs::write(home.path().join("a.yaml"), text).unwrap();
        let flow = Catalogue::new(home.path(), &[]).find("a").unwrap();
        assert_eq!(flow.text(), "env:\n- PASSWORD: •••\nsteps: [{run: echo}]\n");
        let columns = [(2, 3, 3), (2, 13, 13), (2, 20, 13), (2, 27, 16), (3, 20, 20)];
        for (line, column, expected) in columns {
            assert_eq!(flow.shown_column(line, column), expected, "{line}:{column}");
        }
        fs::write(home.path().join("b.yaml"), "a: |\n  one\n  two: hunter2\n b: {").unwrap();
        let flow = Catalogue::new(home.path(), &[]).find("b").unwrap();
        assert_eq!(flow.text().lines().count(), 4);
        assert!(!flow.text().contains("hunter2"), "{}", flow.text());
    }

    #[test]
    fn a_text_is_checked_without_being_kept() {
        let (is_usable, problems) = check_text("x.yaml", "steps: [{depends: [a]}]", &[]);
        assert!(!is_usable && !problems.is_empty());
        assert_eq!(problems[0].places[0].line, 1);
        assert!(check_text("x.yaml", GOOD, &[]).0);
    }
}
