//! What only the runner can read: sealed with age to the key that it made when it started.

use std::fmt;
use std::io::{Read as _, Write as _};

use data_encoding::BASE64;
use secrecy::SecretSlice;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// More than any value, body of a webhook or service's file has.
const LEN_MAX: u64 = 16 << 20;

/// Something cannot be sealed or opened; of what it is, nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No randomness, or no memory.
    #[error("a value cannot be sealed")]
    Seal,
    /// It was not sealed to this key, or is not what was sealed.
    #[error("a sealed value cannot be opened")]
    Open,
}

/// What is sealed to: the public half.
#[derive(Clone, Debug)]
pub struct SealingKey(age::x25519::Recipient);

/// What opens: the runner alone has it, and it ends with that process.
pub struct UnsealingKey(age::x25519::Identity);

/// What was opened.
pub type Opened = SecretSlice<u8>;

/// A value that whoever holds it cannot read.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl UnsealingKey {
    /// A new key.
    pub fn generate() -> UnsealingKey {
        UnsealingKey(age::x25519::Identity::generate())
    }

    /// Its public half.
    pub fn sealing_key(&self) -> SealingKey {
        SealingKey(self.0.to_public())
    }

    /// Opens what was sealed to it.
    ///
    /// # Errors
    /// [`SealError::Open`].
    pub fn open(&self, sealed: &Sealed) -> Result<Opened, SealError> {
        let decryptor = age::Decryptor::new(&sealed.0[..]).map_err(|_| SealError::Open)?;
        let key: &dyn age::Identity = &self.0;
        let reader = decryptor.decrypt(std::iter::once(key)).map_err(|_| SealError::Open)?;
        // Room from the start: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(sealed.0.len()));
        reader.take(LEN_MAX + 1).read_to_end(&mut bytes).map_err(|_| SealError::Open)?;
        if bytes.len() as u64 > LEN_MAX {
            return Err(SealError::Open);
        }
        Ok(SecretSlice::from(bytes.to_vec()))
    }
}

impl Sealed {
    /// Seals bytes to a key.
    ///
    /// # Errors
    /// [`SealError::Seal`].
    pub fn seal(bytes: &[u8], key: &SealingKey) -> Result<Sealed, SealError> {
        let recipient: &dyn age::Recipient = &key.0;
        let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient))
            .map_err(|_| SealError::Seal)?;
        let mut sealed = Vec::with_capacity(bytes.len() + 512);
        let mut writer = encryptor.wrap_output(&mut sealed).map_err(|_| SealError::Seal)?;
        writer.write_all(bytes).map_err(|_| SealError::Seal)?;
        writer.finish().map_err(|_| SealError::Seal)?;
        Ok(Sealed(sealed))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sealed, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(Sealed).map_err(|_| D::Error::custom("not sealed"))
    }
}

impl Serialize for SealingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SealingKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SealingKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(SealingKey).map_err(|_| D::Error::custom("no key"))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{SealError, Sealed, UnsealingKey};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test compares what came through")]
    fn what_is_sealed_comes_through_and_is_read_by_nobody_else() {
        let (runner, other) = (UnsealingKey::generate(), UnsealingKey::generate());
        for value in [&b""[..], b"hunter2", &[0; 200_000]] {
            let sealed = Sealed::seal(value, &runner.sealing_key()).unwrap();
            let line = serde_json::to_string(&sealed).unwrap();
            let sealed: Sealed = serde_json::from_str(&line).unwrap();
            assert_eq!(runner.open(&sealed).unwrap().expose_secret(), value);
            assert_eq!(other.open(&sealed).err(), Some(SealError::Open));
            assert!(value.is_empty() || !line.contains("hunter2"));
        }
    }

    #[test]
    fn what_was_changed_on_the_way_is_refused() {
        let key = UnsealingKey::generate();
        let sealed = Sealed::seal(b"hunter2", &key.sealing_key()).unwrap();
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert_eq!(key.open(&changed).err(), Some(SealError::Open), "byte {at}");
        }
    }
}
