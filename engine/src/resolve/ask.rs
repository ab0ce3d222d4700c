//! One question to a provider: its deadline, its repetitions, and what is known of a provider that is
//! down.
//!
//! A request and all its repetitions share one deadline. Once a provider could not be reached at all,
//! requests that still wait are not sent: each of them would take as long to find out the same.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use super::backoff::pause;
use super::contained::Contained;
use super::logins::broke_off;
use crate::host::{Host, Limits};
use crate::provider::{Client, ProviderError, ProviderErrorKind, Retry, SecretRequest};

/// A future of a port.
pub(super) type Asking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One answer per request.
pub(super) type Answers<T> = Vec<Result<T, ProviderError>>;

/// What is asked of a client.
pub(super) type Verb<T> = for<'a> fn(&'a dyn Client, &'a [SecretRequest]) -> Asking<'a, Answers<T>>;

/// Bounds of one resolution.
#[derive(Clone)]
pub(super) struct Pace {
    pub(super) limits: Limits,
    pub(super) random: fn() -> u64,
    pub(super) deadline: Instant,
    pub(super) permits: Arc<Semaphore>,
}

/// What the requests of a group know of each other.
#[derive(Default)]
pub(super) struct Standing {
    answered: AtomicBool,
    outage: Mutex<Option<ProviderError>>,
    pub(super) retries: AtomicUsize,
}

impl Pace {
    pub(super) fn new(host: &Host, permits: Arc<Semaphore>) -> Pace {
        let deadline = Instant::now() + host.limits.resolve;
        Pace { limits: host.limits, random: host.random, deadline, permits }
    }

    fn until(&self) -> Instant {
        self.deadline.min(Instant::now() + self.limits.request)
    }

    /// What is said when nothing was answered in time.
    pub(super) fn timed_out(&self) -> ProviderError {
        let limit = humantime::format_duration(self.limits.request.min(self.limits.resolve));
        ProviderError::new(ProviderErrorKind::TimedOut, format!("no answer within {limit}"))
    }

    /// How long to wait before asking again; `None`: not again.
    fn pause(&self, retry: Retry, failed: u32, until: Instant) -> Option<Duration> {
        let pause =
            pause(retry, failed, (self.random)()).filter(|_| failed < self.limits.retries)?;
        let again = Instant::now().checked_add(pause)?;
        (again < until).then_some(pause)
    }

    /// Calls, and calls again as long as that may help and there is time. A repetition that is cut off says
    /// less than the answer before it.
    pub(super) async fn insist<'a, T>(
        &self,
        standing: &Standing,
        call: impl Fn() -> Asking<'a, Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let until = self.until();
        let mut failed = 0;
        let mut last = None;
        loop {
            let error = match timeout_at(until, Contained::new(call())).await {
                Ok(Ok(Ok(value))) => return Ok(value),
                Ok(Ok(Err(error))) => error,
                Ok(Err(_)) => return Err(broke_off()),
                Err(_) => return Err(last.unwrap_or_else(|| self.timed_out())),
            };
            let Some(pause) = self.pause(error.retry, failed, until) else { return Err(error) };
            last = Some(error);
            standing.retries.fetch_add(1, Ordering::Relaxed);
            sleep(pause).await;
            failed += 1;
        }
    }
}

impl Standing {
    /// Why the provider is down, if it is.
    fn outage(&self) -> Option<ProviderError> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note<T>(&self, answers: &Answers<T>) {
        for answer in answers {
            match answer {
                Ok(_) => self.answered.store(true, Ordering::Relaxed),
                Err(error) if is_outage(error) && !self.answered.load(Ordering::Relaxed) => {
                    let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
                    outage.get_or_insert_with(|| error.clone());
                }
                // A provider that says no is there.
                Err(error) if !is_outage(error) => self.answered.store(true, Ordering::Relaxed),
                Err(_) => {}
            }
        }
    }
}

