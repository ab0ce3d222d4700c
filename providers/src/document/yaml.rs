//! YAML, by the engine's own reader and under its limits; one document, aliases written out.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::source::SourceFile;
use subrosa_engine::yaml::{self, Kind, Value};
use zeroize::{Zeroize, Zeroizing};

use super::{Node, Wrong};

pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    let mut text: Arc<str> = Arc::from(text);
    let mut documents = Vec::new();
    let result = {
        let file = SourceFile::new("", Arc::clone(&text));
        let parsed = yaml::parse(&file);
        let wrong = parsed.problems.iter().find(|problem| problem.is_error()).map(wrong);
        documents.extend(parsed.documents);
        match wrong {
            Some(wrong) => Err(wrong),
            None if parsed.broken => Err(Wrong { at: 0, message: "this is no YAML" }),
            None => one(&documents),
        }
    };
    documents.iter_mut().for_each(wipe);
    if let Some(text) = Arc::get_mut(&mut text) {
        text.zeroize();
    }
    result
}

fn one(documents: &[Rc<yaml::Node>]) -> Result<Node, Wrong> {
    let mut full = documents.iter().filter(|document| !document.is_null());
    let root = full.next().map_or(Node::Null, |document| node(document));
    match full.next() {
        None => Ok(root),
        Some(second) => {
            Err(Wrong { at: second.span.start, message: "a second document begins here" })
        }
    }
}

/// Fixed sentences: some of the engine's quote a key.
fn wrong(problem: &Diagnostic) -> Wrong {
    let at = problem.labels.first().map_or(0, |label| label.span.start);
    let message = match problem.code {
        "control-character" => "a control character stands here",
        "duplicate-key" => "a key is there twice",
        "file-too-large" => "the text is larger than 1 MiB",
        "too-much" => "aliases stand for too much",
        "yaml-alias" => "an alias or anchor that cannot be resolved",
        "yaml-key" => "a key that is a list or a mapping",
        "yaml-merge" => "`<<` merges something that is no mapping",
        "yaml-too-deep" => "nested more than 64 levels deep",
        "yaml-unclosed-bracket" => "a bracket is not closed, or closed by another one",
        _ => "this is no YAML; look at indentation, quotes and brackets",
    };
    Wrong { at, message }
}

/// The depth, the number of nodes and all texts together are bounded by the reader, aliases expanded.
fn node(yaml: &yaml::Node) -> Node {
    match &yaml.kind {
        Kind::Sequence(items) => Node::List(items.iter().map(|item| node(item)).collect()),
        Kind::Mapping(entries) => {
            let entry = |entry: &yaml::Entry| (entry.key.as_ref().to_owned(), node(&entry.value));
            Node::Table(entries.iter().map(entry).collect::<BTreeMap<_, _>>())
        }
        Kind::Scalar(scalar) => {
            let text = Zeroizing::new(scalar.text.as_bytes().to_vec());
            match scalar.value() {
                Value::Null => Node::Null,
                Value::Text => Node::Text(text),
                Value::Bool(_) | Value::Int(_) | Value::Float(_) => Node::Literal(text),
            }
        }
    }
}

/// Wipes the texts of a tree. One that several aliases share is wiped with the last of them only if the
/// others are gone, and else freed as it is.
fn wipe(node: &mut Rc<yaml::Node>) {
    let Some(node) = Rc::get_mut(node) else { return };
    match &mut node.kind {
        Kind::Scalar(scalar) => scalar.text.zeroize(),
        Kind::Sequence(items) => items.iter_mut().for_each(wipe),
        Kind::Mapping(entries) => entries.iter_mut().for_each(|entry| wipe(&mut entry.value)),
    }
}
