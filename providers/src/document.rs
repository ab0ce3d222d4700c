//! A value inside of a text: `format` and `field` of the providers whose secrets are whole files.
//!
//! A text is taken apart into a tree of our own whose values are wiped when it goes; a field is looked
//! up in that. Errors tell places in the text (line and column) and the keys that were asked for, never
//! what the text says: no parser's own words get out.

mod dotenv;
mod json;
mod path;
mod toml;
mod yaml;

use std::collections::BTreeMap;

use subrosa_engine::provider::{Environment, ProviderError, ProviderErrorKind, SecretRequest};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::setup::invalid;
use path::FieldPath;

/// Levels of tables and lists in each other.
const DEPTH_MAX: usize = 64;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    Json,
    Toml,
    Yaml,
    Dotenv,
}

/// A value of a text.
enum Node {
    /// Nothing.
    Null,
    /// A text, escapes resolved.
    Text(Zeroizing<Vec<u8>>),
    /// A number, boolean or date as it is written.
    Literal(Zeroizing<Vec<u8>>),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

/// A text that was taken apart.
pub(crate) struct Document {
    root: Node,
    format: Format,
}

/// What is wrong with a text, and the byte where.
struct Wrong {
    at: usize,
    message: &'static str,
}

/// The field that a request asks for: the option `field`, with the format of the text.
pub(crate) struct Field {
    pub(crate) format: Format,
    path: FieldPath,
    /// As it was written.
    written: String,
}

impl Field {
    /// What a request asks for; `None` if for the whole. Where the option `format` says nothing, the end
    /// of `name` does.
    pub(crate) fn of(request: &SecretRequest, name: &str) -> Result<Option<Field>, ProviderError> {
        let Some(written) = request.options.0.get("field") else { return Ok(None) };
        let format = match request.options.0.get("format") {
            Some(word) => Some(format_of_word(word)?),
            None => format_of_name(name),
        };
        let path = FieldPath::parse(written).map_err(|message| {
            invalid(format!("option `field`: {message}"))
                .help("write the keys with dots between them, such as `db.password`; `\\.` is a dot in a key")
        })?;
        let Some(format) = format else {
            return Err(invalid("option `field` needs to know how the text is written")
                .help("say so with option `format`: json, toml, yaml or dotenv"));
        };
        Ok(Some(Field { format, path, written: written.clone() }))
    }
}

fn format_of_word(word: &str) -> Result<Format, ProviderError> {
    match word {
        "json" => Ok(Format::Json),
        "toml" => Ok(Format::Toml),
        "yaml" => Ok(Format::Yaml),
        "dotenv" => Ok(Format::Dotenv),
        // Not repeated: whoever mixes up two options may have written a credential here.
        _ => Err(invalid("option `format` is none of json, toml, yaml, dotenv")),
    }
}

/// The format that the end of a file's name says.
pub(crate) fn format_of_name(name: &str) -> Option<Format> {
    let name = name.rsplit('/').next().unwrap_or(name);
    match name.rsplit_once('.')?.1 {
        "json" => Some(Format::Json),
        "toml" => Some(Format::Toml),
        "yaml" | "yml" => Some(Format::Yaml),
        "env" => Some(Format::Dotenv),
        _ => None,
    }
}

impl Document {
    /// Takes a text apart; `place` is for messages.
    pub(crate) fn parse(
        bytes: &[u8],
        format: Format,
        place: &str,
    ) -> Result<Document, ProviderError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            malformed(format!("{place}:{line}: this line is not UTF-8"))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let parsed = match format {
            Format::Json => json::parse(text),
            Format::Toml => toml::parse(text),
            Format::Yaml => yaml::parse(text),
            Format::Dotenv => dotenv::parse(text),
        };
        match parsed {
            Ok(root) => Ok(Document { root, format }),
            Err(Wrong { at, message }) => {
                let (line, column) = position(text, at);
                Err(malformed(format!("{place}:{line}:{column}: {message}")))
            }
        }
    }

    /// The value of a field. In TOML, `${NAME}` in a text stands for a variable of the process.
    pub(crate) fn field(
        &self,
        field: &Field,
        environment: &Environment,
        place: &str,
    ) -> Result<SecretValue, ProviderError> {
        let node = self.find(field, place)?;
        let described = match node {
            Node::Text(text) if self.format == Format::Toml => {
                return toml::fill(text, environment).map_err(|why| {
                    let message = format!("field `{}` in {place} {why}", field.written);
                    ProviderError::new(ProviderErrorKind::Malformed, message)
                        .help("set the variable, or write `$${` for the characters `${` themselves")
                });
            }
            Node::Text(value) | Node::Literal(value) => {
                return Ok(SecretValue::new(value.to_vec()));
            }
            Node::Null => "nothing (null)",
            Node::List(_) => "a list",
            Node::Table(_) => "an object",
        };
        let message = format!("field `{}` in {place} is {described}, not one value", field.written);
        let error = ProviderError::new(ProviderErrorKind::InvalidRequest, message);
        Err(match node {
            Node::Table(_) | Node::List(_) => error.help("name a value inside of it, after a dot"),
            Node::Null | Node::Text(_) | Node::Literal(_) => error,
        })
    }

    fn find(&self, field: &Field, place: &str) -> Result<&Node, ProviderError> {
        let mut node = &self.root;
        let mut above = "";
        for key in field.path.keys() {
            let next = match node {
                Node::Table(entries) => entries.get(key),
                Node::List(items) => path::index(key).and_then(|index| items.get(index)),
                Node::Null | Node::Text(_) | Node::Literal(_) => None,
            };
            node = next.ok_or_else(|| absent(field, key, above, node, place))?;
            above = key;
        }
        Ok(node)
    }
}

/// Names the keys that were asked for, and none that were not: in a file that is not what it should be,
/// they may be anything.
fn absent(field: &Field, key: &str, above: &str, node: &Node, place: &str) -> ProviderError {
    let message = format!("there is no field `{}` in {place}", field.written);
    let inside = match above {
        "" => "the text".to_owned(),
        above => format!("`{above}`"),
    };
    let help = match node {
        Node::Table(_) => format!("{inside} has no key `{key}`"),
        Node::List(_) => format!("{inside} is a list without an item `{key}`; they count from 0"),
        Node::Null | Node::Text(_) | Node::Literal(_) => {
            format!("{inside} is one value, and has no key `{key}`")
        }
    };
    ProviderError::new(ProviderErrorKind::NotFound, message).help(help)
}

fn malformed(message: String) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Malformed, message)
}

/// Line and column of a byte, from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
