//! The types of the API have names of their own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The description knows a type by its bare name: of two with one name the later one would silently
/// stand for both.
#[test]
fn no_two_types_of_the_api_have_one_name() {
    let mut seen = HashMap::<String, PathBuf>::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for name in described(&std::fs::read_to_string(&path).unwrap()) {
                let earlier = seen.insert(name.clone(), path.clone());
                assert_eq!(earlier, None, "`{name}` is described in {}, too", path.display());
            }
        }
    }
    assert!(seen.len() > 50, "only {} described types were found", seen.len());
}

/// The names of the types in a source that derive a schema.
fn described(source: &str) -> Vec<String> {
    let mut derived = source.split("#[derive(").skip(1);
    let declared = derived.by_ref().filter_map(|rest| {
        let (traits, rest) = rest.split_once(")]")?;
        traits.contains("ToSchema").then_some(rest)
    });
    declared.filter_map(name).collect()
}

/// The name that the first `struct` or `enum` of `source` declares.
fn name(source: &str) -> Option<String> {
    let declaration = source.lines().map(str::trim).find_map(|line| {
        let line =
            line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub(super) ")).unwrap_or(line);
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("struct ").or(line.strip_prefix("enum "))
    })?;
    Some(declaration.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}
