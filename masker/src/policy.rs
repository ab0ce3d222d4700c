//! Decides where a value may be masked: anywhere, as a whole word, or nowhere.
//!
//! A one-letter value masked anywhere would make every log unreadable, so short and very common values
//! are treated apart. The decision depends on the value alone and is public, so that a caller can warn
//! about the secrets it concerns.

use crate::fold::trim;

/// Values so common in logs that they are treated as short ones, in any case.
const STOP_WORDS: [&str; 10] =
    ["true", "false", "yes", "no", "on", "off", "null", "none", "0", "1"];

/// Which forms of a value are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// Only the value itself, without whitespace around it.
    Raw,
    /// The value and what programs commonly make of it.
    All,
}

/// How short values and stop words are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    /// Only where no ASCII letter, digit or underscore stands next to them.
    Word,
    /// Anywhere, like any other value.
    Always,
    /// Not at all.
    Never,
}

/// What to hide of a value, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which forms are hidden.
    pub forms: Forms,
    /// How values under `min_len` bytes and stop words are masked.
    pub short: Short,
    /// The least number of bytes of a value that is masked anywhere.
    pub min_len: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { forms: Forms::All, short: Short::Word, min_len: 4 }
    }
}

/// Where a value is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Wherever its bytes occur.
    Anywhere,
    /// Where no ASCII letter, digit or underscore stands next to it.
    WholeWord,
    /// Not at all.
    Nowhere,
}

impl Policy {
    /// Where this policy masks `value`; blank values are masked nowhere.
    pub fn reach(&self, value: &[u8]) -> Reach {
        let core = trim(value);
        if core.is_empty() {
            return Reach::Nowhere;
        }
        if core.len() >= self.min_len && !is_stop_word(core) {
            return Reach::Anywhere;
        }
        match self.short {
            Short::Word => Reach::WholeWord,
            Short::Always => Reach::Anywhere,
            Short::Never => Reach::Nowhere,
        }
    }
}

fn is_stop_word(core: &[u8]) -> bool {
    STOP_WORDS.iter().any(|word| core.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether `byte` next to a whole-word needle makes it part of a longer word.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
