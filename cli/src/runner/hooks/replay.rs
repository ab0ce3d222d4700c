//! Calls that were let in lately: one that is sent once more starts nothing again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use subrosa_server::channel::Refusal;

/// Calls that are remembered; beyond that, the oldest are forgotten first.
const CALLS_MAX: usize = 10_000;

/// The calls of the last while. What is signed with a time is refused by its age afterwards; what has no
/// time is remembered for as long as one that has would be good.
#[derive(Default)]
pub(in crate::runner) struct Replays {
    calls: Mutex<HashMap<String, Arc<Call>>>,
}

struct Call {
    until: Instant,
    /// Held while the run is being started: who comes meanwhile waits for it.
    run: tokio::sync::Mutex<Option<String>>,
}

impl Replays {
    /// Starts a run for a call unless it was started for the same call before. A start that failed leaves
    /// nothing behind.
    pub(super) async fn once<F: Future<Output = Result<String, Refusal>>>(
        &self,
        key: String,
        within: Duration,
        start: impl FnOnce() -> F,
    ) -> Result<(String, bool), Refusal> {
        let call = self.call(key, within);
        let mut run = call.run.lock().await;
        if let Some(run) = &*run {
            return Ok((run.clone(), true));
        }
        let started = start().await?;
        *run = Some(started.clone());
        Ok((started, false))
    }

    fn call(&self, key: String, within: Duration) -> Arc<Call> {
        let now = Instant::now();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|_, call| call.until > now);
        if calls.len() >= CALLS_MAX {
            let oldest = calls.iter().min_by_key(|(_, call)| call.until);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                calls.remove(&oldest);
            }
        }
        // A signed time may lie as far ahead as behind.
        let until = now + within * 2;
        let new = || Arc::new(Call { until, run: tokio::sync::Mutex::new(None) });
        calls.entry(key).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use subrosa_server::channel::{Refusal, RefusalKind};

    use super::Replays;

    const LONG: Duration = Duration::from_secs(600);

    /// What came of a call `key` that would start `run`; `None`: that fails.
    fn call(
        replays: &Replays,
        key: &str,
        within: Duration,
        run: Option<&str>,
    ) -> Option<(String, bool)> {
        let refusal =
            || Refusal { kind: RefusalKind::Broken, message: "no".to_owned(), help: None };
        let start = || async { run.map(str::to_owned).ok_or_else(refusal) };
        let once = replays.once(key.to_owned(), within, start);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(once).ok()
    }

    #[test]
    fn the_same_call_starts_one_run() {
        let replays = Replays::default();
        for (key, run, expected) in
            [("a", "1", ("1", false)), ("a", "2", ("1", true)), ("b", "3", ("3", false))]
        {
            let (found, is_repeated) = call(&replays, key, LONG, Some(run)).unwrap();
            assert_eq!((found.as_str(), is_repeated), expected);
        }
    }

    #[test]
    fn a_start_that_failed_can_be_tried_again() {
        let replays = Replays::default();
        assert_eq!(call(&replays, "a", LONG, None), None);
        assert_eq!(call(&replays, "a", LONG, Some("1")), Some(("1".to_owned(), false)));
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let replays = Replays::default();
        for run in ["1", "2"] {
            let found = call(&replays, "a", Duration::ZERO, Some(run));
            assert_eq!(found, Some((run.to_owned(), false)));
        }
    }
}
