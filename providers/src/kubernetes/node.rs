//! A kubeconfig's tree, asked by names.
//!
//! The tree and the text it was read from hold credentials and are not wiped when they go: they are
//! the engine's YAML nodes. The file on the disk holds the same.

use std::path::Path;
use std::rc::Rc;

use subrosa_engine::provider::ProviderError;
use subrosa_engine::source::SourceFile;
use subrosa_engine::yaml::{self, Kind, Node};

use crate::setup::invalid;

/// Reads the one document of a file; none if it is empty.
///
/// # Errors
/// It is no YAML. Its text is not repeated.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Option<Rc<Node>>, ProviderError> {
    let bad = |what: &str| invalid(format!("kubeconfig error: `{}` {what}", path.display()));
    let source = SourceFile::from_bytes(path, bytes);
    let parsed = yaml::parse(&source);
    if parsed.broken
        || source.invalid_utf8().is_some()
        || parsed.problems.iter().any(|problem| problem.is_error())
    {
        return Err(bad("is no YAML that can be read"));
    }
    let mut documents = parsed.documents.into_iter().filter(|document| !document.is_null());
    let document = documents.next();
    if documents.next().is_some() {
        return Err(bad("has more than one document"));
    }
    match &document {
        Some(node) if !matches!(node.kind, Kind::Mapping(_)) => Err(bad("is no kubeconfig")),
        _ => Ok(document),
    }
}

/// The value under a name of a mapping, if it is not null.
pub(super) fn get<'a>(node: &'a Node, name: &str) -> Option<&'a Rc<Node>> {
    let Kind::Mapping(entries) = &node.kind else { return None };
    let entry = entries.iter().find(|entry| &*entry.key == name)?;
    (!entry.value.is_null()).then_some(&entry.value)
}

/// The text under a name, if it is not empty.
pub(super) fn text<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    let text = get(node, name)?.scalar()?.text.as_str();
    (!text.is_empty()).then_some(text)
}

/// Whether `true` stands under a name.
pub(super) fn is_true(node: &Node, name: &str) -> bool {
    text(node, name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The items of a list under a name.
pub(super) fn items<'a>(node: &'a Node, name: &str) -> &'a [Rc<Node>] {
    match get(node, name).map(|node| &node.kind) {
        Some(Kind::Sequence(items)) => items,
        _ => &[],
    }
}

/// The texts of a list under a name.
pub(super) fn texts<'a>(node: &'a Node, name: &str) -> impl Iterator<Item = &'a str> {
    items(node, name).iter().filter_map(|item| Some(item.scalar()?.text.as_str()))
}
