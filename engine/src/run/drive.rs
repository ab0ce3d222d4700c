//! Drives one level: what starts, what a stop or a timeout means, handlers, the end.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use subrosa_masker::MaskedText;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::level::{Handler, Level, LevelEnd, StepIndex, first_line, handler_name};
use super::status_word;
use crate::cancel::{Stop, StopHandle, StopToken, stop_pair};
use crate::event::{RunStatus, StepStatus};
use crate::outputs;
use crate::scheduler::{Scheduler, Verdict};
use crate::scope::StepFacts;
use crate::step::{StepOutcome, condition, run_step};

const RECORDS_CHECK: Duration = Duration::from_secs(1);

type LevelFuture = Pin<Box<dyn Future<Output = LevelEnd> + Send>>;

/// Runs a level to its end. Boxed, since a step may call another level.
pub(crate) fn run_level(
    level: Arc<Level>,
    stop: StopToken,
    kept: BTreeMap<usize, StepFacts>,
) -> LevelFuture {
    Box::pin(async move {
        let mut drive = Drive::new(level.clone(), stop, kept);
        let driving = async {
            let mut end = drive.run().await;
            drive.handlers(&mut end).await;
            drive.close(&end);
            end
        };
        tokio::select! {
            end = driving => end,
            never = level.recorder.catch_up() => match never {},
        }
    })
}

struct Drive {
    level: Arc<Level>,
    /// What the caller asks.
    stop: StopToken,
    /// What our steps are asked.
    steps_stop: (StopHandle, StopToken),
    scheduler: Scheduler,
    kept: BTreeMap<usize, StepFacts>,
    failed: bool,
    partial: bool,
    aborted: bool,
    timed_out: bool,
    broken: Option<MaskedText>,
}

impl Drive {
    fn new(level: Arc<Level>, stop: StopToken, kept: BTreeMap<usize, StepFacts>) -> Drive {
        let workflow = level.workflow();
        let scheduler = Scheduler::new(&workflow.steps, workflow.max_active_steps);
        Drive {
            level,
            stop,
            steps_stop: stop_pair(),
            scheduler,
            kept,
            failed: false,
            partial: false,
            aborted: false,
            timed_out: false,
            broken: None,
        }
    }

    async fn run(&mut self) -> LevelEnd {
        let level = self.level.clone();
        for condition in &level.workflow().preconditions {
            match condition::holds_for_workflow(&level, condition, self.stop.clone()).await {
                Ok(true) => {}
                Ok(false) if self.is_stopped() => return self.ended(RunStatus::Aborted, None),
                Ok(false) => return self.not_met(&condition.text.raw),
                Err(message) => return self.ended(RunStatus::Failed, Some(message)),
            }
        }
        // A handler obeys only a stop that comes after it began.
        if self.is_stopped() {
            return self.ended(RunStatus::Aborted, None);
        }
        if level.handler(Handler::Init).is_some() {
            let outcome = self.handler(Handler::Init).await;
            if outcome.status == StepStatus::Aborted && self.is_stopped() {
                return self.ended(RunStatus::Aborted, None);
            }
            if outcome.verdict != Verdict::Pass {
                let reason = level.shared.masks.text("handler_on.init failed");
                return self.ended(RunStatus::Failed, Some(reason));
            }
        }
        self.keep_succeeded();
        self.steps().await;
        let reason = self.broken.take().or_else(|| {
            self.timed_out.then(|| level.shared.masks.text("the workflow's timeout_sec passed"))
        });
        let status = match () {
            () if self.aborted => RunStatus::Aborted,
            () if self.failed || self.timed_out || reason.is_some() => RunStatus::Failed,
            () if self.partial => RunStatus::PartiallySucceeded,
            () => RunStatus::Succeeded,
        };
        LevelEnd { status, reason }
    }

    fn is_stopped(&self) -> bool {
        self.stop.state() != Stop::No
    }

    fn not_met(&mut self, condition: &str) -> LevelEnd {
        let masks = &self.level.shared.masks;
        let shown = first_line(&masks.text(condition));
        let reason = masks.text(&format!("precondition `{shown}` did not hold"));
        self.ended(RunStatus::Aborted, Some(reason))
    }

    /// Ends before the steps.
    fn ended(&mut self, status: RunStatus, reason: Option<MaskedText>) -> LevelEnd {
        for index in self.scheduler.halt() {
            self.level.never_ran(index, StepStatus::NotStarted, "the run ended before");
        }
        LevelEnd { status, reason }
    }

    /// Steps of the retried run that need not run again.
    fn keep_succeeded(&mut self) {
        for (index, facts) in std::mem::take(&mut self.kept) {
            let level = &self.level;
            let step = &level.workflow().steps[index];
            level.note(step, &facts);
            level.recorder.step(index, |record| {
                record.status = status_word(StepStatus::Succeeded);
                record.message =
                    Some(level.shared.masks.text("succeeded in the run that is retried"));
                record.outputs = crate::step::output_records(step, &facts, &level.shared.masks);
            });
            self.scheduler.finish(index, Verdict::Pass);
        }
    }

