//! What an attempt means: outputs taken, `continue_on`, the step's status, record and event.

use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use subrosa_masker::MaskedText;

use super::{Attempt, StepOutcome, StepRun, condition, millis};
use crate::cancel::Stop;
use crate::event::{RunEvent, RunStatus, StepEnd, StepStatus};
use crate::masks::Masks;
use crate::outputs;
use crate::record::OutputRecord;
use crate::run::status_word;
use crate::rundir::open_regular;
use crate::scheduler::Verdict;
use crate::scope::StepFacts;
use crate::workflow::{ContinueOn, Step};

impl ContinueOn {
    /// What a failed step counts as when its dependants run all the same.
    pub(super) fn went_on(&self) -> StepStatus {
        if self.mark_success { StepStatus::Succeeded } else { StepStatus::PartiallySucceeded }
    }
}

pub(super) fn when_skipped(step: &Step) -> Verdict {
    if step.continue_on.skipped { Verdict::Pass } else { Verdict::Skipped }
}

impl StepRun {
    pub(super) fn conclude(&self, step: &Step, attempt: Attempt) -> StepOutcome {
        let mut facts = self.facts(&attempt);
        let missing = self.take_outputs(step, &attempt, &mut facts);
        self.level.note(step, &facts);
        let masks = &self.level.shared.masks;
        self.level.recorder.step(self.level.record_index(self.index), |record| {
            record.outputs = output_records(step, &facts, masks);
        });
        if self.stop.state() == Stop::No && attempt.had_nothing_to_do() {
            let reason = masks.text("the precondition of the called workflow did not hold");
            let end = StepEnd::NotRun { reason };
            return self.finish(StepStatus::Skipped, end, when_skipped(step), Some(&facts));
        }
        if attempt.was_stopped() || self.stop.state() != Stop::No && !attempt.succeeded() {
            return self.finish(StepStatus::Aborted, attempt.end, Verdict::Failed, Some(&facts));
        }
        if attempt.succeeded() {
            if let Some(message) = missing {
                let end = StepEnd::Error { message };
                return self.finish(StepStatus::Failed, end, Verdict::Failed, Some(&facts));
            }
            let partial =
                matches!(attempt.end, StepEnd::Called { status: RunStatus::PartiallySucceeded });
            let status =
                if partial { StepStatus::PartiallySucceeded } else { StepStatus::Succeeded };
            return self.finish(status, attempt.end, Verdict::Pass, Some(&facts));
        }
        if self.continues(&step.continue_on, &attempt) {
            let status = step.continue_on.went_on();
            return self.finish(status, attempt.end, Verdict::Pass, Some(&facts));
        }
        self.finish(StepStatus::Failed, attempt.end, Verdict::Failed, Some(&facts))
    }

    fn facts(&self, attempt: &Attempt) -> StepFacts {
        let absolute = |path: Option<&PathBuf>| {
            path.map(|path| self.level.dir.path().join(path).display().to_string())
        };
        StepFacts {
            outputs: std::collections::BTreeMap::new(),
            stdout: absolute(attempt.logs.first()),
            stderr: absolute(attempt.logs.last()),
            exit_code: attempt.exit_code(),
        }
    }

    /// Fills the outputs; says what is wrong with them, if anything is.
    fn take_outputs(
        &self,
        step: &Step,
        attempt: &Attempt,
        facts: &mut StepFacts,
    ) -> Option<MaskedText> {
        let captured = attempt.captured.as_ref()?;
        let masks = &self.level.shared.masks;
        if captured.overflowed() && !step.outputs.is_empty() {
            return Some(masks.text("the output is larger than 1 MiB; write it to a file instead"));
        }
        let printed = captured.value();
        for output in &step.outputs {
            match outputs::take(output, &printed, masks) {
                Ok(value) => {
                    facts.outputs.insert(output.name.clone(), value);
                }
                Err(error) => {
                    let message = format!("output `{}`: {error}", output.name);
                    return Some(masks.text(&message));
                }
            }
        }
        None
    }

    /// Whether `continue_on` lets dependants run after this failure.
    fn continues(&self, policy: &ContinueOn, attempt: &Attempt) -> bool {
        policy.failure
            || attempt.exit_code().is_some_and(|code| policy.exit_codes.contains(&code))
            || attempt.logs.first().is_some_and(|log| self.log_matches(log, &policy.output))
    }

