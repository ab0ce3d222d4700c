//! A certificate of an application, which shows who asks without sending its key.

use std::path::Path;
use std::time::SystemTime;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use subrosa_engine::provider::ProviderError;
use zeroize::Zeroizing;

use crate::cloud::{jwt, unauthenticated};
use crate::setup;

/// How long an assertion holds, in seconds.
const LIFE_S: u64 = 600;

/// A certificate with its key.
pub(super) struct Certificate {
    thumbprint: String,
    key: RsaKeyPair,
}

impl Certificate {
    /// Reads a PEM file with both: not for async threads.
    ///
    /// # Errors
    /// It has not both, or the key is encrypted or not of RSA.
    pub(super) fn read(path: &Path) -> Result<Certificate, ProviderError> {
        let text = setup::read(path, "the certificate for Azure")?;
        let read = || {
            let certificate = CertificateDer::from_pem_slice(&text).ok()?;
            let thumbprint = BASE64URL_NOPAD.encode(digest(&SHA256, &certificate).as_ref());
            Some(Certificate { thumbprint, key: jwt::rsa_key(&text)? })
        };
        read().ok_or_else(|| {
            let path = path.display();
            unauthenticated(format!("`{path}` holds no certificate that can be used")).help(
                "it has to be PEM, with an RSA key that is not encrypted beside the certificate",
            )
        })
    }

    /// Says who asks, for ten minutes.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: SystemTime,
    ) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let unable = || unauthenticated("the key of the certificate for Azure cannot sign");
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| unable())?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": audience, "iss": client_id, "sub": client_id, "jti": HEXLOWER.encode(&id),
            "nbf": now, "iat": now, "exp": now + LIFE_S,
        });
        jwt::signed(&header, &claims, &self.key, &RSA_PSS_SHA256).ok_or_else(unable)
    }
}
