//! What a leaf says of one secret or connection: its versions, each a value or a record.
//!
//! A record has text that may be read and parts that are sealed one by one. What is sealed is only
//! carried here; the vault makes and opens it.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::error::InvalidValue;
use crate::record::{check_part_name, check_public, is_part_count};
use crate::time::Time;

/// Longest value, in bytes.
pub const VALUE_LEN_MAX: usize = 64 * 1024;

/// Whether a secret may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Active,
    Disabled,
    /// Only the counter of versions is left, so that no number is ever used twice.
    Removed,
}

/// One secret or connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) state: State,
    pub(crate) created: Time,
    pub(crate) updated: Time,
    /// The highest version number ever given.
    pub(crate) last: u64,
    /// How many versions are kept, if not the default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) keep: Option<u32>,
    /// The moment at which the value expires, whatever its version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) expires: Option<Time>,
    /// How long a version may be used, in seconds from its making; of a record, from that of its
    /// oldest part.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) max_age: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) description: String,
    /// Rising numbers; the last one is the current one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) versions: Vec<Version>,
}

/// One value of a secret, or one record of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub(crate) struct Version {
    pub(crate) n: u64,
    pub(crate) created: Time,
    pub(crate) by: String,
    /// Until when this former value may still be in use somewhere.
    pub(crate) until: Option<Time>,
    /// Whether it is kept for that time only: what replaced it is no change that a person made.
    pub(crate) is_replaced: bool,
    pub(crate) content: Content,
}

/// What a version holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The value of a secret.
    Value(SealedValue),
    /// What there is of a connection.
    Record {
        /// What may be read.
        public: String,
        /// What may not, by name.
        parts: BTreeMap<String, Part>,
    },
}

/// One sealed part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// The version that wrote it; later ones have it as it is.
    pub(crate) n: u64,
    /// When that was.
    pub(crate) created: Time,
    dek: Sealed,
    value: Sealed,
}

/// A value and its own key, both sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedValue {
    pub(crate) dek: Sealed,
    pub(crate) value: Sealed,
}

impl Part {
    pub(crate) fn new(n: u64, created: Time, sealed: SealedValue) -> Part {
        let SealedValue { dek, value } = sealed;
        Part { n, created, dek, value }
    }

    pub(crate) fn sealed(&self) -> (&Sealed, &Sealed) {
        (&self.dek, &self.value)
    }

    pub(crate) fn put_dek(&mut self, dek: Sealed) {
        self.dek = dek;
    }
}

/// A version as it is written: the fields of a value, or those of a record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    n: u64,
    created: Time,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    until: Option<Time>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    replaced: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    dek: Option<Sealed>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    value: Option<Sealed>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    public: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    parts: BTreeMap<String, Part>,
}

impl From<Version> for Fields {
    fn from(version: Version) -> Fields {
        let Version { n, created, by, until, is_replaced: replaced, content } = version;
        let (mut dek, mut value, mut public, mut parts) = (None, None, None, BTreeMap::new());
        match content {
            Content::Value(sealed) => (dek, value) = (Some(sealed.dek), Some(sealed.value)),
            Content::Record { public: text, parts: sealed } => {
                (public, parts) = (Some(text), sealed);
            }
        }
        Fields { n, created, by, until, replaced, dek, value, public, parts }
    }
}

impl TryFrom<Fields> for Version {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Version, &'static str> {
        let Fields { n, created, by, until, replaced: is_replaced, dek, value, public, parts } =
            fields;
        let content = match (dek, value, public) {
            (Some(dek), Some(value), None) if parts.is_empty() => {
                Content::Value(SealedValue { dek, value })
            }
            (None, None, Some(public)) if is_record(n, &public, &parts) => {
                Content::Record { public, parts }
            }
            _ => return Err("neither a value nor a record"),
        };
        Ok(Version { n, created, by, until, is_replaced, content })
    }
}

/// Whether this is what we write as version `n` of a record.
fn is_record(n: u64, public: &str, parts: &BTreeMap<String, Part>) -> bool {
    let mut each = parts.iter();
    check_public(public).is_ok()
        && is_part_count(parts.len())
        && each.all(|(name, part)| check_part_name(name).is_ok() && (1..=n).contains(&part.n))
}

impl Version {
    /// The lowest number that anything in it is bound to.
    pub(crate) fn first_number(&self) -> u64 {
        self.numbered().map(|(n, _)| n).min().map_or(self.n, |first| first.min(self.n))
    }

    /// Since when what is oldest of its sealed values is what it is.
    fn made(&self) -> Time {
        self.numbered().map(|(_, created)| created).min().unwrap_or(self.created)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, Time)> {
        let parts = match &self.content {
            Content::Value(_) => None,
            Content::Record { parts, .. } => Some(parts),
        };
        parts.into_iter().flatten().map(|(_, part)| (part.n, part.created))
    }
}

/// Sealed bytes, written as base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed(pub(crate) Vec<u8>);

impl Serialize for Sealed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Sealed, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Sealed).map_err(|_| serde::de::Error::custom("not base64"))
    }
}

impl Entry {
    /// A secret without a value yet.
    pub(crate) fn new(now: Time) -> Entry {
        Entry {
            state: State::Active,
            created: now,
            updated: now,
            last: 0,
            keep: None,
            expires: None,
            max_age: None,
            description: String::new(),
            versions: Vec::new(),
        }
    }

    pub(crate) fn current(&self) -> Option<&Version> {
        self.versions.last()
    }

    pub(crate) fn version(&self, n: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.n == n)
    }

    /// When the current value expires: at the date or at its age, whichever comes first.
    pub(crate) fn expires(&self) -> Option<Time> {
        let by_age = self.max_age.and_then(|age| Some(self.current()?.made().plus(age)));
        [self.expires, by_age].into_iter().flatten().min()
    }

    /// Drops the oldest versions beyond the number to keep; those in an overlap stay. What was
    /// replaced goes with its overlap, and pushes nothing out before.
    pub(crate) fn prune(&mut self, keep: u32, now: Time) {
        let in_use = |version: &Version| version.until.is_some_and(|until| until > now);
        self.versions.retain(|version| !version.is_replaced || in_use(version));
        let kept = self.versions.iter().filter(|version| !version.is_replaced).count();
        let excess = kept.saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let mut position = 0;
        self.versions.retain(|version| {
            position += usize::from(!version.is_replaced);
            position > excess || in_use(version)
        });
    }
}

/// Whether bytes can be a value.
///
/// # Errors
/// [`InvalidValue`] says why not.
pub fn check_value(value: &[u8]) -> Result<(), InvalidValue> {
    match value {
        [] => Err(InvalidValue::Empty),
        _ if value.len() > VALUE_LEN_MAX => Err(InvalidValue::TooLarge),
        _ if value.contains(&0) => Err(InvalidValue::Nul),
        _ => Ok(()),
    }
}
