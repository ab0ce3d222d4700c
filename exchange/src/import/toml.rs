//! TOML as in `secrets.toml`: tables of sources, `${NAME}` filled from the environment.
//!
//! The parser leaves some texts of the file in memory that is not wiped. Its messages are not shown:
//! they name what the file says.

use subrosa_engine::toml::dismantle;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::import::variables::{self, Unfilled};
use crate::import::{Environment, Leaf, Options, leaves};
use crate::problem::Problems;
use crate::source::Source;
use crate::tree::{DEPTH_MAX, Entry, Kind, Node};

pub(super) fn read(
    source: &Source<'_>,
    options: &Options,
    environment: &Environment<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Leaf> {
    let (root, errors) = DeTable::parse_recoverable(source.text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        let (message, cure) = words(error.message());
        problems.add(at, message, cure);
    }
    if !errors.is_empty() {
        dismantle(DeValue::Table(root.into_inner()));
        return Vec::new();
    }
    let mut reader = Reader { source, environment, problems };
    let entries = reader.entries(root.into_inner(), 1);
    let entries = if options.keep_sources { entries } else { without_sources(entries) };
    leaves(Node { at: 0, kind: Kind::Table(entries) }, problems)
}

/// Fixed sentences for the parser's.
fn words(message: &str) -> (&'static str, &'static str) {
    if message.contains("duplicate key") {
        ("a key or table is there twice", "keep one of them")
    } else if message.contains("recurs") {
        ("nested too deep", "a ref has 8 segments at most")
    } else {
        (
            "this is no TOML",
            "look at quotes, brackets and equals signs around this place; texts stand in quotes",
        )
    }
}

/// What is in `[sources]` as if it were in the file itself.
fn without_sources(entries: Vec<Entry>) -> Vec<Entry> {
    let mut lifted = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.value.kind {
            Kind::Table(inner) if entry.key == "sources" => lifted.extend(inner),
            kind => {
                let value = Node { at: entry.value.at, kind };
                lifted.push(Entry { value, ..entry });
            }
        }
    }
    lifted
}

struct Reader<'r, 'p> {
    source: &'r Source<'r>,
    environment: &'r Environment<'r>,
    problems: &'r mut Problems<'p>,
}

impl Reader<'_, '_> {
    fn entries(&mut self, table: DeTable<'_>, depth: usize) -> Vec<Entry> {
        if depth > DEPTH_MAX {
            let at = table.keys().map(|key| key.span().start).next().unwrap_or_default();
            let cure = "a ref has 8 segments at most";
            self.problems.add(at, "nested more than 64 levels deep", cure);
            dismantle(DeValue::Table(table));
            return Vec::new();
        }
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let at = key.span().start;
            let value = self.node(value, depth);
            entries.push(Entry { key: key.into_inner().into_owned(), at, value });
        }
        // The parser keeps tables sorted by name; people look for the order of the file.
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    fn node(&mut self, value: Spanned<DeValue<'_>>, depth: usize) -> Node {
        let span = value.span();
        let kind = match value.into_inner() {
            DeValue::String(text) => {
                let text = Zeroizing::new(text.into_owned());
                Kind::Text(self.filled(&text, span.start))
            }
            DeValue::Table(table) => Kind::Table(self.entries(table, depth + 1)),
            array @ DeValue::Array(_) => {
                dismantle(array);
                Kind::List(Vec::new())
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                let written = self.source.text.get(span.clone()).unwrap_or_default();
                Kind::Literal(Zeroizing::new(written.as_bytes().to_vec()))
            }
        };
        Node { at: span.start, kind }
    }

    /// A text that cannot be filled in is told and stands as it is.
    fn filled(&mut self, text: &str, at: usize) -> Zeroizing<Vec<u8>> {
        let (message, cure) = match variables::fill(text, self.environment) {
            Ok(filled) => return filled,
            Err(Unfilled::Malformed) => (
                "`${` begins a reference to an environment variable that is not complete",
                "write `${NAME}`, or `$${` for the characters themselves",
            ),
            Err(Unfilled::Unknown) => (
                "`${NAME}` refers to an environment variable that is not set",
                "set the variable, or write `$${` for the characters themselves",
            ),
        };
        self.problems.add(at, message, cure);
        Zeroizing::new(text.as_bytes().to_vec())
    }
}
