//! One step from its preconditions to its verdict: attempts, retries, repeats, outputs.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use subrosa_masker::MaskedText;
use tokio::time::sleep;

use crate::cancel::{Stop, StopToken};
use crate::env::Variables;
use crate::event::{RunEvent, RunStatus, StepEnd, StepPath, StepStatus, Timestamp};
use crate::masks::Masks;
use crate::outputs;
use crate::record::OutputRecord;
use crate::run::level::{Level, StepIndex, first_line};
use crate::run::status_word;
use crate::rundir::open_regular;
use crate::scheduler::Verdict;
use crate::scope::StepFacts;
use crate::shell::ShellLine;
use crate::sink::Captured;
use crate::workflow::{ContinueOn, RepeatMode, RepeatPolicy, RepeatTest, Step};

mod attempt;
pub(crate) mod condition;
mod context;

pub(crate) use context::fill;

/// What a step came to.
pub(crate) struct StepOutcome {
    pub(crate) status: StepStatus,
    pub(crate) verdict: Verdict,
}

impl StepOutcome {
    pub(crate) fn aborted() -> StepOutcome {
        StepOutcome { status: StepStatus::Aborted, verdict: Verdict::Failed }
    }
}

/// A step under way.
pub(crate) struct StepRun {
    level: Arc<Level>,
    index: StepIndex,
    path: StepPath,
    stop: StopToken,
    started: Timestamp,
    attempts: u32,
}

/// What a step runs in: the same for all of its attempts.
struct Context {
    variables: Variables,
    working_dir: PathBuf,
    shell: ShellLine,
}

/// What came of one attempt.
struct Attempt {
    end: StepEnd,
    captured: Option<Captured>,
    logs: Vec<PathBuf>,
}

impl Attempt {
    fn succeeded(&self) -> bool {
        matches!(
            self.end,
            StepEnd::Exited { code: 0 }
                | StepEnd::Called { status: RunStatus::Succeeded | RunStatus::PartiallySucceeded }
        )
    }

    fn exit_code(&self) -> Option<i32> {
        match self.end {
            StepEnd::Exited { code } => Some(code),
            _ => None,
        }
    }

    /// Of a call that nobody stopped.
    fn had_nothing_to_do(&self) -> bool {
        self.end == StepEnd::Called { status: RunStatus::Aborted }
    }

    fn was_stopped(&self) -> bool {
        matches!(self.end, StepEnd::Cancelled | StepEnd::Called { status: RunStatus::Aborted })
    }
}

/// Runs a step.
pub(crate) async fn run_step(level: Arc<Level>, index: StepIndex, stop: StopToken) -> StepOutcome {
    let path = level.step_path(index);
    let started = level.shared.now();
    let mut run = StepRun { level: level.clone(), index, path, stop, started, attempts: 0 };
    let Some(step) = level.step(index) else {
        return StepOutcome::aborted();
    };
    match Box::pin(run.prepare(step)).await {
        Ok(context) => Box::pin(run.attempts(step, &context)).await,
        Err(ended) => {
            let (status, verdict) = match ended.status {
                StepStatus::Skipped => (ended.status, when_skipped(step)),
                StepStatus::Failed if step.continue_on.failure => {
                    (step.continue_on.went_on(), Verdict::Pass)
                }
                _ => (ended.status, Verdict::Failed),
            };
            run.finish(status, ended.end, verdict, None)
        }
    }
}

impl ContinueOn {
    /// What a failed step counts as when its dependants run all the same.
    fn went_on(&self) -> StepStatus {
        if self.mark_success { StepStatus::Succeeded } else { StepStatus::PartiallySucceeded }
    }
}

fn when_skipped(step: &Step) -> Verdict {
    if step.continue_on.skipped { Verdict::Pass } else { Verdict::Skipped }
}

/// An end before the first attempt.
struct Ended {
    status: StepStatus,
    end: StepEnd,
}

impl StepRun {
    async fn prepare(&self, step: &Step) -> Result<Context, Ended> {
        let failed = |message: MaskedText| Ended {
            status: StepStatus::Failed,
            end: StepEnd::Error { message },
        };
        let mut stop = self.stop.clone();
        let context = tokio::select! {
            context = self.context(step) => context.map_err(failed)?,
            _ = stop.changed_from(Stop::No) => {
                return Err(Ended { status: StepStatus::Aborted, end: StepEnd::Cancelled });
            }
        };
        for condition in &step.preconditions {
            let met = condition::holds(&self.level, &context, condition, self.stop.clone());
            match met.await {
                Ok(true) => {}
                Ok(false) if self.stop.state() == Stop::No => {
                    let masks = &self.level.shared.masks;
                    let shown = first_line(&masks.text(&condition.text.raw));
                    let reason = masks.text(&format!("precondition `{shown}` did not hold"));
                    return Err(Ended {
                        status: StepStatus::Skipped,
                        end: StepEnd::NotRun { reason },
                    });
                }
                Ok(false) => {
                    return Err(Ended { status: StepStatus::Aborted, end: StepEnd::Cancelled });
                }
                Err(message) => return Err(failed(message)),
            }
        }
        Ok(context)
    }

