//! What a server gave us for this run alone: renewed while the run lasts, given back after it.
//!
//! A lease, and a token of a login, is renewed when about two thirds of its time are over, a little earlier by
//! chance, so that many runs do not come at once. A renewal that gains nothing is the last.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};
use subrosa_engine::secret::SecretValue;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::LoggedIn;
use super::login::OwnToken;
use super::wire::{Envelope, Term};

/// The shortest pause between two renewals of the same thing.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause before a renewal that failed is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The least that a renewal has to gain.
const GAIN_MIN: Duration = Duration::from_secs(1);

/// How often giving back is tried, and the first pause in between.
const TRIES_MAX: u32 = 3;
const TRY_PAUSE: Duration = Duration::from_millis(200);

/// Leases that are given back at a time.
const REVOKED_AT_ONCE: usize = 32;

/// What is to be renewed and given back.
pub(super) struct Leases {
    held: Mutex<Vec<Held>>,
    added: Notify,
}

/// One of them.
#[derive(Clone)]
struct Held {
    what: What,
    /// What it was given for.
    ttl: Duration,
    ends: Instant,
    /// When to renew it; `None` if it is not to be renewed, or no more.
    due: Option<Instant>,
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    Token { is_batch: bool },
    Lease { id: String, path: String },
}

impl Leases {
    pub(super) fn new(token: Option<&OwnToken>) -> Leases {
        let token = token.map(|token| {
            Held::new(What::Token { is_batch: token.is_batch }, token.ttl, token.renewable)
        });
        Leases { held: Mutex::new(token.into_iter().collect()), added: Notify::new() }
    }

    /// Notes a lease that came with what was read at `path`.
    pub(super) fn add(&self, term: Term, path: &str) {
        let what = What::Lease { id: term.id, path: path.to_owned() };
        self.held().push(Held::new(what, term.ttl, term.renewable));
        self.added.notify_one();
    }

    /// What is to be renewed next.
    fn next(&self) -> Option<Held> {
        let held = self.held();
        held.iter().filter(|held| held.due.is_some()).min_by_key(|held| held.due).cloned()
    }

    fn put(&self, held: Held) {
        if let Some(old) = self.held().iter_mut().find(|old| old.what == held.what) {
            *old = held;
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        // Each change is whole: nothing is half done after a panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn new(what: What, ttl: Duration, renewable: bool) -> Held {
        let now = Instant::now();
        let due = (renewable && !ttl.is_zero()).then(|| now + two_thirds(ttl));
        Held { what, ttl, ends: now + ttl, due }
    }

    /// With the term that a renewal gave; the error if it gained nothing.
    fn renewed(mut self, term: &Term) -> (Held, Option<ProviderError>) {
        let now = Instant::now();
        let ends = now + term.ttl;
        if !term.renewable || ends < self.ends + GAIN_MIN.min(self.ttl / 4) {
            self.due = None;
            self.ends = self.ends.max(ends);
            let error = self.ending("its longest time is reached");
            return (self, Some(error));
        }
        self.ends = ends;
        self.due = Some(now + two_thirds(term.ttl));
        (self, None)
    }

    /// With a renewal that failed; the error if there is no use in trying again.
    fn failed(mut self, error: &ProviderError) -> (Held, Option<ProviderError>) {
        let now = Instant::now();
        let next = match error.retry {
            Retry::Never => None,
            Retry::Later => Some(
                now + (self.ends.saturating_duration_since(now) / 4).clamp(PAUSE_MIN, PAUSE_MAX),
            ),
            Retry::After(pause) => Some(now + pause.max(PAUSE_MIN)),
        };
        self.due = next.filter(|next| *next < self.ends);
        let told = self.due.is_none().then(|| self.ending(&error.message));
        (self, told)
    }

    fn ending(&self, why: &str) -> ProviderError {
        let what = match &self.what {
            What::Token { .. } => "the login to vault".to_owned(),
            What::Lease { path, .. } => format!("the lease of `{path}`"),
        };
        let message = format!("{what} cannot be renewed any more: {why}");
        let error = ProviderError::new(ProviderErrorKind::Unavailable, message);
        error.help("let its role have a longer `max_ttl`, or the run take less time")
    }
}

/// When to renew what lasts so long: after 60 to 67 % of it.
fn two_thirds(ttl: Duration) -> Duration {
    let mut chance = [0];
    // Without chance it is at two thirds sharp.
    let early = getrandom::fill(&mut chance).map_or(0.0, |()| f64::from(chance[0]) / 255.0);
    ttl.mul_f64(2.0 / 3.0 - early / 15.0).max(PAUSE_MIN)
}

impl LoggedIn {
    /// Renews until it is dropped, and returns when there is nothing more that could be renewed: at once, or
    /// with what could not. One lease that ends does not end the renewal of the others.
    pub(super) async fn keep(&self) -> Result<(), ProviderError> {
        let mut ended: Option<ProviderError> = None;
        while let Some(held) = self.leases.next() {
            let due = held.due.unwrap_or_else(Instant::now);
            tokio::select! {
                () = sleep_until(due) => {}
                // It may have to be renewed earlier.
                () = self.leases.added.notified() => continue,
            }
            let (held, told) = match self.renew(&held).await {
                Ok(term) => held.renewed(&term),
                Err(error) => held.failed(&error),
            };
            self.leases.put(held);
            match (&mut ended, told) {
                (Some(first), Some(next)) => {
                    first.message = format!("{}; {}", first.message, next.message);
                }
                (None, told) => ended = told,
                (Some(_), None) => {}
            }
        }
        ended.map_or(Ok(()), Err)
    }

