//! The requests of one provider that share a login.
//!
//! Requests that are the same are asked once; those whose place is the same are asked at the same time.
//! What answers at once (a variable, a value that is known) costs no task. A group answers one
//! resolution after the other, so that two workflows that are called at the same time and want the same
//! ask once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{Instant, timeout_at};

use super::ask::{Answers, Asking, Job, Leave, Pace, Standing, Verb, ask};
use super::logins::{InUse, Login, Logins, broke_off};
use crate::provider::{
    Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ResolveContext,
    SecretRequest,
};
use crate::secret::SecretValue;

/// What makes two requests of a group the same: the key and the options.
type Question = (String, BTreeMap<String, String>);

/// The requests of one login.
pub(super) struct Group {
    provider: Arc<dyn Provider>,
    identity: Identity,
    /// The number of the session it is of.
    session: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    login: Option<Arc<Login>>,
    values: BTreeMap<Question, SecretValue>,
}

/// A request with the place of its declaration.
pub(super) type Indexed = (usize, SecretRequest);

/// What came of a group.
pub(super) struct Answered<T> {
    /// By the place of the declaration.
    pub(super) results: Vec<(usize, Result<T, ProviderError>)>,
    /// Whose answers are of now: the others were known before.
    pub(super) asked: BTreeSet<usize>,
    /// Whether there was no login, which then is the error of every result.
    pub(super) is_shut_out: bool,
    pub(super) tally: Tally,
}

/// What a group did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) logins: usize,
    pub(super) requests: usize,
    pub(super) retries: usize,
    pub(super) took: Duration,
}

/// Where a group answers from.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) context: ResolveContext,
    pub(super) logins: Logins,
    /// Keeps open what was opened here.
    pub(super) session: Arc<InUse>,
    pub(super) pace: Pace,
}

fn question(request: &SecretRequest) -> Question {
    (request.key.clone(), request.options.0.clone())
}

fn read<'a>(
    client: &'a dyn Client,
    requests: &'a [SecretRequest],
) -> Asking<'a, Answers<SecretValue>> {
    Box::pin(async move {
        match requests {
            [one] => vec![client.fetch(one).await],
            _ => client.fetch_many(requests).await,
        }
    })
}

fn look<'a>(client: &'a dyn Client, requests: &'a [SecretRequest]) -> Asking<'a, Answers<Checked>> {
    Box::pin(async move {
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            answers.push(client.check(request).await);
        }
        answers
    })
}

impl Group {
    pub(super) fn new(provider: Arc<dyn Provider>, identity: Identity, session: u64) -> Group {
        Group { provider, identity, session, state: Mutex::default() }
    }

    /// Gets the values of these requests.
    pub(super) async fn fetch(
        self: Arc<Group>,
        requests: Vec<Indexed>,
        at: Surroundings,
    ) -> Answered<SecretValue> {
        let started = Instant::now();
        let mut state = match self.turn(&at).await {
            Ok(state) => state,
            Err(error) => return shut_out(&requests, &error, started, Tally::default()),
        };
        let is_known = |request: &Indexed| state.values.contains_key(&question(&request.1));
        let (known, unknown): (Vec<_>, Vec<_>) = requests.into_iter().partition(is_known);
        let mut results: Vec<(usize, Result<SecretValue, ProviderError>)> = known
            .iter()
            .filter_map(|(index, request)| {
                Some((*index, Ok(state.values.get(&question(request))?.clone())))
            })
            .collect();
        if unknown.is_empty() {
            let tally = Tally { took: started.elapsed(), ..Tally::default() };
            return Answered { results, asked: BTreeSet::new(), is_shut_out: false, tally };
        }
        let standing = Arc::new(Standing::default());
        let (login, logins) = match self.login(&mut state, &at, &standing).await {
            Ok(login) => login,
            Err(error) => {
                let retries = standing.retries.load(Ordering::Relaxed);
                let tally = Tally { logins: 1, retries, ..Tally::default() };
                return shut_out(&unknown, &error, started, tally);
            }
        };
        let batch_len = login.client.batch_len_max();
        let (answers, requests) =
            self.ask_all(&login, read, batch_len, &unknown, &at.pace, &standing).await;
        for ((_, request), (_, answer)) in unknown.iter().zip(&answers) {
            if let Ok(value) = answer {
                state.values.insert(question(request), value.clone());
            }
        }
        at.logins.used(&login);
        let asked = places(&unknown);
        results.extend(answers);
        let retries = standing.retries.load(Ordering::Relaxed);
        let tally = Tally { logins, requests, retries, took: started.elapsed() };
        Answered { results, asked, is_shut_out: false, tally }
    }

    /// Finds out whether these requests would be answered.
    pub(super) async fn check(
        self: Arc<Group>,
        requests: Vec<Indexed>,
        at: Surroundings,
    ) -> Answered<Checked> {
        let started = Instant::now();
        let standing = Arc::new(Standing::default());
        let opened = match self.turn(&at).await {
            Ok(mut state) => self.login(&mut state, &at, &standing).await,
            Err(error) => Err(error),
        };
        let (login, logins) = match opened {
            Ok(opened) => opened,
            Err(error) => return shut_out(&requests, &error, started, Tally::default()),
        };
        let asked = places(&requests);
        let (results, requests) =
            self.ask_all(&login, look, 1, &requests, &at.pace, &standing).await;
        let retries = standing.retries.load(Ordering::Relaxed);
        let tally = Tally { logins, requests, retries, took: started.elapsed() };
        Answered { results, asked, is_shut_out: false, tally }
    }

