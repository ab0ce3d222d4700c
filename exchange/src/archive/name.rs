//! Names of files in an archive.

use std::fmt;

/// A relative path that means the same everywhere: `idx/00.7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(String);

/// Why a text is no name of a file in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntryName {
    /// Nothing between slashes, at the beginning or at the end.
    #[error("a part between slashes is empty")]
    EmptyPart,
    /// A part that means another folder.
    #[error("`.` and `..` are not allowed")]
    Dots,
    /// Something else than letters, digits, `.`, `_` and `-`.
    #[error("a name is made of letters, digits, `.`, `_`, `-` and `/`")]
    Character,
    /// More than a tar of the plain kind can say.
    #[error("a name has at most 100 bytes")]
    TooLong,
}

const LEN_MAX: usize = 100;

impl EntryName {
    /// Parses a relative path of plain names.
    ///
    /// # Errors
    /// [`InvalidEntryName`] says which rule the text breaks first.
    pub fn parse(text: &str) -> Result<EntryName, InvalidEntryName> {
        if text.len() > LEN_MAX {
            return Err(InvalidEntryName::TooLong);
        }
        for part in text.split('/') {
            if part.is_empty() {
                return Err(InvalidEntryName::EmptyPart);
            }
            if part == "." || part == ".." {
                return Err(InvalidEntryName::Dots);
            }
            let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            if !part.bytes().all(allowed) {
                return Err(InvalidEntryName::Character);
            }
        }
        Ok(EntryName(text.to_owned()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for names that one file system or another takes for one.
    pub(super) fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{EntryName, InvalidEntryName};

    #[test]
    fn names_are_relative_and_plain() {
        let long = "x".repeat(101);
        for (text, expected) in [
            ("root", None),
            ("obj/ab/0f.1", None),
            (".hidden/..x", None),
            ("", Some(InvalidEntryName::EmptyPart)),
            ("/etc/passwd", Some(InvalidEntryName::EmptyPart)),
            ("a//b", Some(InvalidEntryName::EmptyPart)),
            ("a/", Some(InvalidEntryName::EmptyPart)),
            ("..", Some(InvalidEntryName::Dots)),
            ("a/../b", Some(InvalidEntryName::Dots)),
            ("./a", Some(InvalidEntryName::Dots)),
            ("a\\b", Some(InvalidEntryName::Character)),
            ("c:x", Some(InvalidEntryName::Character)),
            ("a\nb", Some(InvalidEntryName::Character)),
            ("ä", Some(InvalidEntryName::Character)),
            (long.as_str(), Some(InvalidEntryName::TooLong)),
        ] {
            assert_eq!(EntryName::parse(text).err(), expected, "{text:?}");
        }
    }
}
