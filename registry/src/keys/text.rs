//! A master key as text: what a key file, a keyring entry and the output of a key command hold.
//!
//! There is one spelling of each key: what is read is written again and must come out the same, so an
//! unknown line, another order, upper-case digits, a leading zero or a byte after the end are errors.
//! The checksum is no authentication. It tells a text that was damaged by accident from one that
//! somebody wrote; whether a whole text holds the right key is for the store's root to say, and for
//! the tag of a wrapped key. `FORMAT.md` describes the format.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::keys::wrapped::{Cost, Derivation, Wrapped};
use crate::keys::{KeyError, MasterKey, StoreId};

/// The format that is written.
pub(crate) const FORMAT: u64 = 1;
/// More bytes than any key text has: the longest of format 1 has 353.
pub(crate) const TEXT_LEN_MAX: u64 = 1024;

const FIRST_LINE: &str = "subrosa key ";

/// What a key text can be.
pub(super) enum KeyText {
    /// Whoever has it has the key.
    Plain(StoreId, MasterKey),
    /// Takes a passphrase to be of use.
    Wrapped(Wrapped),
}

impl KeyText {
    /// Which store the key is for.
    pub(super) fn store(self) -> StoreId {
        match self {
            KeyText::Plain(store, _) => store,
            KeyText::Wrapped(wrapped) => wrapped.store,
        }
    }
}

/// Why a text gives no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// It is no key text, or was damaged, or was changed by hand.
    #[error("it {0}")]
    Damaged(&'static str),
    /// A newer subrosa wrote it.
    #[error("it has format {0}, and this subrosa reads up to format {FORMAT}")]
    TooNew(u64),
    /// A passphrase is needed.
    #[error("a passphrase protects it")]
    Protected,
    /// No passphrase protects it.
    #[error("no passphrase protects it")]
    NotProtected,
    /// The text is whole, and the passphrase does not open it.
    #[error("the passphrase does not open it")]
    WrongPassphrase,
    /// The passphrase is empty, which protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The memory that the passphrase takes is not to be had.
    #[error("there is too little memory: it takes {mib} MiB to use the passphrase")]
    Memory {
        /// How much is needed.
        mib: u32,
    },
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}

impl KeyTextError {
    /// Tells where the text was read.
    pub(super) fn at(self, place: String) -> KeyError {
        match self {
            KeyTextError::Damaged(why) => KeyError::Damaged { place, why },
            KeyTextError::TooNew(found) => KeyError::TooNew { place, found, known: FORMAT },
            KeyTextError::WrongPassphrase => KeyError::WrongPassphrase { place },
            KeyTextError::Randomness => KeyError::Randomness,
            KeyTextError::Protected
            | KeyTextError::NotProtected
            | KeyTextError::EmptyPassphrase
            | KeyTextError::Memory { .. } => KeyError::Source { place, why: self.to_string() },
        }
    }
}

impl MasterKey {
    /// Writes the key as text that anybody can use who reads it.
    pub fn to_text(&self, store: &StoreId) -> Zeroizing<Vec<u8>> {
        let mut text = head(store);
        hex_line(&mut text, "key", self.bytes());
        seal(&mut text);
        text
    }

    /// Reads a text that no passphrase protects, and says which store the key is for.
    ///
    /// # Errors
    /// [`KeyTextError`].
    pub fn from_text(text: &[u8]) -> Result<(StoreId, MasterKey), KeyTextError> {
        match read(text)? {
            KeyText::Plain(store, key) => Ok((store, key)),
            KeyText::Wrapped(_) => Err(KeyTextError::Protected),
        }
    }
}

/// Writes a wrapped key as text.
pub(super) fn write_wrapped(wrapped: &Wrapped) -> Zeroizing<Vec<u8>> {
    let mut text = wrapped_head(&wrapped.store, &wrapped.derivation);
    hex_line(&mut text, "nonce", &wrapped.nonce);
    hex_line(&mut text, "wrapped", &wrapped.sealed);
    seal(&mut text);
    text
}

/// The lines that say what a wrapped key is for and how its passphrase is used; they are authenticated.
pub(super) fn wrapped_head(store: &StoreId, derivation: &Derivation) -> Zeroizing<Vec<u8>> {
    let Cost { memory_kib, passes, lanes } = derivation.cost;
    let mut text = head(store);
    line(&mut text, &format!("argon2id m={memory_kib} t={passes} p={lanes}"));
    hex_line(&mut text, "salt", &derivation.salt);
    text
}

