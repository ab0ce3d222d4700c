//! TOML, and the `${NAME}` of `secrets.toml`.
//!
//! `exchange` imports the same form. The crates are siblings and may not use each other, and what they
//! share is a rule of five lines: `${NAME}` is a variable, `$${` is `${`, any other `$` is a dollar sign.
//! The parser leaves some texts in memory that is not wiped; its messages are not shown.

use std::collections::BTreeMap;

use subrosa_engine::names::is_env_name;
use subrosa_engine::provider::Environment;
use subrosa_engine::secret::SecretValue;
use subrosa_engine::toml::dismantle;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::{DEPTH_MAX, Node, Wrong};

pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let at = error.span().map_or(0, |span| span.start);
        let message = if error.message().contains("duplicate key") {
            "a key or table is there twice"
        } else if error.message().contains("recurs") {
            "nested too deep"
        } else {
            "this is no TOML; texts stand in quotes"
        };
        dismantle(DeValue::Table(root.into_inner()));
        return Err(Wrong { at, message });
    }
    Reader { text }.table(root.into_inner(), 1)
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    /// All of a table, or what is wrong first; what is left then is dropped level by level.
    fn table(&self, table: DeTable<'_>, depth: usize) -> Result<Node, Wrong> {
        let mut entries = BTreeMap::new();
        let mut wrong = None;
        for (key, value) in table {
            match &wrong {
                None => match self.node(value, depth) {
                    Ok(node) => drop(entries.insert(key.into_inner().into_owned(), node)),
                    Err(found) => wrong = Some(found),
                },
                Some(_) => dismantle(value.into_inner()),
            }
        }
        wrong.map_or(Ok(Node::Table(entries)), Err)
    }

    fn node(&self, value: Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Wrong> {
        let span = value.span();
        let nested = matches!(value.as_ref(), DeValue::Table(_) | DeValue::Array(_));
        if nested && depth >= DEPTH_MAX {
            dismantle(value.into_inner());
            return Err(Wrong { at: span.start, message: "nested more than 64 levels deep" });
        }
        match value.into_inner() {
            DeValue::String(text) => Ok(Node::Text(Zeroizing::new(text.into_owned().into_bytes()))),
            DeValue::Table(table) => self.table(table, depth + 1),
            DeValue::Array(items) => {
                let mut list = Vec::new();
                let mut wrong = None;
                for item in items {
                    match &wrong {
                        None => match self.node(item, depth + 1) {
                            Ok(node) => list.push(node),
                            Err(found) => wrong = Some(found),
                        },
                        Some(_) => dismantle(item.into_inner()),
                    }
                }
                wrong.map_or(Ok(Node::List(list)), Err)
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                let written = self.text.get(span).unwrap_or_default();
                Ok(Node::Literal(Zeroizing::new(written.as_bytes().to_vec())))
            }
        }
    }
}

/// Replaces references by what the process environment has for them; that is not looked at again.
pub(super) fn fill(text: &[u8], environment: &Environment) -> Result<SecretValue, &'static str> {
    let references = references(text)?;
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for reference in references {
        pieces.push(match reference {
            Reference::Plain(bytes) => Piece::Plain(bytes),
            Reference::Variable(name) => {
                let value = environment.process.get(name);
                Piece::Value(value.ok_or("refers to an environment variable that is not set")?)
            }
        });
    }
    let length = pieces.iter().map(|piece| piece.bytes().len()).sum();
    // Of its full size from the start: a vector that grew would leave copies behind.
    let mut filled = Vec::with_capacity(length);
    pieces.iter().for_each(|piece| filled.extend_from_slice(piece.bytes()));
    Ok(SecretValue::new(filled))
}

enum Reference<'t> {
    Plain(&'t [u8]),
    Variable(&'t str),
}

enum Piece<'t> {
    Plain(&'t [u8]),
    Value(&'t SecretValue),
}

impl Piece<'_> {
    #[expect(clippy::disallowed_methods, reason = "a variable's value becomes part of the secret")]
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Plain(bytes) => bytes,
            Piece::Value(value) => value.expose(),
        }
    }
}

fn references(text: &[u8]) -> Result<Vec<Reference<'_>>, &'static str> {
    const INCOMPLETE: &str = "holds a `${` that begins no reference such as `${NAME}`";
    // What came from a TOML file is UTF-8.
    let mut rest = std::str::from_utf8(text).map_err(|_| INCOMPLETE)?;
    let mut found = Vec::new();
    while let Some(at) = rest.find('$') {
        let (before, special) = rest.split_at(at);
        found.push(Reference::Plain(before.as_bytes()));
        if let Some(after) = special.strip_prefix("$${") {
            found.push(Reference::Plain(b"${"));
            rest = after;
        } else if let Some(after) = special.strip_prefix("${") {
            let (name, after) = after.split_once('}').ok_or(INCOMPLETE)?;
            if !is_env_name(name) {
                return Err(INCOMPLETE);
            }
            found.push(Reference::Variable(name));
            rest = after;
        } else {
            found.push(Reference::Plain(b"$"));
            rest = &special[1..];
        }
    }
    found.push(Reference::Plain(rest.as_bytes()));
    Ok(found)
}
