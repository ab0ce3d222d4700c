//! Slows down who guesses passwords: by the name that is tried and by the address that tries.
//!
//! Each has some tries, then waits, twice as long each time and never longer than a minute: nobody is locked
//! out for ever. An address from which somebody came in before is not held up by what others try with
//! that name. What is remembered is bounded, and lost when the server ends.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::PeopleError;
use crate::limits::counted;

/// Tries with a name before the first wait.
const NAME_TRIES: u32 = 5;
/// Tries of an address before the first wait; a whole office may have one.
const ADDRESS_TRIES: u32 = 20;
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// After so long without another try it is forgotten.
const MEMORY: Duration = Duration::from_secs(60 * 60);
/// Names, addresses and pairs of both that are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Who tried how often.
#[derive(Default)]
pub(crate) struct Throttle {
    tried: Mutex<Tried>,
}

#[derive(Default)]
struct Tried {
    names: HashMap<String, Tries>,
    addresses: HashMap<IpAddr, Tries>,
    /// Where somebody came in from.
    known: HashMap<(String, IpAddr), Tries>,
    /// Users who are in, and asked for their password once more; by id.
    own: HashMap<String, Tries>,
}

#[derive(Clone, Copy)]
struct Tries {
    count: u32,
    last: Instant,
    until: Instant,
}

impl Tries {
    fn none(now: Instant) -> Tries {
        Tries { count: 0, last: now, until: now }
    }

    /// How long to wait, in whole seconds.
    fn wait(self, now: Instant) -> Option<u64> {
        let left = self.until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    fn add(&mut self, free: u32, now: Instant) {
        self.count = self.count.saturating_add(1);
        self.last = now;
        if let Some(beyond) = self.count.checked_sub(free) {
            let wait = Duration::from_secs(1 << beyond.min(6));
            self.until = now + wait.min(WAIT_MAX);
        }
    }
}

impl Throttle {
    /// Lets a try begin, which counts as failed until [`Throttle::passed`] says otherwise: so tries at the
    /// same time are no way around.
    pub(super) fn begin(&self, name: &str, from: IpAddr, now: Instant) -> Result<(), PeopleError> {
        let from = counted(from);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let Tried { names, addresses, known, .. } = &mut *tried;
        let pair = (name.to_owned(), from);
        let by_name = match known.contains_key(&pair) {
            true => remembered(known, pair, now),
            false => remembered(names, pair.0, now),
        };
        let by_address = remembered(addresses, from, now);
        if let Some(wait) = by_name.wait(now).max(by_address.wait(now)) {
            return Err(PeopleError::Throttled(wait));
        }
        by_name.add(NAME_TRIES, now);
        by_address.add(ADDRESS_TRIES, now);
        Ok(())
    }

    /// The same for a user who is in, and is asked for the password once more.
    pub(super) fn begin_own(&self, user: &str, now: Instant) -> Result<(), PeopleError> {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let own = remembered(&mut tried.own, user.to_owned(), now);
        match own.wait(now) {
            Some(wait) => Err(PeopleError::Throttled(wait)),
            None => {
                own.add(NAME_TRIES, now);
                Ok(())
            }
        }
    }

    /// Forgets the tries of a user who knew the password.
    pub(super) fn passed_own(&self, user: &str) {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).own.remove(user);
    }

    /// Forgets the tries of who came in.
    pub(super) fn passed(&self, name: &str, from: IpAddr, now: Instant) {
        let from = counted(from);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.names.remove(name);
        tried.addresses.remove(&from);
        *remembered(&mut tried.known, (name.to_owned(), from), now) = Tries::none(now);
    }
}

/// What is remembered of a key; when there is too much, of what was not tried for the longest nothing is.
fn remembered<K: Eq + Hash + Clone>(
    all: &mut HashMap<K, Tries>,
    key: K,
    now: Instant,
) -> &mut Tries {
    if !all.contains_key(&key) && all.len() >= REMEMBERED_MAX {
        all.retain(|_, tries| now.duration_since(tries.last) < MEMORY);
        if all.len() >= REMEMBERED_MAX {
            let mut ages: Vec<Instant> = all.values().map(|tries| tries.last).collect();
            let middle = ages.len() / 2;
            let (_, median, _) = ages.select_nth_unstable(middle);
            let median = *median;
            // Half of them at a time, so that this is done seldom; all, if they are of one moment.
            all.retain(|_, tries| tries.last > median);
        }
    }
    let tries = all.entry(key).or_insert(Tries::none(now));
    if now.duration_since(tries.last) >= MEMORY {
        *tries = Tries::none(now);
    }
    tries
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::{PeopleError, REMEMBERED_MAX, Throttle};

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + last))
    }

    fn wait(outcome: Result<(), PeopleError>) -> Option<u64> {
        match outcome {
            Err(PeopleError::Throttled(seconds)) => Some(seconds),
            _ => None,
        }
    }

    #[test]
    fn who_guesses_waits_longer_each_time_and_never_for_ever() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..20 {
            match wait(throttle.begin("ada", address(1), now)) {
                None => {}
                Some(seconds) => {
                    waits.push(seconds);
                    now += Duration::from_secs(seconds);
                    assert_eq!(wait(throttle.begin("ada", address(1), now)), None);
                }
            }
        }
        assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_name_is_slow_from_everywhere_but_from_where_its_user_came_in() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.begin("ada", address(7), now).unwrap();
        throttle.passed("ada", address(7), now);
        for from in 100..105 {
            throttle.begin("ada", address(from), now).unwrap();
        }
        assert_eq!(wait(throttle.begin("ada", address(200), now)), Some(1));
        assert_eq!(wait(throttle.begin("ada", address(7), now)), None);
        assert_eq!(wait(throttle.begin("bob", address(200), now)), None);
    }

    #[test]
    fn an_address_that_tries_many_names_waits() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let tries = (0..100).map(|n| throttle.begin(&format!("user-{n}"), address(1), now));
        assert_eq!(tries.filter(Result::is_ok).count(), 20);
        assert_eq!(wait(throttle.begin("other", address(2), now)), None);
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let from = |n: u32| format!("2001:db8::{n:x}").parse().unwrap();
        let tries = (0..100).map(|n| throttle.begin(&format!("user-{n}"), from(n), now));
        assert_eq!(tries.filter(Result::is_ok).count(), 20);
        throttle.passed("ada", from(1), now);
        assert_eq!(wait(throttle.begin("other", from(2), now)), None);
    }

    #[test]
    fn coming_in_starts_anew() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..3 {
            for _ in 0..4 {
                throttle.begin("ada", address(1), now).unwrap();
            }
            throttle.passed("ada", address(1), now);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        for n in 0..u32::try_from(3 * REMEMBERED_MAX).unwrap() {
            now += Duration::from_millis(1);
            throttle.begin(&format!("user-{n}"), address(n), now).unwrap();
        }
        let tried = throttle.tried.lock().unwrap();
        assert!(tried.names.len() <= REMEMBERED_MAX && tried.addresses.len() <= REMEMBERED_MAX);
    }
}
