//! What JSON, YAML and TOML have in common: values inside of named places.

use zeroize::Zeroizing;

use crate::import::Leaf;
use crate::problem::Problems;

/// Levels of tables in each other. A ref has eight segments, a manifest needs four levels.
pub(crate) const DEPTH_MAX: usize = 64;

/// A value and the byte of the text where it begins.
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) kind: Kind,
}

/// The kinds of values.
pub(crate) enum Kind {
    Null,
    /// A text, escapes resolved.
    Text(Zeroizing<Vec<u8>>),
    /// A number, boolean or date as it is written.
    Literal(Zeroizing<Vec<u8>>),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A named place.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: usize,
    pub(crate) value: Node,
}

impl Node {
    /// The value of a key, if this is a table that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Kind::Table(entries) = &self.kind else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Null | Kind::Literal(_) | Kind::List(_) | Kind::Table(_) => None,
        }
    }

    /// Takes the entries out of a table.
    pub(crate) fn into_entries(self) -> Option<Vec<Entry>> {
        match self.kind {
            Kind::Table(entries) => Some(entries),
            Kind::Null | Kind::Literal(_) | Kind::List(_) | Kind::Text(_) => None,
        }
    }
}

/// The secrets in a table that is the whole file, each named by the keys that lead to it.
pub(crate) fn leaves(root: Node, problems: &mut Problems<'_>) -> Vec<Leaf> {
    let mut found = Vec::new();
    let at = root.at;
    match root.into_entries() {
        Some(entries) => collect(entries, &mut Vec::new(), &mut found, problems),
        None => problems.add(
            at,
            "the file is not made of names with values",
            "write `name: value` pairs, or choose the right format",
        ),
    }
    found
}

fn collect(
    entries: Vec<Entry>,
    above: &mut Vec<String>,
    found: &mut Vec<Leaf>,
    problems: &mut Problems<'_>,
) {
    for Entry { key, at, value } in entries {
        above.push(key);
        match value.kind {
            Kind::Text(value) | Kind::Literal(value) => {
                found.push(Leaf { names: above.clone(), at, value });
            }
            Kind::Table(entries) => collect(entries, above, found, problems),
            Kind::Null => {
                problems.add(at, "a name without a value", "give it a value or remove it");
            }
            Kind::List(_) => problems.add(
                at,
                "a list, which is not one value",
                "write it as one text, or give each item a name of its own",
            ),
        }
        above.pop();
    }
}
