//! One step from its preconditions to its verdict: attempts, retries, repeats.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use subrosa_masker::MaskedText;
use tokio::time::sleep;

use crate::cancel::{Stop, StopToken};
use crate::env::Variables;
use crate::event::{RunEvent, RunStatus, StepEnd, StepPath, StepStatus, Timestamp};
use crate::run::level::{Level, StepIndex, first_line};
use crate::scheduler::Verdict;
use crate::shell::ShellLine;
use crate::sink::Captured;
use crate::workflow::{RepeatMode, RepeatPolicy, RepeatTest, Step};

mod attempt;
pub(crate) mod condition;
mod context;
mod typed;
mod verdict;

pub(crate) use context::fill;
pub(crate) use verdict::output_records;
use verdict::when_skipped;

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
