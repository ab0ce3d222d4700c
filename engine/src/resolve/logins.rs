//! The logins of a run: opened once per provider and identity, kept while the run lasts, closed after it.
//!
//! Called workflows share them, and the values that were got, as long as they see the same environment
//! and folders: what a provider answers may depend on these. If ever new ones of these come up, the
//! logins that nobody has used for longest are closed while the run lasts. Whoever lets go of a run
//! without [`Logins::close`] leaves it to the other side to end what was lent.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::contained::Contained;
use super::group::Group;
use crate::host::Limits;
use crate::provider::{Client, Environment, Identity, Provider, ProviderError, ResolveContext};

/// So many sessions that nobody uses are kept for whoever sees the same.
const IDLE_MAX: usize = 8;

/// The logins of one run. Cloning shares them.
#[derive(Clone, Default)]
pub struct Logins(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// With the number of those who use it; those that were let go of last are last.
    sessions: Vec<(Arc<Session>, usize)>,
    /// The number of the next session.
    next: u64,
    open: Vec<Arc<Login>>,
    limits: Limits,
    permits: Option<Arc<Semaphore>>,
    /// Leave to give back, by provider: one that hangs takes none of another.
    leaves: BTreeMap<String, Arc<Semaphore>>,
    /// What is given back while the run lasts, and what could not be.
    closing: JoinSet<Option<String>>,
    told: BTreeSet<String>,
}

/// What was opened in one surrounding.
pub(super) struct Session {
    number: u64,
    context: ResolveContext,
    groups: Mutex<BTreeMap<(String, Identity), Arc<Group>>>,
}

/// A session that somebody uses until this is dropped.
pub(crate) struct InUse {
    session: Arc<Session>,
    logins: Logins,
}

/// A client that is logged in.
pub(super) struct Login {
    session: u64,
    provider: String,
    pub(super) client: Arc<dyn Client>,
    /// Values were got that nobody keeps yet.
    fresh: AtomicBool,
    kept: AtomicBool,
    /// Says that it need not be kept any longer.
    over: Notify,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.logins.let_go(self.session.number);
    }
}

impl std::fmt::Debug for InUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InUse(..)")
    }
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins(..)")
    }
}

impl Logins {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of this surrounding.
    pub(super) fn session(&self, context: ResolveContext) -> InUse {
        let mut state = self.state();
        let known =
            state.sessions.iter_mut().find(|(session, _)| is_same(&session.context, &context));
        if let Some((session, users)) = known {
            *users += 1;
            return InUse { session: session.clone(), logins: self.clone() };
        }
        let session = Arc::new(Session { number: state.next, context, groups: Mutex::default() });
        state.next += 1;
        state.sessions.push((session.clone(), 1));
        InUse { session, logins: self.clone() }
    }

    /// One user less. If too many sessions have none, the oldest of them is closed; outside of a runtime
    /// that is left to [`Logins::close`].
    fn let_go(&self, number: u64) {
        let mut state = self.state();
        let Some(at) = state.sessions.iter().position(|(one, _)| one.number == number) else {
            return;
        };
        let (session, users) = state.sessions.remove(at);
        state.sessions.push((session, users - 1));
        while let Some(Ok(told)) = state.closing.try_join_next() {
            state.told.extend(told);
        }
        let is_idle = |(_, users): &(Arc<Session>, usize)| *users == 0;
        let idle = state.sessions.iter().filter(|one| is_idle(one)).count();
        let oldest = state.sessions.iter().position(is_idle);
        if let (true, Some(oldest), Ok(runtime)) = (idle > IDLE_MAX, oldest, Handle::try_current())
        {
            let (session, _) = state.sessions.remove(oldest);
            state.close(&session, &runtime);
        }
    }

    /// How many requests may be under way, in the whole run.
    pub(super) fn permits(&self, limits: Limits) -> Arc<Semaphore> {
        let mut state = self.state();
        if let Some(permits) = &state.permits {
            return permits.clone();
        }
        let permits = Arc::new(Semaphore::new(limits.at_once.max(1)));
        (state.limits, state.permits) = (limits, Some(permits.clone()));
        permits
    }

    /// Takes over a client, to be closed with the rest of its session.
    pub(super) fn add(&self, session: u64, provider: &str, client: Arc<dyn Client>) -> Arc<Login> {
        let login = Arc::new(Login {
            session,
            provider: provider.to_owned(),
            client,
            fresh: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            over: Notify::new(),
        });
        self.state().open.push(login.clone());
        login
    }

    /// Every client that is logged in.
    pub(super) fn clients(&self) -> Vec<Arc<dyn Client>> {
        self.state().open.iter().map(|login| login.client.clone()).collect()
    }

    /// Values were got through a login.
    pub(super) fn used(&self, login: &Login) {
        login.fresh.store(true, Ordering::Release);
        self.0.changed.notify_one();
    }

