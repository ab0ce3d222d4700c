//! Finding records of runs, and saying how a run stands.

use std::path::Path;
use std::time::SystemTime;

use subrosa_engine::record::{self, FoundRun, RunRecord};

use crate::failure::Failure;
use crate::text::duration;

/// Ids that an ambiguous one is answered with.
const CANDIDATES_MAX: usize = 5;

/// The run that `id` means: all of an id, its start, or nothing for the newest run.
pub(crate) fn find(data_dir: &Path, id: Option<&str>) -> Result<FoundRun, Failure> {
    let folders = record::find(data_dir, id).map_err(|error| {
        Failure::engine(format!("cannot read the records below `{}`: {error}", data_dir.display()))
    })?;
    let name = |dir: &Path| {
        dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let exact = folders.iter().find(|dir| id.is_some_and(|id| name(dir) == id));
    match (exact, folders.as_slice(), id) {
        (Some(dir), _, _) | (None, [dir], _) => load(dir),
        (None, [], None) => Err(Failure::usage("there are no runs yet")),
        (None, [], Some(id)) => Err(Failure::usage(format!("no run `{id}`"))
            .help("`subrosa runs` lists them; the start of an id will do")),
        (None, several, _) => {
            let names: Vec<String> =
                several.iter().take(CANDIDATES_MAX).map(|dir| name(dir)).collect();
            let more = if several.len() > CANDIDATES_MAX { ", ..." } else { "" };
            let id = id.unwrap_or_default();
            Err(Failure::usage(format!("`{id}` is the start of {} runs", several.len()))
                .help(format!("which one: {}{more}", names.join(", "))))
        }
    }
}

/// Reads a record.
pub(crate) fn load(dir: &Path) -> Result<FoundRun, Failure> {
    record::load(dir).map_err(|error| {
        Failure::engine(format!("cannot read the record `{}`: {error}", dir.display()))
    })
}

/// How a run stands, in words: a running one whose engine is gone was interrupted.
pub(crate) fn state(run: &FoundRun) -> String {
    match run.record.status.as_str() {
        "running" if !run.alive => "interrupted".to_owned(),
        status => status.replace('_', " "),
    }
}

/// How long a run took, or takes.
pub(crate) fn took(run: &FoundRun, now: SystemTime) -> String {
    let record = &run.record;
    match record.finished.as_deref() {
        Some(finished) => between(&record.started, finished),
        None if run.alive => since(&record.started, now),
        None => String::new(),
    }
}

/// How long from one time to the other; empty if one of them is none.
pub(crate) fn between(start: &str, end: &str) -> String {
    match humantime::parse_rfc3339(end) {
        Ok(end) => since(start, end),
        Err(_) => String::new(),
    }
}

fn since(start: &str, end: SystemTime) -> String {
    let Ok(start) = humantime::parse_rfc3339(start) else { return String::new() };
    let passed = end.duration_since(start).unwrap_or_default();
    duration(passed.as_millis().try_into().unwrap_or(u64::MAX))
}

/// `2026-11-22 15:58:47`, UTC, of a time in a record; the text itself if it is none.
pub(crate) fn clock_time(time: &str) -> String {
    match time.split_once('T') {
        Some((day, rest)) => format!("{day} {}", rest.get(..8).unwrap_or(rest)),
        None => time.to_owned(),
    }
}

/// Steps of a run that did not succeed, in numbers: `1 failed`; empty if all is well.
pub(crate) fn trouble(record: &RunRecord) -> String {
    let failed = record.steps.iter().filter(|step| step.status == "failed").count();
    if failed == 0 { String::new() } else { format!("{failed} failed") }
}

#[cfg(test)]
mod tests {
    use super::{between, clock_time};

    #[test]
    fn times_are_shown_short() {
        assert_eq!(clock_time("2026-11-22T15:58:47.123Z"), "2026-11-22 15:58:47");
        assert_eq!(clock_time("never"), "never");
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_time_rather_than_nonsense() {
        assert_eq!(between("2026-11-22T15:58:47Z", "2026-11-22T15:59:57Z"), "1m 10s");
        assert_eq!(between("2026-11-22T15:58:47Z", "2026-11-22T15:00:00Z"), "0ms");
        assert_eq!(between("x", "2026-11-22T15:00:00Z"), "");
    }
}
