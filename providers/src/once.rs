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
