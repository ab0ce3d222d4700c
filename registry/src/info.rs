//! What may be told of secrets: everything but values.

use std::time::SystemTime;

use crate::entry::{Entry, State};
use crate::names::{Address, EnvironmentName};
use crate::time::Time;

/// A secret, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its ref and scope.
    pub address: Address,
    /// The number of its current version; `None` if it has no value.
    pub version: Option<u64>,
    /// Whether it may be used.
    pub is_disabled: bool,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created: SystemTime,
    /// When anything of it was last changed.
    pub updated: SystemTime,
    /// When its value expires: at a date or at an age, whichever comes first.
    pub expires: Option<SystemTime>,
    /// The age at which a version expires, in seconds.
    pub max_age_s: Option<u64>,
    /// How many versions are kept, if not the default.
    pub keep: Option<u32>,
    /// The versions that are kept, the oldest first.
    pub versions: Vec<VersionInfo>,
    /// When a run last got its value; `None`: never, as far as is known.
    pub last_used: Option<SystemTime>,
}

/// A version, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its number, which is never given again.
    pub number: u64,
    /// When it was made.
    pub created: SystemTime,
    /// Who made it.
    pub by: String,
    /// Until when this former value is still masked, because something may use it.
    pub in_use_until: Option<SystemTime>,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentInfo {
    /// Its name.
    pub name: EnvironmentName,
    /// Whether using or changing it takes a flag.
    pub is_protected: bool,
    /// When it was made.
    pub created: SystemTime,
}

impl SecretInfo {
    /// What may be told of an entry; `None` if it was removed.
    pub(crate) fn of(
        address: &Address,
        entry: &Entry,
        last_used: Option<SystemTime>,
    ) -> Option<SecretInfo> {
        if entry.state == State::Removed {
            return None;
        }
        let versions = entry.versions.iter().map(|version| VersionInfo {
            number: version.n,
            created: version.created.system(),
            by: version.by.clone(),
            in_use_until: version.until.map(Time::system),
        });
        Some(SecretInfo {
            address: address.clone(),
            version: entry.current().map(|version| version.n),
            is_disabled: entry.state == State::Disabled,
            description: entry.description.clone(),
            created: entry.created.system(),
            updated: entry.updated.system(),
            expires: entry.expires().map(Time::system),
            max_age_s: entry.max_age,
            keep: entry.keep,
            versions: versions.collect(),
            last_used,
        })
    }
}
