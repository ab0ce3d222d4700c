//! Writes secrets in the formats of other tools.
//!
//! What is written, [`read`](crate::read) reads back to the same refs and values; what would come back
//! different is refused by name, and so is a file larger than the reader takes.

mod dotenv;
mod flat;
mod kubernetes;
mod toml;

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};
use subrosa_registry::SecretRef;
use zeroize::Zeroizing;

use crate::format::Format;

/// A secret to write.
pub struct Outgoing {
    /// Its ref.
    pub reference: SecretRef,
    /// Its value.
    pub value: SecretSlice<u8>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// Why a secret cannot be written, or none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Nothing writes this format.
    #[error("`{}` can be imported, but not exported", .0.as_str())]
    ReadOnly(Format),
    /// A ref is there twice.
    #[error("`{0}` is there twice")]
    Twice(SecretRef),
    /// The value is not UTF-8.
    #[error("the value of `{0}` is binary, which only `kubernetes` can hold")]
    Binary(SecretRef),
    /// The value has a NUL byte.
    #[error("the value of `{0}` has a NUL byte, which no secret can hold")]
    Nul(SecretRef),
    /// The ref cannot be said in this format so that it comes back the same.
    #[error("`{reference}` cannot be named in `{}`: {why}", .format.as_str())]
    Unnameable {
        /// Which ref.
        reference: SecretRef,
        /// In which format.
        format: Format,
        /// What the format wants.
        why: &'static str,
    },
    /// The file would be larger than the reader takes.
    #[error(
        "the file would be larger than {bytes_max} bytes, the most that is read as `{}`",
        .format.as_str()
    )]
    TooLarge {
        /// In which format.
        format: Format,
        /// The limit.
        bytes_max: usize,
    },
}

/// A secret whose value was looked at.
struct Entry<'a> {
    reference: &'a SecretRef,
    bytes: &'a [u8],
}

/// A secret whose value is a text.
struct TextEntry<'a> {
    reference: &'a SecretRef,
    text: &'a str,
}

/// Writes the secrets as a file of that format, sorted by ref.
///
/// # Errors
/// Everything that keeps it from being written, with the refs.
pub fn write(format: Format, secrets: &[Outgoing]) -> Result<Zeroizing<Vec<u8>>, Vec<ExportError>> {
    let mut entries = exposed(secrets);
    entries.sort_by_key(|entry| entry.reference);
    let mut errors: Vec<ExportError> = entries
        .windows(2)
        .filter(|pair| pair[0].reference == pair[1].reference)
        .map(|pair| ExportError::Twice(pair[0].reference.clone()))
        .collect();
    errors.extend(
        entries
            .iter()
            .filter(|entry| entry.bytes.contains(&0))
            .map(|entry| ExportError::Nul(entry.reference.clone())),
    );
    let file = match format {
        Format::Dotenv => texts(&entries, &mut errors, dotenv::write),
        Format::Json => texts(&entries, &mut errors, |texts, _| flat::json(texts)),
        Format::Yaml => texts(&entries, &mut errors, |texts, _| flat::yaml(texts)),
        Format::Toml => texts(&entries, &mut errors, |texts, _| toml::write(texts)),
        Format::Kubernetes => kubernetes::write(&entries, &mut errors),
        Format::Vault => return Err(vec![ExportError::ReadOnly(format)]),
    };
    let bytes_max = bytes_max(format);
    if errors.is_empty() && file.len() > bytes_max {
        errors.push(ExportError::TooLarge { format, bytes_max });
    }
    if errors.is_empty() { Ok(file) } else { Err(errors) }
}

/// What is read back; manifests are written as YAML.
fn bytes_max(format: Format) -> usize {
    match format {
        Format::Kubernetes => Format::Yaml.bytes_max(),
        Format::Dotenv | Format::Json | Format::Yaml | Format::Toml | Format::Vault => {
            format.bytes_max()
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an export is where values leave, into wiped memory")]
fn exposed(secrets: &[Outgoing]) -> Vec<Entry<'_>> {
    secrets
        .iter()
        .map(|secret| Entry { reference: &secret.reference, bytes: secret.value.expose_secret() })
        .collect()
}

/// Writes those that are texts and notes those that are not.
fn texts(
    entries: &[Entry<'_>],
    errors: &mut Vec<ExportError>,
    write: impl Fn(&[TextEntry<'_>], &mut Vec<ExportError>) -> Zeroizing<Vec<u8>>,
) -> Zeroizing<Vec<u8>> {
    let mut texts = Vec::with_capacity(entries.len());
    for Entry { reference, bytes } in entries {
        match std::str::from_utf8(bytes) {
            Ok(text) => texts.push(TextEntry { reference, text }),
            Err(_) => errors.push(ExportError::Binary((*reference).clone())),
        }
    }
    write(&texts, errors)
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
