//! What the HTTP side and the runner say to each other: one JSON line each, any number under way.
//!
//! No message has room for a value. What is on its way into the registry, and what a foreign caller shows
//! to be let in, is [`Sealed`] to a key that the runner made when it started and that never leaves it; there
//! is no message that brings a value back.

pub mod audit;
pub mod connections;
pub mod environments;
pub mod hooks;
pub mod keys;
pub mod runs;
mod sealed;
pub mod secrets;

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use sealed::{Opened, SealError, Sealed, SealingKey, UnsealingKey};
pub use secrets::ScopeName;

/// Longest line that either side says: a list of some hundred thousand secrets.
pub const LINE_LEN_MAX: u64 = 256 << 20;

/// Something that the runner can be asked for, and what it answers.
pub trait Ask: Serialize + DeserializeOwned + Send {
    /// The answer.
    type Answer: Serialize + DeserializeOwned + Send;

    /// The same among all that can be asked.
    fn into_call(self) -> Call;
}

/// Everything that the runner can be asked for, by the room that it is in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// About what was done.
    Audit(audit::AuditCall),
    /// About connections to services.
    Connections(connections::ConnectionsCall),
    /// About environments.
    Environments(environments::EnvironmentsCall),
    /// About hooks.
    Hooks(hooks::HooksCall),
    /// About the key of the registry.
    Keys(keys::KeysCall),
    /// About runs.
    Runs(runs::RunsCall),
    /// About secrets.
    Secrets(secrets::SecretsCall),
}

/// On whose behalf something is asked for: the audit log says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The name of the user, or what stands for one: `hook deploy`.
    pub user: String,
    /// Whether protected environments may be used and changed.
    pub allow_protected: bool,
}

/// What the HTTP side says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Tells answers apart.
    pub id: u64,
    /// On whose behalf.
    pub by: By,
    /// What is asked for.
    pub call: Call,
}

/// What the runner says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// First: it is ready, and this is what it is sealed to.
    Ready {
        /// The public half.
        key: SealingKey,
    },
    /// The answer to what was asked under this number.
    Answer {
        /// Which one.
        id: u64,
        /// An [`Ask::Answer`].
        answer: Box<RawValue>,
    },
    /// It cannot be done.
    Refused {
        /// Which one.
        id: u64,
        /// Why.
        refusal: Refusal,
    },
}

/// Why something cannot be done, in words that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of refusal.
    pub kind: RefusalKind,
    /// What was found; never a value.
    pub message: String,
    /// How to mend it, if that is known.
    #[serde(default)]
    pub help: Option<String>,
}

/// What a caller may branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// What was sent makes no sense.
    Invalid,
    /// What was sent is larger than is allowed.
    TooLarge,
    /// There is no such thing.
    NotFound,
    /// There is one already.
    Exists,
    /// Somebody else has changed it since it was read.
    Changed,
    /// It takes a leave that the caller does not have.
    Forbidden,
    /// What is shown to be let in is wrong.
    Unauthenticated,
    /// A service that has to be asked is out of reach.
    Unavailable,
    /// The registry, the disk, or a bug.
    Broken,
}

/// A moment as the channel and the API write it: RFC 3339, UTC, whole seconds.
pub fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The moment that a text in RFC 3339 means, in whatever zone.
pub fn moment(text: &str) -> Option<SystemTime> {
    let text = text.trim().to_ascii_uppercase();
    let zoned = text.len().checked_sub(6).filter(|at| text.is_char_boundary(*at));
    let (local, zone) = match zoned.map(|at| text.split_at(at)) {
        Some((local, zone)) if zone.starts_with(['+', '-']) && local.contains('T') => (local, zone),
        _ => (text.trim_end_matches('Z'), "+00:00"),
    };
    let (sign, zone) = zone.split_at(1);
    let (hours, minutes) = zone.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let ahead = Duration::from_secs(hours * 3600 + minutes * 60);
    let local = humantime::parse_rfc3339_weak(&format!("{local}Z")).ok()?;
    if sign == "+" { local.checked_sub(ahead) } else { local.checked_add(ahead) }
}

#[cfg(test)]
mod tests {
    use super::{moment, stamp};

    #[test]
    fn a_moment_is_understood_in_any_zone() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(moment(text).map(stamp).as_deref(), expected, "{text}");
        };
        let noon = Some("2026-11-22T12:00:00Z");
        check("2026-11-22T12:00:00Z", noon);
        check("2026-11-22t12:00:00.5z", noon);
        check("2026-11-22T13:30:00+01:30", noon);
        check("2026-11-22T07:00:00-05:00", noon);
        for none in [
            "2026-11-22",
            "yesterday",
            "",
            "2026-13-01T00:00:00Z",
            "2026-11-22T12:00:00+0x:00",
            "é26-11-22é",
        ] {
            check(none, None);
        }
    }
}
