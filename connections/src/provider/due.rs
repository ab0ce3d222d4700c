//! When a token should be exchanged, and when a grant ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::record::TokenState;

/// A token that ends within this time is exchanged first.
const FRESH_MARGIN: Duration = Duration::from_secs(60);

/// How far clocks may be apart.
const CLOCK_SLACK: Duration = Duration::from_secs(5 * 60);

/// A grant that ends within this time is told.
pub const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When access ends unless a person grants it again; `None`: it is not known to.
pub fn ends_at(tokens: &TokenState) -> Option<SystemTime> {
    let seconds = match tokens.can_refresh {
        true => tokens.grant_expires,
        false => tokens.expires,
    };
    seconds.map(at)
}

/// A moment in seconds since 1970.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

/// Whether the access token should be exchanged: it ends soon, or it is of a time that has not come yet, so
/// that nobody knows how old it is.
pub fn is_due(tokens: &TokenState, now: SystemTime) -> bool {
    let lasts =
        tokens.expires.map(|ends| Duration::from_secs(ends.saturating_sub(tokens.refreshed)));
    // Of a token that is short-lived by its nature a part of its life is enough, or it is never good.
    let margin = lasts.map_or(FRESH_MARGIN, |lasts| FRESH_MARGIN.min(lasts / 4));
    !is_fresh(tokens, now, margin) || at(tokens.refreshed) > now + CLOCK_SLACK
}

/// Whether the access token holds for longer than `margin`.
pub(super) fn is_fresh(tokens: &TokenState, now: SystemTime, margin: Duration) -> bool {
    tokens.expires.is_none_or(|ends| at(ends) > now + margin)
}

#[cfg(test)]
mod tests {
    use super::{TokenState, at, is_due};

    #[test]
    fn a_token_is_due_before_it_ends_and_when_its_age_is_not_known() {
        let check = |refreshed: u64, expires: Option<u64>, now: u64, expected: bool| {
            let tokens = TokenState { refreshed, expires, ..TokenState::default() };
            assert_eq!(is_due(&tokens, at(now)), expected, "{refreshed} {expires:?} {now}");
        };
        check(1000, Some(4600), 4539, false);
        check(1000, Some(4600), 4540, true);
        check(1000, None, u64::from(u32::MAX), false);
        // One that never holds for a minute is good for most of its time.
        check(1000, Some(1040), 1000, false);
        check(1000, Some(1040), 1029, false);
        check(1000, Some(1040), 1030, true);
        check(1000, Some(1000), 1000, true);
        check(1000, Some(900), 1000, true);
        // The clock was ahead when it was exchanged, by more than clocks are apart.
        check(1000, Some(4600), 700, false);
        check(1000, Some(4600), 699, true);
        check(1000, None, 699, true);
    }
}
