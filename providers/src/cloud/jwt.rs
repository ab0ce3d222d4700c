//! JSON Web Tokens that we sign, to show a key without sending it (RFC 7523).

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{RsaEncoding, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use zeroize::Zeroizing;

/// The private key of a PEM text; none if it has no RSA key that is not encrypted.
pub(crate) fn rsa_key(pem: &[u8]) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem).ok()? {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// A token with this header and these claims; none if the key cannot sign.
pub(crate) fn signed(
    header: &Value,
    claims: &Value,
    key: &RsaKeyPair,
    padding: &'static dyn RsaEncoding,
) -> Option<Zeroizing<Vec<u8>>> {
    let encode = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let mut text = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(padding, &SystemRandom::new(), text.as_bytes(), &mut signature).ok()?;
    text.push('.');
    text.push_str(&BASE64URL_NOPAD.encode(&signature));
    Some(Zeroizing::new(text.into_bytes()))
}
