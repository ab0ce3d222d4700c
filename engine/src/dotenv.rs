//! Reads dotenv files: `NAME=value` lines as godotenv knows them.
//!
//! Pure and closed: `${NAME}` means an earlier line of the same text, never the environment of the
//! process. All problems are found; they tell the line's number and one of a few fixed sentences,
//! never anything the line says, for that may be a credential. Values cannot be printed and are wiped
//! when dropped. Which files are read, and in which order, is left to the caller.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::names::is_env_name;
use crate::secret::SecretValue;

/// Bytes of a file, and of all values together once references are replaced.
const BYTES_MAX: usize = 1 << 20;

/// A value and where it stands.
pub struct Pair {
    value: Zeroizing<String>,
    /// The line of the name, from 1.
    pub line: usize,
}

impl Pair {
    /// The value as plaintext.
    pub fn into_value(self) -> SecretValue {
        SecretValue::new(self.value.as_bytes().to_vec())
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("line", &self.line).finish_non_exhaustive()
    }
}

/// What is wrong with a line. The text of the line is not part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct DotenvError {
    /// From 1.
    pub line: usize,
    /// One of a few sentences.
    pub message: &'static str,
}

const NO_SEPARATOR: &str = "neither a comment nor `NAME=value`";
const BAD_NAME: &str =
    "the name before `=` is not made of letters, digits and `_`, or begins with a digit";
const UNCLOSED: &str = "a quote is opened and never closed";
const AFTER_QUOTE: &str = "something follows the closing quote";
const NUL: &str = "a NUL byte, which no variable can hold";
const TOO_LARGE: &str = "the file is larger than 1 MiB";
const TOO_MUCH: &str = "the values come to more than 1 MiB";

/// The pairs of a text in order; of two with one name the later counts.
///
/// # Errors
/// All lines that cannot be read. A file with one is not to be used at all: what is missing may be
/// what would have replaced an older value.
pub fn parse(text: &str) -> Result<Vec<(String, Pair)>, Vec<DotenvError>> {
    if text.len() > BYTES_MAX {
        return Err(vec![DotenvError { line: 1, message: TOO_LARGE }]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = Zeroizing::new(text.replace("\r\n", "\n"));
    let mut reader = Reader { text: &text, at: 0, line: 1 };
    let mut pairs = Pairs::default();
    let mut errors = Vec::new();
    while reader.at < text.len() {
        let line = reader.line;
        match reader.statement().and_then(|found| found.map_or(Ok(()), |s| pairs.add(s, line))) {
            Ok(()) => {}
            Err(message) => {
                errors.push(DotenvError { line, message });
                if matches!(message, UNCLOSED | TOO_MUCH) {
                    break;
                }
            }
        }
    }
    if errors.is_empty() { Ok(pairs.list) } else { Err(errors) }
}

/// `NAME=value` as written.
struct Statement<'t> {
    name: &'t str,
    value: Written<'t>,
}

enum Written<'t> {
    Plain(&'t str),
    Single(&'t str),
    Double(&'t str),
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Reader<'t> {
    /// Reads a line, or several if a quoted value goes on; `None` for a blank line or a comment.
    /// What is wrong with a line is told after it was passed over.
    fn statement(&mut self) -> Result<Option<Statement<'t>>, &'static str> {
        let start = self.at;
        let line = self.take_line();
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            return Ok(None);
        }
        let content = match content.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
            _ => content,
        };
        let end = content.find(['=', ':']).ok_or(NO_SEPARATOR)?;
        let name = content[..end].trim_end();
        // `content` is a part of `line`, which begins at `start`.
        let separator = start + line.find(content).unwrap_or(0) + end;
        let raw = &self.text[separator + 1..start + line.len()];
        let value = raw.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let opened = separator + 1 + (raw.len() - value.len()) + 1;
                let inner = self.quoted(opened, quote)?;
                if quote == '"' { Written::Double(inner) } else { Written::Single(inner) }
            }
            _ => Written::Plain(without_comment(raw).trim()),
        };
        if !is_env_name(name) {
            return Err(BAD_NAME);
        }
        Ok(Some(Statement { name, value }))
    }

    fn take_line(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let line = rest.split('\n').next().unwrap_or(rest);
        self.at = (self.at + line.len() + 1).min(self.text.len());
        self.line += 1;
        line
    }

    /// The text from `opened` to the closing quote, over as many lines as it takes; only a comment may
    /// follow in the last line.
    fn quoted(&mut self, opened: usize, quote: char) -> Result<&'t str, &'static str> {
        let inner = &self.text[opened..];
        let length = closing(inner, quote).ok_or(UNCLOSED)?;
        let inner = &inner[..length];
        let after = &self.text[opened + length + 1..];
        let after = after.split('\n').next().unwrap_or(after);
        self.line += inner.matches('\n').count();
        self.at = (opened + length + 1 + after.len() + 1).min(self.text.len());
        let after = after.trim();
        if after.is_empty() || after.starts_with('#') { Ok(inner) } else { Err(AFTER_QUOTE) }
    }
}

