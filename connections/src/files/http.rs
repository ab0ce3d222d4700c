//! `HttpCredentials`: a bearer token, or a user name and a password.

use std::path::Path;

use subrosa_engine::secret::SecretValue;
use subrosa_http::{HeaderValue, sensitive};
use zeroize::Zeroizing;

use super::FileError;
use super::json::{self, Node, Tree};
use crate::apply::{ApplyError, basic_value};
use crate::kind::ValueError;

/// What a request is authenticated with.
#[derive(Clone, Debug)]
pub enum HttpCredentials {
    /// `Authorization: Bearer`.
    Bearer(SecretValue),
    /// `Authorization: Basic`.
    Basic {
        /// The user name.
        username: SecretValue,
        /// The password.
        password: SecretValue,
    },
    /// No header.
    Nothing,
}

/// A file with such credentials.
#[derive(Clone, Debug)]
pub struct HttpFile {
    /// What counts of it: the bearer token if there is one.
    pub credentials: HttpCredentials,
    /// Keys that mean nothing here, and what else may be a mistake.
    pub warnings: Vec<String>,
}

/// The file that counts for a task: its own, or else the worker's.
pub fn effective_path<'a>(task: Option<&'a Path>, worker: Option<&'a Path>) -> Option<&'a Path> {
    task.or(worker)
}

impl HttpFile {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`FileError`]: no JSON object, or a credential that is none.
    pub fn parse(bytes: &[u8]) -> Result<HttpFile, FileError> {
        HttpFile::of(&json::parse(bytes)?)
    }

    pub(super) fn of(tree: &Tree) -> Result<HttpFile, FileError> {
        let known = ["bearer_auth", "basic_auth"];
        let mut warnings = unknown(tree, "", &known);
        let basic = match tree.node("/basic_auth") {
            None => None,
            Some(Node::Object(inner)) => {
                warnings.extend(unknown(inner, "basic_auth.", &["username", "password"]));
                let username = needed(tree, "/basic_auth/username", "username")?;
                Some((username, needed(tree, "/basic_auth/password", "password")?))
            }
            Some(Node::Text(_) | Node::Null | Node::List) => {
                return Err(missing("basic_auth", "/basic_auth/username"));
            }
        };
        let bearer = match tree.node("/bearer_auth") {
            None => None,
            Some(_) => Some(needed(tree, "/bearer_auth", "bearer_auth")?),
        };
        let credentials = match (bearer, basic) {
            (Some(token), other) => {
                if other.is_some() {
                    warnings.push("`bearer_auth` counts, `basic_auth` does not".to_owned());
                }
                HttpCredentials::Bearer(token)
            }
            (None, Some((username, password))) => HttpCredentials::Basic { username, password },
            (None, None) => HttpCredentials::Nothing,
        };
        Ok(HttpFile { credentials, warnings })
    }
}

impl HttpCredentials {
    /// The header `Authorization`, if there is one.
    ///
    /// # Errors
    /// [`ApplyError`]: a value cannot stand in a header.
    #[expect(clippy::disallowed_methods, reason = "the header carries them")]
    pub fn header(&self) -> Result<Option<HeaderValue>, ApplyError> {
        let control = |field: &str| ApplyError::Control { field: field.to_owned() };
        let plain = |value: &SecretValue, field: &str| {
            let has_control = value.expose().iter().any(u8::is_ascii_control);
            if has_control { Err(control(field)) } else { Ok(()) }
        };
        match self {
            HttpCredentials::Nothing => Ok(None),
            HttpCredentials::Bearer(token) => {
                plain(token, "bearer_auth")?;
                let head = b"Bearer ";
                let mut value =
                    Zeroizing::new(Vec::with_capacity(head.len() + token.expose().len()));
                value.extend_from_slice(head);
                value.extend_from_slice(token.expose());
                sensitive(value).ok_or_else(|| control("bearer_auth")).map(Some)
            }
            HttpCredentials::Basic { username, password } => {
                plain(username, "username")?;
                plain(password, "password")?;
                let value = basic_value(username.expose(), password.expose());
                let value = value.map_err(|_| ApplyError::Colon)?;
                value.ok_or_else(|| control("username")).map(Some)
            }
        }
    }
}

fn unknown(tree: &Tree, prefix: &str, known: &[&str]) -> Vec<String> {
    let others = tree.0.keys().filter(|key| !known.contains(&key.as_str()));
    let told = others.map(|key| {
        let name = subrosa_engine::names::shown(&format!("{prefix}{key}"));
        format!("{name} means nothing here")
    });
    told.collect()
}

#[expect(clippy::disallowed_methods, reason = "looked at to see whether there is something")]
fn needed(tree: &Tree, place: &str, field: &str) -> Result<SecretValue, FileError> {
    let value = tree.text(place).ok_or_else(|| missing(field, place))?;
    if value.expose().is_empty() {
        return Err(FileError::Value { field: field.to_owned(), why: ValueError::Empty });
    }
    Ok(value)
}

fn missing(field: &str, place: &str) -> FileError {
    FileError::Missing { field: field.to_owned(), place: place.to_owned() }
}
