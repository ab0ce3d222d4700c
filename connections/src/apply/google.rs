//! A token of Google for a service account: a signed statement of who asks (RFC 7523).
//!
//! The key file says where tokens are given; it is believed only if that is Google, or this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use subrosa_engine::secret::SecretValue;
use subrosa_http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use subrosa_http::{Address, Call, Http, Method, Url};
use zeroize::Zeroizing;

use super::ApplyError;
use super::values::Values;
use crate::files::json;
use crate::opened::Opened;
use crate::probe::{Outcome, Tokens};

/// Where Google gives tokens.
const TOKENS: &str = "https://oauth2.googleapis.com/token";
/// How long the token may be used that is asked for; Google gives no more.
const LIFE: Duration = Duration::from_secs(3600);
const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";

/// A token of a service account.
#[derive(Debug)]
pub struct AccountToken {
    /// The token.
    pub access: SecretValue,
    /// When it ends.
    pub expires: SystemTime,
}

/// Exchanges key files of service accounts.
pub struct ServiceAccounts<'a> {
    /// For the exchange.
    pub http: &'a Http,
    /// For the statement.
    pub now: SystemTime,
}

#[async_trait]
impl Tokens for ServiceAccounts<'_> {
    async fn token(&self, opened: &Opened) -> Result<SecretValue, Outcome> {
        service_account(self.http, opened, self.now).await.map(|token| token.access)
    }
}

/// Where the statement of a key file goes: where the file says, if that is Google or this machine.
pub(crate) fn token_address(of_file: Option<String>) -> Option<String> {
    let url = of_file.unwrap_or_else(|| TOKENS.to_owned());
    let is_local = || Address::parse(&url).is_ok_and(|address| address.is_loopback());
    (url == TOKENS || is_local()).then_some(url)
}

/// What of a key file counts.
struct Account {
    email: String,
    key_id: Option<String>,
    key: RsaKeyPair,
    url: Url,
}

/// Exchanges the field `key_file` of a connection for a token with the scopes in its field `scopes`.
///
/// # Errors
/// Why there is none: the key file is none, or Google does not take it, or cannot be reached.
pub async fn service_account(
    http: &Http,
    opened: &Opened,
    now: SystemTime,
) -> Result<AccountToken, Outcome> {
    let values = Values { opened, token: None };
    let (file, scopes) = (values.needed("key_file")?, values.text("scopes")?);
    let bad = || Outcome::from(ApplyError::Key { field: "key_file".to_owned() });
    let account = Account::read(&file).ok_or_else(bad)?;
    let assertion = account.assertion(&scopes, now).ok_or_else(bad)?;
    let mut body = Zeroizing::new(Vec::with_capacity(assertion.len() + GRANT.len() + 64));
    body.extend_from_slice(format!("grant_type={GRANT}&assertion=").as_bytes());
    // Base64 for URLs, with dots: nothing to encode.
    body.extend_from_slice(assertion.as_bytes());
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
    let server = account.url.origin().ascii_serialization();
    let call = Call { method: Method::POST, url: account.url, headers, body: Some(body) };
    let answer = http
        .send(call)
        .await
        .map_err(|fault| Outcome::Unreachable { why: fault.message(&server) })?;
    match answer.status.as_u16() {
        200 => {
            let token = json::parse(&answer.body).ok().and_then(|tree| tree.text("/access_token"));
            let why = format!("`{server}` gave something that is no token");
            let access = token.ok_or(Outcome::Unexpected { why })?;
            Ok(AccountToken { access, expires: now + LIFE })
        }
        400 | 401 => Err(Outcome::Refused),
        403 => Err(Outcome::Denied),
        status @ (429 | 500..=599) => {
            Err(Outcome::Unreachable { why: format!("`{server}` answered {status}") })
        }
        status => Err(Outcome::Unexpected { why: format!("`{server}` answered {status}") }),
    }
}

impl Account {
    /// Reads a key file; `None`: it is none, or sends the statement elsewhere.
    fn read(file: &SecretValue) -> Option<Account> {
        #[expect(clippy::disallowed_methods, reason = "the key of the account is taken out of it")]
        let tree = json::parse(file.expose()).ok()?;
        let public = |place| {
            let value: SecretValue = tree.text(place)?;
            #[expect(clippy::disallowed_methods, reason = "names of the account, not its key")]
            String::from_utf8(value.expose().to_vec()).ok()
        };
        let url = token_address(public("/token_uri"))?;
        let key = tree.text("/private_key")?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the key of the account is taken apart to sign"
        )]
        let der = PrivatePkcs8KeyDer::from_pem_slice(key.expose()).ok()?;
        Some(Account {
            email: public("/client_email")?,
            key_id: public("/private_key_id"),
            key: RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok()?,
            url: Url::parse(&url).ok()?,
        })
    }

    /// The statement, signed.
    fn assertion(&self, scopes: &str, now: SystemTime) -> Option<Zeroizing<String>> {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.email,
            "scope": scopes,
            "aud": self.url.as_str(),
            "iat": now,
            "exp": now + LIFE.as_secs(),
        });
        let encode = |part: &serde_json::Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let text = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).ok()?;
        Some(Zeroizing::new(format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))))
    }
}