/// Where the quote is that ends a value; in double quotes a backslash protects what follows it.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut protected = false;
    text.char_indices().find_map(|(at, c)| {
        if protected {
            protected = false;
            return None;
        }
        protected = c == '\\' && quote == '"';
        (c == quote).then_some(at)
    })
}

/// A `#` after white space begins a comment.
fn without_comment(raw: &str) -> &str {
    let comment = raw
        .match_indices('#')
        .find(|(at, _)| raw[..*at].chars().next_back().is_some_and(char::is_whitespace));
    comment.map_or(raw, |(at, _)| &raw[..at])
}

#[derive(Default)]
struct Pairs {
    list: Vec<(String, Pair)>,
    latest: HashMap<String, usize>,
    size: usize,
}

impl Pairs {
    fn add(&mut self, statement: Statement<'_>, line: usize) -> Result<(), &'static str> {
        let value = match statement.value {
            Written::Single(text) => Zeroizing::new(text.to_owned()),
            Written::Plain(text) => self.expanded(text, false)?,
            Written::Double(text) => self.expanded(text, true)?,
        };
        if value.contains('\0') {
            return Err(NUL);
        }
        self.size += value.len();
        if self.size > BYTES_MAX {
            return Err(TOO_MUCH);
        }
        self.latest.insert(statement.name.to_owned(), self.list.len());
        self.list.push((statement.name.to_owned(), Pair { value, line }));
        Ok(())
    }

    /// Replaces `$NAME` and `${NAME}` by earlier values, unknown ones by nothing, and in double quotes
    /// the escapes. `\$` is a dollar sign in both; what is replaced is not looked at again.
    fn expanded(&self, text: &str, escapes: bool) -> Result<Zeroizing<String>, &'static str> {
        let mut value = Zeroizing::new(String::with_capacity(text.len()));
        let mut rest = text;
        while let Some(at) = rest.find(['$', '\\']) {
            value.push_str(&rest[..at]);
            let (special, after) = rest[at..].split_at(1);
            let (replaced, left) = match special {
                "$" => self.reference(after),
                _ => escape(after, escapes),
            };
            if value.len() + replaced.len() > BYTES_MAX {
                return Err(TOO_MUCH);
            }
            value.push_str(replaced);
            rest = left;
        }
        value.push_str(rest);
        Ok(value)
    }

    /// What a `$` and the name after it stand for, and the text after the name.
    fn reference<'a>(&'a self, after: &'a str) -> (&'a str, &'a str) {
        let (name, left) = match after.strip_prefix('{') {
            Some(braced) => match braced.split_once('}') {
                Some(found) => found,
                None => return ("$", after),
            },
            None => {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !word(c)).unwrap_or(after.len()))
            }
        };
        if !is_env_name(name) {
            return ("$", after);
        }
        let known = self.latest.get(name).and_then(|index| self.list.get(*index));
        (known.map_or("", |(_, pair)| pair.value.as_str()), left)
    }
}

