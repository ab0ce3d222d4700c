//! What is sent to change secrets. A value is sealed to the runner as soon as it is parsed.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::channel::secrets::{ExpiryName, SecretChange, SetSecret, Standing};
use crate::channel::{ScopeName, Sealed};
use crate::extract::{Value, ValueBytes, count, given, seconds};
use crate::problem::Problem;

/// A new secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    /// Its ref: up to 8 segments of `a-z`, `0-9` and `-`, joined by `/`.
    #[serde(rename = "ref")]
    #[schema(
        example = "prod/db-password",
        pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"
    )]
    reference: String,
    /// Its workspace; without it, the global scope.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    workspace: Option<String>,
    /// Its environment; without it, the value holds in any.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    environment: Option<String>,
    /// The value, if it is text: 1 byte to 64 KiB; write-only.
    #[schema(value_type = Option<String>, write_only)]
    value: Option<Value>,
    /// The value, if it is any bytes, in base64; write-only.
    #[schema(value_type = Option<String>, write_only, format = Byte)]
    value_base64: Option<ValueBytes>,
    /// When the value expires, RFC 3339.
    #[schema(example = "2027-01-31T00:00:00Z", format = DateTime)]
    expires: Option<String>,
    /// The age at which it and each later one expires, in seconds.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(minimum = 1, maximum = 3_155_760_000_i64)]
    max_age_s: Option<u64>,
    /// What it is for: up to 1024 bytes without control characters.
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// How many versions to keep.
    #[serde(default, deserialize_with = "count")]
    #[schema(minimum = 1)]
    keep: Option<u32>,
}

/// A new value of a secret that is there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewValue {
    /// The value, if it is text: 1 byte to 64 KiB; write-only.
    #[schema(value_type = Option<String>, write_only)]
    value: Option<Value>,
    /// The value, if it is any bytes, in base64; write-only.
    #[schema(value_type = Option<String>, write_only, format = Byte)]
    value_base64: Option<ValueBytes>,
    /// When it expires, RFC 3339.
    #[schema(example = "2027-01-31T00:00:00Z", format = DateTime)]
    expires: Option<String>,
    /// The age at which it and each later one expires, in seconds.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(minimum = 1, maximum = 3_155_760_000_i64)]
    max_age_s: Option<u64>,
    /// For how long the former value may still be in use and is masked, in seconds.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(minimum = 0, maximum = 3_155_760_000_i64)]
    overlap_s: Option<u64>,
}

/// What is changed of a secret; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretPatch {
    /// What it is for: up to 1024 bytes without control characters.
    #[schema(max_length = 1024)]
    description: Option<String>,
    /// When its value expires, RFC 3339; null: never, at no age, either.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires: Option<Option<String>>,
    /// The age at which it and each later value expires, in seconds, instead of at a moment.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(minimum = 1, maximum = 3_155_760_000_i64)]
    max_age_s: Option<u64>,
    /// How many versions to keep from now on; older ones go at once.
    #[serde(default, deserialize_with = "count")]
    #[schema(minimum = 1)]
    keep: Option<u32>,
}

/// Which version is brought back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// Its number.
    #[schema(minimum = 1)]
    pub(super) version: u64,
}

/// How many versions are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Prune {
    /// How many, now and from now on.
    #[schema(minimum = 1)]
    pub(super) keep: u32,
}

impl NewSecret {
    /// Its ref and scope.
    pub(super) fn place(&self) -> (&str, ScopeName) {
        let (workspace, environment) = (self.workspace.clone(), self.environment.clone());
        (&self.reference, ScopeName { workspace, environment })
    }

    /// What the runner is asked for.
    pub(super) fn into_set(self, app: &App) -> Result<SetSecret, Problem> {
        let scope = self.place().1;
        Ok(SetSecret {
            reference: self.reference,
            scope,
            value: seal(app, self.value, self.value_base64)?,
            must_be: Standing::New,
            description: self.description,
            expiry: expiry(self.expires, self.max_age_s)?,
            overlap_s: None,
            keep: self.keep,
        })
    }
}

impl NewValue {
    /// What the runner is asked for.
    pub(super) fn into_set(
        self,
        app: &App,
        (reference, scope): (String, ScopeName),
        expected: Option<u64>,
    ) -> Result<SetSecret, Problem> {
        let value = seal(app, self.value, self.value_base64)?;
        if value.is_none() {
            return Err(Problem::invalid("there is neither `value` nor `value_base64`"));
        }
        Ok(SetSecret {
            reference,
            scope,
            value,
            must_be: Standing::Present(expected),
            description: None,
            expiry: expiry(self.expires, self.max_age_s)?,
            overlap_s: self.overlap_s,
            keep: None,
        })
    }
}

impl SecretPatch {
    /// The same for the runner.
    pub(super) fn into_change(self) -> Result<SecretChange, Problem> {
        let expiry = match (self.expires, self.max_age_s) {
            (Some(None), None) => Some(ExpiryName::Never),
            (Some(None), age) => age.map(ExpiryName::Age),
            (Some(at), age) => expiry(at, age)?,
            (None, age) => age.map(ExpiryName::Age),
        };
        Ok(SecretChange::Amend { description: self.description, expiry, keep: self.keep })
    }
}

fn expiry(at: Option<String>, age: Option<u64>) -> Result<Option<ExpiryName>, Problem> {
    match (at, age) {
        (Some(_), Some(_)) => Err(Problem::invalid("`expires` and `max_age_s` exclude each other")),
        (Some(at), None) => Ok(Some(ExpiryName::At(at))),
        (None, age) => Ok(age.map(ExpiryName::Age)),
    }
}

#[expect(clippy::disallowed_methods, reason = "sealed to the runner as soon as it is here")]
fn seal(
    app: &App,
    text: Option<Value>,
    bytes: Option<ValueBytes>,
) -> Result<Option<Sealed>, Problem> {
    let sealed = match (text, bytes) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("`value` and `value_base64` exclude each other"));
        }
        (Some(text), None) => app.runner.seal(text.0.expose_secret().as_bytes())?,
        (None, Some(bytes)) => app.runner.seal(bytes.0.expose_secret())?,
        (None, None) => return Ok(None),
    };
    Ok(Some(sealed))
}
