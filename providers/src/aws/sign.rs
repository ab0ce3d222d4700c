//! Signature version 4: who asks, proven for one request without sending the key.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

/// What a signature is good for.
pub(super) struct Scope<'a> {
    /// The region of the server.
    pub(super) region: &'a str,
    /// The service, such as `secretsmanager`.
    pub(super) service: &'a str,
    /// When, as [`stamp`] writes it.
    pub(super) stamp: &'a str,
}

/// What is signed.
pub(super) struct Signed<'a> {
    /// `POST` and so on.
    pub(super) method: &'a str,
    /// The path, encoded.
    pub(super) path: &'a str,
    /// The query, encoded and sorted.
    pub(super) query: &'a str,
    /// Headers in lower case, sorted.
    pub(super) headers: &'a [(&'a str, &'a [u8])],
    /// The body.
    pub(super) body: &'a [u8],
}

/// A time as `20150830T123600Z`.
pub(super) fn stamp(time: SystemTime) -> String {
    let written = humantime::format_rfc3339_seconds(time).to_string();
    written.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// The header `authorization`.
pub(super) fn authorization(
    scope: &Scope<'_>,
    key_id: &str,
    key: &SecretValue,
    signed: &Signed<'_>,
) -> String {
    let Scope { region, service, stamp } = scope;
    let day = stamp.get(..8).unwrap_or_default();
    let credential = format!("{day}/{region}/{service}/aws4_request");
    let names: Vec<&str> = signed.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let digest = HEXLOWER.encode(&canonical(signed, &names));
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{credential}\n{digest}");
    let mut signing = first_key(key);
    for part in [day, region, service, "aws4_request"] {
        signing = keyed(&signing, part);
    }
    let signature = HEXLOWER.encode(&keyed(&signing, &text));
    format!(
        "AWS4-HMAC-SHA256 Credential={key_id}/{credential}, SignedHeaders={names}, Signature={signature}"
    )
}

/// The digest of the canonical request. It is not put together: a header of it is a credential.
fn canonical(signed: &Signed<'_>, names: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(format!("{}\n{}\n{}\n", signed.method, signed.path, signed.query));
    for (name, value) in signed.headers {
        digest.update(name);
        digest.update(b":");
        digest.update(value.trim_ascii());
        digest.update(b"\n");
    }
    digest.update(format!("\n{names}\n{}", HEXLOWER.encode(&Sha256::digest(signed.body))));
    digest.finalize().into()
}

#[expect(clippy::disallowed_methods, reason = "the key signs")]
fn first_key(key: &SecretValue) -> Zeroizing<Vec<u8>> {
    let mut first = Zeroizing::new(Vec::with_capacity(4 + key.expose().len()));
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(key.expose());
    first
}

fn keyed(key: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use subrosa_engine::secret::SecretValue;

    use super::{Scope, Signed, authorization, stamp};

    /// Cases of Amazon's own suite for signature version 4, and the example of its documentation: one
    /// key and one time for all.
    fn check(service: &str, signed: &Signed<'_>, expected: &str) {
        let key = SecretValue::new(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec());
        let scope = Scope { region: "us-east-1", service, stamp: "20150830T123600Z" };
        let header = authorization(&scope, "AKIDEXAMPLE", &key, signed);
        let names: Vec<&str> = signed.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            header,
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
                 SignedHeaders={}, Signature={expected}",
                names.join(";")
            )
        );
    }

    #[test]
    fn signatures_are_those_of_the_suite() {
        let headers: [(&str, &[u8]); 2] =
            [("host", b"example.amazonaws.com"), ("x-amz-date", b"20150830T123600Z")];
        let vanilla = Signed { method: "GET", path: "/", query: "", headers: &headers, body: b"" };
        check(
            "service",
            &vanilla,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        );
        let post = Signed { method: "POST", ..vanilla };
        check("service", &post, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        let query = Signed { query: "Param1=value1&Param2=value2", method: "GET", ..post };
        check(
            "service",
            &query,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
    }

    #[test]
    fn the_signature_of_the_documentation_comes_out() {
        let headers: [(&str, &[u8]); 3] = [
            ("content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
            ("host", b"iam.amazonaws.com"),
            ("x-amz-date", b"20150830T123600Z"),
        ];
        let query = "Action=ListUsers&Version=2010-05-08";
        let signed = Signed { method: "GET", path: "/", query, headers: &headers, body: b"" };
        check("iam", &signed, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    }

    #[test]
    fn times_are_written_without_marks() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        assert_eq!(stamp(time), "20150830T123600Z");
    }
}
