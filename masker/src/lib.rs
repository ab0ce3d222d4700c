//! Hides secret values in byte streams.
//!
//! A [`MaskSet`] is made once from the values to hide; any number of [`MaskWriter`]s share it. Every
//! occurrence of every needle is found, overlapping ones too; the union of the bytes they cover is
//! hidden, and each maximal run of covered bytes (a region) becomes one [`MASK`]. All other bytes pass
//! unchanged, and what was written is never scanned again. The result does not depend on how the input
//! was cut into writes, nor on the order of the values.
//!
//! Which needles a value yields is policy ([`Policy`]) and lives apart from the search. Knowing what is
//! a secret, and passing every byte that leaves through a writer, is the caller's business.

mod automaton;
mod fold;
pub mod forms;
mod needles;
mod policy;
mod set;
mod stream;
mod text;
mod track;
mod writer;

pub use policy::{Forms, Policy, Reach, Short};
pub use set::{MaskSet, TooLarge};
pub use text::MaskedText;
pub use writer::MaskWriter;

/// What replaces a region.
pub const MASK: &str = "*******";
