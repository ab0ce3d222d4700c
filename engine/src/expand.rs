//! `${NAME}` and its kin in texts of the workflow file.
//!
//! A text is cut into pieces first, then the pieces are filled, once: what a value holds is never
//! looked at again, so `$`, back-ticks and `~` inside a value stay what they are. Forms:
//!
//! | form | meaning |
//! |---|---|
//! | `$NAME`, `${NAME}` | the variable; unknown names stay as text |
//! | `${NAME:-word}` `${NAME-word}` `${NAME:=word}` | a default for an empty or unset variable |
//! | `${NAME:+word}` `${NAME+word}` | `word` if it is set |
//! | `${NAME:2}` `${NAME:2:3}` `${#NAME}` | a part by characters; the length |
//! | `${NAME.field}` `${params.x}` `${env.X}` `${steps.id.outputs.x}` | a reference, see [`Scope`] |
//! | `` `command` `` | its output, without trailing newlines; the text alone decides what runs |
//! | `~`, `~/...` at the start | the home folder |
//! | `\$`, `` \` ``, `'${NAME}'` | as written, without the backslash |

use crate::secret::SecretValue;

/// Where names lead.
pub(crate) trait Scope {
    /// A variable.
    fn variable(&self, name: &str) -> Option<SecretValue>;
    /// A reference with dots, without the braces.
    fn reference(&self, path: &str) -> Option<SecretValue>;
    /// The user's home folder.
    fn home(&self) -> Option<SecretValue>;
}

/// A text cut into pieces.
#[derive(Debug, Default)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Literal(String),
    Home,
    Command(String),
    Variable { name: String, op: Op, raw: String },
    Reference { path: String, raw: String },
}

#[derive(Debug)]
enum Op {
    Plain,
    Default { word: Template, empty_counts: bool },
    Alternative { word: Template, empty_counts: bool },
    Slice { start: i64, len: Option<i64> },
    Length,
}

impl Template {
    /// Cuts a text. Every text is valid: what is no form stays as it is.
    pub(crate) fn parse(text: &str) -> Template {
        Template::cut(text, true)
    }

    /// Cuts a text that is data for something other than a shell: back-ticks and `~` are nothing special
    /// in it.
    pub(crate) fn parse_data(text: &str) -> Template {
        Template::cut(text, false)
    }

    fn cut(text: &str, has_commands: bool) -> Template {
        let (pieces, literal) = (Vec::new(), String::new());
        let mut cutter = Cutter { rest: text, pieces, literal, has_commands };
        cutter.cut();
        Template(cutter.pieces)
    }

    /// The commands in it, in order.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Command(text) => Some(text.as_str()),
            Piece::Literal(_) | Piece::Home | Piece::Variable { .. } | Piece::Reference { .. } => {
                None
            }
        })
    }

    /// Fills the pieces; `outputs` are those of [`Template::commands`], in order. A command without
    /// an output (a dry run) counts as empty.
    pub(crate) fn fill(&self, scope: &dyn Scope, outputs: &[SecretValue]) -> SecretValue {
        let mut outputs = outputs.iter();
        let mut filled = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => filled.extend_from_slice(text.as_bytes()),
                Piece::Home => append(&mut filled, scope.home().as_ref(), "~"),
                Piece::Command(_) => append(&mut filled, outputs.next(), ""),
                Piece::Reference { path, raw } => {
                    append(&mut filled, scope.reference(path).as_ref(), raw);
                }
                Piece::Variable { name, op, raw } => {
                    fill_variable(&mut filled, scope, name, op, raw);
                }
            }
        }
        SecretValue::new(filled)
    }
}

#[expect(clippy::disallowed_methods, reason = "values are put together from values")]
fn append(filled: &mut Vec<u8>, value: Option<&SecretValue>, otherwise: &str) {
    filled.extend_from_slice(value.map_or(otherwise.as_bytes(), SecretValue::expose));
}

#[expect(clippy::disallowed_methods, reason = "operators look at whether a value is empty")]
fn fill_variable(filled: &mut Vec<u8>, scope: &dyn Scope, name: &str, op: &Op, raw: &str) {
    let value = scope.variable(name);
    let is_empty = value.as_ref().is_none_or(|value| value.expose().is_empty());
    let counts = |empty_counts: bool| if empty_counts { !is_empty } else { value.is_some() };
    match op {
        Op::Plain => append(filled, value.as_ref(), raw),
        Op::Default { empty_counts, .. } if counts(*empty_counts) => {
            append(filled, value.as_ref(), "");
        }
        Op::Default { word, .. } => append(filled, Some(&word.fill(scope, &[])), ""),
        Op::Alternative { word, empty_counts } if counts(*empty_counts) => {
            append(filled, Some(&word.fill(scope, &[])), "");
        }
        Op::Alternative { .. } => {}
        Op::Slice { start, len } => match &value {
            Some(value) => filled.extend_from_slice(slice(value.expose(), *start, *len)),
            None => append(filled, None, raw),
        },
        Op::Length => {
            let text = value.as_ref().map_or(&b""[..], SecretValue::expose);
            let count = String::from_utf8_lossy(text).chars().count();
            filled.extend_from_slice(count.to_string().as_bytes());
        }
    }
}

/// A part of a value by characters (by bytes where it is no text); negative counts from the end.
fn slice(value: &[u8], start: i64, len: Option<i64>) -> &[u8] {
    let bounds: Vec<usize> = match std::str::from_utf8(value) {
        Ok(text) => text.char_indices().map(|(at, _)| at).chain([text.len()]).collect(),
        Err(_) => (0..=value.len()).collect(),
    };
    let count = i64::try_from(bounds.len() - 1).unwrap_or(i64::MAX);
    let from_end = |at: i64| if at < 0 { count.saturating_add(at) } else { at };
    let start = from_end(start).clamp(0, count);
    let end = match len {
        None => count,
        Some(len) if len < 0 => from_end(len),
        Some(len) => start.saturating_add(len),
    }
    .clamp(start, count);
    let at = |index: i64| usize::try_from(index).ok().and_then(|i| bounds.get(i)).copied();
    at(start).zip(at(end)).and_then(|(a, b)| value.get(a..b)).unwrap_or_default()
}

