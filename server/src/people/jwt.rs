//! Tokens that others signed: JSON Web Tokens of an issuer whose keys are known.
//!
//! What is checked: the signature, with one of three algorithms that a key was made for; issuer, audience
//! and times; the nonce, where one was sent. What the header says is never trusted for more than choosing among
//! the known keys: no key that a token brings along, no symmetric algorithm, no token without a signature.
//! The primitives are ring's, which the rest of the program uses: no other library for it is needed.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::is_same;

/// Longest token.
const LEN_MAX: usize = 32 << 10;
/// Keys of an issuer that are looked at.
const KEYS_MAX: usize = 100;
/// How far clocks may be apart, in seconds.
const LEEWAY_S: u64 = 60;
/// Longest name of who a token is about; OpenID says so.
const SUBJECT_LEN_MAX: usize = 255;

/// Why a token is none that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    /// It is no signed token, or asks for what is not known here.
    #[error("it is no token that is understood here")]
    Malformed,
    /// The algorithm is not one of those that count.
    #[error("it is signed in a way that does not count here")]
    Algorithm,
    /// None of the keys fits: they may be older than the token.
    #[error("it is signed with a key that is not known")]
    UnknownKey,
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// Another issuer's, or for others.
    #[error("it is another issuer's, or not for this server")]
    NotForUs,
    /// Not yet or no longer good.
    #[error("it is expired, or not good yet")]
    Time,
    /// It answers another question than ours.
    #[error("it belongs to another sign-in")]
    Nonce,
}

/// What a token has to be.
pub(crate) struct Expected<'a> {
    /// Who made it.
    pub(crate) issuer: &'a str,
    /// For whom.
    pub(crate) audience: &'a str,
    /// Whether it may have been made for another client, which shows it to us in somebody's name.
    pub(crate) is_for_any_client: bool,
    /// What was sent along when it was asked for.
    pub(crate) nonce: Option<&'a str>,
    /// Now, in seconds since 1970.
    pub(crate) now: u64,
}

/// What a token says that holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// Who it is about.
    pub(crate) fn subject(&self) -> &str {
        self.text("sub").unwrap_or_default()
    }

    /// Something that it says.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The same, if it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Adds what it does not say and another source does.
    pub(crate) fn complete(&mut self, more: Map<String, Value>) {
        for (name, value) in more {
            self.0.entry(name).or_insert(value);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA", alias = "Ed25519")]
    EdDsa,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    /// Extensions that have to be understood: none is.
    crit: Option<Value>,
}

/// The public keys of an issuer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    kid: Option<String>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<Algorithm>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a key set (RFC 7517); keys that are for something else are passed over.
    pub(crate) fn parse(json: &[u8]) -> Result<Keys, JwtError> {
        let set: KeySet = serde_json::from_slice(json).map_err(|_| JwtError::Malformed)?;
        let raw = set.keys.into_iter().take(KEYS_MAX);
        Ok(Keys(raw.filter_map(|raw| serde_json::from_value(raw).ok()).filter_map(key).collect()))
    }
}

fn key(raw: RawKey) -> Option<Key> {
    let part = |text: &Option<String>| BASE64URL_NOPAD.decode(text.as_deref()?.as_bytes()).ok();
    if raw.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let material = match (raw.kty.as_str(), raw.crv.as_deref()) {
        ("RSA", _) => {
            let whole = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            Material::Rsa { n: whole(part(&raw.n)?), e: whole(part(&raw.e)?) }
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (part(&raw.x)?, part(&raw.y)?);
            let is_whole = x.len() == 32 && y.len() == 32;
            is_whole.then(|| Material::P256([&[4], x.as_slice(), y.as_slice()].concat()))?
        }
        ("OKP", Some("Ed25519")) => Material::Ed25519(part(&raw.x)?),
        _ => return None,
    };
    let key = Key { kid: raw.kid, material };
    raw.alg.is_none_or(|alg| alg == key.algorithm()).then_some(key)
}

impl Key {
    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                .is_ok(),
            Material::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature)
                .is_ok(),
            Material::Ed25519(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok()
            }
        }
    }
}

/// What a token says, if it is one of the issuer's, for us, and good now.
pub(crate) fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Claims, JwtError> {
    if token.len() > LEN_MAX {
        return Err(JwtError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
    let part =
        |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| JwtError::Malformed);
    let (header, payload, signature) = (part(header)?, part(payload)?, part(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| JwtError::Malformed)?;
    if header.crit.is_some() {
        return Err(JwtError::Malformed);
    }
    if header.alg == Algorithm::Other {
        return Err(JwtError::Algorithm);
    }
    let fits = |key: &&Key| {
        // A key without a name may be any; a token without one may be of any key.
        let is_named = header.kid.is_none() || key.kid.is_none() || key.kid == header.kid;
        key.algorithm() == header.alg && is_named
    };
    let mut fitting = keys.0.iter().filter(fits).peekable();
    fitting.peek().ok_or(JwtError::UnknownKey)?;
    if !fitting.any(|key| key.verifies(signed.as_bytes(), &signature)) {
        return Err(JwtError::Signature);
    }
    let claims = serde_json::from_slice(&payload).map_err(|_| JwtError::Malformed)?;
    check(Claims(claims), expected)
}

fn check(claims: Claims, expected: &Expected<'_>) -> Result<Claims, JwtError> {
    let is_for_us = |audience: &Value| audience.as_str() == Some(expected.audience);
    let (is_ours, has_others) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_for_us), all.len() > 1),
        Some(one) => (is_for_us(one), false),
        None => (false, false),
    };
    // A token for several says whom it was made for.
    let is_made_for_us = match claims.get("azp") {
        _ if expected.is_for_any_client => true,
        Some(party) => is_for_us(party),
        None => !has_others,
    };
    let is_issuers = claims.text("iss") == Some(expected.issuer);
    if !(is_issuers && is_ours && is_made_for_us) {
        return Err(JwtError::NotForUs);
    }
    let subject = claims.subject();
    if subject.is_empty() || subject.len() > SUBJECT_LEN_MAX {
        return Err(JwtError::Malformed);
    }
    let seconds = |name: &str| claims.get(name).map(seconds).transpose();
    let is_over = seconds("exp")?.is_none_or(|end| expected.now >= end.saturating_add(LEEWAY_S));
    let latest = expected.now.saturating_add(LEEWAY_S);
    let is_early = [seconds("nbf")?, seconds("iat")?].into_iter().flatten().any(|at| at > latest);
    if is_over || is_early {
        return Err(JwtError::Time);
    }
    let is_answer = expected
        .nonce
        .is_none_or(|nonce| claims.text("nonce").is_some_and(|shown| is_same(shown, nonce)));
    if !is_answer {
        return Err(JwtError::Nonce);
    }
    Ok(claims)
}

/// Seconds since 1970, which may have a fraction.
fn seconds(value: &Value) -> Result<u64, JwtError> {
    let whole = || value.as_f64().filter(|at| at.is_finite() && *at >= 0.0).map(|at| at as u64);
    value.as_u64().or_else(whole).ok_or(JwtError::Time)
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