    async fn steps(&mut self) {
        let far = Duration::from_secs(10 * 365 * 24 * 3600);
        let mut deadline = Instant::now() + self.level.workflow().timeout.unwrap_or(far);
        let mut seen = self.stop.state();
        if seen != Stop::No {
            self.aborted = true;
            self.halt("the run was stopped", seen);
        }
        let mut running: JoinSet<(usize, StepOutcome)> = JoinSet::new();
        loop {
            while let Some(index) = self.scheduler.start_next() {
                let step =
                    run_step(self.level.clone(), StepIndex::Step(index), self.steps_stop.1.clone());
                running.spawn(async move { (index, step.await) });
            }
            if running.is_empty() {
                return;
            }
            tokio::select! {
                ended = running.join_next() => match ended {
                    Some(Ok((index, outcome))) => self.take_outcome(index, &outcome),
                    Some(Err(_)) => self.break_off("a step's task broke off"),
                    None => return,
                },
                asked = self.stop.changed_from(seen) => {
                    seen = asked;
                    self.aborted = true;
                    self.halt("the run was stopped", asked);
                }
                // A record is also written while no step ends.
                () = sleep(RECORDS_CHECK), if self.broken.is_none() => self.check_records(),
                () = sleep_until(deadline) => {
                    deadline += far;
                    self.timed_out = true;
                    let signal = rustix::process::Signal::TERM.as_raw();
                    self.halt("the workflow's timeout_sec passed", Stop::Gently { signal });
                }
            }
        }
    }

    fn halt(&mut self, reason: &str, asked: Stop) {
        for index in self.scheduler.halt() {
            self.level.never_ran(index, StepStatus::Aborted, reason);
        }
        self.steps_stop.0.pass_on(asked);
    }

    fn break_off(&mut self, reason: &str) {
        self.broken = Some(self.level.shared.masks.text(reason));
        let signal = rustix::process::Signal::TERM.as_raw();
        self.halt("the engine broke off", Stop::Gently { signal });
    }

    fn take_outcome(&mut self, index: usize, outcome: &StepOutcome) {
        match outcome.status {
            StepStatus::Failed | StepStatus::UpstreamFailed => self.failed = true,
            StepStatus::PartiallySucceeded => self.partial = true,
            StepStatus::Aborted if !self.timed_out => self.aborted = true,
            StepStatus::Aborted
            | StepStatus::Succeeded
            | StepStatus::Skipped
            | StepStatus::NotStarted
            | StepStatus::Running => {}
        }
        let never = self.scheduler.finish(index, outcome.verdict);
        let status = match outcome.verdict {
            Verdict::Skipped => StepStatus::Skipped,
            Verdict::Pass | Verdict::Failed => StepStatus::UpstreamFailed,
        };
        for (step, before) in never {
            let before = &self.level.workflow().steps[before].name;
            let reason = match status {
                StepStatus::Skipped => format!("`{before}` was skipped"),
                _ => format!("`{before}` did not succeed"),
            };
            self.level.never_ran(step, status, &reason);
        }
        self.check_records();
    }

    fn check_records(&mut self) {
        self.level.pass_on_failure();
        let broken = self.level.shared.events.broken().filter(|_| self.broken.is_none());
        if let Some(error) = broken {
            self.break_off(&format!("the run's record cannot be written: {error}"));
        }
    }

    /// Handlers obey only a stop that was not there before them.
    async fn handler(&self, handler: Handler) -> StepOutcome {
        let (handle, token) = stop_pair();
        let mut stop = self.stop.clone();
        let seen = stop.state();
        let mut running =
            Box::pin(run_step(self.level.clone(), StepIndex::Handler(handler), token));
        tokio::select! {
            outcome = &mut running => return outcome,
            asked = stop.changed_from(seen) => handle.pass_on(asked),
        }
        let mut hurried = Box::pin(async {
            let asked = stop.changed_from(stop.state()).await;
            handle.pass_on(asked);
            std::future::pending::<()>().await;
        });
        tokio::select! {
            outcome = running => outcome,
            () = &mut hurried => StepOutcome::aborted(),
        }
    }

    async fn handlers(&self, end: &mut LevelEnd) {
        let first = match end.status {
            RunStatus::Succeeded | RunStatus::PartiallySucceeded => Handler::Success,
            RunStatus::Failed | RunStatus::Running => Handler::Failure,
            RunStatus::Aborted => Handler::Abort,
        };
        let present = |handler: &Handler| self.level.handler(*handler).is_some();
        for handler in [first, Handler::Exit].into_iter().filter(present) {
            if matches!(self.stop.state(), Stop::Now { .. }) {
                return;
            }
            self.level.recorder.finish(|record| record.status = status_word(end.status));
            let outcome = self.handler(handler).await;
            if outcome.status == StepStatus::Aborted && self.is_stopped() {
                end.status = RunStatus::Aborted;
            } else if outcome.verdict != Verdict::Pass && end.status != RunStatus::Aborted {
                end.status = RunStatus::Failed;
                let name = handler_name(handler).replace("handler/", "handler_on.");
                let reason = self.level.shared.masks.text(&format!("{name} failed"));
                end.reason.get_or_insert(reason);
            }
        }
    }

    fn close(&self, end: &LevelEnd) {
        let level = &self.level;
        let now = level.shared.now();
        level.recorder.finish(|record| {
            crate::leaks::mask_again(record, &level.shared.masks);
            record.status = status_word(end.status);
            record.reason.clone_from(&end.reason);
            record.finished = Some(now.to_string());
        });
        let collected = level.collected();
        if !collected.is_empty() {
            let (run, masks) = (&level.shared.run, &level.shared.masks);
            let text = outputs::document(level.workflow(), run, end.status, now, &collected, masks);
            if let Err(error) = level.dir.replace_file("outputs.json", &text) {
                level.warn(None, &format!("outputs.json cannot be written: {error}"));
            }
        }
        level.pass_on_failure();
    }
}
