//! Hides secret values in byte streams.
//!
//! A [`MaskSet`] is made once from the values to hide; any number of [`MaskWriter`]s share it. Every
//! occurrence of every needle is found, overlapping ones too; the union of the bytes they cover is
//! hidden, and each maximal run of covered bytes (a region) becomes one [`MASK`]. All other bytes pass
//! unchanged, and what was written is never scanned again. The result does not depend on how the input
//! was cut into writes, nor on the order of the values.
//!
//! Which needles a value yields is policy ([`Policy`]) and lives apart from the search: the value without
//! whitespace around it, its encoded [`forms`], for values of several lines each long line and the whole
//! in any layout. Knowing what is a secret, and passing every byte that leaves through a writer, is the
//! caller's business.
//!
//! ```
//! use std::io::Write;
//! use std::sync::Arc;
//! use subrosa_masker::{MaskSet, MaskWriter, Policy};
//!
//! let masks = Arc::new(MaskSet::new([&b"hunter2-hunter2"[..]], &Policy::default())?);
//! let mut writer = MaskWriter::new(masks, Vec::new());
//! writer.write_all(b"token hunter2-hun")?;
//! assert_eq!(writer.get_ref(), b"token "); // The rest may still become the value.
//! writer.write_all(b"ter2, base64 aHVudGVyMi1odW50ZXIy")?;
//! assert_eq!(writer.finish()?, b"token *******, base64 *******");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There is nothing asynchronous in here and no thread; a writer may be used wherever `io::Write` is. Text
//! without needles passes as slices of what was written, without being copied. How values are found is
//! told from the outside in: `stream` decides what may leave, `find` compares, `grams` skips, `anchors`
//! chooses what to skip by.

mod anchors;
mod automaton;
mod find;
mod fold;
pub mod forms;
mod grams;
mod needles;
mod policy;
mod prefixes;
mod set;
mod short;
mod stream;
mod tally;
mod terminal;
mod text;
mod track;
mod view;
mod wrap;
mod writer;

pub use policy::{Forms, Policy, Reach, Short};
pub use set::{MaskSet, TooLarge};
pub use tally::{Match, Shape, Tally};
pub use terminal::TerminalWriter;
pub use text::MaskedText;
pub use writer::{End, MaskWriter};

/// What replaces a region.
pub const MASK: &str = "*******";
