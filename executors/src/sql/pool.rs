//! Sessions of a database that steps share, one step at a time each.
//!
//! One session is opened first, and steps take turns at it. A step that waited for a while ([`PATIENCE`]) lets the
//! pool open one more, up to its bound: quick steps share one login, and a long statement holds up nobody for
//! long. A pool keeps no credential: whoever needs one more session brings what it logs in with. What a step left in
//! a session is cleared before another step gets it, or the session is closed. A session whose step was cut
//! off is closed. Sessions that are not used for a while are closed with the pool.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::CANCEL_TIMEOUT;
use super::fault::{Broken, guarded};
use super::rows::Rows;
use super::statement::Statement;
use super::value::Param;

/// How long a kept session has to answer whether it is still good, and to be cleared.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a step waits for its turn before there may be one session more.
const PATIENCE: Duration = Duration::from_secs(1);

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
    turns: Turns,
}

/// Who may have a session: first come, first served.
struct Turns {
    free: Arc<Semaphore>,
    /// How many sessions there may be by now.
    width: AtomicUsize,
    width_max: usize,
}

impl Turns {
    fn new(width_max: usize) -> Turns {
        Turns { free: Arc::new(Semaphore::new(1)), width: AtomicUsize::new(1), width_max }
    }

    /// Waits for a turn, and makes room for one more if that takes long.
    async fn next(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        // Its place in the queue is kept while it loses its patience.
        let mut turn = pin!(self.free.clone().acquire_owned());
        loop {
            match timeout(PATIENCE, &mut turn).await {
                Ok(turn) => return turn,
                Err(_) if self.widen() => {}
                Err(_) => return turn.await,
            }
        }
    }

    /// Makes room for one more; `false`: there is no more to be had.
    fn widen(&self) -> bool {
        let wider = |width| (width < self.width_max).then_some(width + 1);
        let widened = self.width.fetch_update(Ordering::Relaxed, Ordering::Relaxed, wider).is_ok();
        if widened {
            self.free.add_permits(1);
        }
        widened
    }
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
        drop(timeout(CANCEL_TIMEOUT, ended).await);
    }
}

impl<S: Session> Pool<S> {
    /// One with its first session.
    pub(super) fn new(first: S, sessions_max: usize) -> Pool<S> {
        Pool { idle: Mutex::new(vec![first]), turns: Turns::new(sessions_max) }
    }

    /// Waits until a session is free.
    pub(super) async fn wait(&self) -> Result<Free, sqlx::Error> {
        self.turns.next().await.map(Free).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// One that was kept if it still answers, or else a new one.
    pub(super) async fn take(
        &self,
        Free(permit): Free,
        login: &S::Login,
    ) -> Result<Lease<S>, sqlx::Error> {
        while let Some(mut session) = self.pop() {
            let alive = timeout(PING_TIMEOUT, session.is_alive());
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
        let cleared = timeout(PING_TIMEOUT, cleared).await;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::{Instant, sleep};

    use super::{PATIENCE, Turns};

    /// How wide it is after so many steps of such a length, and when the last of them ended.
    async fn after(width_max: usize, steps: u32, length: Duration) -> (usize, Duration) {
        let turns = Turns::new(width_max);
        let begun = Instant::now();
        join_all((0..steps).map(|_| async {
            let _turn = turns.next().await.unwrap();
            sleep(length).await;
        }))
        .await;
        let width = turns.width.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(turns.free.available_permits(), width);
        (width, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn quick_steps_take_turns_and_slow_ones_hold_up_nobody_for_long() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        assert_eq!(after(4, 20, ms(10)).await, (1, ms(200)));
        assert_eq!(after(1, 3, s(60)).await, (1, s(180)));
        assert_eq!(after(4, 2, s(60)).await, (2, s(60) + PATIENCE));
        assert_eq!(after(4, 4, s(60)).await, (4, s(60) + PATIENCE));
        assert_eq!(after(2, 4, s(60)).await, (2, s(120) + PATIENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_and_goes_leaves_the_turn_to_the_next() {
        let turns = Turns::new(1);
        let held = turns.next().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(5), turns.next()).await.is_err());
        drop(held);
        assert!(tokio::time::timeout(Duration::from_secs(5), turns.next()).await.is_ok());
    }
}
