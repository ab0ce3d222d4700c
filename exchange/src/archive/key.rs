//! Who can open an archive, and with what.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::ArchiveError;

/// 2^18 rounds are the default of age: a second and 256 MiB.
pub(super) const WORK_FACTOR: u8 = 18;
/// 2^20 rounds are a few seconds and 1 GiB, the bound that key passphrases have as well.
pub(super) const WORK_FACTOR_MAX: u8 = 20;

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is no `age1…`.
    #[error("this is no recipient of the form `age1…`")]
    Recipient,
    /// An identity where a recipient should be.
    #[error("this is a secret identity; a recipient has the form `age1…`")]
    IdentityAsRecipient,
    /// A line is neither an identity nor a comment.
    #[error("line {line} is no identity of the form `AGE-SECRET-KEY-1…`")]
    Identity {
        /// From 1.
        line: usize,
    },
    /// There is no identity at all.
    #[error("there is no identity of the form `AGE-SECRET-KEY-1…`")]
    NoIdentity,
    /// The passphrase is empty or not UTF-8.
    #[error("the passphrase is empty or not UTF-8")]
    Passphrase,
}

/// The public half of a key pair (X25519): who has the other half can open what is sealed to it.
#[derive(Clone)]
pub struct Recipient(age::x25519::Recipient);

impl Recipient {
    /// Parses `age1…` as `age-keygen` prints it.
    ///
    /// # Errors
    /// [`InvalidKey`] says what it is instead. The text is not repeated: it may be the secret half.
    pub fn parse(text: &str) -> Result<Recipient, InvalidKey> {
        let text = text.trim();
        if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
            return Err(InvalidKey::IdentityAsRecipient);
        }
        age::x25519::Recipient::from_str(text).map(Recipient).map_err(|_| InvalidKey::Recipient)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.0)
    }
}

/// To whom an archive is sealed.
#[derive(Debug)]
pub enum Recipients {
    /// Each of these can open it alone.
    Keys(Vec<Recipient>),
    /// Who knows the passphrase can open it.
    Passphrase(Passphrase),
}

/// A passphrase, and how slow it is made to try.
pub struct Passphrase {
    text: SecretString,
    work_factor: u8,
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

impl Recipients {
    /// Takes a passphrase.
    ///
    /// # Errors
    /// [`InvalidKey::Passphrase`] if it is empty or not UTF-8.
    pub fn passphrase(bytes: &SecretSlice<u8>) -> Result<Recipients, InvalidKey> {
        let text = passphrase(bytes)?;
        Ok(Recipients::Passphrase(Passphrase { text, work_factor: WORK_FACTOR }))
    }

    /// A passphrase that is quick to try, for tests that are not built for speed.
    #[cfg(test)]
    pub(super) fn quick_passphrase(text: &str, work_factor: u8) -> Recipients {
        Recipients::Passphrase(Passphrase { text: SecretString::from(text), work_factor })
    }

    pub(super) fn encryptor(&self) -> Result<age::Encryptor, ArchiveError> {
        let encryptor = match self {
            Recipients::Keys(keys) => age::Encryptor::with_recipients(
                keys.iter().map(|key| &key.0 as &dyn age::Recipient),
            ),
            Recipients::Passphrase(passphrase) => {
                let mut recipient = age::scrypt::Recipient::new(passphrase.text.clone());
                recipient.set_work_factor(passphrase.work_factor);
                let recipient: &dyn age::Recipient = &recipient;
                age::Encryptor::with_recipients(std::iter::once(recipient))
            }
        };
        // Recipients of one kind fit together, so there being none is all that can be wrong.
        encryptor.map_err(|_| ArchiveError::NoRecipients)
    }
}

#[expect(clippy::disallowed_methods, reason = "age takes the passphrase as its own wiped text")]
fn passphrase(bytes: &SecretSlice<u8>) -> Result<SecretString, InvalidKey> {
    match std::str::from_utf8(bytes.expose_secret()) {
        Ok(text) if !text.is_empty() => Ok(SecretString::from(text)),
        _ => Err(InvalidKey::Passphrase),
    }
}

/// What opens an archive.
pub enum Identity {
    /// Secret halves of key pairs, each of them tried.
    Keys(SecretKeys),
    /// A passphrase.
    Passphrase(SecretPassphrase),
}

/// Secret halves of key pairs.
pub struct SecretKeys(Vec<age::x25519::Identity>);

/// A passphrase that opens.
pub struct SecretPassphrase(SecretString);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Identity::Keys(_) => "Keys(..)",
            Identity::Passphrase(_) => "Passphrase(..)",
        })
    }
}

impl Identity {
    /// Takes an identity file as `age-keygen` writes it: comments, and keys one a line.
    ///
    /// # Errors
    /// [`InvalidKey`] names the line; what it says is not repeated.
    #[expect(clippy::disallowed_methods, reason = "keys are parsed into age's own wiped form")]
    pub fn parse(file: &SecretSlice<u8>) -> Result<Identity, InvalidKey> {
        let mut keys = Vec::new();
        for (index, line) in file.expose_secret().split(|b| *b == b'\n').enumerate() {
            let invalid = InvalidKey::Identity { line: index + 1 };
            let line = std::str::from_utf8(line).map_err(|_| invalid)?.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            keys.push(age::x25519::Identity::from_str(line).map_err(|_| invalid)?);
        }
        if keys.is_empty() {
            return Err(InvalidKey::NoIdentity);
        }
        Ok(Identity::Keys(SecretKeys(keys)))
    }

