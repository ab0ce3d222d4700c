//! One answer for everybody who asks the same question at the same time, or later.
//!
//! The first to ask starts the work and all who ask meanwhile wait for it; what came of it is kept. A
//! failure goes to all who waited and is then forgotten, so that asking again works again. The work
//! goes on as long as anybody waits for it, and is cancelled when nobody does.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};
use subrosa_engine::provider::ProviderError;

/// What came of the work.
type Done<V> = Result<Arc<V>, ProviderError>;

/// The work, as all who wait hold it.
type Work<V> = Shared<Pin<Box<dyn Future<Output = Done<V>> + Send>>>;

/// The way to work in hand: it does not keep the work alive.
type Pending<V> = WeakShared<Pin<Box<dyn Future<Output = Done<V>> + Send>>>;

enum Slot<V> {
    Pending(Pending<V>),
    Done(Arc<V>),
}

/// Answers by question.
pub(crate) struct Flights<K, V>(Mutex<BTreeMap<K, Slot<V>>>);

impl<K: Ord + Clone, V: Send + Sync + 'static> Flights<K, V> {
    /// Nothing was asked yet.
    pub(crate) fn new() -> Flights<K, V> {
        Flights(Mutex::new(BTreeMap::new()))
    }

    /// The answer to `key`, by `work` unless it is known or somebody is at it.
    ///
    /// # Errors
    /// What the work failed with.
    pub(crate) async fn get<F>(&self, key: &K, work: impl FnOnce() -> F) -> Done<V>
    where
        F: Future<Output = Result<V, ProviderError>> + Send + 'static,
    {
        let shared = match self.join(key, work) {
            Ok(known) => return Ok(known),
            Err(shared) => shared,
        };
        let done = shared.await;
        let mut slots = self.slots();
        match &done {
            Ok(value) => {
                slots.insert(key.clone(), Slot::Done(value.clone()));
            }
            // Whoever asked again since then has a slot that is alive, and keeps it.
            Err(_) => {
                if let Some(Slot::Pending(weak)) = slots.get(key)
                    && weak.upgrade().is_none_or(|work| work.peek().is_some())
                {
                    slots.remove(key);
                }
            }
        }
        done
    }

    /// What is known; else work to wait for, begun here or by somebody else.
    fn join<F>(&self, key: &K, work: impl FnOnce() -> F) -> Result<Arc<V>, Work<V>>
    where
        F: Future<Output = Result<V, ProviderError>> + Send + 'static,
    {
        let mut slots = self.slots();
        match slots.get(key) {
            Some(Slot::Done(value)) => return Ok(value.clone()),
            Some(Slot::Pending(weak)) => {
                if let Some(shared) = weak.upgrade()
                    && !matches!(shared.peek(), Some(Err(_)))
                {
                    return Err(shared);
                }
            }
            None => {}
        }
        let work = work();
        let shared = async move { work.await.map(Arc::new) }.boxed().shared();
        if let Some(weak) = shared.downgrade() {
            slots.insert(key.clone(), Slot::Pending(weak));
        }
        Err(shared)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<K, Slot<V>>> {
        // Each change is one insert or remove: nothing is half done after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use subrosa_engine::provider::{ProviderError, ProviderErrorKind};
    use tokio::sync::Notify;

    use super::Flights;

    /// Counts how often the work is begun.
    #[derive(Clone, Default)]
    struct Count(Arc<AtomicUsize>);

    impl Count {
        fn works(
            &self,
            result: Result<u8, ProviderError>,
        ) -> impl Future<Output = Result<u8, ProviderError>> + use<> {
            let count = self.0.clone();
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                result
            }
        }

        fn get(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn failed() -> ProviderError {
        ProviderError::new(ProviderErrorKind::Unavailable, "not there")
    }

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_answer() {
        let (once, count) = (Flights::new(), Count::default());
        let all = join_all((0..50).map(|_| once.get(&"a", || count.works(Ok(7))))).await;
        assert!(all.into_iter().all(|answer| *answer.unwrap() == 7));
        assert_eq!(*once.get(&"a", || count.works(Ok(8))).await.unwrap(), 7);
        assert_eq!(count.get(), 1);
        assert_eq!(*once.get(&"b", || count.works(Ok(9))).await.unwrap(), 9);
        assert_eq!(count.get(), 2);
    }

    #[tokio::test]
    async fn a_failure_goes_to_all_who_waited_and_is_not_kept() {
        let (once, count) = (Flights::new(), Count::default());
        let gate = Arc::new(Notify::new());
        let work = || {
            let (gate, work) = (gate.clone(), count.works(Err(failed())));
            async move {
                gate.notified().await;
                work.await
            }
        };
        let mut all: Vec<_> = (0..50).map(|_| Box::pin(once.get(&"a", work))).collect();
        assert!(all.iter_mut().all(|asked| asked.now_or_never().is_none()));
        gate.notify_one();
        for asked in all {
            assert_eq!(asked.await.unwrap_err(), failed());
        }
        assert_eq!(count.get(), 1);
        assert_eq!(*once.get(&"a", || count.works(Ok(7))).await.unwrap(), 7);
        assert_eq!(count.get(), 2);
    }

    #[tokio::test]
    async fn who_goes_away_does_not_end_the_work_of_others() {
        let (once, count) = (Flights::new(), Count::default());
        let gate = Arc::new(Notify::new());
        let work = || {
            let (gate, work) = (gate.clone(), count.works(Ok(7)));
            async move {
                gate.notified().await;
                work.await
            }
        };
        let mut first = Box::pin(once.get(&"a", work));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(once.get(&"a", work));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        gate.notify_one();
        assert_eq!(*second.await.unwrap(), 7);
        assert_eq!(count.get(), 1);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_cancelled_and_can_be_begun_again() {
        let once: Flights<&str, Arc<()>> = Flights::new();
        let held = Arc::new(());
        let kept = held.clone();
        let never = || async move {
            let _kept = kept;
            std::future::pending().await
        };
        assert!(once.get(&"a", never).now_or_never().is_none());
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(once.get(&"a", || async { Ok(Arc::new(())) }).await.is_ok());
    }
}