/// Whether the provider as a whole is out of reach, not only what was asked for.
pub(super) fn is_outage(error: &ProviderError) -> bool {
    match error.kind {
        ProviderErrorKind::TimedOut => true,
        // One file on a bad disk is no outage: reading another may go well, and repeating helps neither.
        ProviderErrorKind::Unavailable => error.retry != Retry::Never,
        ProviderErrorKind::InvalidRequest
        | ProviderErrorKind::NotFound
        | ProviderErrorKind::Denied
        | ProviderErrorKind::Unauthenticated
        | ProviderErrorKind::Malformed => false,
    }
}

/// The leave to read one place, shared by the requests that one read answers.
pub(super) type Leave = Arc<OnceCell<OwnedSemaphorePermit>>;

/// Requests that go to the client in one call.
pub(super) struct Job {
    /// Their places among the requests of the group.
    pub(super) indexes: Vec<usize>,
    pub(super) requests: Vec<SecretRequest>,
    pub(super) leave: Leave,
}

/// Asks what one job wants.
pub(super) async fn ask<T: Send>(
    client: Arc<dyn Client>,
    verb: Verb<T>,
    job: Job,
    pace: Pace,
    standing: Arc<Standing>,
) -> Vec<(usize, Result<T, ProviderError>)> {
    let leave = job.leave.get_or_try_init(|| pace.permits.clone().acquire_owned());
    let answers = match timeout_at(pace.deadline, leave).await {
        Ok(Ok(_)) => match standing.outage() {
            Some(outage) => all(&job.requests, &outage),
            None => insist_on_all(&*client, verb, &job.requests, &pace, &standing).await,
        },
        Ok(Err(_)) | Err(_) => all(&job.requests, &pace.timed_out()),
    };
    standing.note(&answers);
    job.indexes.into_iter().zip(answers).collect()
}

fn all<T>(requests: &[SecretRequest], error: &ProviderError) -> Answers<T> {
    requests.iter().map(|_| Err(error.clone())).collect()
}

/// Asks until each request has its value, or an answer that asking again does not better.
async fn insist_on_all<T: Send>(
    client: &dyn Client,
    verb: Verb<T>,
    requests: &[SecretRequest],
    pace: &Pace,
    standing: &Standing,
) -> Answers<T> {
    let until = pace.until();
    let mut answers: Vec<Option<Result<T, ProviderError>>> =
        requests.iter().map(|_| None).collect();
    let mut waiting: Vec<usize> = (0..requests.len()).collect();
    let mut failed = 0;
    loop {
        let asked: Vec<SecretRequest> = waiting.iter().map(|at| requests[*at].clone()).collect();
        let mut got = match timeout_at(until, Contained::new(verb(client, &asked))).await {
            Ok(Ok(got)) => got,
            Ok(Err(_)) => all(&asked, &broke_off()),
            Err(_) => waiting.iter().map(|at| cut_off(&mut answers[*at], pace)).collect(),
        };
        // What a provider forgets to answer is not found out by waiting.
        got.resize_with(waiting.len(), || Err(unanswered()));
        let mut again = Vec::new();
        let mut longest = Duration::ZERO;
        for (at, answer) in waiting.into_iter().zip(got) {
            if let Err(error) = &answer
                && let Some(pause) = pace.pause(error.retry, failed, until)
            {
                longest = longest.max(pause);
                again.push(at);
            }
            answers[at] = Some(answer);
        }
        if again.is_empty() {
            return answers
                .into_iter()
                .map(|one| one.unwrap_or_else(|| Err(unanswered())))
                .collect();
        }
        standing.retries.fetch_add(again.len(), Ordering::Relaxed);
        sleep(longest).await;
        waiting = again;
        failed += 1;
    }
}

/// What is said of a request that was cut off: what was answered before, if anything was.
fn cut_off<T>(
    before: &mut Option<Result<T, ProviderError>>,
    pace: &Pace,
) -> Result<T, ProviderError> {
    before.take().unwrap_or_else(|| Err(pace.timed_out()))
}

fn unanswered() -> ProviderError {
    ProviderError::new(ProviderErrorKind::Malformed, "the provider left this request unanswered")
}
