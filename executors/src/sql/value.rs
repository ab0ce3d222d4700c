//! Values of columns, and of parameters, between a database and JSON.

use data_encoding::HEXLOWER;
use subrosa_engine::kind::{Input, StepFault};
use subrosa_engine::secret::SecretValue;

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// No value.
    Null,
    /// A number or a flag, as JSON writes it.
    Plain(String),
    /// A document in JSON, in one line.
    Json(String),
    /// A text.
    Text(String),
}

/// A column has a type that is not written here.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) column: String,
    pub(super) kind: String,
}

impl From<Unreadable> for StepFault {
    fn from(found: Unreadable) -> StepFault {
        let Unreadable { column, kind } = found;
        StepFault::new(format!(
            "the column `{column}` is of the type `{kind}`, which is not written"
        ))
        .help(format!("make it a text, such as `CAST({column} AS TEXT) AS {column}`"))
    }
}

/// A value for a parameter of a statement. Any text may be a secret.
#[derive(Clone)]
pub(super) enum Param {
    Null,
    Flag(bool),
    /// As JSON writes it.
    Number(String),
    Text(SecretValue),
    List(Vec<Param>),
    /// Anything else, as a document.
    Json(SecretValue),
}

impl Param {
    /// What a step says as a value.
    pub(super) fn of(input: &Input) -> Param {
        match input {
            Input::Null => Param::Null,
            Input::Flag(flag) => Param::Flag(*flag),
            Input::Number(number) => Param::Number(number.clone()),
            Input::Text(text) => Param::Text(text.clone()),
            Input::List(items) => Param::List(items.iter().map(Param::of).collect()),
            Input::Map(_) => Param::Json(SecretValue::new(input.to_json().to_vec())),
        }
    }
}

/// A number that JSON may not know: not a number, without end.
pub(super) fn number(text: String) -> Cell {
    let is_json = text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.ends_with(|c: char| c.is_ascii_digit())
        && serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
    if is_json { Cell::Plain(text) } else { Cell::Text(text) }
}

/// A document in one line: a line ending in it is white space, as in texts they are escaped.
pub(super) fn json(text: &str) -> Option<Cell> {
    serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
    Some(Cell::Json(text.trim().replace(['\n', '\r'], " ")))
}

/// Bytes, as PostgreSQL writes them.
pub(super) fn bytes(bytes: &[u8]) -> Cell {
    Cell::Text(format!("\\x{}", HEXLOWER.encode(bytes)))
}

/// Bytes of a column that has texts or bytes; it does not say which.
pub(super) fn text_or_bytes(raw: &[u8]) -> Cell {
    std::str::from_utf8(raw).map_or_else(|_| bytes(raw), |text| Cell::Text(text.to_owned()))
}

/// A time without a zone: the first space becomes a `T`.
pub(super) fn timestamp(text: &str) -> Cell {
    Cell::Text(text.replacen(' ', "T", 1))
}

/// Writes a cell as JSON.
pub(super) fn write_json(out: &mut String, cell: &Cell) {
    match cell {
        Cell::Null => out.push_str("null"),
        Cell::Plain(text) | Cell::Json(text) => out.push_str(text),
        Cell::Text(text) => out.push_str(&serde_json::to_string(text).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, json, number};

    #[test]
    fn only_numbers_of_json_are_numbers() {
        for text in ["0", "-1.50", "1e+20", "12345678901234567890123.5"] {
            assert_eq!(number(text.to_owned()), Cell::Plain(text.to_owned()));
        }
        for text in ["NaN", "-Infinity", "", "01", "1.", "--1", "0x1", "1 2"] {
            assert_eq!(number(text.to_owned()), Cell::Text(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_document_is_one_line() {
        assert_eq!(json("{\n \"a\":\r\n1}\n"), Some(Cell::Json("{  \"a\":  1}".to_owned())));
        assert_eq!(json("{"), None);
    }
}
