//! The logins of a run: opened once per provider and identity, kept while the run lasts, closed after it.
//!
//! Called workflows share them, and the values that were got, as long as they see the same environment
//! and folders: what a provider answers may depend on these. Whoever lets go of a run without
//! [`Logins::close`] leaves it to the other side to end what was lent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::contained::Contained;
use super::group::Group;
use crate::provider::{Client, Environment, Identity, Provider, ProviderError, ResolveContext};

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
    sessions: Vec<Arc<Session>>,
    open: Vec<Arc<Login>>,
    permits: Option<Arc<Semaphore>>,
}

/// What was opened in one surrounding.
pub(super) struct Session {
    pub(super) context: ResolveContext,
    groups: Mutex<BTreeMap<(String, Identity), Arc<Group>>>,
}

/// A client that is logged in.
pub(super) struct Login {
    pub(super) provider: String,
    pub(super) client: Arc<dyn Client>,
    /// Values were got that nobody keeps yet.
    fresh: AtomicBool,
    kept: AtomicBool,
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
    pub(super) fn session(&self, context: ResolveContext) -> Arc<Session> {
        let mut state = self.state();
        let known = state.sessions.iter().find(|session| is_same(&session.context, &context));
        if let Some(known) = known {
            return known.clone();
        }
        let session = Arc::new(Session { context, groups: Mutex::default() });
        state.sessions.push(session.clone());
        session
    }

    /// How many requests may be under way, in the whole run.
    pub(super) fn permits(&self, at_once: usize) -> Arc<Semaphore> {
        let mut state = self.state();
        let permits = state.permits.get_or_insert_with(|| Arc::new(Semaphore::new(at_once.max(1))));
        permits.clone()
    }

    /// Takes over a client, to be closed with the rest.
    pub(super) fn add(&self, provider: &str, client: Arc<dyn Client>) -> Arc<Login> {
        let (provider, fresh) = (provider.to_owned(), AtomicBool::new(false));
        let login = Arc::new(Login { provider, client, fresh, kept: AtomicBool::new(false) });
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
                    let kept = Contained::new(login.client.keep()).await;
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
        let open = std::mem::take(&mut self.state().open);
        let mut closing = JoinSet::new();
        for login in open {
            closing.spawn(async move {
                let closed = timeout(limit, Contained::new(login.client.close())).await;
                let why = match closed {
                    Ok(Ok(Ok(()))) => return None,
                    Ok(Ok(Err(error))) => error.to_string(),
                    Ok(Err(_)) => "it broke off".to_owned(),
                    Err(_) => format!("no answer within {}", humantime::format_duration(limit)),
                };
                Some(format!("provider `{}` did not take everything back: {why}", login.provider))
            });
        }
        let mut told: Vec<String> = closing.join_all().await.into_iter().flatten().collect();
        told.sort();
        told
    }
}

impl Session {
    /// The group of a provider and an identity.
    pub(super) fn group(&self, provider: &Arc<dyn Provider>, identity: Identity) -> Arc<Group> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (provider.name().to_owned(), identity.clone());
        let group = groups.entry(key);
        group.or_insert_with(|| Arc::new(Group::new(provider.clone(), identity))).clone()
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
