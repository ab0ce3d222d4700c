//! What a record of a connection may hold, and what may be told of it.
//!
//! The registry does not read the text of a record: it keeps it beside the sealed parts.

use std::time::SystemTime;

use crate::entry::{Content, Entry, Version};
use crate::error::{InvalidRecord, RegistryError};
use crate::info::SecretInfo;
use crate::names::Address;

/// Longest text of a record, in bytes.
pub const PUBLIC_LEN_MAX: usize = 64 * 1024;
/// How many parts a record has at most.
pub const PARTS_MAX: usize = 32;
/// Longest name of a part, in bytes.
const PART_NAME_LEN_MAX: usize = 64;

/// A connection as its current version has it, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// What there is to say of secrets as well.
    pub info: SecretInfo,
    /// The text that may be read.
    pub public: String,
    /// The sealed parts, sorted by name.
    pub parts: Vec<PartInfo>,
}

/// A sealed part, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// Its name.
    pub name: String,
    /// The version that wrote it; later ones have it as it is.
    pub version: u64,
    /// When that was.
    pub created: SystemTime,
}

impl RecordInfo {
    /// What may be told of an entry; `None` if it was removed.
    pub(crate) fn of(
        address: &Address,
        entry: &Entry,
        last_used: Option<SystemTime>,
    ) -> Option<RecordInfo> {
        let info = SecretInfo::of(address, entry, last_used)?;
        let (mut public, mut parts) = (String::new(), Vec::new());
        if let Some(Version { content: Content::Record { public: text, parts: sealed }, .. }) =
            entry.current()
        {
            public.clone_from(text);
            parts.extend(sealed.iter().map(|(name, part)| PartInfo {
                name: name.clone(),
                version: part.n,
                created: part.created.system(),
            }));
        }
        Some(RecordInfo { info, public, parts })
    }
}

/// Checks the text of a record.
///
/// # Errors
/// [`InvalidRecord`]: it is too long, or has control characters.
pub fn check_public(text: &str) -> Result<(), InvalidRecord> {
    match text {
        _ if text.len() > PUBLIC_LEN_MAX => Err(InvalidRecord::PublicTooLarge),
        _ if text.chars().any(|c| c.is_control() && c != '\n') => Err(InvalidRecord::PublicControl),
        _ => Ok(()),
    }
}

pub(crate) fn check_part_name(name: &str) -> Result<(), InvalidRecord> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let is_name = (1..=PART_NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(allowed);
    if is_name { Ok(()) } else { Err(InvalidRecord::PartName) }
}

pub(crate) fn is_part_count(count: usize) -> bool {
    count <= PARTS_MAX
}

/// Makes sure that something that only secrets have is not asked of a connection.
pub(crate) fn only_secret(address: &Address) -> Result<(), RegistryError> {
    match address.reference.connection_name() {
        None => Ok(()),
        Some(_) => Err(RegistryError::WrongKind(address.clone())),
    }
}

/// Makes sure that something that only connections have is not asked of a secret.
pub(crate) fn only_connection(address: &Address) -> Result<(), RegistryError> {
    match address.reference.connection_name() {
        Some(_) => Ok(()),
        None => Err(RegistryError::WrongKind(address.clone())),
    }
}
