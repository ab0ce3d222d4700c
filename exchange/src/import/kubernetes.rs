//! Manifests of Kubernetes Secrets, one or several, as YAML or JSON.
//!
//! As the API server does it, `data` is base64 in which line ends do not count, and `stringData` wins.
//! All else in a manifest but names is passed over.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::import::{Leaf, Options, json, yaml};
use crate::problem::Problems;
use crate::source::Source;
use crate::tree::{Entry, Kind, Node};

pub(super) fn read(
    source: &Source<'_>,
    options: &Options,
    problems: &mut Problems<'_>,
) -> Vec<Leaf> {
    let documents = if source.text.trim_start().starts_with('{') {
        json::document(source, problems).map(|root| vec![root])
    } else {
        yaml::documents(source, problems)
    };
    let mut found = Vec::new();
    for document in documents.into_iter().flatten() {
        read_document(document, options, &mut found, problems);
    }
    found
}

fn read_document(
    document: Node,
    options: &Options,
    found: &mut Vec<Leaf>,
    problems: &mut Problems<'_>,
) {
    let kind = document.get("kind").and_then(Node::text).map(<[u8]>::to_vec);
    match kind.as_deref() {
        Some(b"Secret") => read_secret(document, options, found, problems),
        Some(b"List" | b"SecretList") => {
            let is_typed = kind.as_deref() == Some(b"SecretList");
            for item in items(document, problems) {
                // In a list of one kind the API leaves the kind of the items out.
                let is_secret = match item.get("kind") {
                    Some(kind) => kind.text() == Some(b"Secret"),
                    None => is_typed,
                };
                if is_secret {
                    read_secret(item, options, found, problems);
                } else {
                    not_a_secret(&item, problems);
                }
            }
        }
        _ => not_a_secret(&document, problems),
    }
}

fn not_a_secret(node: &Node, problems: &mut Problems<'_>) {
    problems.add(
        node.get("kind").map_or(node.at, |kind| kind.at),
        "this is no manifest of the kind `Secret`",
        "leave only Secrets in the file, such as `kubectl get secrets -o yaml` gives",
    );
}

fn items(list: Node, problems: &mut Problems<'_>) -> Vec<Node> {
    let at = list.at;
    let entries = list.into_entries().unwrap_or_default();
    let items = entries.into_iter().find(|entry| entry.key == "items").map(|entry| entry.value);
    if let Some(Node { kind: Kind::List(items), .. }) = items {
        return items;
    }
    problems.add(at, "a list of manifests without `items`", "get it from `kubectl` again");
    Vec::new()
}

fn read_secret(
    secret: Node,
    options: &Options,
    found: &mut Vec<Leaf>,
    problems: &mut Problems<'_>,
) {
    let Some(names) = names(&secret, options, problems) else { return };
    let mut data = Vec::new();
    let mut plain = Vec::new();
    for Entry { key, value, at } in secret.into_entries().unwrap_or_default() {
        let place = match key.as_str() {
            "data" => &mut data,
            "stringData" => &mut plain,
            _ => continue,
        };
        match value.kind {
            Kind::Table(entries) => *place = entries,
            Kind::Null => {}
            Kind::Text(_) | Kind::Literal(_) | Kind::List(_) => {
                problems.add(at, "this is no mapping of keys to values", "write `key: value`");
            }
        }
    }
    let replaced: std::collections::HashSet<&str> =
        plain.iter().map(|entry| entry.key.as_str()).collect();
    data.retain(|entry| !replaced.contains(entry.key.as_str()));
    for entry in data {
        add(entry, decoded, &names, found, problems);
    }
    for entry in plain {
        add(entry, |text| Some(Zeroizing::new(text.to_vec())), &names, found, problems);
    }
}

/// The namespace if asked for, and the name; `None` after a problem.
fn names(secret: &Node, options: &Options, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let text = |key: &str| {
        let node = secret.get("metadata")?.get(key)?;
        Some(String::from_utf8_lossy(node.text()?).into_owned())
    };
    let Some(name) = text("name") else {
        problems.add(secret.at, "a Secret without `metadata.name`", "give it a name");
        return None;
    };
    let namespace = text("namespace").filter(|_| options.namespaces);
    Some(namespace.into_iter().chain([name]).collect())
}

fn add(
    entry: Entry,
    decode: impl Fn(&[u8]) -> Option<Zeroizing<Vec<u8>>>,
    names: &[String],
    found: &mut Vec<Leaf>,
    problems: &mut Problems<'_>,
) {
    let Entry { key, at, value } = entry;
    let names = names.iter().cloned().chain([key]).collect();
    match value.kind {
        Kind::Text(text) => match decode(&text) {
            Some(value) => found.push(Leaf { names, at, value }),
            None => problems.add(
                value.at,
                "this is no base64",
                "encode the value, or move it to `stringData`",
            ),
        },
        // Told as empty, with the ref, like an empty text.
        Kind::Null => found.push(Leaf { names, at, value: Zeroizing::default() }),
        Kind::Literal(_) | Kind::List(_) | Kind::Table(_) => {
            problems.add(value.at, "a value that is no text", "put it in quotes");
        }
    }
}

fn decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
    joined.extend(text.iter().filter(|b| !matches!(b, b'\r' | b'\n')));
    let mut value = Zeroizing::new(vec![0; BASE64.decode_len(joined.len()).ok()?]);
    let len = BASE64.decode_mut(&joined, &mut value).ok()?;
    value.truncate(len);
    Some(value)
}
