//! Passwords: Argon2id, off the async threads, and few at the same time.
//!
//! Each derivation takes 19 MiB, so logins queue for room instead of taking the memory of the machine. A
//! password of nobody is derived like one of somebody: how long an answer takes does not tell who exists.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64URL_NOPAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::PeopleError;

/// Fewest characters.
const CHARS_MIN: usize = 12;
/// Most bytes.
const LEN_MAX: usize = 1024;
/// Derivations at the same time.
const AT_ONCE: usize = 2;
/// Derivations that are under way or wait for room; whoever comes then is asked to come again.
const WAITING_MAX: usize = 32;
/// What a new digest costs: OWASP's choice for logins to a server.
const COST: Cost = Cost { memory_kib: 19 * 1024, passes: 2 };

/// What is kept of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    cost: Cost,
    salt: String,
    digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cost {
    memory_kib: u32,
    passes: u32,
}

/// Derives digests, a few at a time.
pub(crate) struct Passwords {
    room: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// Stands for the digest of who does not exist: no password leads to it.
    nobody: Kept,
    #[cfg(test)]
    derived: std::sync::atomic::AtomicU64,
}

impl Passwords {
    /// With room for some.
    pub(super) fn new() -> Result<Passwords, PeopleError> {
        Ok(Passwords {
            room: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Arc::new(Semaphore::new(WAITING_MAX)),
            nobody: Kept { cost: COST, salt: random::<16>()?, digest: random::<32>()? },
            #[cfg(test)]
            derived: std::sync::atomic::AtomicU64::new(0),
        })
    }

    /// What to keep of a new password.
    pub(crate) async fn make(&self, password: &SecretString) -> Result<Kept, PeopleError> {
        check(password)?;
        let salt = random::<16>()?;
        let digest = self.derive(password.clone(), COST, salt.clone()).await?;
        Ok(Kept { cost: COST, salt, digest: BASE64URL_NOPAD.encode(&digest) })
    }

    /// Whether it is the password that `kept` was made of; without one it is not, and takes as long.
    pub(crate) async fn verify(
        &self,
        shown: SecretString,
        kept: Option<Kept>,
    ) -> Result<bool, PeopleError> {
        let kept = kept.unwrap_or_else(|| self.nobody.clone());
        // What is too long is no password; it is not derived in whole, and takes no less time.
        let digest = self.derive(shown, kept.cost, kept.salt).await?;
        let expected = BASE64URL_NOPAD.decode(kept.digest.as_bytes()).unwrap_or_default();
        Ok(bool::from(digest.ct_eq(&expected)))
    }

    async fn derive(
        &self,
        password: SecretString,
        cost: Cost,
        salt: String,
    ) -> Result<Zeroizing<Vec<u8>>, PeopleError> {
        #[cfg(test)]
        self.derived.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let queued = self.queue.clone().try_acquire_owned().map_err(|_| PeopleError::Busy)?;
        let room = self.room.clone().acquire_owned().await.map_err(|_| PeopleError::Busy)?;
        // The room is given back when the work ends, also if nobody waits for it any more.
        let work = tokio::task::spawn_blocking(move || {
            let derived = derive(&password, cost, &salt);
            drop((room, queued));
            derived
        });
        work.await.unwrap_or(Err(PeopleError::Memory))
    }

    /// How many digests were derived.
    #[cfg(test)]
    pub(crate) fn derived(&self) -> u64 {
        self.derived.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[expect(clippy::disallowed_methods, reason = "the length of a password that is being chosen")]
fn check(password: &SecretString) -> Result<(), PeopleError> {
    let text = password.expose_secret();
    match text.chars().count() >= CHARS_MIN && text.len() <= LEN_MAX {
        true => Ok(()),
        false => Err(PeopleError::PasswordLength),
    }
}

#[expect(clippy::disallowed_methods, reason = "a digest is derived of the password")]
fn derive(
    password: &SecretString,
    cost: Cost,
    salt: &str,
) -> Result<Zeroizing<Vec<u8>>, PeopleError> {
    let text = password.expose_secret().as_bytes();
    let text = text.get(..LEN_MAX + 1).unwrap_or(text);
    let parameters = Params::new(cost.memory_kib, cost.passes, 1, Some(32));
    let parameters = parameters.map_err(|_| PeopleError::Memory)?;
    let mut blocks = Zeroizing::new(Vec::new());
    blocks.try_reserve_exact(parameters.block_count()).map_err(|_| PeopleError::Memory)?;
    blocks.resize(parameters.block_count(), Block::default());
    let mut digest = Zeroizing::new(vec![0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into_with_memory(text, salt.as_bytes(), &mut digest, blocks.as_mut_slice())
        .map_err(|_| PeopleError::Memory)?;
    Ok(digest)
}

fn random<const LENGTH: usize>() -> Result<String, PeopleError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|_| PeopleError::Randomness)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::{Passwords, PeopleError, SecretString, check};

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn a_password_has_twelve_characters_and_at_most_a_thousand_bytes() {
        for (text, is_good) in [
            ("short-pass".to_owned(), false),
            ("eleven-char".to_owned(), false),
            ("twelve-chars".to_owned(), true),
            ("ääääääääääää".to_owned(), true),
            ("x".repeat(1024), true),
            ("x".repeat(1025), false),
        ] {
            assert_eq!(check(&secret(&text)).is_ok(), is_good, "{text}");
        }
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_no_other() {
        let passwords = Passwords::new().unwrap();
        let kept = passwords.make(&secret("correct horse battery")).await.unwrap();
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains("correct"), "{text}");
        let verify = |shown: &str, kept| passwords.verify(secret(shown), kept);
        assert!(verify("correct horse battery", Some(kept.clone())).await.unwrap());
        assert!(!verify("correct horse batterY", Some(kept.clone())).await.unwrap());
        assert!(!verify("", Some(kept)).await.unwrap());
    }

    #[tokio::test]
    async fn nobodys_password_costs_the_same_and_is_never_right() {
        let passwords = Passwords::new().unwrap();
        let kept = passwords.make(&secret("correct horse battery")).await.unwrap();
        assert_eq!(kept.cost, passwords.nobody.cost);
        assert_eq!(kept.salt.len(), passwords.nobody.salt.len());
        let before = passwords.derived();
        assert!(!passwords.verify(secret("anything at all"), None).await.unwrap());
        assert_eq!(passwords.derived(), before + 1);
    }

    #[tokio::test]
    async fn beyond_what_may_wait_nobody_is_let_into_the_queue() {
        let passwords = Passwords::new().unwrap();
        let all = u32::try_from(super::WAITING_MAX).unwrap();
        let held = passwords.queue.clone().acquire_many_owned(all).await.unwrap();
        let refused = passwords.verify(secret("anything at all"), None).await;
        assert!(matches!(refused, Err(PeopleError::Busy)));
        drop(held);
        assert!(passwords.verify(secret("anything at all"), None).await.is_ok());
    }
}
