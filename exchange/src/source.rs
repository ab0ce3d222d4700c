//! The text of a file that is read, and where in it things stand.

/// A file's bytes as text, without a byte order mark.
pub(crate) struct Source<'a> {
    /// The name that problems are told under.
    pub(crate) file: &'a str,
    /// The whole text.
    pub(crate) text: &'a str,
    /// Offsets of the lines; files are far smaller than 4 GiB.
    line_starts: Vec<u32>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Source<'a> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let after = |(at, _): (usize, &str)| u32::try_from(at + 1).unwrap_or(u32::MAX);
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(after)).collect();
        Source { file, text, line_starts }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start as usize <= at)
    }

    /// The offset where a line begins.
    pub(crate) fn start_of(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).map_or(0, |start| *start as usize)
    }

    /// The column of an offset in characters, from 1. Costs the length of the line.
    pub(crate) fn column(&self, at: usize) -> usize {
        let start = self.start_of(self.line(at));
        let mut end = at.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.get(start..end).map_or(0, |before| before.chars().count()) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let source = Source::new("f", "\u{feff}añb\nc\n");
        let place = |at| (source.line(at), source.column(at));
        assert_eq!([place(0), place(3), place(5), place(7)], [(1, 1), (1, 3), (2, 1), (3, 1)]);
        assert_eq!(place(2), (1, 2), "inside of a character");
        assert_eq!(place(99), (3, 1), "past the end");
        assert_eq!([source.start_of(0), source.start_of(2), source.start_of(9)], [0, 5, 0]);
        assert_eq!(Source::new("f", "").line(0), 1);
    }
}
