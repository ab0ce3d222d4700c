//! When secrets were last used, kept apart from the store, since a read writes nothing there.
//!
//! This is a convenience: a file that is damaged, cut or gone costs times of last use and nothing
//! else, and no time in it is proven. Its lines hold no names, only a keyed hash of each address.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::derive;
use crate::files::{FileError, Files, write_all};
use crate::keys::StoreId;
use crate::names::Address;

/// The file.
pub(crate) const USED: &str = "used";
const USED_NEW: &str = "used.new";
const LOCK: &str = "used.lock";

/// From here on it is looked whether the file can be made smaller, once for each [`LOOK_LEN`] that
/// it grows: a store of 100,000 secrets has more than this and nothing to drop.
const COMPACT_LEN_MIN: u64 = 4 << 20;
const LOOK_LEN: u64 = 1 << 20;
/// More than 5 million secrets.
const LEN_MAX: u64 = 256 << 20;
/// The last second that has four digits for its year.
const SECONDS_MAX: u64 = 253_402_300_799;

/// What stands for an address.
type Id = [u8; 16];

/// The key under which addresses are hashed.
pub(crate) struct UsageKey(Zeroizing<[u8; 32]>);

impl UsageKey {
    /// Derives the key from a key of the store.
    pub(crate) fn derive(inner: &[u8; 32], store: &StoreId) -> UsageKey {
        UsageKey(derive(inner, store, "subrosa/usage/1"))
    }

    fn id(&self, address: &Address) -> Id {
        let scope = &address.scope;
        let parts = [
            Some(address.reference.as_str()),
            scope.workspace.as_ref().map(|name| name.as_str()),
            scope.environment.as_ref().map(|name| name.as_str()),
        ];
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&[u8::from(part.is_some())]);
            let text = part.unwrap_or_default();
            // A `u64` holds every length in memory.
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        let hash = mac.finalize().into_bytes();
        std::array::from_fn(|at| hash[at])
    }
}

/// The times of last use as they were read.
pub(crate) struct Used<'a> {
    key: &'a UsageKey,
    times: HashMap<Id, u64>,
    /// Lines that say nothing.
    pub(crate) damaged_lines: u64,
    /// Why there are no times at all, if the file could not be read.
    pub(crate) unread: Option<FileError>,
}

impl Used<'_> {
    /// When the secret was last used, as far as is known.
    pub(crate) fn last(&self, address: &Address) -> Option<SystemTime> {
        let seconds = self.times.get(&self.key.id(address))?;
        Some(UNIX_EPOCH + Duration::from_secs(*seconds))
    }
}

/// The file of the times of last use, in the store's folder.
pub(crate) struct UsedFile<'a> {
    files: &'a dyn Files,
    key: &'a UsageKey,
}

impl<'a> UsedFile<'a> {
    /// Takes the file of a store.
    pub(crate) fn new(files: &'a dyn Files, key: &'a UsageKey) -> UsedFile<'a> {
        UsedFile { files, key }
    }

    /// The file as it is; `None` if there is none.
    ///
    /// # Errors
    /// [`FileError`].
    pub(crate) fn bytes(&self) -> Result<Option<Vec<u8>>, FileError> {
        self.files.read(USED, LEN_MAX)
    }

    /// Records that secrets were used, without waiting for the disk.
    ///
    /// # Errors
    /// [`FileError`], which is worth a warning at most.
    pub(crate) fn note(&self, addresses: &[Address], time: SystemTime) -> Result<(), FileError> {
        if addresses.is_empty() {
            return Ok(());
        }
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let lines: String = addresses
            .iter()
            .map(|address| line(seconds.min(SECONDS_MAX), &self.key.id(address)))
            .collect();
        let _lock = self.files.lock(LOCK)?;
        let mut file = self.files.append(USED)?;
        let len = file.len().map_err(|source| self.error("read", USED, source))?;
        let last = self.files.read_at(USED, len.saturating_sub(1), 1)?;
        let is_torn = len > 0 && last.as_deref() != Some(b"\n");
        let lines = if is_torn { format!("\n{lines}") } else { lines };
        if let Err(source) = write_all(&mut *file, lines.as_bytes()) {
            drop(file.truncate(len));
            return Err(self.error("write", USED, source));
        }
        let len_now = len + lines.len() as u64;
        if len_now > COMPACT_LEN_MIN && len / LOOK_LEN != len_now / LOOK_LEN {
            self.compact()?;
        }
        Ok(())
    }

    /// Reads all times. A file that cannot be read gives none, and says why.
    pub(crate) fn load(&self) -> Used<'a> {
        let (content, unread) = match self.files.read(USED, LEN_MAX) {
            Ok(content) => (content.unwrap_or_default(), None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let (times, lines) = times(&content);
        let damaged_lines = lines.damaged;
        Used { key: self.key, times, damaged_lines, unread }
    }

    /// Writes the file anew if at least half of its lines say nothing new.
    fn compact(&self) -> Result<(), FileError> {
        let content = self.files.read(USED, LEN_MAX)?.unwrap_or_default();
        let (times, lines) = times(&content);
        if (times.len() as u64) * 2 > lines.all {
            return Ok(());
        }
        // The lock is ours, so this is what a crash left behind.
        self.files.remove(USED_NEW)?;
        let mut file = self.files.create(USED_NEW)?;
        let text: String = times.iter().map(|(id, seconds)| line(*seconds, id)).collect();
        if let Err(source) = write_all(&mut *file, text.as_bytes()) {
            self.files.remove(USED_NEW)?;
            return Err(self.error("write", USED_NEW, source));
        }
        self.files.rename(USED_NEW, USED)
    }

    fn error(&self, call: &'static str, path: &str, source: io::Error) -> FileError {
        FileError::Io { call, file: self.files.shown(path), source }
    }
}

fn line(seconds: u64, id: &Id) -> String {
    format!("{seconds} {}\n", HEXLOWER.encode(id))
}

/// How many lines there are.
#[derive(Default)]
struct Lines {
    all: u64,
    damaged: u64,
}

/// The newest time of each address.
fn times(content: &[u8]) -> (HashMap<Id, u64>, Lines) {
    let mut times: HashMap<Id, u64> = HashMap::new();
    let mut lines = Lines::default();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        lines.all += 1;
        match parse(line) {
            Some((seconds, id)) => {
                let newest = times.entry(id).or_default();
                *newest = seconds.max(*newest);
            }
            None => lines.damaged += 1,
        }
    }
    (times, lines)
}

fn parse(line: &[u8]) -> Option<(u64, Id)> {
    let (digits, hex) = line.strip_suffix(b"\n")?.split_last_chunk::<32>()?;
    let digits = digits.strip_suffix(b" ")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let mut id = [0; 16];
    HEXLOWER.decode_mut(hex, &mut id).ok()?;
    (seconds <= SECONDS_MAX).then_some((seconds, id))
}

#[cfg(test)]
#[path = "used_tests.rs"]
mod tests;