struct Cutter<'a> {
    rest: &'a str,
    pieces: Vec<Piece>,
    literal: String,
    /// Whether back-ticks and `~` mean something.
    has_commands: bool,
}

impl Cutter<'_> {
    fn cut(&mut self) {
        if self.has_commands && (self.rest == "~" || self.rest.starts_with("~/")) {
            self.pieces.push(Piece::Home);
            self.rest = &self.rest[1..];
        }
        while let Some(at) = self.rest.find(['\\', '$', '`']) {
            self.literal.push_str(&self.rest[..at]);
            self.rest = &self.rest[at..];
            match self.rest.as_bytes()[0] {
                b'\\' => self.backslashes(),
                b'`' if self.has_commands => self.command(),
                b'`' => self.keep(1),
                _ => self.dollar(),
            }
        }
        self.literal.push_str(self.rest);
        self.end_literal();
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.pieces.push(Piece::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn push(&mut self, piece: Piece) {
        self.end_literal();
        self.pieces.push(piece);
    }

    /// An odd run of backslashes before `$` or a back-tick takes its meaning away.
    fn backslashes(&mut self) {
        let run = self.rest.len() - self.rest.trim_start_matches('\\').len();
        let escapes = run % 2 == 1
            && (self.rest[run..].starts_with('$')
                || self.has_commands && self.rest[run..].starts_with('`'));
        if escapes {
            self.literal.push_str(&self.rest[..run - 1]);
            self.literal.push_str(&self.rest[run..=run]);
            self.rest = &self.rest[run + 1..];
        } else {
            self.literal.push_str(&self.rest[..run]);
            self.rest = &self.rest[run..];
        }
    }

    fn command(&mut self) {
        match self.rest[1..].find('`') {
            Some(len) if !self.rest[1..=len].trim().is_empty() => {
                let text = self.rest[1..=len].to_owned();
                self.push(Piece::Command(text));
                self.rest = &self.rest[len + 2..];
            }
            _ => self.keep(1),
        }
    }

    fn keep(&mut self, len: usize) {
        self.literal.push_str(&self.rest[..len]);
        self.rest = &self.rest[len..];
    }

    fn dollar(&mut self) {
        let Some((len, piece)) = parse_dollar(self.rest) else {
            return self.keep(1);
        };
        if self.literal.ends_with('\'') && self.rest[len..].starts_with('\'') {
            return self.keep(len);
        }
        self.push(piece);
        self.rest = &self.rest[len..];
    }
}

/// Reads a form that starts with `$`: its length and what it is.
fn parse_dollar(text: &str) -> Option<(usize, Piece)> {
    let Some(inner) = text.strip_prefix("${") else {
        let name = name_at(&text[1..])?;
        let raw = text[..=name.len()].to_owned();
        return Some((raw.len(), Piece::Variable { name: name.to_owned(), op: Op::Plain, raw }));
    };
    let len = closing_brace(inner)?;
    let inner = &inner[..len];
    let raw = text[..len + 3].to_owned();
    let total = raw.len();
    if let Some(name) = inner.strip_prefix('#').filter(|rest| name_at(rest) == Some(rest)) {
        return Some((total, Piece::Variable { name: name.to_owned(), op: Op::Length, raw }));
    }
    let name = name_at(inner).or_else(|| digits_at(inner))?;
    let rest = &inner[name.len()..];
    if is_reference(inner) {
        return Some((total, Piece::Reference { path: inner.to_owned(), raw }));
    }
    let op = parse_op(rest)?;
    Some((total, Piece::Variable { name: name.to_owned(), op, raw }))
}

fn parse_op(rest: &str) -> Option<Op> {
    let word = |text: &str| Template::parse_word(text);
    if rest.is_empty() {
        return Some(Op::Plain);
    }
    for (prefix, empty_counts) in [(":-", true), (":=", true), ("-", false), ("=", false)] {
        if let Some(text) = rest.strip_prefix(prefix) {
            return Some(Op::Default { word: word(text), empty_counts });
        }
    }
    for (prefix, empty_counts) in [(":+", true), ("+", false)] {
        if let Some(text) = rest.strip_prefix(prefix) {
            return Some(Op::Alternative { word: word(text), empty_counts });
        }
    }
    let slice = rest.strip_prefix(':')?;
    let (start, len) = match slice.split_once(':') {
        Some((start, len)) => (start, Some(len.trim().parse().ok()?)),
        None => (slice, None),
    };
    Some(Op::Slice { start: start.trim().parse().ok()?, len })
}

impl Template {
    /// The word of an operator: variables in it count, commands do not.
    fn parse_word(text: &str) -> Template {
        let mut template = Template::parse(text);
        for piece in &mut template.0 {
            if let Piece::Command(command) = piece {
                *piece = Piece::Literal(format!("`{command}`"));
            }
        }
        template
    }
}

fn name_at(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let name = &text[..end];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
}

fn digits_at(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// Whether the inside of braces is a reference: a name (dashes allowed, step ids have them), then
/// at least one `.field`.
pub(crate) fn is_reference(inner: &str) -> bool {
    let Some((root, path)) = inner.split_once('.') else {
        return false;
    };
    let segment = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '[' | ']' | '"'))
    };
    root.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && segment(root)
        && path.split('.').all(segment)
}

/// Where the brace closes that was opened before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
