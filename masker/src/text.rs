//! Text that passed the masks.
//!
//! Only a [`MaskSet`](crate::MaskSet) makes one, so a field of this type cannot hold a value by oversight.

use std::fmt;

/// Text in which every region has been replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaskedText(String);

impl MaskedText {
    /// Takes bytes that were masked; a needle that cut a character leaves U+FFFD in its place.
    pub(crate) fn from_masked(bytes: Vec<u8>) -> MaskedText {
        MaskedText(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MaskedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for MaskedText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
