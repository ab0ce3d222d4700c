//! What is wrong with a file, told without telling what is in it.
//!
//! Texts are fixed sentences of ours and refs; the parsers' own texts quote the file, and a name from
//! a broken file may be half a credential, so neither gets here.

use std::fmt;

use crate::source::Source;

/// One thing that keeps a file from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub cure: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}; {}", self.message, self.cure)
    }
}

/// A file with so many is of another format; telling more would only cost time.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// All problems of a file.
pub(crate) struct Problems<'a> {
    source: &'a Source<'a>,
    list: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Problems<'a> {
        Problems { source, list: Vec::new() }
    }

    /// Notes a problem at a byte of the text.
    pub(crate) fn add(&mut self, at: usize, message: impl Into<String>, cure: impl Into<String>) {
        if self.list.len() < PROBLEMS_MAX {
            let (line, column) = (self.source.line(at), self.source.column(at));
            self.push(Some(line), Some(column), message.into(), cure.into());
        }
    }

    /// Notes a problem of a line.
    pub(crate) fn add_line(
        &mut self,
        line: usize,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.push(Some(line), None, message.into(), cure.into());
    }

    fn push(&mut self, line: Option<usize>, column: Option<usize>, message: String, cure: String) {
        if self.list.len() < PROBLEMS_MAX {
            let file = self.source.file.to_owned();
            self.list.push(Problem { file, line, column, message, cure });
        }
    }

    /// The result, unless there was a problem.
    pub(crate) fn or<T>(mut self, result: T) -> Result<T, Vec<Problem>> {
        if self.list.is_empty() {
            return Ok(result);
        }
        self.list.sort_by_key(|problem| (problem.line, problem.column));
        Err(self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::{PROBLEMS_MAX, Problems};
    use crate::source::Source;

    #[test]
    fn problems_come_in_the_order_of_the_file_and_are_bounded() {
        let source = Source::new("s.json", "a\nbc");
        let mut problems = Problems::new(&source);
        problems.add(3, "found", "do this");
        problems.add_line(1, "found", "do that");
        problems.add(0, "found", "do both");
        for _ in 0..PROBLEMS_MAX {
            problems.add(3, "found", "do this");
        }
        let list = problems.or(()).unwrap_err();
        assert_eq!(list.len(), PROBLEMS_MAX);
        let shown: Vec<String> = list.iter().take(3).map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "s.json:1: found; do that",
                "s.json:1:1: found; do both",
                "s.json:2:2: found; do this"
            ]
        );
        assert_eq!(Problems::new(&source).or(1), Ok(1));
    }
}
