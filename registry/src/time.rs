//! Moments as the store keeps them: whole seconds, written as RFC 3339 in UTC.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The last second of the year 9999, after which the notation ends.
const LATEST: u64 = 253_402_300_799;

/// A moment, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(u64);

impl Time {
    /// The second that `time` is in; moments that the notation lacks become its first or last.
    pub(crate) fn of(time: SystemTime) -> Time {
        Time(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LATEST))
    }

    pub(crate) fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }

    pub(crate) fn plus(self, seconds: u64) -> Time {
        Time(self.0.saturating_add(seconds).min(LATEST))
    }

    pub(crate) fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.system()).fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let parsed = humantime::parse_rfc3339(&text).map(Time::of);
        // One spelling only: what we read is what we would write.
        parsed
            .ok()
            .filter(|time| time.to_string() == text)
            .ok_or_else(|| serde::de::Error::custom("not a time in whole seconds"))
    }
}
