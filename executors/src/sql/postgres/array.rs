//! Arrays of PostgreSQL, in its binary form and as texts.

use super::cell;
use crate::sql::value::{Cell, write_json};

/// Reads a value of a type.
type Read<'a> = dyn Fn(&[u8]) -> Option<Cell> + 'a;

/// An array in binary form: the number of dimensions, a flag, the element's type, the length and first
/// index of each dimension, then the elements.
pub(super) fn of_binary(value: &[u8], read: &Read<'_>) -> Option<Cell> {
    let (dimensions, rest) = number(value)?;
    let (_, rest) = number(rest)?;
    let (_, mut rest) = number(rest)?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        let (length, after) = number(rest)?;
        let (_, after) = number(after)?;
        lengths.push(usize::try_from(length).ok()?);
        rest = after;
    }
    if lengths.is_empty() {
        return Some(Cell::Json("[]".to_owned()));
    }
    // Each element has its length before it, so that none can be missing.
    let count = lengths.iter().try_fold(1_usize, |count, length| count.checked_mul(*length))?;
    if lengths.contains(&0) || count > rest.len() / 4 {
        return None;
    }
    let mut out = String::new();
    level(&mut out, &lengths, rest, read)?;
    Some(Cell::Json(out))
}

/// Writes one dimension; what is left of the elements.
fn level<'v>(
    out: &mut String,
    lengths: &[usize],
    mut rest: &'v [u8],
    read: &Read<'_>,
) -> Option<&'v [u8]> {
    let (length, inner) = lengths.split_first()?;
    out.push('[');
    for index in 0..*length {
        if index > 0 {
            out.push(',');
        }
        if inner.is_empty() {
            let (cell, after) = element(rest, read)?;
            write_json(out, &cell);
            rest = after;
        } else {
            rest = level(out, inner, rest, read)?;
        }
    }
    out.push(']');
    Some(rest)
}

/// An element with its length before it; what follows it.
pub(super) fn element<'v>(value: &'v [u8], read: &Read<'_>) -> Option<(Cell, &'v [u8])> {
    let (length, rest) = number(value)?;
    if length == -1 {
        return Some((Cell::Null, rest));
    }
    let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((read(value)?, rest))
}

fn number(value: &[u8]) -> Option<(i32, &[u8])> {
    let (bytes, rest) = value.split_first_chunk::<4>()?;
    Some((i32::from_be_bytes(*bytes), rest))
}

/// An array as a text: `{1,2,NULL}`, `{{"a b","c\"d"},{e,f}}`.
pub(super) fn of_text(kind: &str, text: &str) -> Option<Cell> {
    // `[2:3]={...}`: the indexes do not begin at 1.
    let text = text.find("={").filter(|_| text.starts_with('[')).map_or(text, |at| &text[at + 1..]);
    let mut out = String::new();
    let rest = elements(&mut out, kind, text.strip_prefix('{')?)?;
    rest.is_empty().then_some(Cell::Json(out))
}

/// The elements to the closing brace; what follows it.
fn elements<'t>(out: &mut String, kind: &str, mut rest: &'t str) -> Option<&'t str> {
    out.push('[');
    if let Some(after) = rest.strip_prefix('}') {
        out.push(']');
        return Some(after);
    }
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            rest = elements(out, kind, inner)?;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = unquoted(quoted)?;
            write_json(out, &cell::of_text(kind, &text));
            rest = after;
        } else {
            let end = rest.find([',', '}'])?;
            let cell = match &rest[..end] {
                "NULL" => Cell::Null,
                text => cell::of_text(kind, text),
            };
            write_json(out, &cell);
            rest = &rest[end..];
        }
        if let Some(after) = rest.strip_prefix('}') {
            out.push(']');
            return Some(after);
        }
        rest = rest.strip_prefix(',')?;
        out.push(',');
    }
}

/// A text to its closing quote, and what follows that.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => out.push(characters.next()?.1),
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::of_text;
    use crate::sql::value::Cell;

    #[test]
    fn arrays_become_lists() {
        for (kind, text, expected) in [
            ("INT4", "{}", "[]"),
            ("INT4", "{1,-2,NULL}", "[1,-2,null]"),
            (
                "TEXT",
                "{a,\"b c\",\"d\\\"e\\\\\",\"NULL\",\"\"}",
                r#"["a","b c","d\"e\\","NULL",""]"#,
            ),
            ("INT4", "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
            ("BOOL", "[2:3]={t,f}", "[true,false]"),
        ] {
            assert_eq!(of_text(kind, text), Some(Cell::Json(expected.to_owned())), "{text}");
        }
        for text in ["", "1", "{", "{1", "{1,", "{\"a}", "{1}x", "{\"a\"b}"] {
            assert_eq!(of_text("TEXT", text), None, "{text}");
        }
    }
}
