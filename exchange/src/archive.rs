//! Encrypted archives: named files as a tar inside of age, so that `age -d | tar x` opens them, too.
//!
//! Both ways are streams of bounded memory. Whoever has a recipient can make an archive for it, so what
//! is inside is checked like any foreign file: names of [`EntryName`]'s grammar, regular files, sizes
//! that fit the caller's bound, one end. Folders are not kept, nor times, owners or modes.

mod key;
mod name;
mod open;
mod seal;

use std::io;

pub use key::{Identity, InvalidKey, Recipient, Recipients};
pub use name::{EntryName, InvalidEntryName};
pub use open::unseal;
pub use seal::{ArchiveWriter, encrypt, seal};

/// The unit of a tar.
const BLOCK_LEN: usize = 512;

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream below failed.
    #[error("the archive cannot be read or written")]
    Io(#[source] io::Error),
    /// A file that goes in or comes out could not be read or written.
    #[error("`{name}` cannot be read or written")]
    Entry {
        /// Which file.
        name: EntryName,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file had another size than was said.
    #[error("`{name}` changed its size while it was read")]
    SizeChanged {
        /// Which file.
        name: EntryName,
    },
    /// One name was given twice.
    #[error("`{name}` is in the archive twice")]
    Twice {
        /// Which name.
        name: EntryName,
    },
    /// Nobody was named who could open it.
    #[error("no recipient was given")]
    NoRecipients,
    /// It is no age file.
    #[error("this is no encrypted archive: {0}")]
    NotAnArchive(&'static str),
    /// It is encrypted to somebody else.
    #[error("the archive cannot be opened with this key")]
    WrongKey,
    /// A key was given for an archive with a passphrase, or the other way round.
    #[error("the archive was sealed {found}, and {given} was given")]
    OtherKind {
        /// How it was sealed.
        found: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The passphrase was made too slow to try.
    #[error(
        "the archive's passphrase takes 2^{found} rounds to try, and at most 2^{most} are done"
    )]
    TooSlow {
        /// What the archive wants.
        found: u8,
        /// What is done at most.
        most: u8,
    },
    /// It was changed, cut off, or something was added to it.
    #[error("the archive is damaged, cut off or was tampered with")]
    Damaged,
    /// What is inside is not what goes into such an archive.
    #[error("the archive holds what it should not: {0}")]
    Content(&'static str),
    /// It is larger than the caller allows.
    #[error("the archive holds more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
}

/// The zeros after a file of this size.
fn padding(size: u64) -> usize {
    let block = BLOCK_LEN as u64;
    usize::try_from((block - size % block) % block).expect("less than a block")
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
