//! The primitives, as the format uses them: sealing, digests, keyed digests, derivation.
//!
//! One algorithm each and no choice among them (FORMAT.md, "Cryptography"). A nonce is 192 random bits,
//! so no counter has to survive a restored backup or a cloned machine. What is sealed is bound to
//! where it belongs by its [`Context`].

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::audit::AuditKeys;
use crate::cache::CacheKeys;
use crate::error::RegistryError;
use crate::keys::{MasterKey, StoreId};
use crate::used::UsageKey;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// Sealed values come in steps of this many bytes, so that their size tells little of the value's.
const PAD: usize = 64;

/// A key for one purpose.
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Draws one.
    pub(crate) fn generate() -> Result<Key, RegistryError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random(&mut *bytes)?;
        Ok(Key(bytes))
    }

    /// Takes one over.
    pub(crate) fn of(bytes: Zeroizing<[u8; 32]>) -> Key {
        Key(bytes)
    }

    /// Derives one.
    pub(crate) fn derive(secret: &[u8; 32], store: &StoreId, purpose: &str) -> Key {
        Key(derive(secret, store, purpose))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256.
    pub(crate) fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        self.hmac(bytes).finalize().into_bytes().into()
    }

    /// Compares with the expected HMAC-SHA256 in constant time.
    pub(crate) fn verifies(&self, bytes: &[u8], mac: &[u8]) -> bool {
        self.hmac(bytes).verify_slice(mac).is_ok()
    }

    fn hmac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(&*self.0)
            .expect("HMAC takes keys of every length");
        hmac.update(bytes);
        hmac
    }

    /// Seals: nonce, ciphertext and tag in one.
    pub(crate) fn seal(&self, context: &Context, plain: &[u8]) -> Result<Vec<u8>, RegistryError> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let payload = Payload { msg: plain, aad: &context.0 };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("what we seal is far below the 256 GiB that the cipher takes");
        let mut whole = Vec::with_capacity(NONCE_LEN + sealed.len());
        whole.extend_from_slice(&nonce);
        whole.extend_from_slice(&sealed);
        Ok(whole)
    }

    /// Opens what [`Key::seal`] made; `None` unless key, context and every byte are the same.
    pub(crate) fn open(&self, context: &Context, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if sealed.len() < NONCE_LEN + TAG_LEN {
            return None;
        }
        let (nonce, sealed) = sealed.split_at(NONCE_LEN);
        let nonce = XNonce::try_from(nonce).ok()?;
        let payload = Payload { msg: sealed, aad: &context.0 };
        self.cipher().decrypt(&nonce, payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&chacha20poly1305::Key::from(*self.0))
    }
}

/// What a ciphertext belongs to: its associated data, each part with its length before it.
pub(crate) struct Context(Vec<u8>);

impl Context {
    /// Begins with what kind of thing it is and which store it is of.
    pub(crate) fn new(kind: &str, store: &StoreId) -> Context {
        Context(Vec::new()).part(kind.as_bytes()).part(store.as_str().as_bytes())
    }

    /// Adds a part.
    pub(crate) fn part(mut self, bytes: &[u8]) -> Context {
        let len = u32::try_from(bytes.len()).expect("names are short");
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a number.
    pub(crate) fn number(self, number: u64) -> Context {
        self.part(&number.to_be_bytes())
    }
}

/// The keys that follow from the master key.
pub(crate) struct Keys {
    /// Names the master key, and tells nothing of it.
    pub(crate) id: String,
    /// Seals the keys of values and the inner key.
    pub(crate) kek: Key,
    /// Authenticates the root.
    pub(crate) root_mac: Key,
}

impl Keys {
    pub(crate) fn derive(master: &MasterKey, store: &StoreId) -> Keys {
        Keys {
            id: key_id(master, store),
            kek: Key::derive(master.bytes(), store, "subrosa/kek/1"),
            root_mac: Key::derive(master.bytes(), store, "subrosa/root-mac/1"),
        }
    }
}

/// The printable name of a master key: 16 hex digits that tell nothing of it.
pub(crate) fn key_id(master: &MasterKey, store: &StoreId) -> String {
    let key = Key::derive(master.bytes(), store, "subrosa/key-id/1");
    data_encoding::HEXLOWER.encode(&key.bytes()[..8])
}

/// The keys that stay the same when the master key changes; the root keeps what they derive from.
pub(crate) struct Inner {
    secret: Key,
    /// Decides in which leaf a ref is.
    pub(crate) place: Key,
    /// Seals leaves and settings where names are hidden.
    pub(crate) names: Key,
    pub(crate) audit: AuditKeys,
    pub(crate) usage: UsageKey,
    pub(crate) cache: CacheKeys,
}

impl Inner {
    pub(crate) fn generate(store: &StoreId) -> Result<Inner, RegistryError> {
        Ok(Inner::from_secret(Key::generate()?, store))
    }

    fn from_secret(secret: Key, store: &StoreId) -> Inner {
        let place = Key::derive(secret.bytes(), store, "subrosa/place/1");
        let names = Key::derive(secret.bytes(), store, "subrosa/names/1");
        let audit = AuditKeys::derive(secret.bytes(), store);
        let usage = UsageKey::derive(secret.bytes(), store);
        let cache = CacheKeys::derive(secret.bytes(), store);
        Inner { secret, place, names, audit, usage, cache }
    }

    pub(crate) fn seal(&self, keys: &Keys, store: &StoreId) -> Result<Vec<u8>, RegistryError> {
        keys.kek.seal(&Inner::context(keys, store), self.secret.bytes())
    }

    pub(crate) fn open(keys: &Keys, store: &StoreId, sealed: &[u8]) -> Option<Inner> {
        let plain = keys.kek.open(&Inner::context(keys, store), sealed)?;
        let bytes: [u8; 32] = plain.as_slice().try_into().ok()?;
        Some(Inner::from_secret(Key(Zeroizing::new(bytes)), store))
    }

    fn context(keys: &Keys, store: &StoreId) -> Context {
        Context::new("subrosa/inner/1", store).part(keys.id.as_bytes())
    }
}

/// HKDF-SHA256 with the store's id as salt and the purpose as info.
pub(crate) fn derive(secret: &[u8; 32], store: &StoreId, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(store.as_str().as_bytes()), secret)
        .expand(purpose.as_bytes(), &mut *bytes)
        .expect("32 bytes are within what HKDF-SHA256 gives");
    bytes
}

/// SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Fills a buffer with the system's randomness.
pub(crate) fn random(buffer: &mut [u8]) -> Result<(), RegistryError> {
    getrandom::fill(buffer).map_err(|_| RegistryError::Randomness)
}

/// A value as it is sealed: its length, itself, zeros up to a multiple of 64 bytes.
pub(crate) fn pad(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let len = u32::try_from(value.len()).expect("values are at most 64 KiB");
    let whole = (4 + value.len()).next_multiple_of(PAD);
    // With its full capacity from the start, no copy is left behind by growing.
    let mut padded = Zeroizing::new(Vec::with_capacity(whole));
    padded.extend_from_slice(&len.to_be_bytes());
    padded.extend_from_slice(value);
    padded.resize(whole, 0);
    padded
}

/// The value in what [`pad`] made.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (len, rest) = padded.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*len)).ok()?)
}
