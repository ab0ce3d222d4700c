//! What shows and edits connections cannot open one: the sources name nothing that gives a value.
//!
//! That is a matter of types first: they get a `World`, not the `Opener` that can be made by the dispatch of
//! commands alone; the `Admin` that they have of it comes from a `Desk`, which opens nothing. Here is the
//! rest: they name no way around that, such as putting a registry together themselves.

use std::fs;
use std::path::{Path, PathBuf};

/// What a value could be had from.
const FORBIDDEN: [&str; 25] = [
    "Access",
    "Connections",
    "ExposeSecret",
    "Found",
    "FoundRecord",
    "Keeper",
    "Lookup",
    "OpenSecrets",
    "Opened",
    "Opener",
    "Reader",
    "RecordAnswer",
    "RecordReader",
    "Registry",
    "SecretValue",
    "expose",
    "expose_secret",
    "open_records",
    "open_secrets",
    "open_secrets_in",
    "opened",
    "registry",
    "resolve",
    "reveal",
    "snapshot",
];

fn below(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap();
    entries.flat_map(|entry| below(&entry.unwrap().path())).collect()
}

/// A call that hands out what reading takes; as a word it is also said of grants.
const ACCESS_CALL: &str = ".access(";

/// The words of the code of a file, comments and the paths of imports of our own left out.
fn words(text: &str) -> Vec<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = text.lines().filter(is_code).collect();
    let code = code.join("\n").replace("crate::registry::Secrets", "Secrets");
    code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
}

fn found(text: &str) -> Vec<&'static str> {
    let words = words(text);
    FORBIDDEN.into_iter().filter(|word| words.iter().any(|known| known == word)).collect()
}

#[test]
fn the_side_that_shows_and_edits_names_nothing_that_gives_a_value() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let places =
        ["command/connection.rs", "command/connection", "command/ai_key.rs", "form.rs", "form"];
    let shared = ["change.rs", "form.rs", "state.rs"];
    let shared = shared.map(|name| source.join("../../connections/src").join(name));
    let files = places.iter().flat_map(|place| below(&source.join(place)));
    let files: Vec<PathBuf> = files.chain(shared).collect();
    assert!(files.len() >= 12, "{files:?}");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(found(&text), [""; 0], "{}", path.display());
        assert!(!text.contains(ACCESS_CALL), "{}", path.display());
    }
}

#[test]
fn who_may_open_is_decided_in_one_file() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text = |name: &str| fs::read_to_string(source.join(name)).unwrap();
    // The field is private, so nobody else can make one: the compiler sees to it.
    assert!(text("dispatch.rs").contains("pub(crate) struct Opener<'a>(&'a World);"));
    for call in ["connection::connection(command, &world)", "ai_key::ai_key(command, &world)"] {
        assert!(text("dispatch.rs").contains(call), "{call}");
    }
}

#[test]
fn what_is_forbidden_is_found() {
    for (line, word) in [
        ("let value = secrets.registry.reveal(&access, &address)?;", "reveal"),
        ("use subrosa_registry::{Address, RecordReader};", "RecordReader"),
        ("let registry: &Registry = &secrets.registry;", "Registry"),
        ("value.expose_secret()", "expose_secret"),
    ] {
        assert!(found(line).contains(&word), "{line}");
    }
    for line in ["// the Registry", "RegistryError::NotFound(_)", "use crate::registry::Secrets;"] {
        assert_eq!(found(line), [""; 0], "{line}");
    }
}
