//! A master key under a passphrase: Argon2id makes a key of the passphrase, and XChaCha20-Poly1305
//! wraps the master key with it.
//!
//! The lines of the text that come before the nonce are authenticated with it, so a wrapped key is of
//! no use to another store or under other parameters. Parameters that were read are bounded before
//! anything is computed with them.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::keys::text::{KeyTextError, wrapped_head};
use crate::keys::{MasterKey, StoreId};

/// Begins what is authenticated with a wrapped key, so that it is taken for nothing else.
const DOMAIN: &[u8] = b"subrosa 1 master key under a passphrase\n";

/// What one try of a passphrase costs, for us and for who guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes of the memory.
    pub lanes: u32,
}

impl Default for Cost {
    /// 64 MiB, 3 passes, 1 lane: about a tenth of a second.
    fn default() -> Cost {
        Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

impl Cost {
    /// The cost, unless a text could hold the machine up with it or Argon2 does not know it: 1 GiB,
    /// 10 passes and 4 lanes are the most.
    pub(super) fn bounded(self) -> Option<Cost> {
        let allowed = self.memory_kib <= 1024 * 1024 && self.passes <= 10 && self.lanes <= 4;
        (allowed && self.parameters().is_some()).then_some(self)
    }

    fn parameters(self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).ok()
    }
}

/// How a passphrase becomes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Derivation {
    pub(super) cost: Cost,
    pub(super) salt: [u8; 16],
}

impl Derivation {
    /// A derivation that was not used before.
    pub(super) fn new(cost: Cost) -> Result<Derivation, KeyTextError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| KeyTextError::Randomness)?;
        Ok(Derivation { cost, salt })
    }
}

/// A key made of a passphrase.
#[derive(Clone)]
pub(super) struct WrappingKey {
    pub(super) derivation: Derivation,
    bytes: Zeroizing<[u8; 32]>,
}

impl WrappingKey {
    /// Makes the key; this takes the time and memory that the derivation says.
    pub(super) fn derive(
        passphrase: &[u8],
        derivation: Derivation,
    ) -> Result<WrappingKey, KeyTextError> {
        let damaged = KeyTextError::Damaged("asks for what Argon2 does not know");
        let parameters = derivation.cost.parameters().ok_or(damaged.clone())?;
        let memory = KeyTextError::Memory { mib: derivation.cost.memory_kib.div_ceil(1024) };
        let mut blocks = Zeroizing::new(Vec::new());
        blocks.try_reserve_exact(parameters.block_count()).map_err(|_| memory)?;
        blocks.resize(parameters.block_count(), Block::default());
        let mut bytes = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into_with_memory(
                passphrase,
                &derivation.salt,
                &mut *bytes,
                blocks.as_mut_slice(),
            )
            .map_err(|_| damaged)?;
        Ok(WrappingKey { derivation, bytes })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

/// A master key that takes a passphrase to be of use.
#[derive(Debug)]
pub(super) struct Wrapped {
    pub(super) store: StoreId,
    pub(super) derivation: Derivation,
    pub(super) nonce: [u8; 24],
    pub(super) sealed: [u8; 48],
}

impl Wrapped {
    /// Wraps a key.
    pub(super) fn seal(
        store: &StoreId,
        key: &MasterKey,
        with: &WrappingKey,
    ) -> Result<Wrapped, KeyTextError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| KeyTextError::Randomness)?;
        Ok(Wrapped::seal_with_nonce(store, key, with, nonce))
    }

    fn seal_with_nonce(
        store: &StoreId,
        key: &MasterKey,
        with: &WrappingKey,
        nonce: [u8; 24],
    ) -> Wrapped {
        let aad = authenticated(store, &with.derivation);
        let sealed = with
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: key.bytes(), aad: &aad })
            .expect("32 bytes are not too many for the cipher");
        let sealed = sealed.try_into().expect("the tag has 16 bytes");
        Wrapped { store: store.clone(), derivation: with.derivation, nonce, sealed }
    }

    /// Unwraps the key; `None` if that is not the key it was wrapped with.
    pub(super) fn open(&self, with: &WrappingKey) -> Option<MasterKey> {
        let aad = authenticated(&self.store, &self.derivation);
        let opened = with
            .cipher()
            .decrypt(&XNonce::from(self.nonce), Payload { msg: &self.sealed, aad: &aad })
            .ok()
            .map(Zeroizing::new)?;
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&opened);
        Some(MasterKey::from_bytes(bytes))
    }
}

fn authenticated(store: &StoreId, derivation: &Derivation) -> Vec<u8> {
    [DOMAIN, &wrapped_head(store, derivation)].concat()
}

#[cfg(test)]
#[path = "wrapped_tests.rs"]
mod tests;
