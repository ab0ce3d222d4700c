//! One answer for everybody who asks the same question at the same time, or later: a place that is read,
//! a file that is decrypted or taken apart, once.
//!
//! The first to ask does the work, and all who ask meanwhile wait for it. What it made is kept. A failure goes
//! to all who waited and is then forgotten: a server that was sealed may be open when it is asked again. When
//! whoever does the work goes away, the next who waits begins it anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subrosa_engine::provider::ProviderError;

/// What was made, by what it was made from.
pub(crate) struct Once<K, T>(Mutex<BTreeMap<K, Arc<Slot<T>>>>);

/// What came of the work.
type Made<T> = Result<Arc<T>, ProviderError>;

/// One question.
struct Slot<T> {
    /// Held by whoever is at work.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Last<T>>,
}

/// The last time that the work came to an end.
struct Last<T> {
    /// How often it did.
    times: u64,
    made: Option<Made<T>>,
}

impl<K, T> Default for Once<K, T> {
    fn default() -> Once<K, T> {
        Once(Mutex::new(BTreeMap::new()))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        let last = Mutex::new(Last { times: 0, made: None });
        Slot { turn: tokio::sync::Mutex::default(), last }
    }
}

impl<K: Ord, T> Once<K, T> {
    /// What `make` made for this key, whoever asked first.
    ///
    /// # Errors
    /// What the work failed with.
    pub(crate) async fn of(
        &self,
        key: K,
        make: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Made<T> {
        self.of_while(key, |_| true, make).await
    }

    /// The same for what does not last: it is made again once it `is_good` no more.
    ///
    /// # Errors
    /// What the work failed with.
    pub(crate) async fn of_while(
        &self,
        key: K,
        is_good: impl Fn(&T) -> bool,
        make: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Made<T> {
        let slot = Arc::clone(self.slots().entry(key).or_default());
        let asked_at = slot.last().times;
        let _turn = slot.turn.lock().await;
        let is_good = |known: &Made<T>| known.as_ref().map_or(true, |made| is_good(made));
        if let Some(known) = slot.known(asked_at).filter(is_good) {
            return known;
        }
        let made = make.await.map(Arc::new);
        let mut last = slot.last();
        *last = Last { times: last.times + 1, made: Some(made.clone()) };
        made
    }

    /// Everything that was made so far.
    pub(crate) fn made(&self) -> Vec<Arc<T>> {
        let made = |slot: &Arc<Slot<T>>| slot.last().made.clone()?.ok();
        self.slots().values().filter_map(made).collect()
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<K, Arc<Slot<T>>>> {
        // Each change is one insert: nothing is half done after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Slot<T> {
    /// What is known to somebody who asked when the work had come to an end so often.
    fn known(&self, asked_at: u64) -> Option<Made<T>> {
        let last = self.last();
        match &last.made {
            Some(Err(_)) if last.times == asked_at => None,
            made => made.clone(),
        }
    }

    fn last(&self) -> MutexGuard<'_, Last<T>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use subrosa_engine::provider::{ProviderError, ProviderErrorKind};
    use tokio::sync::Notify;

    use super::Once;

    /// How often something is made for fifty who ask at once and one who asks after them.
    async fn made(result: Result<u8, ProviderError>) -> u32 {
        let (once, count) = (Once::default(), AtomicU32::new(0));
        let make = async || {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            result.clone()
        };
        let mut answers = join_all((0..50).map(|_| once.of(1, make()))).await;
        answers.push(once.of(1, make()).await);
        assert!(answers.into_iter().all(|answer| answer.map(|made| *made) == result));
        count.into_inner()
    }

    #[tokio::test]
    async fn what_was_made_is_kept_and_a_failure_goes_to_all_who_waited() {
        assert_eq!(made(Ok(7)).await, 1);
        let failed = ProviderError::new(ProviderErrorKind::Denied, "no");
        assert_eq!(made(Err(failed)).await, 2);
    }

    #[tokio::test]
    async fn a_try_after_a_failure_is_shared_too() {
        let (once, count) = (Once::default(), AtomicU32::new(0));
        let failed = ProviderError::new(ProviderErrorKind::Unavailable, "no");
        assert!(once.of("a", async { Err(failed) }).await.is_err());
        let make = async || {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(7)
        };
        let all = join_all((0..50).map(|_| once.of("a", make()))).await;
        assert!(all.into_iter().all(|answer| *answer.unwrap() == 7));
        assert_eq!(count.into_inner(), 1);
    }

    #[tokio::test]
    async fn keys_are_apart_and_whoever_went_away_leaves_it_to_the_next() {
        let once = Once::default();
        assert!(once.of("a", std::future::pending()).now_or_never().is_none());
        assert_eq!(*once.of("a", async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(*once.of("b", async { Ok(2) }).await.unwrap(), 2);
        assert_eq!(once.made().iter().map(|made| **made).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_whoever_is_at_work_goes_away() {
        let (once, gate) = (Once::default(), Arc::new(Notify::new()));
        let work = || async {
            gate.notified().await;
            Ok(7)
        };
        let mut first = Box::pin(once.of("a", work()));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(once.of("a", work()));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        gate.notify_one();
        assert_eq!(*second.await.unwrap(), 7);
    }
}