    /// Looks for patterns in a log, as it was written: masked.
    fn log_matches(&self, log: &PathBuf, patterns: &[String]) -> bool {
        if patterns.is_empty() {
            return false;
        }
        let patterns: Vec<_> = patterns.iter().map(|text| condition::Pattern::new(text)).collect();
        let file = open_regular(&self.level.dir.path().join(log));
        // A log that cannot be read holds nothing.
        file.and_then(|file| any_line(BufReader::new(file), &patterns)).unwrap_or(false)
    }

    pub(super) fn finish(
        &self,
        status: StepStatus,
        end: StepEnd,
        verdict: Verdict,
        facts: Option<&StepFacts>,
    ) -> StepOutcome {
        let shared = &self.level.shared;
        let now = shared.now();
        let message = self.describe(&end);
        self.level.recorder.step(self.level.record_index(self.index), |record| {
            record.status = status_word(status);
            record.attempts = self.attempts;
            record.finished = Some(now.to_string());
            record.exit_code = facts.and_then(|facts| facts.exit_code);
            record.signal = match end {
                StepEnd::Signalled { signal } => Some(signal),
                _ => None,
            };
            record.message.clone_from(&message);
        });
        let took = now.0.duration_since(self.started.0).unwrap_or_default();
        shared.events.emit(&RunEvent::StepFinished {
            time: now,
            step: self.path.clone(),
            status,
            attempts: self.attempts,
            end,
            duration_ms: millis(took),
        });
        StepOutcome { status, verdict }
    }

    fn describe(&self, end: &StepEnd) -> Option<MaskedText> {
        let text = |text: &str| Some(self.level.shared.masks.text(text));
        match end {
            StepEnd::Exited { code: 0 } => None,
            StepEnd::Exited { code } => text(&format!("exit code {code}")),
            StepEnd::Signalled { signal } => text(&format!("killed by signal {signal}")),
            StepEnd::TimedOut => text("timeout_sec passed"),
            StepEnd::Cancelled => text("stopped"),
            StepEnd::Error { message } | StepEnd::NotRun { reason: message } => {
                Some(message.clone())
            }
            StepEnd::Called { status } => match status {
                RunStatus::Succeeded | RunStatus::Running => None,
                RunStatus::PartiallySucceeded | RunStatus::Failed | RunStatus::Aborted => {
                    text(&format!("the called workflow ended as {}", status_word(status)))
                }
            },
        }
    }
}

/// Whether a pattern is in a line. Logs may be larger than the memory: of a line that is longer than
/// [`LINE_LEN_MAX`] each such part is looked at by itself.
fn any_line(mut log: impl BufRead, patterns: &[condition::Pattern<'_>]) -> io::Result<bool> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if log.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if patterns.iter().any(|pattern| pattern.is_in(text)) {
            return Ok(true);
        }
    }
}

/// More than programs write in a line.
const LINE_LEN_MAX: u64 = 1 << 20;

/// Outputs as the record keeps them.
pub(crate) fn output_records(
    step: &Step,
    facts: &StepFacts,
    masks: &Masks,
) -> Vec<OutputRecord<MaskedText>> {
    let found = step.outputs.iter().filter_map(|output| {
        let value = facts.outputs.get(&output.name)?;
        let (value, masked) = masks.record_field(&output.name, value);
        Some(OutputRecord { name: output.name.clone(), value, masked })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read, repeat};

    use super::{LINE_LEN_MAX, any_line, condition};

    #[test]
    fn a_log_is_looked_at_line_by_line() {
        let check = |log: &[u8], pattern: &str, expected: bool| {
            let found = any_line(log, &[condition::Pattern::new(pattern)]).unwrap();
            assert_eq!(found, expected, "{pattern}");
        };
        let log = b"first\nsecond\r\n\n\xff third";
        check(log, "second", true);
        check(log, "re:^second$", true);
        check(log, "re:^$", true);
        check(log, "third", true);
        check(log, "re:first.second", false);
        check(b"", "re:^$", false);
    }

    #[test]
    fn of_a_line_without_end_no_more_than_a_part_is_in_memory() {
        let patterns = [condition::Pattern::new("ab")];
        let found =
            |len| any_line(BufReader::new(repeat(b'a').take(len).chain(&b"b\n"[..])), &patterns);
        assert!(found(8 * LINE_LEN_MAX - 1).unwrap());
        assert!(!found(8 * LINE_LEN_MAX).unwrap(), "the line was read as a whole");
    }
}