    async fn attempts(&mut self, step: &Step, context: &Context) -> StepOutcome {
        let mut tries = 0;
        let mut rounds = 1;
        loop {
            self.attempts += 1;
            let attempt = self.attempt(step, context).await;
            if attempt.was_stopped() {
                return self.conclude(step, attempt);
            }
            let again = match &step.retry {
                Some(retry) if !attempt.succeeded() && tries < retry.limit => {
                    let code = attempt.exit_code();
                    let counts = retry.exit_codes.is_empty()
                        || code.is_some_and(|code| retry.exit_codes.contains(&code));
                    counts.then(|| pause(retry.interval, retry.backoff, retry.interval_max, tries))
                }
                _ => None,
            };
            let pause = if let Some(pause) = again {
                tries += 1;
                self.tell_retry(&attempt, pause);
                pause
            } else {
                match &step.repeat {
                    Some(policy) if self.goes_on(step, policy, context, &attempt, rounds).await => {
                        rounds += 1;
                        tries = 0;
                        pause(policy.interval, policy.backoff, policy.interval_max, rounds - 2)
                    }
                    _ => return self.conclude(step, attempt),
                }
            };
            if !self.wait(pause).await {
                return self.conclude(step, attempt);
            }
        }
    }

    fn tell_retry(&self, attempt: &Attempt, pause: Duration) {
        self.level.shared.events.emit(&RunEvent::StepRetrying {
            time: self.level.shared.now(),
            step: self.path.clone(),
            attempt: self.attempts,
            end: attempt.end.clone(),
            pause_ms: millis(pause),
        });
    }

    /// Whether a repeated step goes on after an attempt.
    async fn goes_on(
        &self,
        step: &Step,
        policy: &RepeatPolicy,
        context: &Context,
        attempt: &Attempt,
        rounds: u32,
    ) -> bool {
        if policy.limit.is_some_and(|limit| rounds >= limit) {
            return false;
        }
        let (test, wanted) = match &policy.mode {
            RepeatMode::Always => return attempt.succeeded(),
            RepeatMode::While(test) => (test, true),
            RepeatMode::Until(test) => (test, false),
        };
        let holds = match test {
            RepeatTest::ExitCodes(codes) => {
                attempt.exit_code().is_some_and(|code| codes.contains(&code))
            }
            RepeatTest::Condition(condition) => {
                let context =
                    context.after(&self.level, &self.level.step_name(self.index), step, attempt);
                let held =
                    condition::holds(&self.level, &context, condition, self.stop.clone()).await;
                match held {
                    Ok(held) => held,
                    Err(message) => {
                        self.level.warn(Some(&self.path), &format!("repeat_policy: {message}"));
                        return false;
                    }
                }
            }
        };
        holds == wanted
    }

    /// Waits; `false` if the run was stopped meanwhile.
    async fn wait(&self, pause: Duration) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = sleep(pause) => self.stop.state() == Stop::No,
            _ = stop.changed_from(Stop::No) => false,
        }
    }

    fn conclude(&self, step: &Step, attempt: Attempt) -> StepOutcome {
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
                Some(value) => {
                    facts.outputs.insert(output.name.clone(), value);
                }
                None => {
                    let path = output.select.as_deref().unwrap_or_default();
                    let message =
                        format!("output `{}`: nothing at `{path}` in stdout", output.name);
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
        let mut bytes = Vec::new();
        let file = open_regular(&self.level.dir.path().join(log));
        if file.and_then(|mut file| file.read_to_end(&mut bytes)).is_err() {
            return false;
        }
        let text = String::from_utf8_lossy(&bytes);
        let patterns: Vec<_> = patterns.iter().map(|text| condition::Pattern::new(text)).collect();
        text.lines().any(|line| patterns.iter().any(|pattern| pattern.is_in(line)))
    }

    fn finish(
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

/// Outputs as the record keeps them.
pub(crate) fn output_records(
    step: &Step,
    facts: &StepFacts,
    masks: &Masks,
) -> Vec<OutputRecord<MaskedText>> {
    let found = step.outputs.iter().filter_map(|output| {
        let value = facts.outputs.get(&output.name)?;
        let (value, masked) = masks.record(value);
        Some(OutputRecord { name: output.name.clone(), value, masked })
    });
    found.collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The pause before try `n` (from 0): the interval, grown by the factor, up to its bound.
fn pause(interval: Duration, backoff: f64, interval_max: Option<Duration>, n: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
    let factor = backoff.max(1.0).powi(i32::try_from(n).unwrap_or(i32::MAX));
    let grown = Duration::try_from_secs_f64(interval.as_secs_f64() * factor).unwrap_or(LONGEST);
    grown.min(interval_max.unwrap_or(LONGEST)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::pause;
    use std::time::Duration;

    #[test]
    fn pauses_grow_up_to_their_bound() {
        let s = Duration::from_secs;
        assert_eq!(pause(s(2), 1.0, None, 5), s(2));
        assert_eq!(pause(s(2), 2.0, None, 3), s(16));
        assert_eq!(pause(s(2), 2.0, Some(s(10)), 3), s(10));
        assert!(pause(s(2), 10.0, None, u32::MAX) <= s(365 * 24 * 3600));
    }
}