    /// Takes a passphrase.
    ///
    /// # Errors
    /// [`InvalidKey::Passphrase`] if it is empty or not UTF-8.
    pub fn passphrase(bytes: &SecretSlice<u8>) -> Result<Identity, InvalidKey> {
        passphrase(bytes).map(SecretPassphrase).map(Identity::Passphrase)
    }

    pub(super) fn decrypt<R: std::io::Read>(
        &self,
        decryptor: age::Decryptor<R>,
    ) -> Result<age::stream::StreamReader<R>, ArchiveError> {
        let by_passphrase = decryptor.is_scrypt();
        let other_kind = |found, given| Err(ArchiveError::OtherKind { found, given });
        let decrypted = match self {
            Identity::Keys(_) if by_passphrase => {
                return other_kind("with a passphrase", "a key");
            }
            Identity::Passphrase(_) if !by_passphrase => {
                return other_kind("to keys", "a passphrase");
            }
            Identity::Keys(SecretKeys(keys)) => {
                decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity))
            }
            Identity::Passphrase(SecretPassphrase(text)) => {
                let mut identity = age::scrypt::Identity::new(text.clone());
                identity.set_max_work_factor(WORK_FACTOR_MAX);
                let identity: &dyn age::Identity = &identity;
                decryptor.decrypt(std::iter::once(identity))
            }
        };
        decrypted.map_err(error)
    }
}

/// age's errors in our kinds.
pub(super) fn error(error: age::DecryptError) -> ArchiveError {
    match error {
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::KeyDecryptionFailed
        | age::DecryptError::DecryptionFailed => ArchiveError::WrongKey,
        age::DecryptError::ExcessiveWork { required, .. } => {
            ArchiveError::TooSlow { found: required, most: WORK_FACTOR_MAX }
        }
        age::DecryptError::InvalidHeader | age::DecryptError::InvalidMac => ArchiveError::Damaged,
        age::DecryptError::Io(error) => stream_error(error),
        // Of a newer version; the enum of age is open for more of the kind.
        _ => ArchiveError::NotAnArchive("its version of age is not known here"),
    }
}

/// age reports what it finds damaged as these kinds of I/O errors, its own text in them.
pub(super) fn stream_error(error: std::io::Error) -> ArchiveError {
    match error.kind() {
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
            ArchiveError::Damaged
        }
        _ => ArchiveError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretSlice;

    use super::{Identity, InvalidKey, Recipient, Recipients};

    const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
    const IDENTITY: &str =
        "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

    fn secret(text: &str) -> SecretSlice<u8> {
        SecretSlice::from(text.as_bytes().to_vec())
    }

    #[test]
    fn recipients_are_public_halves() {
        let check = |text: &str, expected| {
            assert_eq!(Recipient::parse(text).err(), expected, "{text}");
        };
        check(RECIPIENT, None);
        check(&format!(" {RECIPIENT}\n"), None);
        check("age1x", Some(InvalidKey::Recipient));
        check("", Some(InvalidKey::Recipient));
        check("ssh-ed25519 AAAA", Some(InvalidKey::Recipient));
        check(IDENTITY, Some(InvalidKey::IdentityAsRecipient));
        check(&IDENTITY.to_ascii_lowercase(), Some(InvalidKey::IdentityAsRecipient));
    }

    #[test]
    fn identities_are_lines_of_a_file() {
        let check = |text: &str, expected| {
            assert_eq!(Identity::parse(&secret(text)).err(), expected);
        };
        check(&format!("# created: now\n# public key: x\n\n{IDENTITY}\r\n"), None);
        check(&format!("{IDENTITY}\n{IDENTITY}"), None);
        check(&format!("{IDENTITY}\nhunter2"), Some(InvalidKey::Identity { line: 2 }));
        check(RECIPIENT, Some(InvalidKey::Identity { line: 1 }));
        check("# nothing", Some(InvalidKey::NoIdentity));
    }

    #[test]
    fn passphrases_are_texts() {
        assert!(Recipients::passphrase(&secret("correct horse")).is_ok());
        assert!(Identity::passphrase(&secret("correct horse")).is_ok());
        let binary = SecretSlice::from(vec![0xff]);
        for bad in [secret(""), binary] {
            assert_eq!(Recipients::passphrase(&bad).err(), Some(InvalidKey::Passphrase));
            assert_eq!(Identity::passphrase(&bad).err(), Some(InvalidKey::Passphrase));
        }
    }

    #[test]
    fn nothing_secret_can_be_printed() {
        let identity = Identity::parse(&secret(IDENTITY)).unwrap();
        let recipients = Recipients::passphrase(&secret("hunter2")).unwrap();
        assert_eq!(format!("{identity:?} {recipients:?}"), "Keys(..) Passphrase(Passphrase(..))");
    }
}