    async fn renew(&self, held: &Held) -> Result<Term, ProviderError> {
        let token = Some(&self.token.header);
        let increment = text(&format!("{}s", held.ttl.as_secs()));
        let read = |envelope: Envelope<'_>| Some(envelope.term());
        match &held.what {
            What::Token { .. } => {
                let fields = [("increment", &increment)];
                self.server.post(token, "auth/token/renew-self", &fields, read).await
            }
            What::Lease { id, .. } => {
                let fields = [("lease_id", &text(id)), ("increment", &increment)];
                self.server.post(token, "sys/leases/renew", &fields, read).await
            }
        }
    }

    /// Gives back all that is ours. With our token its leases end, too, so that it is enough.
    pub(super) async fn close(&self) -> Result<(), ProviderError> {
        let held = std::mem::take(&mut *self.leases.held());
        let is_own = held.iter().any(|held| held.what == What::Token { is_batch: false });
        if is_own && self.give_back("auth/token/revoke-self", &[]).await.is_ok() {
            return Ok(());
        }
        let leases = held.iter().filter_map(|held| match &held.what {
            What::Lease { id, path } => Some((text(id), path.as_str())),
            What::Token { .. } => None,
        });
        let leases: Vec<(SecretValue, &str)> = leases.collect();
        let mut left: Vec<(String, ProviderError)> = Vec::new();
        for some in leases.chunks(REVOKED_AT_ONCE) {
            let revoked = join_all(some.iter().map(|(id, path)| async move {
                let fields = [("lease_id", id)];
                let revoked = self.give_back("sys/leases/revoke", &fields).await;
                revoked.map_err(|error| (format!("the lease of `{path}`"), error))
            }));
            left.extend(revoked.await.into_iter().filter_map(Result::err));
        }
        if is_own && let Err(error) = self.give_back("auth/token/revoke-self", &[]).await {
            left.push(("the token of the login".to_owned(), error));
        }
        match left.first() {
            None => Ok(()),
            Some((_, error)) => {
                let all: Vec<&str> = left.iter().map(|(what, _)| what.as_str()).collect();
                Err(not_given_back(&all.join(", "), error))
            }
        }
    }

    async fn give_back(
        &self,
        path: &str,
        fields: &[(&str, &SecretValue)],
    ) -> Result<(), ProviderError> {
        let mut tries = 1;
        loop {
            let given = self.server.post(Some(&self.token.header), path, fields, |_| Some(()));
            match given.await {
                Err(error) if error.retry != Retry::Never && tries < TRIES_MAX => {
                    sleep(TRY_PAUSE * tries).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

fn not_given_back(what: &str, error: &ProviderError) -> ProviderError {
    let message = format!("not given back to vault: {what}: {}", error.message);
    let error_kind = error.kind;
    ProviderError::new(error_kind, message).help(
        "it ends when its time is over; to give it back, a policy must grant `update` on `sys/leases/revoke`",
    )
}

fn text(value: &str) -> SecretValue {
    SecretValue::new(value.into())
}
