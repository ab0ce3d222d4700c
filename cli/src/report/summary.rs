//! What is told at the end: counts, time, secrets, the record, and the last words of what failed.

use std::path::PathBuf;

use subrosa_engine::event::{RunEvent, RunStatus, StepStatus};
use subrosa_masker::MaskedText;

use super::{tail, words};
use crate::render::Look;
use crate::text::{count, duration, shown};

/// Lines of a failed step that are shown again.
const TAIL_LINES: usize = 10;

/// What is kept of the events for the end.
#[derive(Default)]
pub(super) struct Tally {
    run: String,
    dir: PathBuf,
    /// The masked ones.
    secrets: Vec<String>,
    unmasked: Vec<String>,
    counts: Vec<(StepStatus, usize)>,
    failed: Vec<(String, String)>,
    finished: Option<(RunStatus, u64, Option<String>)>,
}

impl Tally {
    /// Takes an event.
    pub(super) fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted { run, secrets, unmasked, dir, .. } => {
                self.run.clone_from(run);
                self.dir.clone_from(dir);
                let (open, masked): (Vec<_>, Vec<_>) =
                    secrets.iter().partition(|name| unmasked.contains(name));
                let names = |all: Vec<&MaskedText>| -> Vec<String> {
                    all.into_iter().map(|name| shown(name.as_str())).collect()
                };
                (self.secrets, self.unmasked) = (names(masked), names(open));
            }
            RunEvent::StepFinished { step, status, end, .. } => {
                // The first line told the number of steps, and handlers are none of them.
                if !step.0.as_str().starts_with("handler/") {
                    self.count(*status);
                }
                if *status == StepStatus::Failed {
                    self.failed.push((step.0.as_str().to_owned(), words::end(end)));
                }
            }
            RunEvent::RunFinished { status, duration_ms, reason, .. } => {
                let reason = reason.as_ref().map(|reason| shown(reason.as_str()));
                self.finished = Some((*status, *duration_ms, reason));
            }
            RunEvent::StepStarted { .. }
            | RunEvent::StepOutput { .. }
            | RunEvent::StepRetrying { .. }
            | RunEvent::Warning { .. } => {}
        }
    }

    fn count(&mut self, status: StepStatus) {
        match self.counts.iter_mut().find(|(known, _)| *known == status) {
            Some((_, number)) => *number += 1,
            None => self.counts.push((status, 1)),
        }
    }

    /// Whether the run went wrong.
    pub(super) fn is_bad(&self) -> bool {
        !matches!(self.finished, Some((RunStatus::Succeeded, ..)))
    }

    /// The text for the end; empty if no run was started.
    pub(super) fn summary(&self, look: Look) -> String {
        let Some((status, duration_ms, reason)) = &self.finished else { return String::new() };
        let mut text = String::from("\n");
        for (step, why) in &self.failed {
            text.push_str(&self.last_words(step, why, look));
        }
        let (word, style) = words::run(*status);
        let word = look.paint(style, word);
        text.push_str(&format!("{word} in {}: {}\n", duration(*duration_ms), self.counts()));
        if let Some(reason) = reason {
            text.push_str(&format!("reason   {reason}\n"));
        }
        if !self.secrets.is_empty() {
            let masked = count(self.secrets.len(), "secret");
            text.push_str(&format!("masked   {masked} ({})\n", self.secrets.join(", ")));
        }
        if !self.unmasked.is_empty() {
            text.push_str(&format!("shown    {} (`mask: false`)\n", self.unmasked.join(", ")));
        }
        text.push_str(&format!("record   {}\n", shown(&self.dir.display().to_string())));
        text
    }

    fn counts(&self) -> String {
        let mut counts = self.counts.clone();
        counts.sort_by_key(|(status, _)| *status as u8);
        let counts: Vec<String> = counts
            .iter()
            .map(|(status, number)| format!("{number} {}", words::step(*status).1))
            .collect();
        if counts.is_empty() { "no steps".to_owned() } else { counts.join(", ") }
    }

    fn last_words(&self, step: &str, why: &str, look: Look) -> String {
        let name = shown(step);
        let mut text = format!("{} {name}: {why}\n", words::painted(StepStatus::Failed, look));
        for line in tail::of_step(&self.dir, step, TAIL_LINES) {
            text.push_str(&format!("  │ {line}\n"));
        }
        text.push_str(&format!("  more: subrosa logs {} {}\n\n", self.run, shell_word(step)));
        text
    }
}

/// A word as a shell wants it.
fn shell_word(word: &str) -> String {
    let is_simple = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(is_simple) {
        word.to_owned()
    } else {
        shown(&format!("'{}'", word.replace('\'', r"'\''")))
    }
}
