//! Files with credentials that other programs use: told apart by their shape, read into fields.
//!
//! Flowgen's JSON files (HTTP, NATS, SQL Server, Salesforce, object stores, Git), the key files that Google
//! and NATS hand out, and Dango's `secrets.toml`. Values go from the file's bytes, which are wiped, into
//! [`SecretValue`]s. What is wrong is told by the names of keys and fields, never by what stands there.

mod dango;
mod http;
pub(crate) mod json;
mod mode;
mod shape;

use std::collections::BTreeMap;

use subrosa_engine::names::shown;
use subrosa_engine::secret::SecretValue;

use crate::kind::{ConnectionType, ValueError};

pub use dango::{Guess, SecretsToml, read_secrets_toml};
pub use http::{HttpCredentials, HttpFile, effective_path};
pub use mode::{Loaded, judge, load};
pub use shape::{Recognised, recognise};

/// What is wrong with a file of credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] subrosa_http::InvalidSetting),
    /// Its owner is neither the user nor root.
    #[error("`{path}` belongs to another user, who could put other credentials there")]
    Owner {
        /// The file.
        path: String,
    },
    /// Anybody may change it.
    #[error("`{path}` can be changed by every user")]
    Writable {
        /// The file.
        path: String,
    },
    /// Not a JSON object.
    #[error("it is no JSON object")]
    NotJson,
    /// Not TOML.
    #[error("it is no TOML, from line {line} on")]
    NotToml {
        /// The line, from 1.
        line: usize,
    },
    /// A key is there twice.
    #[error("the key `{key}` is there twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// No shape that is known.
    #[error("it has none of the shapes that are known; its keys are {keys}")]
    Unknown {
        /// The keys, in back-ticks.
        keys: String,
    },
    /// The shape of another type.
    #[error("it is a file for the type `{found}`, not `{wanted}`")]
    OtherType {
        /// The type that it is for.
        found: String,
        /// The type that was wanted.
        wanted: String,
    },
    /// Nothing where a field should be.
    #[error("it has no text at `{place}`, where `{field}` should be")]
    Missing {
        /// The name of the field.
        field: String,
        /// A JSON pointer.
        place: String,
    },
    /// A value that is none of its field.
    #[error("what it has for `{field}` is no good: {why}")]
    Value {
        /// The name of the field.
        field: String,
        /// Why.
        why: ValueError,
    },
}

impl ConnectionType {
    /// Fields from a file that the service hands out, or that another program uses.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn read_file(&self, bytes: &[u8]) -> Result<BTreeMap<String, SecretValue>, FileError> {
        let fields = match self.file.is_empty() {
            false => self.pointed(bytes)?,
            true => {
                let found = recognise(bytes)?;
                if found.kind != self.id {
                    let found = found.kind.to_owned();
                    return Err(FileError::OtherType { found, wanted: self.id.clone() });
                }
                found.fields
            }
        };
        fields.into_iter().map(|(name, value)| self.checked(name, &value)).collect()
    }

    fn pointed(&self, bytes: &[u8]) -> Result<BTreeMap<String, SecretValue>, FileError> {
        let tree = json::parse(bytes)?;
        let mut fields = BTreeMap::new();
        for (name, place) in &self.file {
            let value = match place.is_empty() {
                true => Some(SecretValue::new(bytes.trim_ascii().to_vec())),
                false => tree.text(place),
            };
            match (value, self.field(name)) {
                (Some(value), _) => {
                    fields.insert(name.clone(), value);
                }
                (None, Some(field)) if !field.is_required => {}
                (None, _) => {
                    let place = place.clone();
                    return Err(FileError::Missing { field: name.clone(), place });
                }
            }
        }
        Ok(fields)
    }

    /// A value as its field keeps it.
    #[expect(
        clippy::disallowed_methods,
        reason = "looked at to see whether it is one of the field"
    )]
    fn checked(
        &self,
        name: String,
        value: &SecretValue,
    ) -> Result<(String, SecretValue), FileError> {
        let Some(field) = self.field(&name) else { return Ok((name, value.clone())) };
        let mut value = field.normalise(value.expose());
        field.check(&value).map_err(|why| FileError::Value { field: name.clone(), why })?;
        Ok((name, SecretValue::new(std::mem::take(&mut *value))))
    }
}

/// Names in back-ticks; names are of the file's writer, so they are shown with care.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const NAMES_MAX: usize = 20;
    names.take(NAMES_MAX).map(shown).collect::<Vec<_>>().join(", ")
}
