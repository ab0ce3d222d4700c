//! A key of a service account is exchanged for a token: a signed JWT as a grant (RFC 7523), as Google
//! takes it.

use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::oauth::form::Form;
use crate::oauth::{Flow, OAuthError, Tokens};

/// How long the JWT can be used: as long as Google allows, for clocks that differ.
const LIFE: Duration = Duration::from_secs(3600);

/// A service account.
pub struct ServiceAccount {
    /// Its address.
    pub email: String,
    /// The id of the key.
    pub key_id: Option<String>,
    /// The key: RSA, in PEM.
    pub key: SecretValue,
    /// Whom it acts for, if it may.
    pub subject: Option<String>,
}

impl Flow<'_> {
    /// Exchanges a signature of the account's key for a token. The client of the flow is not asked for:
    /// the signature says who asks.
    ///
    /// # Errors
    /// [`OAuthError`]
    pub async fn service_account(
        &self,
        account: &ServiceAccount,
        scopes: &[String],
    ) -> Result<Tokens, OAuthError> {
        let key = rsa_key(&account.key).ok_or(OAuthError::Key)?;
        let assertion = self.assertion(account, &key, scopes)?;
        let form = Form::of(&[
            ("grant_type", b"urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ]);
        self.granted(None, form, scopes).await
    }

    fn assertion(
        &self,
        account: &ServiceAccount,
        key: &RsaKeyPair,
        scopes: &[String],
    ) -> Result<Zeroizing<Vec<u8>>, OAuthError> {
        let now = (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &account.key_id {
            header["kid"] = json!(id);
        }
        let mut claims = json!({
            "iss": account.email, "aud": self.endpoints.token.url().as_str(),
            "iat": now.as_secs(), "exp": (now + LIFE).as_secs(),
        });
        if let Some(scope) = self.endpoints.joined(scopes) {
            claims["scope"] = json!(scope);
        }
        if let Some(subject) = &account.subject {
            claims["sub"] = json!(subject);
        }
        let encode = |part: &serde_json::Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = Zeroizing::new(vec![0; key.public().modulus_len()]);
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| OAuthError::Key)?;
        // What is signed is no secret; with its signature, it is.
        let length = signed.len() + 1 + BASE64URL_NOPAD.encode_len(signature.len());
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.push_str(&signed);
        text.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut text);
        Ok(Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the key of the account is taken apart to sign")]
fn rsa_key(pem: &SecretValue) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.expose()).ok()? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}
