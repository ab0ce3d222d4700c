//! One line per event, for logs and pipes.

use std::collections::HashMap;

use subrosa_engine::event::{RunEvent, StepEnd, StepPath, StepStatus, Stream};

use super::summary::Tally;
use super::{View, words};
use crate::render::Look;
use crate::text::{count, duration, shown};

/// Bytes of an unfinished line that are held back at most.
const LINE_LEN_MAX: usize = 64 * 1024;

/// Writes lines.
pub(super) struct Plain {
    look: Look,
    quiet: bool,
    tally: Tally,
    lines: Lines,
}

impl Plain {
    /// Shows everything, or failures only.
    pub(super) fn new(look: Look, quiet: bool) -> Plain {
        Plain { look, quiet, tally: Tally::default(), lines: Lines::default() }
    }
}

impl View for Plain {
    fn event(&mut self, event: &RunEvent, screen: &mut Vec<u8>) {
        self.tally.event(event);
        if let RunEvent::StepOutput { step, stream, data, .. } = event {
            let give = |name: &str, line: &[u8]| push_line(screen, name, line);
            self.lines.push(step, *stream, data.as_bytes(), give);
            return;
        }
        if let RunEvent::StepFinished { step, .. } | RunEvent::StepRetrying { step, .. } = event {
            self.lines.finish(step, |name, line| push_line(screen, name, line));
        }
        let is_shown = !self.quiet || is_failure(event);
        if let Some(line) = line(event).filter(|_| is_shown) {
            screen.extend_from_slice(line.as_bytes());
            screen.push(b'\n');
        }
    }

    fn end(&mut self, screen: &mut Vec<u8>) {
        if !self.quiet || self.tally.is_bad() {
            screen.extend_from_slice(self.tally.summary(self.look).as_bytes());
        }
    }
}

fn push_line(screen: &mut Vec<u8>, name: &str, line: &[u8]) {
    for part in [name.as_bytes(), b" | ", line, b"\n"] {
        screen.extend_from_slice(part);
    }
}

fn is_failure(event: &RunEvent) -> bool {
    match event {
        RunEvent::StepFinished { status, .. } => matches!(
            status,
            StepStatus::Failed | StepStatus::PartiallySucceeded | StepStatus::Aborted
        ),
        RunEvent::Warning { .. } => true,
        RunEvent::RunStarted { .. }
        | RunEvent::StepStarted { .. }
        | RunEvent::StepOutput { .. }
        | RunEvent::StepRetrying { .. }
        | RunEvent::RunFinished { .. } => false,
    }
}

/// An event as a line; nothing for those that are shown otherwise.
fn line(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::RunStarted { run, workflow, environment, steps, secrets, .. } => Some(format!(
            "{}: run {run}{}, {}, {}",
            shown(workflow.as_str()),
            words::environment(environment.as_ref()),
            count(*steps, "step"),
            count(secrets.len(), "secret")
        )),
        RunEvent::StepStarted { step, attempt: 1, .. } => Some(format!("{}: started", name(step))),
        RunEvent::StepStarted { step, attempt, .. } => {
            Some(format!("{}: started, attempt {attempt}", name(step)))
        }
        RunEvent::StepRetrying { step, end, pause_ms, .. } => {
            Some(format!("{}: {}", name(step), retry_words(end, *pause_ms)))
        }
        RunEvent::StepFinished { step, status, end, duration_ms, .. } => {
            Some(format!("{}: {}", name(step), finish_words(*status, end, *duration_ms)))
        }
        RunEvent::Warning { step, message, .. } => Some(warning(step.as_ref(), message.as_str())),
        RunEvent::StepOutput { .. } | RunEvent::RunFinished { .. } => None,
    }
}

/// A step's name as it is shown.
pub(super) fn name(step: &StepPath) -> String {
    shown(step.0.as_str())
}

/// `warning: …`.
pub(super) fn warning(step: Option<&StepPath>, message: &str) -> String {
    let about = step.map_or_else(String::new, |step| format!("{}: ", name(step)));
    format!("warning: {about}{}", shown(message))
}

/// Why and when it is tried again.
pub(super) fn retry_words(end: &StepEnd, pause_ms: u64) -> String {
    let why = match words::end(end) {
        why if why.is_empty() => "not done yet".to_owned(),
        why => why,
    };
    format!("{why}, next try in {}", duration(pause_ms))
}

/// How a step ended, why, and how long it took.
pub(super) fn finish_words(status: StepStatus, end: &StepEnd, duration_ms: u64) -> String {
    let (_, word, _) = words::step(status);
    let why = match words::end(end) {
        why if why.is_empty() => why,
        why => format!(" ({why})"),
    };
    match end {
        StepEnd::NotRun { .. } => format!("{word}{why}"),
        StepEnd::Exited { .. }
        | StepEnd::Signalled { .. }
        | StepEnd::TimedOut
        | StepEnd::Cancelled
        | StepEnd::Error { .. }
        | StepEnd::Called { .. } => format!("{word}{why} in {}", duration(duration_ms)),
    }
}

/// Output of steps on its way from chunks to lines.
#[derive(Default)]
pub(super) struct Lines(HashMap<(StepPath, bool), Vec<u8>>);

impl Lines {
    /// Takes a chunk and gives the lines that it completes.
    pub(super) fn push(
        &mut self,
        step: &StepPath,
        stream: Stream,
        mut bytes: &[u8],
        mut give: impl FnMut(&str, &[u8]),
    ) {
        let name = name(step);
        let held = self.0.entry((step.clone(), stream == Stream::Stderr)).or_default();
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            held.extend_from_slice(&bytes[..at]);
            give(&name, held);
            held.clear();
            bytes = &bytes[at + 1..];
        }
        held.extend_from_slice(bytes);
        if held.len() > LINE_LEN_MAX {
            give(&name, held);
            held.clear();
        }
    }

    /// Gives what is left of a step's lines.
    pub(super) fn finish(&mut self, step: &StepPath, mut give: impl FnMut(&str, &[u8])) {
        for is_stderr in [false, true] {
            let rest = self.0.remove(&(step.clone(), is_stderr)).unwrap_or_default();
            if !rest.is_empty() {
                give(&name(step), &rest);
            }
        }
    }
}
