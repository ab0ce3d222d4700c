//! Sealing and opening what versions hold.
//!
//! Each value and each part of a record is sealed with a key of its own, which is sealed with the
//! store's. Changing the store's key thus opens no value, and a version whose key is gone is gone. All is
//! bound to its address and to the version that wrote it, a part to its name as well.

use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

use crate::crypto::{Context, Key, Keys, pad, unpad};
use crate::entry::{Content, Part, Sealed, SealedValue, Version, check_value};
use crate::error::RegistryError;
use crate::keys::StoreId;
use crate::names::Address;
use crate::time::Time;

/// Seals and opens the versions of one store.
pub(crate) struct Vault<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) store: &'a StoreId,
}

/// What a sealed value is bound to.
#[derive(Clone, Copy)]
struct Bond<'a> {
    address: &'a Address,
    n: u64,
    created: Time,
    /// The part of a record; `None` is the value of a secret.
    part: Option<&'a str>,
}

impl<'a> Bond<'a> {
    fn of_value(address: &'a Address, version: &Version) -> Bond<'a> {
        Bond { address, n: version.n, created: version.created, part: None }
    }

    fn of_part(address: &'a Address, name: &'a str, part: &Part) -> Bond<'a> {
        Bond { address, n: part.n, created: part.created, part: Some(name) }
    }
}

