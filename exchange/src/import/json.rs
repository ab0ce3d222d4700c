//! JSON: one object, or objects in each other.

use crate::import::{Leaf, leaves};
use crate::problem::Problems;
use crate::source::Source;
use crate::tree::Node;

mod parse;

pub(super) fn read(source: &Source<'_>, problems: &mut Problems<'_>) -> Vec<Leaf> {
    let Some(root) = document(source, problems) else { return Vec::new() };
    let hint = if root.get("apiVersion").is_some() && root.get("kind").is_some() {
        Some(("this is a Kubernetes manifest", "use `--format kubernetes`"))
    } else if root.get("lease_id").is_some() && root.get("data").is_some() {
        Some(("this is an answer of Vault", "use `--format vault`"))
    } else {
        None
    };
    if let Some((message, cure)) = hint {
        problems.add(root.at, message, cure);
        return Vec::new();
    }
    leaves(root, problems)
}

/// The value of the text; `None` after a problem that ends the reading.
pub(super) fn document(source: &Source<'_>, problems: &mut Problems<'_>) -> Option<Node> {
    parse::parse(source.text, problems)
}
