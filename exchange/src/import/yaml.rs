//! YAML, by the engine's own reader and under its limits.

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::source::SourceFile;
use subrosa_engine::yaml::{self, Value};
use zeroize::Zeroizing;

use crate::import::{Leaf, leaves};
use crate::problem::Problems;
use crate::source::Source;
use crate::tree::{Entry, Kind, Node};

pub(super) fn read(source: &Source<'_>, problems: &mut Problems<'_>) -> Vec<Leaf> {
    let Some(mut documents) = documents(source, problems) else { return Vec::new() };
    if let Some(second) = documents.get(1) {
        problems.add(second.at, "a second document", "import one document at a time");
        return Vec::new();
    }
    let Some(root) = documents.pop() else { return Vec::new() };
    if root.get("apiVersion").is_some() && root.get("kind").is_some() {
        problems.add(root.at, "this is a Kubernetes manifest", "use `--format kubernetes`");
        return Vec::new();
    }
    leaves(root, problems)
}

/// The documents that are not empty, aliases written out; `None` after a problem.
pub(super) fn documents(source: &Source<'_>, problems: &mut Problems<'_>) -> Option<Vec<Node>> {
    let file = SourceFile::new(source.file, source.text);
    let parsed = yaml::parse(&file);
    for problem in parsed.problems.iter().filter(|problem| problem.is_error()) {
        let at = problem.labels.first().map_or(0, |label| label.span.start);
        let (message, cure) = words(problem);
        problems.add(at, message, cure);
    }
    if parsed.broken || parsed.problems.iter().any(Diagnostic::is_error) {
        return None;
    }
    let documents = parsed.documents.iter().filter(|document| !document.is_null());
    Some(documents.map(|document| node(document)).collect())
}

/// The engine's words, where they do not speak of workflows or quote a key.
fn words(problem: &Diagnostic) -> (String, String) {
    let ours = match problem.code {
        "duplicate-key" => Some(("a key is there twice", "keep one of them")),
        "file-too-large" => {
            Some(("the file is larger than 1 MiB", "split it, or write it as JSON"))
        }
        "yaml-too-deep" => {
            Some(("nested more than 64 levels deep", "a ref has 8 segments at most"))
        }
        _ => None,
    };
    match ours {
        Some((message, cure)) => (message.to_owned(), cure.to_owned()),
        None => {
            let cure = problem.help.as_deref().unwrap_or("mend this line");
            (problem.message.clone(), cure.to_owned())
        }
    }
}

/// The depth, the number of nodes and all texts together are bounded by the reader, aliases
/// expanded.
fn node(yaml: &yaml::Node) -> Node {
    let kind = match &yaml.kind {
        yaml::Kind::Sequence(items) => Kind::List(items.iter().map(|item| node(item)).collect()),
        yaml::Kind::Mapping(entries) => {
            let entry = |entry: &yaml::Entry| Entry {
                key: entry.key.as_ref().to_owned(),
                at: entry.key_span.start,
                value: node(&entry.value),
            };
            Kind::Table(entries.iter().map(entry).collect())
        }
        yaml::Kind::Scalar(scalar) => {
            let text = Zeroizing::new(scalar.text.as_bytes().to_vec());
            match scalar.value() {
                Value::Null => Kind::Null,
                Value::Text => Kind::Text(text),
                Value::Bool(_) | Value::Int(_) | Value::Float(_) => Kind::Literal(text),
            }
        }
    };
    Node { at: yaml.span.start, kind }
}