impl Vault<'_> {
    /// Seals a value as version `n` of the secret at `address`.
    pub(crate) fn seal(
        &self,
        address: &Address,
        (n, created, by): (u64, Time, &str),
        value: &SecretSlice<u8>,
    ) -> Result<Version, RegistryError> {
        let content = Content::Value(self.sealed(Bond { address, n, created, part: None }, value)?);
        Ok(Version { n, created, by: by.to_owned(), until: None, is_replaced: false, content })
    }

    /// Opens a version of a secret; `None` if it is not exactly what was sealed for this address and
    /// number.
    pub(crate) fn open(&self, address: &Address, version: &Version) -> Option<SecretSlice<u8>> {
        match &version.content {
            Content::Value(SealedValue { dek, value }) => {
                self.opened(Bond::of_value(address, version), (dek, value))
            }
            Content::Record { .. } => None,
        }
    }

    /// Seals a part of the record at `address` that version `n` writes.
    pub(crate) fn seal_part(
        &self,
        address: &Address,
        name: &str,
        (n, created): (u64, Time),
        value: &SecretSlice<u8>,
    ) -> Result<Part, RegistryError> {
        let sealed = self.sealed(Bond { address, n, created, part: Some(name) }, value)?;
        Ok(Part::new(n, created, sealed))
    }

    /// Opens a part of the record at `address`; `None` if it is not exactly what was sealed for it.
    pub(crate) fn open_part(
        &self,
        address: &Address,
        name: &str,
        part: &Part,
    ) -> Option<SecretSlice<u8>> {
        self.opened(Bond::of_part(address, name, part), part.sealed())
    }

    /// Whether all that a version holds opens.
    pub(crate) fn is_whole(&self, address: &Address, version: &Version) -> bool {
        match &version.content {
            Content::Value(_) => self.open(address, version).is_some(),
            Content::Record { parts, .. } => {
                parts.iter().all(|(name, part)| self.open_part(address, name, part).is_some())
            }
        }
    }

    /// The same version for another address, with other numbers; `None` if it does not open.
    pub(crate) fn reseal(
        &self,
        (from, to): (&Address, &Address),
        version: &Version,
        number: impl Fn(u64) -> u64,
    ) -> Result<Option<Version>, RegistryError> {
        let (n, created) = (number(version.n), version.created);
        let content = match &version.content {
            Content::Value(_) => {
                let Some(value) = self.open(from, version) else { return Ok(None) };
                let bond = Bond { address: to, n, created, part: None };
                Content::Value(self.sealed(bond, &value)?)
            }
            Content::Record { public, parts: former } => {
                let mut parts = std::collections::BTreeMap::new();
                for (name, part) in former {
                    let Some(value) = self.open_part(from, name, part) else { return Ok(None) };
                    let written = (number(part.n), part.created);
                    parts.insert(name.clone(), self.seal_part(to, name, written, &value)?);
                }
                Content::Record { public: public.clone(), parts }
            }
        };
        Ok(Some(Version { n, content, ..version.clone() }))
    }

    /// Seals the keys of a version's values with another key of the store; the values are not touched.
    pub(crate) fn rekey(
        &self,
        to: &Keys,
        address: &Address,
        version: &mut Version,
    ) -> Result<Option<()>, RegistryError> {
        let bond = Bond::of_value(address, version);
        match &mut version.content {
            Content::Value(sealed) => {
                let Some(dek) = self.rekeyed(to, bond, &sealed.dek)? else { return Ok(None) };
                sealed.dek = dek;
            }
            Content::Record { parts, .. } => {
                for (name, part) in parts {
                    let bond = Bond::of_part(address, name, part);
                    let Some(dek) = self.rekeyed(to, bond, part.sealed().0)? else {
                        return Ok(None);
                    };
                    part.put_dek(dek);
                }
            }
        }
        Ok(Some(()))
    }

    #[expect(clippy::disallowed_methods, reason = "the value is sealed here")]
    fn sealed(&self, bond: Bond, value: &SecretSlice<u8>) -> Result<SealedValue, RegistryError> {
        let value = value.expose_secret();
        check_value(value)?;
        let dek = Key::generate()?;
        let value = Sealed(dek.seal(&self.context(bond), &pad(value))?);
        let dek = Sealed(self.keys.kek.seal(&self.dek_context(self.keys, bond), dek.bytes())?);
        Ok(SealedValue { dek, value })
    }

    fn opened(&self, bond: Bond, (dek, value): (&Sealed, &Sealed)) -> Option<SecretSlice<u8>> {
        let dek = self.keys.kek.open(&self.dek_context(self.keys, bond), &dek.0)?;
        let padded = Key::from_bytes(&dek)?.open(&self.context(bond), &value.0)?;
        unpad(&padded).map(|value| SecretSlice::from(value.to_vec()))
    }

    fn rekeyed(
        &self,
        to: &Keys,
        bond: Bond,
        dek: &Sealed,
    ) -> Result<Option<Sealed>, RegistryError> {
        let Some(dek) = self.keys.kek.open(&self.dek_context(self.keys, bond), &dek.0) else {
            return Ok(None);
        };
        to.kek.seal(&self.dek_context(to, bond), &dek).map(|dek| Some(Sealed(dek)))
    }

    fn dek_context(&self, keys: &Keys, bond: Bond) -> Context {
        let kind = if bond.part.is_some() { PART_DEK } else { DEK };
        self.bound(kind, bond).part(keys.id.as_bytes())
    }

    fn context(&self, bond: Bond) -> Context {
        self.bound(if bond.part.is_some() { PART } else { VALUE }, bond)
    }

    fn bound(&self, kind: &str, bond: Bond) -> Context {
        let Address { reference, scope } = bond.address;
        let workspace = scope.workspace.as_ref().map_or("", |name| name.as_str());
        let environment = scope.environment.as_ref().map_or("", |name| name.as_str());
        let context = Context::new(kind, self.store)
            .part(workspace.as_bytes())
            .part(environment.as_bytes())
            .part(reference.as_str().as_bytes())
            .number(bond.n)
            .number(bond.created.seconds());
        match bond.part {
            Some(name) => context.part(name.as_bytes()),
            None => context,
        }
    }
}

const VALUE: &str = "subrosa/value/1";
const DEK: &str = "subrosa/dek/1";
const PART: &str = "subrosa/part/1";
const PART_DEK: &str = "subrosa/part-dek/1";

impl Key {
    fn from_bytes(bytes: &Zeroizing<Vec<u8>>) -> Option<Key> {
        let mut key = Zeroizing::new([0; 32]);
        (bytes.len() == key.len()).then(|| key.copy_from_slice(bytes))?;
        Some(Key::of(key))
    }
}