    /// Keeps what was got valid for as long as it is polled; tells what could not be kept. What is told
    /// may name keys and places: it passes the masks before it is shown.
    pub async fn keep(&self, tell: impl Fn(String)) -> Infallible {
        let mut keeping = JoinSet::new();
        loop {
            for login in self.due() {
                keeping.spawn(async move {
                    let kept = tokio::select! {
                        kept = Contained::new(login.client.keep()) => kept,
                        () = login.over.notified() => Ok(Ok(())),
                    };
                    login.kept.store(false, Ordering::Release);
                    (login.provider.clone(), kept)
                });
            }
            tokio::select! {
                Some(Ok((provider, kept))) = keeping.join_next() => match kept {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tell(format!("provider `{provider}` cannot keep values valid: {error}"));
                    }
                    Err(_) => tell(format!("provider `{provider}` broke off keeping values valid")),
                },
                () = self.0.changed.notified() => {}
            }
        }
    }

    /// Logins with values that nobody keeps.
    fn due(&self) -> Vec<Arc<Login>> {
        let open = self.state().open.clone();
        let is_due = |login: &Arc<Login>| {
            login.fresh.load(Ordering::Acquire) && !login.kept.swap(true, Ordering::AcqRel)
        };
        let due: Vec<_> = open.into_iter().filter(is_due).collect();
        for login in &due {
            login.fresh.store(false, Ordering::Release);
        }
        due
    }

    /// Gives everything back, all at once and within `limit`; what could not be given back is told.
    pub async fn close(&self, limit: Duration) -> Vec<String> {
        let (mut closing, mut told) = {
            let mut state = self.state();
            let open = std::mem::take(&mut state.open);
            let mut closing = std::mem::take(&mut state.closing);
            for login in open {
                let leave = state.leave(&login.provider);
                closing.spawn(give_back(login, leave, limit));
            }
            (closing, Vec::from_iter(std::mem::take(&mut state.told)))
        };
        while let Some(closed) = closing.join_next().await {
            told.extend(closed.ok().flatten());
        }
        told.sort();
        told
    }
}

impl State {
    fn leave(&mut self, provider: &str) -> Arc<Semaphore> {
        let at_once = self.limits.at_once.max(1);
        let leave = self.leaves.entry(provider.to_owned());
        leave.or_insert_with(|| Arc::new(Semaphore::new(at_once))).clone()
    }

    fn close(&mut self, session: &Session, runtime: &Handle) {
        let open = std::mem::take(&mut self.open);
        let (of_it, rest) = open.into_iter().partition(|login| login.session == session.number);
        self.open = rest;
        let of_it: Vec<Arc<Login>> = of_it;
        for login in of_it {
            login.over.notify_one();
            let leave = self.leave(&login.provider);
            self.closing.spawn_on(give_back(login, leave, self.limits.close), runtime);
        }
    }
}

/// Gives back what one login brought; says why not.
async fn give_back(login: Arc<Login>, leave: Arc<Semaphore>, limit: Duration) -> Option<String> {
    let closing = async {
        let _leave = leave.acquire().await;
        Contained::new(login.client.close()).await
    };
    let why = match timeout(limit, closing).await {
        Ok(Ok(Ok(()))) => return None,
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(_)) => "it broke off".to_owned(),
        Err(_) => format!("no answer within {}", humantime::format_duration(limit)),
    };
    Some(format!("provider `{}` did not take everything back: {why}", login.provider))
}

impl InUse {
    /// The group of a provider and an identity.
    pub(super) fn group(&self, provider: &Arc<dyn Provider>, identity: Identity) -> Arc<Group> {
        let session = &self.session;
        let mut groups = session.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.name().to_owned(), identity.clone());
        let group = groups.entry(key);
        let new = || Arc::new(Group::new(provider.clone(), identity, session.number));
        group.or_insert_with(new).clone()
    }
}

/// Whether a provider would see the same.
fn is_same(a: &ResolveContext, b: &ResolveContext) -> bool {
    let scope = |context: &ResolveContext| Some(context.asking.as_ref()?.lookup.scope.clone());
    a.folders == b.folders && scope(a) == scope(b) && is_same_environment(&a.env, &b.env)
}

/// The process environment is the same throughout a run.
#[expect(clippy::disallowed_methods, reason = "values of one run are told apart, nobody else asks")]
fn is_same_environment(a: &Environment, b: &Environment) -> bool {
    let (a, b) = (&a.workflow, &b.workflow);
    let same = |((one, a), (other, b)): ((&String, _), (&String, _))| {
        let (a, b): (&crate::secret::SecretValue, &crate::secret::SecretValue) = (a, b);
        one == other && a.expose() == b.expose()
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// What a login or a request that panicked is told as.
pub(super) fn broke_off() -> ProviderError {
    let kind = crate::provider::ProviderErrorKind::Unavailable;
    ProviderError::new(kind, "the provider broke off")
        .help("that is a bug of the provider; the place was written to standard error")
}
