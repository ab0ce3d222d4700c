//! Stopping a run: first gently, with the signal that asked for it, then at once.

use tokio::sync::watch;

/// How far a stop has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    No,
    /// Pass the signal on to the steps, wait the grace, then kill. Handlers still run.
    Gently {
        /// The signal number to pass on.
        signal: i32,
    },
    /// Kill now, run nothing more.
    Now {
        /// The signal number that ended it.
        signal: i32,
    },
}

/// The side that asks.
#[derive(Debug)]
pub struct StopHandle(watch::Sender<Stop>);

/// The side that obeys.
#[derive(Clone, Debug)]
pub struct StopToken(watch::Receiver<Stop>);

/// A connected pair.
pub fn stop_pair() -> (StopHandle, StopToken) {
    let (sender, receiver) = watch::channel(Stop::No);
    (StopHandle(sender), StopToken(receiver))
}

impl StopHandle {
    /// Asks once more: the first time gently, from the second on at once.
    pub fn escalate(&self, signal: i32) {
        self.0.send_modify(|stop| {
            *stop = match *stop {
                Stop::No => Stop::Gently { signal },
                Stop::Gently { .. } | Stop::Now { .. } => Stop::Now { signal },
            };
        });
    }
}

impl StopHandle {
    /// Asks for an end at once, without the gentle way before: no handler begins any more.
    pub fn at_once(&self, signal: i32) {
        self.0.send_replace(Stop::Now { signal });
    }

    /// Passes on what somebody else was asked.
    pub(crate) fn pass_on(&self, asked: Stop) {
        self.0.send_replace(asked);
    }
}

impl StopToken {
    /// How far it has gone.
    pub fn state(&self) -> Stop {
        *self.0.borrow()
    }

    /// Waits until the state differs from `seen`; for ever if nobody can ask any more.
    pub async fn changed_from(&mut self, seen: Stop) -> Stop {
        let changed = self.0.wait_for(|stop| *stop != seen).await.map(|stop| *stop).ok();
        match changed {
            Some(stop) => stop,
            None => std::future::pending().await,
        }
    }
}
