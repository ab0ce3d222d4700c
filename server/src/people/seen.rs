//! When sessions and tokens were last used: noted with each request, and written once a minute at most.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Seconds between writes.
const PAUSE_S: u64 = 60;

/// What was used since it was last written, by what names it; times are seconds since 1970.
pub(super) struct Seen {
    at: Mutex<HashMap<String, u64>>,
    written: AtomicU64,
}

impl Seen {
    /// Nothing, as of now.
    pub(super) fn new(now: u64) -> Seen {
        Seen { at: Mutex::default(), written: AtomicU64::new(now) }
    }

    /// Notes a use; `true`: it is time to write, and nobody else was told so.
    pub(super) fn note(&self, name: &str, now: u64) -> bool {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        match at.get_mut(name) {
            Some(seen) => *seen = now.max(*seen),
            None => drop(at.insert(name.to_owned(), now)),
        }
        drop(at);
        let written = self.written.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(written) >= PAUSE_S;
        let order = Ordering::Relaxed;
        is_due && self.written.compare_exchange(written, now, order, order).is_ok()
    }

    /// When something was last used; 0: not since it was written.
    pub(super) fn last(&self, name: &str) -> u64 {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.get(name).copied().unwrap_or(0)
    }

    /// All of it, to be written.
    pub(super) fn all(&self) -> HashMap<String, u64> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was written.
    pub(super) fn forget(&self, written: &HashMap<String, u64>) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        at.retain(|name, seen| written.get(name) != Some(seen));
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn it_is_written_once_a_minute_by_one_of_those_who_come() {
        let seen = Seen::new(1000);
        assert!(!seen.note("a", 1059));
        assert!(seen.note("b", 1060));
        assert!(!seen.note("a", 1061));
        assert!(seen.note("a", 1120));
        assert_eq!((seen.last("a"), seen.last("b"), seen.last("c")), (1120, 1060, 0));
    }

    #[test]
    fn what_came_meanwhile_is_not_forgotten() {
        let seen = Seen::new(1000);
        seen.note("a", 1001);
        seen.note("b", 1001);
        let written = seen.all();
        seen.note("a", 1002);
        seen.forget(&written);
        assert_eq!((seen.last("a"), seen.last("b")), (1002, 0));
    }
}
