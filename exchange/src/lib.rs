//! The formats in which secrets are kept elsewhere, and encrypted archives of a store.
//!
//! [`read`] takes the bytes of a file and gives its secrets or everything that is wrong with it;
//! [`write`](fn@write) makes such a file. [`seal`] and [`unseal`] turn named files into one encrypted
//! stream and back, [`encrypt`] one text. Bytes in, bytes out: nothing here opens a file, reads the environment or the clock,
//! or contacts anyone. No message says what a file contains. What becomes of the secrets is left to the
//! caller.

mod archive;
mod export;
mod format;
mod import;
mod name;
mod problem;
mod quoted;
mod source;
mod tree;
mod wiped;

pub use archive::{
    ArchiveError, ArchiveWriter, EntryName, Identity, InvalidEntryName, InvalidKey, Recipient,
    Recipients, encrypt, seal, unseal,
};
pub use export::{ExportError, Outgoing, write};
pub use format::Format;
pub use import::{Environment, Item, Options, read};
pub use problem::Problem;