/// What a backslash and the character after it stand for, and the text after that.
fn escape(after: &str, escapes: bool) -> (&str, &str) {
    let Some(c) = after.chars().next() else { return ("\\", after) };
    let (this, left) = after.split_at(c.len_utf8());
    match c {
        '$' => ("$", left),
        _ if !escapes => ("\\", after),
        'n' => ("\n", left),
        'r' => ("\r", left),
        't' => ("\t", left),
        // `\"` and `\\`; an unknown escape loses its backslash, as in godotenv.
        _ => (this, left),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::parse;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = parse(text).unwrap();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, pair)| (name.as_str(), pair.value.as_str())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    fn check_errors(text: &str, expected: &[(usize, &str)]) {
        let found = parse(text).unwrap_err();
        let found: Vec<(usize, &str)> = found.iter().map(|e| (e.line, e.message)).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn lines_are_names_and_values() {
        check("", &[]);
        check("A=1\nB=two words\n\n# comment\nC=", &[("A", "1"), ("B", "two words"), ("C", "")]);
        check("export A=1\nexport\tB = 2 ", &[("A", "1"), ("B", "2")]);
        check("A: yaml\nB:b\nC=a:b=c", &[("A", "yaml"), ("B", "b"), ("C", "a:b=c")]);
        check("\u{feff}A=1\r\nB=2\r\n", &[("A", "1"), ("B", "2")]);
        check("exported=1", &[("exported", "1")]);
        check("A=1\nA=2", &[("A", "1"), ("A", "2")]);
    }

    #[test]
    fn a_comment_follows_white_space() {
        check(
            "A=b # c # d\nB=b#c\nC=#c\nD= # c",
            &[("A", "b"), ("B", "b#c"), ("C", "#c"), ("D", "")],
        );
        check("A='b # c' # d\nB=\"#\"#c", &[("A", "b # c"), ("B", "#")]);
    }

    #[test]
    fn quotes_keep_and_go_over_lines() {
        check(r#"A='a $B \n "x"'"#, &[("A", r#"a $B \n "x""#)]);
        check(r#"A="a\n\"b\" \\ \t\$C \z""#, &[("A", "a\n\"b\" \\ \t$C z")]);
        check("A=\"one\ntwo\"\nB='x\n\ny'\nC=3", &[("A", "one\ntwo"), ("B", "x\n\ny"), ("C", "3")]);
        check("A=\"\"\nB='a\\'", &[("A", ""), ("B", "a\\")]);
        check("A=it's\nB=a\"b", &[("A", "it's"), ("B", "a\"b")]);
    }

    #[test]
    fn references_are_earlier_lines_of_the_same_file() {
        check("A=1\nB=${A}2$A-\nC='$A'", &[("A", "1"), ("B", "121-"), ("C", "$A")]);
        check("B=[$HOME${PATH}]", &[("B", "[]")]);
        check(
            "A=$\nB=$(x)\nC=${\nD=\\$A\nE=${1}",
            &[("A", "$"), ("B", "$(x)"), ("C", "${"), ("D", "$A"), ("E", "${1}")],
        );
        check("A='$B'\nB=1\nC=$A", &[("A", "$B"), ("B", "1"), ("C", "$B")]);
        check("A=1\nA=${A}2\nB=$A", &[("A", "1"), ("A", "12"), ("B", "12")]);
    }

    #[test]
    fn errors_tell_lines_and_nothing_of_them() {
        check_errors("GOOD=1\nPASSWORD hunter2", &[(2, super::NO_SEPARATOR)]);
        check_errors(
            "1A=x\nB=1\nA-B=y\n=z",
            &[(1, super::BAD_NAME), (3, super::BAD_NAME), (4, super::BAD_NAME)],
        );
        check_errors("A=1\nB=\"x\nC=2\n", &[(2, super::UNCLOSED)]);
        check_errors(
            "A='x' y\nB='1\n2'z\nC",
            &[(1, super::AFTER_QUOTE), (2, super::AFTER_QUOTE), (4, super::NO_SEPARATOR)],
        );
        check_errors("A=\0", &[(1, super::NUL)]);
        check_errors(&"#".repeat((1 << 20) + 1), &[(1, super::TOO_LARGE)]);
        let printed = format!("{:?} {}", parse("A hunter2"), parse("A hunter2").unwrap_err()[0]);
        assert!(!printed.contains("hunter2"), "{printed}");
        assert_eq!(
            format!("{:?}", parse("A=hunter2").unwrap()),
            r#"[("A", Pair { line: 1, .. })]"#
        );
    }

    #[test]
    fn references_cannot_multiply_without_end() {
        let mut text = "A=xxxxxxxx\n".to_owned();
        for _ in 0..64 {
            text.push_str("A=$A$A\n");
        }
        assert_eq!(parse(&text).unwrap_err()[0].message, super::TOO_MUCH);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            drop(parse(&text));
        }

        #[test]
        fn no_text_of_its_own_signs_makes_it_panic(text in "[A\"'$\\\\{}=:# \n\r\tñ]{0,40}") {
            drop(parse(&text));
        }

        #[test]
        fn single_quotes_give_back_what_is_in_them(value in "[^'\0\r]{0,30}") {
            check(&format!("A='{value}'"), &[("A", &value)]);
        }
    }
}
