//! One flight for what several secrets need: a file that is decrypted or taken apart once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use subrosa_engine::provider::{ProviderError, Retry};
use tokio::sync::OnceCell;

type Kept<T> = Arc<OnceCell<Result<Arc<T>, ProviderError>>>;

/// What was made, by what it was made from.
pub(crate) struct Once<K, T>(Mutex<BTreeMap<K, Kept<T>>>);

impl<K, T> Default for Once<K, T> {
    fn default() -> Once<K, T> {
        Once(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord, T> Once<K, T> {
    /// What `make` made for this key, whoever asked first. A failure is kept like a success, unless it
    /// says that another try may help. If whoever asked first is called off, the next one makes it.
    pub(crate) async fn of(
        &self,
        key: K,
        make: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<Arc<T>, ProviderError> {
        let kept = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key).or_default())
        };
        let made = kept
            .get_or_try_init(async || match make.await {
                Ok(made) => Ok(Ok(Arc::new(made))),
                Err(error) if error.retry == Retry::Never => Ok(Err(error)),
                Err(error) => Err(error),
            })
            .await?;
        made.clone()
    }
    /// Everything that was made so far.
    pub(crate) fn made(&self) -> Vec<Arc<T>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter_map(|kept| kept.get()?.as_ref().ok().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};

    use super::Once;

    fn in_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    /// How often something is made for three who ask at once and one who asks after them.
    fn made(result: Result<u8, ProviderError>) -> u32 {
        let (once, count) = (Once::default(), AtomicU32::new(0));
        in_runtime(async {
            let make = async || {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                result.clone()
            };
            let first = tokio::join!(once.of(1, make()), once.of(1, make()), once.of(1, make()));
            let last = once.of(1, make()).await;
            for answer in [first.0, first.1, first.2, last] {
                assert_eq!(answer.map(|made| *made), result);
            }
        });
        count.into_inner()
    }

    #[test]
    fn what_is_made_or_fails_for_good_is_made_once() {
        let failed = ProviderError::new(ProviderErrorKind::Denied, "no");
        assert_eq!(made(Ok(7)), 1);
        assert_eq!(made(Err(failed.clone())), 1);
        assert_eq!(made(Err(failed.retry(Retry::Later))), 4);
    }

    #[test]
    fn keys_are_apart_and_whoever_went_away_leaves_it_to_the_next() {
        let once = Once::default();
        in_runtime(async {
            let gone = once.of("a", std::future::pending());
            tokio::select! {
                biased;
                _ = gone => unreachable!("it never comes"),
                () = std::future::ready(()) => {}
            }
            assert_eq!(*once.of("a", async { Ok(1) }).await.unwrap(), 1);
            assert_eq!(*once.of("b", async { Ok(2) }).await.unwrap(), 2);
            assert_eq!(once.made().iter().map(|made| **made).collect::<Vec<_>>(), [1, 2]);
        });
    }
}
