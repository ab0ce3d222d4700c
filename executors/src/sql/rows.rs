//! Rows as lines of JSON, as one JSON array, or as CSV.
//!
//! What is logged and what is captured differ where a value is quoted: it is masked before that, since a
//! quoted secret looks unlike the secret. Rows are handed on in pieces; no more than a piece is held.

use std::io;

use futures_util::{Stream, StreamExt as _};
use sqlx::{Column as _, Either, Row};
use subrosa_engine::kind::{Hiding, StepFault};
use subrosa_engine::secret::SecretValue;
use subrosa_engine::sink::StepIo;
use zeroize::Zeroizing;

use super::fault::Broken;
use super::value::{Cell, Unreadable, write_json};

/// So much is collected before it is handed on.
const PIECE_LEN: usize = 64 * 1024;

/// How rows are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// An object a line.
    JsonLines,
    /// An array of objects.
    Json,
    /// With quotes where they are needed.
    Csv {
        /// Whether the names of the columns come first.
        has_header: bool,
        /// What stands for no value.
        null: String,
    },
}

/// Writes rows to a step's output.
pub(super) struct Rows<'a> {
    io: &'a mut StepIo,
    hiding: &'a Hiding,
    format: Format,
    rows_max: u64,
    piece: Piece,
    /// The names of the columns of the result that is being written.
    names: Option<Names>,
    has_columns: bool,
    seen: u64,
    written: u64,
    changed: u64,
}

/// What is captured, and what is shown of it.
struct Piece {
    raw: Zeroizing<Vec<u8>>,
    shown: Zeroizing<Vec<u8>>,
    /// So much of what is shown was handed on.
    sent: usize,
}