/// Reads a text of either kind.
pub(super) fn read(bytes: &[u8]) -> Result<KeyText, KeyTextError> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| bytes.len() as u64 <= TEXT_LEN_MAX && text.starts_with(FIRST_LINE))
        .ok_or(KeyTextError::Damaged("is no key"))?;
    check_format(text)?;
    check_seal(text)?;
    let mut lines = Lines(text);
    lines.value(FIRST_LINE)?;
    let store =
        StoreId::parse(lines.value("store ")?).ok_or(KeyTextError::Damaged("names no registry"))?;
    let (found, again) = if lines.0.starts_with("key ") {
        let mut key = Zeroizing::new([0; 32]);
        unhex(lines.value("key ")?, &mut *key)?;
        let key = MasterKey::from_bytes(key);
        let again = key.to_text(&store);
        (KeyText::Plain(store, key), again)
    } else {
        let wrapped = read_wrapped(store, &mut lines)?;
        let again = write_wrapped(&wrapped);
        (KeyText::Wrapped(wrapped), again)
    };
    if again.as_slice() != bytes {
        return Err(KeyTextError::Damaged("is not spelled as it is written"));
    }
    Ok(found)
}

fn read_wrapped(store: StoreId, lines: &mut Lines<'_>) -> Result<Wrapped, KeyTextError> {
    let parameters = lines.value("argon2id ")?;
    let cost = read_cost(parameters)
        .ok_or(KeyTextError::Damaged("asks for more memory, passes or lanes than is allowed"))?;
    let mut salt = [0; 16];
    unhex(lines.value("salt ")?, &mut salt)?;
    let mut nonce = [0; 24];
    unhex(lines.value("nonce ")?, &mut nonce)?;
    let mut sealed = [0; 48];
    unhex(lines.value("wrapped ")?, &mut sealed)?;
    Ok(Wrapped { store, derivation: Derivation { cost, salt }, nonce, sealed })
}

fn read_cost(parameters: &str) -> Option<Cost> {
    let mut parts = parameters.split(' ');
    let mut number = |name: &str| parts.next()?.strip_prefix(name)?.parse().ok();
    let (memory_kib, passes, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    Cost { memory_kib, passes, lanes }.bounded()
}

fn check_format(text: &str) -> Result<(), KeyTextError> {
    let digits = text[FIRST_LINE.len()..].split('\n').next().unwrap_or_default();
    match digits.parse() {
        Ok(FORMAT) => Ok(()),
        Ok(found) if found > FORMAT => Err(KeyTextError::TooNew(found)),
        Ok(_) | Err(_) => Err(KeyTextError::Damaged("is no key")),
    }
}

/// Compares the checksum, which is the last line, with what is before it.
fn check_seal(text: &str) -> Result<(), KeyTextError> {
    let body = text
        .strip_suffix('\n')
        .and_then(|text| text.rfind('\n'))
        .map(|end| &text[..=end])
        .ok_or(KeyTextError::Damaged("is cut off"))?;
    if !text[body.len()..].starts_with("checksum ") {
        return Err(KeyTextError::Damaged("does not end with its checksum"));
    }
    if text[body.len()..] != checksum_line(body.as_bytes()) {
        return Err(KeyTextError::Damaged("does not match its checksum"));
    }
    Ok(())
}

fn checksum_line(body: &[u8]) -> String {
    format!("checksum {}\n", HEXLOWER.encode(&Sha256::digest(body)))
}

fn seal(text: &mut Zeroizing<Vec<u8>>) {
    let checksum = checksum_line(text);
    text.extend_from_slice(checksum.as_bytes());
}

fn head(store: &StoreId) -> Zeroizing<Vec<u8>> {
    // A text that outgrew its buffer would leave a copy of the key behind.
    let len_max = TEXT_LEN_MAX.try_into().expect("1024 fits");
    let mut text = Zeroizing::new(Vec::with_capacity(len_max));
    line(&mut text, &format!("{FIRST_LINE}{FORMAT}"));
    line(&mut text, &format!("store {}", store.as_str()));
    text
}

fn line(text: &mut Zeroizing<Vec<u8>>, line: &str) {
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
}

fn hex_line(text: &mut Zeroizing<Vec<u8>>, name: &str, bytes: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.push(b' ');
    let start = text.len();
    text.resize(start + bytes.len() * 2, 0);
    HEXLOWER.encode_mut(bytes, &mut text[start..]);
    text.push(b'\n');
}

fn unhex(digits: &str, bytes: &mut [u8]) -> Result<(), KeyTextError> {
    let wrong = KeyTextError::Damaged("has a value that is no lower-case hex of the right length");
    if digits.len() != bytes.len() * 2 {
        return Err(wrong);
    }
    HEXLOWER.decode_mut(digits.as_bytes(), bytes).map_err(|_| wrong)?;
    Ok(())
}

/// What is left to read.
struct Lines<'a>(&'a str);

impl<'a> Lines<'a> {
    fn value(&mut self, name: &str) -> Result<&'a str, KeyTextError> {
        let (line, rest) = self.0.split_once('\n').ok_or(KeyTextError::Damaged("is cut off"))?;
        self.0 = rest;
        line.strip_prefix(name)
            .ok_or(KeyTextError::Damaged("has another line where one of the format belongs"))
    }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
