//! Sessions of a database that steps share, one step at a time each.
//!
//! A pool keeps no credential: whoever needs one more session brings what it logs in with. What a step left in
//! a session is cleared before another step gets it, or the session is closed. A session whose step was cut
//! off is closed. Sessions that are not used for a while are closed with the pool.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::CANCEL_TIMEOUT;
use super::fault::{Broken, guarded};
use super::rows::Rows;
use super::statement::Statement;
use super::value::Param;

/// How long a kept session has to answer whether it is still good, and to be cleared.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A session of a database.
#[async_trait]
pub(super) trait Session: Sized + Send + 'static {
    /// What it logs in with.
    type Login: Send + Sync;
    /// What names it to somebody who ends what it does.
    type Handle: Send + Sync;

    /// Logs in.
    async fn open(login: &Self::Login) -> Result<Self, sqlx::Error>;

    /// Whether it answers.
    async fn is_alive(&mut self) -> bool;

    /// Clears what a statement left in it; `false`: it has to be closed.
    async fn clear(&mut self, ran: &Statement) -> bool;

    /// Carries out a command of our own.
    async fn command(&mut self, sql: &str) -> Result<(), sqlx::Error>;

    /// Carries out a statement, or a script if there are no parameters.
    async fn run(
        &mut self,
        statement: &Statement,
        params: &[Param],
        rows: &mut Rows<'_>,
    ) -> Result<(), Broken>;

    /// What names it.
    fn handle(&self) -> Self::Handle;

    /// Ends what a session does, at the server.
    async fn cancel(login: &Self::Login, handle: Self::Handle) -> Result<(), sqlx::Error>;

    /// Says goodbye.
    async fn close(self);
}

/// Sessions of one database as one user.
pub(super) struct Pool<S: Session> {
    idle: Mutex<Vec<S>>,
    free: Arc<Semaphore>,
}

/// The right to a session.
pub(super) struct Free(OwnedSemaphorePermit);

/// A session for one step. It is closed when this is dropped.
pub(super) struct Lease<S: Session> {
    pub(super) session: S,
    _permit: OwnedSemaphorePermit,
}

impl<S: Session> Lease<S> {
    /// Ends what a session does, and closes it: an order to end that comes late would meet another step.
    pub(super) async fn cancel(self, login: &S::Login) {
        let Lease { mut session, _permit } = self;
        let ended = guarded(async {
            S::cancel(login, session.handle()).await?;
            // The answer is waited for, so that the server can say goodbye, too: the first time it is that to
            // what was ended, and only behind that the server is ready.
            if !session.is_alive().await {
                session.is_alive().await;
            }
            session.close().await;
            Ok::<_, sqlx::Error>(())
        });
        // Should that fail, the server finds out when it writes to a session that is gone.
        drop(tokio::time::timeout(CANCEL_TIMEOUT, ended).await);
    }
}

impl<S: Session> Pool<S> {
    /// One with its first session.
    pub(super) fn new(first: S, sessions_max: usize) -> Pool<S> {
        Pool { idle: Mutex::new(vec![first]), free: Arc::new(Semaphore::new(sessions_max)) }
    }

    /// Waits until a session is free.
    pub(super) async fn wait(&self) -> Result<Free, sqlx::Error> {
        let permit = self.free.clone().acquire_owned().await;
        permit.map(Free).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// One that was kept if it still answers, or else a new one.
    pub(super) async fn take(
        &self,
        Free(permit): Free,
        login: &S::Login,
    ) -> Result<Lease<S>, sqlx::Error> {
        while let Some(mut session) = self.pop() {
            let alive = tokio::time::timeout(PING_TIMEOUT, session.is_alive());
            if alive.await.unwrap_or(false) {
                return Ok(Lease { session, _permit: permit });
            }
        }
        Ok(Lease { session: S::open(login).await?, _permit: permit })
    }

    /// Takes a session back, cleared of what a statement left in it.
    pub(super) async fn give_back(&self, lease: Lease<S>, ran: &Statement) {
        let Lease { mut session, _permit } = lease;
        let cleared = guarded(async { Ok::<_, sqlx::Error>(session.clear(ran).await) });
        let cleared = tokio::time::timeout(PING_TIMEOUT, cleared).await;
        if matches!(cleared, Ok(Ok(true))) {
            self.lock().push(session);
        } else {
            session.close().await;
        }
    }

    fn pop(&self) -> Option<S> {
        self.lock().pop()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<S>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Session> Drop for Pool<S> {
    fn drop(&mut self) {
        // Without a goodbye servers log that they were left. The program may end right after this: a goodbye
        // is a few bytes, which the system takes at once.
        for session in self.lock().drain(..) {
            session.close().now_or_never();
        }
    }
}