/// The names of columns, as they are written.
struct Names {
    /// As keys of an object: those that are captured, and those that are shown.
    keys: Vec<(String, String)>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        (io, hiding): (&'a mut StepIo, &'a Hiding),
        format: Format,
        rows_max: Option<u64>,
    ) -> Rows<'a> {
        let buffer = || Zeroizing::new(Vec::with_capacity(2 * PIECE_LEN));
        Rows {
            io,
            hiding,
            format,
            rows_max: rows_max.unwrap_or(u64::MAX),
            piece: Piece { raw: buffer(), shown: buffer(), sent: 0 },
            names: None,
            has_columns: false,
            seen: 0,
            written: 0,
            changed: 0,
        }
    }

    /// Writes all results of a statement or script.
    pub(super) async fn take<R: Row, Q>(
        &mut self,
        mut results: impl Stream<Item = Result<Either<Q, R>, sqlx::Error>> + Unpin,
        cell: impl Fn(&R, usize) -> Result<Cell, Unreadable>,
        changed: impl Fn(&Q) -> u64,
    ) -> Result<(), Broken> {
        while let Some(result) = results.next().await {
            match result? {
                Either::Left(done) => self.end_result(changed(&done)),
                Either::Right(row) => {
                    self.row(&row, &cell)?;
                    if self.piece.shown.len() >= PIECE_LEN {
                        self.flush().await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether nothing came yet, of a format that has the names of the columns nevertheless.
    pub(super) fn lacks_header(&self) -> bool {
        let wants = matches!(self.format, Format::Csv { has_header: true, .. });
        wants && !self.has_columns
    }

    /// Writes the names of columns of a result without rows.
    pub(super) fn header(&mut self, names: &[String]) {
        if !names.is_empty() {
            self.piece.csv_line(names.iter().map(|name| (name.as_str(), false)), self.hiding);
            self.has_columns = true;
        }
    }

    /// Notes that a result has ended: the next row may have other columns.
    fn end_result(&mut self, changed: u64) {
        // Some servers count the rows of a result as changed.
        if self.names.take().is_none() {
            self.changed += changed;
        }
    }

    fn row<R: Row>(
        &mut self,
        row: &R,
        cell: &impl Fn(&R, usize) -> Result<Cell, Unreadable>,
    ) -> Result<(), StepFault> {
        self.seen += 1;
        let names = match self.names.take() {
            Some(names) => names,
            None => self.begin(row)?,
        };
        if self.written < self.rows_max {
            let cells = (0..row.len()).map(|index| cell(row, index));
            let cells = cells.collect::<Result<Vec<_>, _>>()?;
            self.write(&names, &cells);
            self.written += 1;
        }
        self.names = Some(names);
        Ok(())
    }

    /// Begins a result: reads the names of its columns.
    fn begin<R: Row>(&mut self, row: &R) -> Result<Names, StepFault> {
        let plain: Vec<String> = row.columns().iter().map(|one| one.name().to_owned()).collect();
        self.has_columns = true;
        if let Format::Csv { has_header, .. } = self.format {
            if has_header {
                self.header(&plain);
            }
            return Ok(Names { keys: Vec::new() });
        }
        if let Some((_, twice)) =
            plain.iter().enumerate().find(|(index, name)| plain[..*index].contains(name))
        {
            return Err(StepFault::new(format!("two columns of the result are named `{twice}`"))
                .help("tell them apart with `AS`, or write `output_format: csv`"));
        }
        let quoted = |name: &str| serde_json::to_string(name).unwrap_or_default();
        let key = |name: &String| (quoted(name), quoted(self.hiding.text(name).as_str()));
        Ok(Names { keys: plain.iter().map(key).collect() })
    }

    fn write(&mut self, names: &Names, cells: &[Cell]) {
        match &self.format {
            Format::JsonLines => {
                self.piece.object(names, cells, self.hiding);
                self.piece.push("\n");
            }
            Format::Json => {
                self.piece.push(if self.written == 0 { "[\n" } else { ",\n" });
                self.piece.object(names, cells, self.hiding);
            }
            Format::Csv { null, .. } => {
                let cells = cells.iter().map(|cell| match cell {
                    Cell::Null => (null.as_str(), false),
                    Cell::Plain(text) | Cell::Json(text) => (text.as_str(), false),
                    Cell::Text(text) => (text.as_str(), text == null),
                });
                self.piece.csv_line(cells, self.hiding);
            }
        }
    }

    /// Writes what is left, and says how many rows there were.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        if self.format == Format::Json {
            self.piece.push(if self.written == 0 { "[]\n" } else { "\n]\n" });
        }
        self.flush().await?;
        let mut note = match (self.seen, self.changed) {
            (0, 0) if self.has_columns => rows(0),
            (0, changed) => format!("{} changed", rows(changed)),
            (seen, 0) => rows(seen),
            (seen, changed) => format!("{}, {} changed", rows(seen), rows(changed)),
        };
        if self.written < self.seen {
            note.push_str(&format!(", the first {} written", self.written));
        }
        self.io.tell(format!("{note}\n").as_bytes())
    }

    /// Hands on what is collected, as fast as it is read. A large row goes in parts, between which other
    /// steps have their turn.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        while self.part()? {
            self.io.split().0.drained().await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Hands on what is collected, and waits for nobody: the step is over.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        while self.part()? {}
        Ok(())
    }

    /// Hands on a part of what is collected, unless there is nothing left. It may stop between two.
    fn part(&mut self) -> io::Result<bool> {
        let (mut stdout, _) = self.io.split();
        let Piece { raw, shown, sent } = &mut self.piece;
        stdout.write_apart(raw, &[])?;
        raw.clear();
        let Some(part) = shown.get(*sent..).filter(|rest| !rest.is_empty()) else {
            shown.clear();
            *sent = 0;
            return Ok(false);
        };
        let part = &part[..part.len().min(PIECE_LEN)];
        *sent += part.len();
        stdout.write_apart(&[], part)?;
        Ok(true)
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

impl Piece {
    fn push(&mut self, text: &str) {
        self.apart(text, text);
    }

    fn apart(&mut self, raw: &str, shown: &str) {
        self.raw.extend_from_slice(raw.as_bytes());
        self.shown.extend_from_slice(shown.as_bytes());
    }

    fn object(&mut self, names: &Names, cells: &[Cell], hiding: &Hiding) {
        self.push("{");
        for (index, (cell, (raw, shown))) in cells.iter().zip(&names.keys).enumerate() {
            if index > 0 {
                self.push(",");
            }
            self.apart(raw, shown);
            self.push(":");
            self.json(cell, hiding);
        }
        self.push("}");
    }

    fn json(&mut self, cell: &Cell, hiding: &Hiding) {
        let mut raw = String::new();
        write_json(&mut raw, cell);
        match cell {
            Cell::Text(text) if raw.len() != text.len() + 2 => {
                let masked = hiding.text(text);
                let shown = serde_json::to_string(masked.as_str()).unwrap_or_default();
                self.apart(&raw, &shown);
            }
            Cell::Json(_) if raw.contains('\\') => {
                let shown = masked_document(&raw, hiding);
                self.apart(&raw, &shown);
            }
            Cell::Null | Cell::Plain(_) | Cell::Json(_) | Cell::Text(_) => self.push(&raw),
        }
    }

    /// A line of CSV: texts, each with whether it is quoted in any case.
    fn csv_line<'t>(&mut self, texts: impl Iterator<Item = (&'t str, bool)>, hiding: &Hiding) {
        for (index, (text, is_quoted)) in texts.enumerate() {
            if index > 0 {
                self.push(",");
            }
            if !text.contains('"') {
                self.push(&csv(text, is_quoted));
                continue;
            }
            let masked = hiding.text(text);
            self.apart(&csv(text, is_quoted), &csv(masked.as_str(), is_quoted));
        }
        self.push("\n");
    }
}

/// A document whose texts are masked one by one, before they are quoted.
fn masked_document(raw: &str, hiding: &Hiding) -> String {
    let masked = match serde_json::from_str(raw) {
        Ok(document) => hiding.line(document),
        // Deeper than is read.
        Err(_) => {
            let whole = hiding.value(&SecretValue::new(raw.as_bytes().to_vec()));
            return serde_json::to_string(whole.as_str()).unwrap_or_default();
        }
    };
    String::from_utf8_lossy(&masked).into_owned()
}

fn csv(text: &str, is_quoted: bool) -> String {
    let is_plain = !text.contains(['"', ',', '\n', '\r']) && text.trim().len() == text.len();
    if is_plain && !is_quoted {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::csv;

    #[test]
    fn csv_is_quoted_where_it_has_to_be() {
        for (text, expected) in
            [("a", "a"), ("", ""), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), (" a", "\" a\"")]
        {
            assert_eq!(csv(text, false), expected);
        }
        assert_eq!(csv("", true), "\"\"");
    }
}
