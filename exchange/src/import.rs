//! Reads the secrets of a file, or tells everything that is wrong with it.
//!
//! One problem and there are no items: what could not be read might be what replaces an older value.
//! Every format bounds its input, and no parser's own text gets out. The limits of values are the
//! registry's business, except that an empty value is a problem: it can be no secret, and a file
//! with one is not filled in yet.

mod dotenv;
mod json;
mod kubernetes;
mod toml;
mod variables;
mod vault;
mod yaml;

use std::collections::HashMap;
use std::fmt;

use secrecy::SecretSlice;
use subrosa_registry::SecretRef;
use zeroize::Zeroizing;

use crate::format::Format;
use crate::name;
use crate::problem::{Problem, Problems};
use crate::source::Source;
use crate::tree::leaves;

pub(crate) use variables::protect;

/// Looks up a variable of the process environment.
pub type Environment<'a> = dyn Fn(&str) -> Option<Zeroizing<Vec<u8>>> + 'a;

/// How names become refs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Comes before every ref.
    pub prefix: Option<SecretRef>,
    /// Where in Vault the file comes from, such as `payments/stripe`; comes before the keys.
    pub vault_path: Option<String>,
    /// Whether the refs of Kubernetes Secrets begin with the namespace.
    pub namespaces: bool,
    /// Whether `sources/`, under which `secrets.toml` has everything, stays in the refs.
    pub keep_sources: bool,
}

/// A secret that was read.
pub struct Item {
    /// The ref made of its name.
    pub reference: SecretRef,
    /// Its name in the file: the key, or the keys that lead to it.
    pub name_in_source: String,
    /// Its value.
    pub value: SecretSlice<u8>,
    /// The line of its name, from 1.
    pub line: Option<usize>,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("reference", &self.reference)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// A value and the names that lead to it.
pub(crate) struct Leaf {
    pub(crate) names: Vec<String>,
    /// The byte where the last name begins.
    pub(crate) at: usize,
    pub(crate) value: Zeroizing<Vec<u8>>,
}

/// Reads the secrets in `bytes`; `file` is the name for messages. `environment` is asked for `${NAME}`
/// in TOML only.
///
/// # Errors
/// Everything that is wrong with the file, in its order, a hundred problems at most.
pub fn read(
    format: Format,
    file: &str,
    bytes: &[u8],
    options: &Options,
    environment: &Environment<'_>,
) -> Result<Vec<Item>, Vec<Problem>> {
    if bytes.len() > format.bytes_max() {
        return Err(vec![too_large(format, file)]);
    }
    let (text, is_text) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => {
            (std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), false)
        }
    };
    let source = Source::new(file, text);
    let mut problems = Problems::new(&source);
    if !is_text {
        let cure = "save it as UTF-8; a binary value can be imported from a Kubernetes manifest";
        problems.add(source.text.len(), "the file is not UTF-8 from here on", cure);
        return problems.or(Vec::new());
    }
    let found = match format {
        Format::Dotenv => dotenv::read(&source, &mut problems),
        Format::Json => json::read(&source, &mut problems),
        Format::Yaml => yaml::read(&source, &mut problems),
        Format::Toml => toml::read(&source, options, environment, &mut problems),
        Format::Kubernetes => kubernetes::read(&source, options, &mut problems),
        Format::Vault => vault::read(&source, options, &mut problems),
    };
    let separator = match format {
        Format::Dotenv => "__",
        Format::Json | Format::Yaml | Format::Toml => ".",
        Format::Kubernetes | Format::Vault => "/",
    };
    let naming = Naming { prefix: options.prefix.as_ref(), separator, source: &source };
    let items = naming.items(found, &mut problems);
    problems.or(items)
}

fn too_large(format: Format, file: &str) -> Problem {
    let mib = format.bytes_max() >> 20;
    let cure = match format {
        Format::Dotenv | Format::Yaml | Format::Toml => "split it, or import it as JSON",
        Format::Json | Format::Kubernetes | Format::Vault => "split it",
    };
    Problem {
        file: file.to_owned(),
        line: None,
        column: None,
        message: format!("the file is larger than {mib} MiB"),
        cure: cure.to_owned(),
    }
}

/// How the names of a file become refs.
struct Naming<'a> {
    prefix: Option<&'a SecretRef>,
    separator: &'static str,
    source: &'a Source<'a>,
}

impl Naming<'_> {
    /// Gives every leaf its ref, and tells those that can have none.
    fn items(&self, leaves: Vec<Leaf>, problems: &mut Problems<'_>) -> Vec<Item> {
        let mut lines: HashMap<SecretRef, usize> = HashMap::with_capacity(leaves.len());
        let mut items = Vec::with_capacity(leaves.len());
        for Leaf { names, at, value } in leaves {
            let reference = match name::reference(self.prefix, names.iter().map(String::as_str)) {
                Ok(reference) => reference,
                Err(invalid) => {
                    problems.add(at, name::reason(invalid), "rename it in the file");
                    continue;
                }
            };
            let line = self.source.line(at);
            if value.is_empty() {
                let message = format!("`{reference}` has an empty value");
                problems.add(at, message, "give it a value or remove it");
            }
            if let Some(first) = lines.insert(reference.clone(), line) {
                let message = format!("`{reference}` is meant by lines {first} and {line}");
                problems.add(at, message, "remove or rename one of them");
            }
            let name_in_source = names.join(self.separator);
            // A vector of exactly this size becomes the value's own memory.
            let value = SecretSlice::from(value.to_vec());
            items.push(Item { reference, name_in_source, value, line: Some(line) });
        }
        items
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
