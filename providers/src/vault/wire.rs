//! The JSON of requests and answers.
//!
//! An answer stays in the buffer that it came in, which is wiped; fields are taken out of it one by one. What
//! the parser says about a bad one is dropped, because it may quote it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::provider::ProviderError;
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::json;
use crate::setup::invalid;

/// The longest time that something is ours, in seconds: ten years. Clocks cannot count to what a number
/// of JSON may say.
const TTL_S_MAX: u64 = 10 * 365 * 24 * 60 * 60;

/// What every good answer has.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    auth: Option<Auth<'a>>,
    lease_id: Option<String>,
    renewable: Option<bool>,
    lease_duration: Option<u64>,
}

/// A login.
#[derive(Deserialize)]
struct Auth<'a> {
    #[serde(borrow)]
    client_token: &'a RawValue,
    lease_duration: Option<u64>,
    renewable: Option<bool>,
    token_type: Option<String>,
}

/// A token that a login gave.
pub(super) struct Granted {
    pub(super) token: SecretValue,
    pub(super) ttl: Duration,
    pub(super) renewable: bool,
    /// A batch token cannot be revoked.
    pub(super) is_batch: bool,
}

/// How long something is ours.
pub(super) struct Term {
    pub(super) id: String,
    pub(super) ttl: Duration,
    pub(super) renewable: bool,
}

/// The fields of a secret.
pub(super) struct Fields<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    /// Of KV version 2.
    pub(super) version: Option<u64>,
}

impl<'a> Envelope<'a> {
    /// Reads an answer; `None` if it is none.
    pub(super) fn parse(body: &'a [u8]) -> Option<Envelope<'a>> {
        serde_json::from_slice(body).ok()
    }

    /// The secret's fields; `None` if there are none.
    ///
    /// An object in `data.data` is what KV version 2 wraps them in. An object of that name in version 1 is
    /// opened just the same, as Dagu does.
    pub(super) fn fields(&self) -> Option<Fields<'a>> {
        let outer: BTreeMap<String, &RawValue> = serde_json::from_str(self.data?.get()).ok()?;
        match outer.get("data").filter(|inner| json::is_object(inner)) {
            None => Some(Fields { fields: outer, version: None }),
            Some(inner) => {
                let version = outer.get("metadata").and_then(|metadata| version(metadata));
                Some(Fields { fields: serde_json::from_str(inner.get()).ok()?, version })
            }
        }
    }

    /// What is read out of `data` as it is.
    pub(super) fn data<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.data?.get()).ok()
    }

    /// The lease, if there is one to give back.
    pub(super) fn lease(&self) -> Option<Term> {
        let id = self.lease_id.clone().filter(|id| !id.is_empty())?;
        Some(Term { id, ..self.term() })
    }

    /// How long what was renewed is ours now.
    pub(super) fn term(&self) -> Term {
        let (duration, renewable) = match &self.auth {
            Some(auth) => (auth.lease_duration, auth.renewable),
            None => (self.lease_duration, self.renewable),
        };
        Term {
            id: String::new(),
            ttl: Duration::from_secs(duration.unwrap_or(0).min(TTL_S_MAX)),
            renewable: renewable.unwrap_or(false),
        }
    }

    /// The token of a login.
    pub(super) fn granted(&self) -> Option<Granted> {
        let auth = self.auth.as_ref()?;
        let Term { ttl, renewable, .. } = self.term();
        let is_batch = auth.token_type.as_deref() == Some("batch");
        Some(Granted { token: json::text(auth.client_token)?, ttl, renewable, is_batch })
    }
}

fn version(metadata: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Metadata {
        version: u64,
    }
    serde_json::from_str::<Metadata>(metadata.get()).ok().map(|metadata| metadata.version)
}

impl Fields<'_> {
    /// The text of a field: `None` if there is no such field, then `None` if it makes no text.
    pub(super) fn field(&self, name: &str) -> Option<Option<SecretValue>> {
        self.fields.get(name).map(|raw| json::text(raw))
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }
}

