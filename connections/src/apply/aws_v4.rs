//! Signature version 4 of AWS, for S3 and what speaks its API.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! The providers sign as well (`providers/src/aws/sign.rs`): there the caller has encoded path and query; here
//! any request of a step is made canonical by the rules of S3. The crates do not know each other, and what
//! both share, a chain of HMACs, is shorter than a crate for it would be.
//!
//! The path is encoded once, as S3 wants it; other services of AWS would want it twice.

use std::collections::BTreeSet;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use subrosa_http::{Call, Url, sensitive};
use zeroize::Zeroizing;

use super::ApplyError;
use super::values::{Values, decode, encode};

const DATE: &str = "x-amz-date";
const DIGEST: &str = "x-amz-content-sha256";
const SESSION: &str = "x-amz-security-token";

/// Signs a request for S3.
pub(super) fn sign(
    values: &Values<'_>,
    call: &mut Call,
    now: SystemTime,
) -> Result<(), ApplyError> {
    let (key_id, region) = (values.text("access_key_id")?, values.text("region")?);
    for (field, text) in [("access_key_id", &key_id), ("region", &region)] {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ApplyError::Control { field: field.to_owned() });
        }
    }
    let key = values.needed("secret_access_key")?;
    let path = canonical_path(&call.url);
    call.url.set_path(&path);
    let query = canonical_query(&call.url);
    if call.url.query().is_some() {
        call.url.set_query(Some(&query));
    }
    let stamp = stamp(now);
    let body = call.body.as_ref().map_or(&[][..], |body| body.as_slice());
    let digest = HEXLOWER.encode(&Sha256::digest(body));
    let plain = |text: &str| HeaderValue::from_str(text).expect("digits and letters");
    call.headers.insert(HeaderName::from_static(DATE), plain(&stamp));
    call.headers.insert(HeaderName::from_static(DIGEST), plain(&digest));
    if let Some(session) = values.get("session_token")? {
        #[expect(clippy::disallowed_methods, reason = "the header carries it")]
        let bytes = Zeroizing::new(session.expose().to_vec());
        let control = || ApplyError::Control { field: "session_token".to_owned() };
        let value = sensitive(bytes).ok_or_else(control)?;
        call.headers.insert(HeaderName::from_static(SESSION), value);
    }
    let mut signed = vec![("host".to_owned(), host(&call.url).into_bytes())];
    signed.extend(own(&call.headers));
    let request = Request { method: call.method.as_str(), path: &path, query: &query, digest };
    let header = authorization(&request, &signed, &Scope { key_id, region, stamp }, &key);
    for (_, value) in &mut signed {
        zeroize::Zeroize::zeroize(value);
    }
    let value = sensitive(Zeroizing::new(header.into_bytes()));
    call.headers.insert(AUTHORIZATION, value.expect("the key id is graphic, the rest is hex"));
    Ok(())
}

/// The headers of the service, which it wants to be signed, all of them; in order, and after `host`.
fn own(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let names: BTreeSet<&str> =
        headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-amz-")).collect();
    let value = |name: &str| {
        let values: Vec<&[u8]> =
            headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
        values.join(&b","[..])
    };
    names.into_iter().map(|name| (name.to_owned(), value(name))).collect()
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    digest: String,
}

struct Scope {
    key_id: String,
    region: String,
    stamp: String,
}

fn authorization(
    request: &Request<'_>,
    headers: &[(String, Vec<u8>)],
    scope: &Scope,
    key: &SecretValue,
) -> String {
    let Scope { key_id, region, stamp } = scope;
    let day = stamp.get(..8).unwrap_or_default();
    let credential = format!("{day}/{region}/s3/aws4_request");
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    // The canonical request is not put together: a header of it is a credential.
    let mut canonical = Sha256::new();
    canonical.update(format!("{}\n{}\n{}\n", request.method, request.path, request.query));
    for (name, value) in headers {
        canonical.update(name.as_bytes());
        canonical.update(b":");
        canonical.update(value);
        canonical.update(b"\n");
    }
    canonical.update(format!("\n{names}\n{}", request.digest));
    let digest = HEXLOWER.encode(&canonical.finalize());
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{credential}\n{digest}");
    let mut signing = first_key(key);
    for part in [day, region, "s3", "aws4_request"] {
        signing = keyed(&signing, part);
    }
    let signature = HEXLOWER.encode(&keyed(&signing, &text));
    format!(
        "AWS4-HMAC-SHA256 Credential={key_id}/{credential}, SignedHeaders={names}, \
         Signature={signature}"
    )
}

/// A time as `20150830T123600Z`.
fn stamp(time: SystemTime) -> String {
    let written = humantime::format_rfc3339_seconds(time).to_string();
    written.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn canonical_path(url: &Url) -> String {
    let mut path = String::new();
    for (count, segment) in url.path().split('/').enumerate() {
        if count > 0 {
            path.push('/');
        }
        encode(&decode(segment), &mut path);
    }
    path
}

fn canonical_query(url: &Url) -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let again = |text: &str| {
            let mut out = String::new();
            encode(&decode(text), &mut out);
            out
        };
        pairs.push((again(name), again(value)));
    }
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
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