    /// Logs in, and asks whether the other side is there.
    pub(super) async fn probe(self: Arc<Group>, at: Surroundings) -> Result<(), ProviderError> {
        let standing = Arc::new(Standing::default());
        let mut state = self.turn(&at).await?;
        let (login, _) = self.login(&mut state, &at, &standing).await?;
        at.pace.insist(&standing, || login.client.probe()).await
    }

    /// Waits until no other resolution uses the group.
    async fn turn(&self, at: &Surroundings) -> Result<MutexGuard<'_, State>, ProviderError> {
        let turn = timeout_at(at.pace.deadline, self.state.lock()).await;
        turn.map_err(|_| ProviderError::new(ProviderErrorKind::TimedOut, "no login in time"))
    }

    /// The login, and how many were made for it.
    async fn login(
        &self,
        state: &mut State,
        at: &Surroundings,
        standing: &Standing,
    ) -> Result<(Arc<Login>, usize), ProviderError> {
        if let Some(login) = &state.login {
            return Ok((login.clone(), 0));
        }
        let opening = || self.provider.open(&at.context, &self.identity);
        let leave = timeout_at(at.pace.deadline, at.pace.permits.acquire()).await;
        let opened = match leave {
            Ok(Ok(_leave)) => at.pace.insist(standing, opening).await,
            Ok(Err(_)) | Err(_) => Err(at.pace.timed_out()),
        };
        let client = opened.map_err(|error| {
            let late = error == at.pace.timed_out();
            let message = if late { format!("{error} to the login") } else { error.message };
            ProviderError { message, ..error }
        })?;
        let login = at.logins.add(self.session, self.provider.name(), Arc::from(client));
        state.login = Some(login.clone());
        // To open what is at hand is no login.
        Ok((login, usize::from(self.provider.needs_settings())))
    }

    /// Asks each question once. Answers come in the order of the requests; the number is that of
    /// different questions.
    async fn ask_all<T: Clone + Send + 'static>(
        &self,
        login: &Login,
        verb: Verb<T>,
        batch_len: usize,
        requests: &[Indexed],
        pace: &Pace,
        standing: &Arc<Standing>,
    ) -> (Vec<(usize, Result<T, ProviderError>)>, usize) {
        let mut numbers: BTreeMap<Question, usize> = BTreeMap::new();
        let mut different: Vec<&SecretRequest> = Vec::new();
        let mut asked = Vec::with_capacity(requests.len());
        for (_, request) in requests {
            let number = *numbers.entry(question(request)).or_insert_with(|| {
                different.push(request);
                different.len() - 1
            });
            asked.push(number);
        }
        let mut answers: Vec<Option<Result<T, ProviderError>>> = vec![None; different.len()];
        let mut running = JoinSet::new();
        for job in self.jobs(&different, batch_len) {
            let asking = ask(login.client.clone(), verb, job, pace.clone(), standing.clone());
            let mut asking = Box::pin(asking);
            // Unconstrained: what is ready is taken at once, however much of it there is.
            let first = poll_fn(|context| Poll::Ready(asking.as_mut().poll(context)));
            match unconstrained(first).await {
                Poll::Ready(got) => put(&mut answers, got),
                Poll::Pending => {
                    running.spawn(asking);
                }
            }
        }
        while let Some(ended) = running.join_next().await {
            put(&mut answers, ended.unwrap_or_default());
        }
        let answer = |number: usize| answers[number].clone().unwrap_or_else(|| Err(broke_off()));
        let results =
            requests.iter().zip(asked).map(|((index, _), number)| (*index, answer(number)));
        (results.collect(), different.len())
    }

    /// Cuts the requests into calls: batches, if the client takes some, else one call each, with those
    /// that one read answers under one leave.
    fn jobs(&self, requests: &[&SecretRequest], batch_len: usize) -> Vec<Job> {
        if batch_len > 1 {
            let numbered: Vec<usize> = (0..requests.len()).collect();
            let batch = |indexes: &[usize]| Job {
                indexes: indexes.to_vec(),
                requests: indexes.iter().map(|index| requests[*index].clone()).collect(),
                leave: Leave::default(),
            };
            return numbered.chunks(batch_len).map(batch).collect();
        }
        let mut leaves: BTreeMap<String, (usize, Leave)> = BTreeMap::new();
        let job = |(index, request): (usize, &&SecretRequest)| {
            let number = leaves.len();
            let place = leaves.entry(self.provider.place(request));
            let (number, leave) = place.or_insert_with(|| (number, Leave::default()));
            let (indexes, requests) = (vec![index], vec![(*request).clone()]);
            (*number, Job { indexes, requests, leave: leave.clone() })
        };
        let mut jobs: Vec<(usize, Job)> = requests.iter().enumerate().map(job).collect();
        // Those of one place one after the other: the sooner they are done, the sooner it makes room.
        jobs.sort_by_key(|(number, _)| *number);
        jobs.into_iter().map(|(_, job)| job).collect()
    }
}

fn put<T>(
    answers: &mut [Option<Result<T, ProviderError>>],
    got: Vec<(usize, Result<T, ProviderError>)>,
) {
    for (index, answer) in got {
        answers[index] = Some(answer);
    }
}

fn places(requests: &[Indexed]) -> BTreeSet<usize> {
    requests.iter().map(|(index, _)| *index).collect()
}

fn shut_out<T>(
    requests: &[Indexed],
    error: &ProviderError,
    started: Instant,
    tally: Tally,
) -> Answered<T> {
    let results = requests.iter().map(|(index, _)| (*index, Err(error.clone()))).collect();
    let tally = Tally { took: started.elapsed(), ..tally };
    Answered { results, asked: places(requests), is_shut_out: true, tally }
}