/// Whether one of an answer's errors has this in it, whatever the case.
pub(super) fn says(body: &[u8], phrase: &str) -> bool {
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<String>,
    }
    serde_json::from_slice::<Refusal>(body).is_ok_and(|refusal| {
        refusal.errors.iter().any(|error| error.to_lowercase().contains(phrase))
    })
}

/// A JSON object of texts.
///
/// # Errors
/// A value is no text.
#[expect(clippy::disallowed_methods, reason = "credentials are sent to the server they are for")]
pub(super) fn object<'a>(
    fields: impl IntoIterator<Item = (&'a str, &'a SecretValue)> + Clone,
) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    // An escaped byte takes six at most; a vector that grew would leave copies behind.
    let length = |(name, value): (&str, &SecretValue)| 6 * (name.len() + value.expose().len()) + 6;
    let capacity = fields.clone().into_iter().map(length).sum::<usize>() + 2;
    let mut body = Zeroizing::new(Vec::with_capacity(capacity));
    body.push(b'{');
    for (name, value) in fields {
        let Ok(value) = std::str::from_utf8(value.expose()) else {
            return Err(invalid(format!("`{name}` is no text")));
        };
        if body.len() > 1 {
            body.push(b',');
        }
        write_text(&mut body, name);
        body.push(b':');
        write_text(&mut body, value);
    }
    body.push(b'}');
    Ok(body)
}

fn write_text(body: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(body, text).expect("a text is written to memory");
}

#[cfg(test)]
mod tests {
    use subrosa_engine::secret::SecretValue;

    use super::{Envelope, object, says};

    fn check(body: &str, field: &str, expected: Option<&str>) {
        let envelope = Envelope::parse(body.as_bytes()).unwrap();
        let found = envelope.fields().and_then(|fields| fields.field(field)).flatten();
        #[expect(clippy::disallowed_methods, reason = "tests look at what they made")]
        let found = found.map(|value| String::from_utf8(value.expose().to_vec()).unwrap());
        assert_eq!(found.as_deref(), expected, "{body}");
    }

    #[test]
    fn the_envelope_of_version_2_is_opened() {
        check(r#"{"data":{"data":{"a":"x"},"metadata":{"version":3}}}"#, "a", Some("x"));
        check(r#"{"data":{"a":"x","data":"y"}}"#, "a", Some("x"));
        check(r#"{"data":{"a":"x","data":"y"}}"#, "data", Some("y"));
        check(r#"{"data":{"data":{"a":"x"}}}"#, "data", None);
        check(r#"{"data":{"data":null,"metadata":{}}}"#, "a", None);
        check(r#"{"data":null}"#, "a", None);
        check(r#"{"data":[1]}"#, "a", None);
        check("{}", "a", None);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for body in ["", "{", "[1", "\"x\"", r#"{"lease_duration":"x"}"#, "\u{0}", r#"{"data":1}x"#]
        {
            assert!(Envelope::parse(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn errors_are_known_by_phrases() {
        assert!(says(br#"{"errors":["a","Vault is sealed"]}"#, "vault is sealed"));
        assert!(!says(br#"{"errors":[]}"#, "vault is sealed"));
        assert!(!says(b"vault is sealed", "vault is sealed"));
    }

    #[test]
    fn bodies_are_objects_of_texts() {
        let values = [("a", b"x\"\n\x01".to_vec()), ("b", b"y".to_vec())];
        let values = values.map(|(name, value)| (name, SecretValue::new(value)));
        let body = object(values.iter().map(|(name, value)| (*name, value))).unwrap();
        assert_eq!(body.as_slice(), b"{\"a\":\"x\\\"\\n\\u0001\",\"b\":\"y\"}");
        let bad = SecretValue::new(vec![0xff]);
        assert_eq!(object([("jwt", &bad)]).unwrap_err().message, "`jwt` is no text");
    }
}
