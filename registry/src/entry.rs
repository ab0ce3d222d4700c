//! What a leaf says of one secret, and the sealing of its versions.
//!
//! A version's value is sealed with a key of its own, which is sealed with the store's. Changing the
//! store's key thus opens no value, and a version whose key is gone is gone.

use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::{Context, Key, Keys, pad, unpad};
use crate::error::{InvalidValue, RegistryError};
use crate::keys::StoreId;
use crate::names::Address;
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

/// One secret.
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
    /// How long a version may be used, in seconds from its making.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) max_age: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub(crate) description: String,
    /// Rising numbers; the last one is the current one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) versions: Vec<Version>,
}

/// One value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Version {
    pub(crate) n: u64,
    pub(crate) created: Time,
    pub(crate) by: String,
    /// Until when this former value may still be in use somewhere.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) until: Option<Time>,
    dek: Sealed,
    value: Sealed,
}

/// Sealed bytes, written as base64.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sealed(Vec<u8>);

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
        let by_age = self.max_age.and_then(|age| Some(self.current()?.created.plus(age)));
        [self.expires, by_age].into_iter().flatten().min()
    }

    /// Drops the oldest versions beyond the number to keep; those in an overlap stay.
    pub(crate) fn prune(&mut self, keep: u32, now: Time) {
        let excess =
            self.versions.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let mut position = 0;
        self.versions.retain(|version| {
            position += 1;
            position > excess || version.until.is_some_and(|until| until > now)
        });
    }
}

/// Seals and opens the versions of one store.
pub(crate) struct Vault<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) store: &'a StoreId,
}

impl Vault<'_> {
    /// Seals a value as version `n` of the secret at `address`.
    #[expect(clippy::disallowed_methods, reason = "the value is sealed here")]
    pub(crate) fn seal(
        &self,
        address: &Address,
        (n, created, by): (u64, Time, &str),
        value: &SecretSlice<u8>,
    ) -> Result<Version, RegistryError> {
        let value = value.expose_secret();
        check_value(value)?;
        let dek = Key::generate()?;
        let sealed = dek.seal(&self.context(VALUE, address, n, created), &pad(value))?;
        let context = self.dek_context(self.keys, address, n, created);
        let sealed_dek = self.keys.kek.seal(&context, dek.bytes())?;
        let by = by.to_owned();
        let (dek, value) = (Sealed(sealed_dek), Sealed(sealed));
        Ok(Version { n, created, by, until: None, dek, value })
    }

    /// Opens a version; `None` if it is not exactly what was sealed for this address and number.
    pub(crate) fn open(&self, address: &Address, version: &Version) -> Option<SecretSlice<u8>> {
        let Version { n, created, dek, value, .. } = version;
        let context = self.dek_context(self.keys, address, *n, *created);
        let dek = Key::from_bytes(&self.keys.kek.open(&context, &dek.0)?)?;
        let padded = dek.open(&self.context(VALUE, address, *n, *created), &value.0)?;
        unpad(&padded).map(|value| SecretSlice::from(value.to_vec()))
    }

    /// Seals the version's key with another key of the store; the value is not touched.
    pub(crate) fn rekey(
        &self,
        to: &Keys,
        address: &Address,
        version: &mut Version,
    ) -> Result<Option<()>, RegistryError> {
        let (n, created) = (version.n, version.created);
        let context = self.dek_context(self.keys, address, n, created);
        let Some(dek) = self.keys.kek.open(&context, &version.dek.0) else {
            return Ok(None);
        };
        let context = self.dek_context(to, address, n, created);
        version.dek = Sealed(to.kek.seal(&context, &dek)?);
        Ok(Some(()))
    }

    fn dek_context(&self, keys: &Keys, address: &Address, n: u64, created: Time) -> Context {
        self.context(DEK, address, n, created).part(keys.id.as_bytes())
    }

    fn context(&self, kind: &str, address: &Address, n: u64, created: Time) -> Context {
        let Address { reference, scope } = address;
        let workspace = scope.workspace.as_ref().map_or("", |name| name.as_str());
        let environment = scope.environment.as_ref().map_or("", |name| name.as_str());
        Context::new(kind, self.store)
            .part(workspace.as_bytes())
            .part(environment.as_bytes())
            .part(reference.as_str().as_bytes())
            .number(n)
            .number(created.seconds())
    }
}

const VALUE: &str = "subrosa/value/1";
const DEK: &str = "subrosa/dek/1";

impl Key {
    fn from_bytes(bytes: &Zeroizing<Vec<u8>>) -> Option<Key> {
        let mut key = Zeroizing::new([0; 32]);
        (bytes.len() == key.len()).then(|| key.copy_from_slice(bytes))?;
        Some(Key::of(key))
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
