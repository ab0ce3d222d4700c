//! What `vault kv get -format=json` prints, or just the pairs.
//!
//! The answer of a KV engine of version 2 holds the pairs beside their metadata, that of version 1
//! holds them alone. Both stand in an envelope that has a `lease_id`.

use crate::import::json;
use crate::import::{Leaf, Options, leaves};
use crate::problem::Problems;
use crate::source::Source;
use crate::tree::{Kind, Node};

pub(super) fn read(
    source: &Source<'_>,
    options: &Options,
    problems: &mut Problems<'_>,
) -> Vec<Leaf> {
    let Some(root) = json::document(source, problems) else { return Vec::new() };
    let Some(pairs) = pairs(root, problems) else { return Vec::new() };
    let mut found = leaves(pairs, problems);
    if let Some(path) = options.vault_path.as_deref() {
        let path = path.trim_matches('/');
        for leaf in &mut found {
            leaf.names.insert(0, path.to_owned());
        }
    }
    found
}

fn pairs(root: Node, problems: &mut Problems<'_>) -> Option<Node> {
    if root.get("lease_id").is_none() && root.get("request_id").is_none() {
        return Some(root);
    }
    let Some(data) = taken(root, "data") else {
        problems.add(0, "an answer of Vault without `data`", "read it with `vault kv get`");
        return None;
    };
    let is_version_2 = data.get("metadata").is_some_and(|m| m.get("version").is_some())
        && data.get("data").is_some_and(|d| matches!(d.kind, Kind::Table(_) | Kind::Null));
    let data = if is_version_2 { taken(data, "data")? } else { data };
    if matches!(data.kind, Kind::Null) {
        problems.add(
            data.at,
            "Vault has no values in this version of the secret",
            "read another version with `vault kv get -version=N`",
        );
        return None;
    }
    Some(data)
}

fn taken(node: Node, key: &str) -> Option<Node> {
    node.into_entries()?.into_iter().find(|entry| entry.key == key).map(|entry| entry.value)
}
