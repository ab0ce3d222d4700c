//! When to ask again: exponential backoff with full jitter, or as long as the answer asks for.
//!
//! Only what the provider calls worth a repetition is repeated. The pause is drawn between nothing and a
//! ceiling that doubles (full jitter), so that many runs that failed together do not come back together.

use std::time::Duration;

use crate::provider::Retry;

/// The ceiling of the first pause.
const FIRST: Duration = Duration::from_millis(200);
/// The ceiling that is not exceeded.
const CEILING: Duration = Duration::from_secs(5);

/// How long to wait before asking again after `failed` repetitions; `None`: asking again does not help.
pub(super) fn pause(retry: Retry, failed: u32, random: u64) -> Option<Duration> {
    match retry {
        Retry::Never => None,
        Retry::Later => Some(jitter(ceiling(failed), random)),
        // Never earlier than asked for; what is added spreads those that were all told the same.
        Retry::After(asked) => Some(asked.saturating_add(jitter(FIRST, random))),
    }
}

fn ceiling(failed: u32) -> Duration {
    FIRST.saturating_mul(1 << failed.min(16)).min(CEILING)
}

/// A part of `ceiling`, up to all of it.
fn jitter(ceiling: Duration, random: u64) -> Duration {
    let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % micros.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, proptest};

    use super::{CEILING, FIRST, ceiling, pause};
    use crate::provider::Retry;

    #[test]
    fn ceilings_double_up_to_the_last() {
        let all: Vec<u128> = (0..7).map(|failed| ceiling(failed).as_millis()).collect();
        assert_eq!(all, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(ceiling(u32::MAX), CEILING);
    }

    proptest! {
        #[test]
        fn a_pause_is_between_nothing_and_its_ceiling(failed in any::<u32>(), random in any::<u64>()) {
            assert!(pause(Retry::Later, failed, random).unwrap() <= ceiling(failed));
            assert_eq!(pause(Retry::Never, failed, random), None);
        }

        #[test]
        fn what_was_asked_for_is_the_least(asked in any::<u64>(), random in any::<u64>()) {
            let asked = Duration::from_secs(asked);
            let pause = pause(Retry::After(asked), 0, random).unwrap();
            assert!(pause >= asked && pause <= asked.saturating_add(FIRST));
        }

        #[test]
        fn every_pause_up_to_the_ceiling_can_be_drawn(micros in 0..=200_000_u64) {
            assert_eq!(pause(Retry::Later, 0, micros), Some(Duration::from_micros(micros)));
        }
    }
}
