//! The text of a workflow file, and places in it.
//!
//! A [`Span`] is a range of bytes; lines and columns are computed only when something is shown.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A range of bytes in a [`SourceFile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The span of `range`.
    pub fn new(range: Range<usize>) -> Span {
        Span { start: range.start, end: range.end }
    }
}

/// A place as a person counts: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A workflow file as read: its path as the user gave it, its text, where its lines start.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
    line_starts: Vec<usize>,
    invalid_utf8: Option<usize>,
}

impl SourceFile {
    /// Takes a text; `path` is only for messages and for the workflow's default name.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> SourceFile {
        let text = text.into();
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        SourceFile { path: path.into(), text, line_starts, invalid_utf8: None }
    }

    /// Takes a file's bytes. What is not UTF-8 is replaced by U+FFFD so that it can be shown, and
    /// `validate` refuses the file.
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: &[u8]) -> SourceFile {
        match std::str::from_utf8(bytes) {
            Ok(text) => SourceFile::new(path, text),
            Err(error) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let file = SourceFile::new(path, text);
                SourceFile { invalid_utf8: Some(error.valid_up_to()), ..file }
            }
        }
    }

    /// The same text under another path.
    #[must_use]
    pub fn named(self, path: impl Into<PathBuf>) -> SourceFile {
        SourceFile { path: path.into(), ..self }
    }

    /// The first byte that is not UTF-8, if the bytes were not.
    pub fn invalid_utf8(&self) -> Option<usize> {
        self.invalid_utf8
    }

    /// The path as the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a span; empty if the span lies outside or cuts a character.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Where a byte offset lies; past the end counts as the end.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text[start..offset].chars().count() + 1;
        Position { line, column }
    }

    /// The text of a line (from 1) without its line ending.
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|at| self.line_starts.get(at)) else {
            return "";
        };
        let end = self.line_starts.get(line).map_or(self.text.len(), |next| next - 1);
        self.text.get(*start..end).unwrap_or("").trim_end_matches('\r')
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, SourceFile};

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        assert_eq!(SourceFile::from_bytes("w.yaml", b"a: b").invalid_utf8(), None);
        let file = SourceFile::from_bytes("w.yaml", b"a: \xff\xfe");
        assert_eq!(file.invalid_utf8(), Some(3));
        assert_eq!(file.text(), "a: \u{fffd}\u{fffd}");
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let file = SourceFile::new("w.yaml", "añb\r\nsecond\n");
        assert_eq!(file.position(0), Position { line: 1, column: 1 });
        assert_eq!(file.position(3), Position { line: 1, column: 3 });
        assert_eq!(file.position(6), Position { line: 2, column: 1 });
        assert_eq!(file.position(999), Position { line: 3, column: 1 });
        assert_eq!(file.line(1), "añb");
        assert_eq!(file.line(2), "second");
        assert_eq!(file.line(9), "");
    }
}
