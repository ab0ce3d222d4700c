//! The JSON of requests and answers.
//!
//! An answer stays in the buffer that it came in, which is wiped; a value is decoded from there into a
//! buffer of its own. What the parser says about a bad one is dropped, because it may quote it. What TLS and
//! HTTP read the answer through, is theirs and not wiped.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::place::Place;

/// A Secret, borrowed from its answer. Base64 and data keys need no escapes in JSON, and so no copies.
#[derive(Deserialize)]
pub(super) struct Secret<'a> {
    kind: &'a str,
    #[serde(borrow)]
    data: Option<BTreeMap<&'a str, Option<&'a str>>>,
}

impl<'a> Secret<'a> {
    /// Reads an answer; `None` if it is no Secret.
    pub(super) fn parse(body: &'a [u8]) -> Option<Secret<'a>> {
        let secret: Secret<'a> = serde_json::from_slice(body).ok()?;
        (secret.kind == "Secret").then_some(secret)
    }

    /// The value under a data key: `None` if there is no such key, then `None` if it is no base64.
    pub(super) fn value(&self, key: &str) -> Option<Option<SecretValue>> {
        let encoded = self.data.as_ref()?.get(key)?;
        Some(decode(encoded.unwrap_or_default().as_bytes()))
    }

    /// The data keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.data.iter().flat_map(|data| data.keys().copied())
    }
}

fn decode(encoded: &[u8]) -> Option<SecretValue> {
    let mut room = Zeroizing::new(vec![0; BASE64.decode_len(encoded.len()).ok()?]);
    let length = BASE64.decode_mut(encoded, &mut room).ok()?;
    // A copy of exactly its length: to shorten the buffer could move it, and leave the old one behind.
    Some(SecretValue::new(room[..length].to_vec()))
}

/// The question whether we may read a Secret.
pub(super) fn access_review(place: &Place) -> Zeroizing<Vec<u8>> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "namespace": place.namespace,
            "verb": "get",
            "version": "v1",
            "resource": "secrets",
            "name": place.secret,
        } },
    });
    Zeroizing::new(review.to_string().into_bytes())
}

/// The answer to that question; `None` if it is none.
pub(super) fn is_allowed(body: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Review {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        allowed: bool,
    }
    serde_json::from_slice::<Review>(body).ok().map(|review| review.status.allowed)
}

/// The kind of an object; `None` if it is none.
pub(super) fn kind(body: &[u8]) -> Option<&str> {
    #[derive(Deserialize)]
    struct Object<'a> {
        kind: &'a str,
    }
    serde_json::from_slice::<Object<'_>>(body).ok().map(|object| object.kind)
}

#[cfg(test)]
mod tests {
    use super::{Secret, is_allowed, kind};

    fn check(data: &str, expected: Option<Option<&[u8]>>) {
        let body = format!(r#"{{"kind":"Secret","apiVersion":"v1","data":{data}}}"#);
        let secret = Secret::parse(body.as_bytes()).unwrap();
        let found = secret.value("key");
        #[expect(clippy::disallowed_methods, reason = "tests look at what they made")]
        let found = found.as_ref().map(|value| value.as_ref().map(|value| value.expose()));
        assert_eq!(found, expected, "{data}");
    }

    #[test]
    fn values_are_decoded() {
        check(r#"{"key":"Y2FuYXJ5"}"#, Some(Some(b"canary")));
        check(r#"{"key":"Y2FuYXI="}"#, Some(Some(b"canar")));
        check(r#"{"key":"/w==","a":"YQ=="}"#, Some(Some(b"\xff")));
        check(r#"{"key":""}"#, Some(Some(b"")));
        check(r#"{"key":null}"#, Some(Some(b"")));
        check(r#"{"key":"Y2FuYXI"}"#, Some(None));
        check(r#"{"key":"?"}"#, Some(None));
        check(r#"{"other":"YQ=="}"#, None);
        check("null", None);
    }

    #[test]
    fn what_is_no_secret_is_none() {
        for body in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"kind":"Status"}"#,
            r#"{"kind":"Secret","data":[]}"#,
            r#"{"kind":"Secret","data":{"key":1}}"#,
        ] {
            assert!(Secret::parse(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn reviews_and_kinds_are_read() {
        assert_eq!(is_allowed(br#"{"kind":"x","status":{"allowed":true}}"#), Some(true));
        assert_eq!(is_allowed(br#"{"status":{"allowed":false,"reason":"x"}}"#), Some(false));
        assert_eq!(is_allowed(br#"{"status":{}}"#), None);
        assert_eq!(kind(br#"{"kind":"Secret"}"#), Some("Secret"));
        assert_eq!(kind(b"x"), None);
    }
}
