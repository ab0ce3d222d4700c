//! Keeps a panic of a library from taking the run with it: some drivers panic over what is none of their
//! protocol. Whoever prints panics can ask whether one is held here, and leave it to the step's message.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

use futures_util::FutureExt as _;

thread_local! {
    /// How many contained futures are being polled by this thread, one within another.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Whether a panic of this thread would now be held and told as the failure of a step.
pub fn holds_panics() -> bool {
    DEPTH.get() > 0
}

/// Polling that holds panics, for as long as this lives.
struct Held;

impl Held {
    fn begin() -> Held {
        DEPTH.set(DEPTH.get() + 1);
        Held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// What comes of some work; `None` if it panics. What it worked with must not be used again then.
pub(crate) async fn contained<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let ended = std::future::poll_fn(|context| {
        let _held = Held::begin();
        match work.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(ended.ok()),
            Poll::Pending => Poll::Pending,
        }
    });
    ended.await
}

#[cfg(test)]
mod tests {
    use super::{contained, holds_panics};

    #[tokio::test]
    async fn a_panic_is_held_where_it_happens_and_nowhere_else() {
        assert!(!holds_panics());
        let seen = contained(async {
            tokio::task::yield_now().await;
            (holds_panics(), contained(async { holds_panics() }).await, holds_panics())
        });
        assert_eq!(seen.await, Some((true, Some(true), true)));
        let between = async {
            tokio::task::yield_now().await;
            holds_panics()
        };
        let (held, between) = tokio::join!(contained(tokio::task::yield_now()), between);
        assert_eq!((held, between), (Some(()), false));
        let broken: Option<()> = contained(async { panic!("of a driver") }).await;
        assert_eq!(broken, None);
        assert!(!holds_panics());
    }
}
