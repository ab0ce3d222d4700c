//! Dotenv, by the engine's own reader: one table of names, of two equal ones the later counts.

use std::collections::BTreeMap;

use subrosa_engine::dotenv;
use zeroize::Zeroizing;

use super::{Node, Wrong};

pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let pairs = dotenv::parse(text).map_err(|errors| {
        let (line, message) =
            errors.first().map_or((1, "this is no dotenv"), |error| (error.line, error.message));
        let before = text.split_inclusive('\n').take(line.saturating_sub(1));
        Wrong { at: before.map(str::len).sum(), message }
    })?;
    let mut table = BTreeMap::new();
    for (name, pair) in pairs {
        #[expect(clippy::disallowed_methods, reason = "a value moves into the tree it is found in")]
        let value = Zeroizing::new(pair.into_value().expose().to_vec());
        table.insert(name, Node::Text(value));
    }
    Ok(Node::Table(table))
}
