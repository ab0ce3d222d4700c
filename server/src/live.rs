//! Runs as they go on: one look at the files of a run for all who follow it, and a journal of what was seen.
//!
//! An entry of the journal has a number, and everybody gets all entries in order from the number on that they
//! name: nothing is lost and nothing comes twice. A journal names pieces of logs and does not hold them, save the
//! last ones, so that one who is slow costs nothing. It is forgotten a while after the last one left; whoever
//! comes back to another journal is told to start again.

mod journal;
mod poll;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{Stream, unfold};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use journal::Journal;
use poll::Poll;

use crate::serve::Stopping;

/// Streams at the same time.
const STREAMS_MAX: usize = 2000;
/// Between two looks at the files of a run.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a journal is kept that nobody follows: whoever lost the connection is back by then.
const LINGER: Duration = Duration::from_secs(30);
/// What is said when there is nothing to say, so that nobody takes the connection for dead.
const BEAT: Duration = Duration::from_secs(15);
/// How long a stream lasts: whoever comes back is asked again who they are.
const LIFE: Duration = Duration::from_secs(15 * 60);

type Tails = Arc<Mutex<HashMap<PathBuf, Arc<Tail>>>>;

/// The runs that are followed.
pub(crate) struct Live {
    tails: Tails,
    room: Arc<Semaphore>,
    gauge: Gauge,
    stopping: Stopping,
}

/// What was seen of a run.
struct Tail {
    journal: Mutex<Journal>,
    grown: watch::Sender<()>,
}

/// What somebody who follows a run gets.
pub(crate) enum Follow<S> {
    /// Frames of server-sent events.
    Frames(S),
    /// Everything was got already.
    Over,
    /// As many streams as may be are open.
    Full,
}

impl Tail {
    fn lock(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(tails: &Tails) -> MutexGuard<'_, HashMap<PathBuf, Arc<Tail>>> {
    tails.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Nobody follows anything yet.
    pub(crate) fn new(gauge: Gauge, stopping: Stopping) -> Live {
        let room = Arc::new(Semaphore::new(STREAMS_MAX));
        Live { tails: Tails::default(), room, gauge, stopping }
    }

    /// Follows the run that is recorded in a folder from after the entry `last` on.
    pub(crate) async fn follow(
        &self,
        dir: &Path,
        last: Option<&str>,
        with_logs: bool,
    ) -> Follow<impl Stream<Item = Result<Bytes, std::convert::Infallible>> + use<>> {
        let Ok(held) = self.room.clone().try_acquire_owned() else { return Follow::Full };
        let tail = self.tail(dir).await;
        let grown = tail.grown.subscribe();
        let mut first = Bytes::from_static(b"retry: 1000\n\n");
        let next = {
            let journal = tail.lock();
            match last.map(|last| journal.after(last)) {
                None => 0,
                Some(Some(next)) if journal.is_over(next) => return Follow::Over,
                Some(Some(next)) => next,
                Some(None) => {
                    first = Bytes::from_static(b"retry: 1000\n\nevent: reset\ndata: {}\n\n");
                    0
                }
            }
        };
        self.gauge.inc();
        let follower = Follower {
            tail,
            next,
            with_logs,
            first: Some(first),
            grown,
            stopping: self.stopping.clone(),
            ends: Instant::now() + LIFE,
            _open: Open { gauge: self.gauge.clone(), _held: held },
        };
        Follow::Frames(unfold(follower, |mut follower| async {
            let frames = follower.next().await?;
            Some((Ok(frames), follower))
        }))
    }

    async fn tail(&self, dir: &Path) -> Arc<Tail> {
        if let Some(tail) = lock(&self.tails).get(dir) {
            return tail.clone();
        }
        let mut poll = Poll::new(dir);
        // The first look tells whether the run is over, and with that how its entries are numbered.
        let (poll, journal) = tokio::task::spawn_blocking(move || {
            let mut journal = Journal::new(poll.is_over());
            poll.look(&mut journal);
            (poll, journal)
        })
        .await
        .unwrap_or_else(|_| (Poll::new(dir), Journal::new(true)));
        let mut tails = lock(&self.tails);
        if let Some(tail) = tails.get(dir) {
            return tail.clone();
        }
        let tail = Arc::new(Tail { journal: Mutex::new(journal), grown: watch::Sender::new(()) });
        tails.insert(dir.to_path_buf(), tail.clone());
        drop(tails);
        tokio::spawn(keep(poll, tail.clone(), self.tails.clone(), dir.to_path_buf()));
        tail
    }
}

/// Looks until the run is over, or nobody has followed it for a while.
async fn keep(mut poll: Poll, tail: Arc<Tail>, tails: Tails, dir: PathBuf) {
    let mut left: Option<Instant> = None;
    loop {
        let is_over = tail.lock().is_complete();
        tail.grown.send_replace(());
        if is_over {
            tokio::time::sleep(LINGER).await;
            lock(&tails).remove(&dir);
            return;
        }
        if !poll.has_more() {
            tokio::time::sleep(PAUSE).await;
        }
        {
            let mut tails = lock(&tails);
            // The map's and ours: whoever comes now waits for the lock and finds none.
            let is_alone = Arc::strong_count(&tail) <= 2;
            left = if is_alone { left.or_else(|| Some(Instant::now())) } else { None };
            if left.is_some_and(|since| since.elapsed() > LINGER) {
                tails.remove(&dir);
                return;
            }
        }
        let looked = tail.clone();
        let look = move || {
            let mut seen = Vec::new();
            poll.see(&mut seen);
            looked.lock().extend(seen);
            poll
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(same) => poll = same,
            Err(_) => {
                lock(&tails).remove(&dir);
                return;
            }
        }
    }
}

/// One that follows a run.
struct Follower {
    tail: Arc<Tail>,
    next: usize,
    with_logs: bool,
    first: Option<Bytes>,
    grown: watch::Receiver<()>,
    stopping: Stopping,
    ends: Instant,
    _open: Open,
}

/// Counts a stream for as long as it is open.
struct Open {
    gauge: Gauge,
    _held: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl Follower {
    /// What is to be sent next; `None`: that was all.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            // Before looking: what comes after the look is not missed.
            self.grown.borrow_and_update();
            let batch = self.tail.lock().batch(self.next, self.with_logs);
            self.next = batch.next;
            if !batch.frames.is_empty() {
                return Some(journal::render(batch.frames).await);
            }
            if batch.is_over {
                return None;
            }
            if batch.was_skipped {
                continue;
            }
            tokio::select! {
                grown = self.grown.changed() => grown.ok()?,
                () = sleep_until(Instant::now() + BEAT) => {
                    return Some(Bytes::from_static(b": beat\n\n"));
                }
                () = sleep_until(self.ends) => return None,
                _ = self.stopping.wait_for(|stop| stop.is_told()) => return None,
            }
        }
    }
}
