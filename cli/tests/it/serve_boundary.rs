//! The crate that speaks HTTP cannot open a value: its sources name nothing that gives one.
//!
//! What it takes of the crates that can is a list, and not a long one: names, what may be told of secrets,
//! types of connections. Whoever needs more asks the runner; what is added here is looked at by somebody.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What it may name of ours, modules with all that is in them: names, what may be told of secrets, types of
/// connections, texts of workflows, and what runs left. None of these opens a value or makes something that
/// does.
const MAY_NAME: [&str; 27] = [
    "subrosa_connections::ConnectionType",
    "subrosa_connections::Field",
    "subrosa_connections::Format",
    "subrosa_connections::Types",
    "subrosa_engine::Code",
    "subrosa_engine::Validation",
    "subrosa_engine::diagnostic",
    "subrosa_engine::event::whole_characters",
    "subrosa_engine::kind::Kinds",
    "subrosa_engine::load",
    "subrosa_engine::record",
    "subrosa_engine::remedy",
    "subrosa_engine::source",
    "subrosa_engine::steplog",
    "subrosa_engine::validate",
    "subrosa_engine::workflow",
    "subrosa_http",
    "subrosa_registry::Address",
    "subrosa_registry::AuditEntry",
    "subrosa_registry::EnvironmentInfo",
    "subrosa_registry::EnvironmentName",
    "subrosa_registry::InvalidName",
    "subrosa_registry::Scope",
    "subrosa_registry::SecretInfo",
    "subrosa_registry::SecretRef",
    "subrosa_registry::VersionInfo",
    "subrosa_registry::WorkspaceName",
];

/// Crates of ours: none that can come by a value but those three; the client of servers asks the provider
/// by which people come in.
const MAY_USE: [&str; 4] =
    ["subrosa-connections", "subrosa-engine", "subrosa-http", "subrosa-registry"];

fn server() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server")
}

fn below(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap();
    entries.flat_map(|entry| below(&entry.unwrap().path())).collect()
}

/// Every path into a crate of ours that a source names, one for each name of a list in braces.
fn named(text: &str) -> BTreeSet<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: String = text.lines().filter(is_code).flat_map(|line| [line.trim(), " "]).collect();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("subrosa_") {
        let rest = &code[at..];
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let path: &str = &rest[..rest.find(|c| !is_path(c)).unwrap_or(rest.len())];
        // A crate under another name could be followed no further.
        if !path.contains("::") && !code[..at].ends_with("use ") {
            continue;
        }
        match rest[path.len()..].strip_prefix('{') {
            Some(list) if path.ends_with("::") => {
                let list = list.split('}').next().unwrap_or_default();
                assert!(!list.contains('{'), "a list in a list: {list}");
                let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
                found.extend(names.map(|name| format!("{path}{name}")));
            }
            _ => drop(found.insert(path.to_owned())),
        }
    }
    found
}

/// A path as far as the list has it: `subrosa_registry::Scope::global` is about `Scope`.
fn is_allowed(path: &str) -> bool {
    let plain = path.split(" as ").next().unwrap_or_default();
    let is_one = |known: &&str| {
        plain.strip_prefix(*known).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    MAY_NAME.iter().any(is_one)
}

#[test]
fn what_speaks_http_names_nothing_that_opens_a_value() {
    let files = below(&server().join("src"));
    assert!(files.len() > 20, "{files:?}");
    let mut seen = 0;
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for name in named(&text) {
            assert!(is_allowed(&name), "{}: `{name}` is not on the list", path.display());
            seen += 1;
        }
    }
    assert!(seen > 5, "nothing was looked at");
}

#[test]
fn what_speaks_http_depends_on_nothing_that_opens_a_value() {
    let text = fs::read_to_string(server().join("Cargo.toml")).unwrap();
    let names = text.lines().filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    let ours: Vec<&str> = names.clone().filter(|name| name.starts_with("subrosa-")).collect();
    assert_eq!(ours, MAY_USE);
    for name in names {
        for forbidden in ["keyring", "chacha20", "reqwest", "sqlx", "object_store"] {
            assert!(!name.contains(forbidden), "{name}");
        }
    }
}

/// The listener seals; only tests and the runner open.
#[test]
fn what_was_sealed_is_opened_by_the_runner_alone() {
    for path in below(&server().join("src")) {
        if path.ends_with("channel/sealed.rs") || path.ends_with("channel.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        assert!(!code.contains("UnsealingKey"), "{}", path.display());
    }
}

#[test]
fn what_is_not_on_the_list_is_found() {
    for (text, expected) in [
        ("use subrosa_registry::{Scope, Registry};", Some("subrosa_registry::Registry")),
        (
            "use subrosa_registry::{\n    Address,\n    Reader,\n};",
            Some("subrosa_registry::Reader"),
        ),
        ("let x = subrosa_registry::Registry::open(a);", Some("subrosa_registry::Registry::open")),
        ("use subrosa_registry::Registry as Scope;", Some("subrosa_registry::Registry")),
        ("use subrosa_registry as r;", Some("subrosa_registry")),
        ("use subrosa_registry::*;", Some("subrosa_registry::")),
        ("use subrosa_engine::resolve;", Some("subrosa_engine::resolve")),
        ("use subrosa_connections::Opened;", Some("subrosa_connections::Opened")),
        ("use subrosa_registry::{Scope, SecretRef};", None),
        ("use subrosa_engine::record;", None),
        ("use subrosa_engine::record::{self, FoundRun};", None),
        ("// subrosa_registry::Registry", None),
    ] {
        let found = named(text).into_iter().find(|path| !is_allowed(path));
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}
