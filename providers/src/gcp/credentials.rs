//! Credentials, from where Google's tools look for them, in their order.
//!
//! The file that the option or `GOOGLE_APPLICATION_CREDENTIALS` names; the one that `gcloud auth
//! application-default login` left; the machine. Tokens are for the whole of Google Cloud, as Secret Manager
//! has none of its own; they are asked for once, and again shortly before they end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use subrosa_engine::provider::{Identity, ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use crate::cloud::token::{Asked, Token, Tokens};
use crate::cloud::{self, jwt, unauthenticated};
use crate::http::{self, Call, Http};
use crate::setup::{self, invalid};
use crate::vault::json as text_of;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where Google gives tokens. No file sends a signature, or a refresh token, elsewhere.
const TOKENS: &str = "https://oauth2.googleapis.com/token";

/// How long the token may be used that is asked for, in seconds.
const LIFE_S: u64 = 3600;

const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");

/// Where credentials come from.
pub(super) struct Source {
    http: Http,
    url: Url,
    kind: Kind,
    tokens: Tokens,
}

enum Kind {
    /// A service account with its key.
    Account { email: String, id: Option<String>, key: Box<RsaKeyPair> },
    /// Somebody who has logged in.
    User { client_id: String, client_secret: SecretValue, refresh_token: SecretValue },
    /// Whoever runs the machine.
    Machine,
}

/// A file of credentials.
#[derive(Deserialize)]
struct File<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    client_email: Option<&'a str>,
    private_key_id: Option<&'a str>,
    #[serde(borrow)]
    private_key: Option<&'a RawValue>,
    token_uri: Option<&'a str>,
    client_id: Option<&'a str>,
    #[serde(borrow)]
    client_secret: Option<&'a RawValue>,
    #[serde(borrow)]
    refresh_token: Option<&'a RawValue>,
}

impl Source {
    /// Finds where credentials come from. Reads files: not for async threads.
    ///
    /// # Errors
    /// What is found is no good.
    pub(super) fn find(
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Source, ProviderError> {
        let option = identity.0.get("credentials_file").map(|path| path.trim());
        let variable = |name| cloud::variable(&context.env, name);
        let named = match option.filter(|path| !path.is_empty()) {
            Some(path) => Some(setup::locate(path, context)),
            None => variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
        };
        let left = || {
            let config = variable("CLOUDSDK_CONFIG").map(PathBuf::from);
            let home = || Some(PathBuf::from(variable("HOME")?).join(".config/gcloud"));
            Some(config.or_else(home)?.join("application_default_credentials.json"))
        };
        let what = "the Google credentials";
        let found = match (&named, left()) {
            (Some(path), _) => Some((path.clone(), setup::read(path, what)?)),
            (None, Some(path)) => setup::read_if_there(&path, what)?.map(|bytes| (path, bytes)),
            (None, None) => None,
        };
        match found {
            Some((path, bytes)) => Source::of_file(context, &bytes).ok_or_else(|| {
                unauthenticated(format!(
                    "`{}` holds no credentials that can be used",
                    path.display()
                ))
                .help("a service account's key or `gcloud auth application-default login` is taken")
            })?,
            None => Source::machine(context),
        }
    }

    fn machine(context: &ResolveContext) -> Result<Source, ProviderError> {
        let host = cloud::variable(&context.env, "GCE_METADATA_HOST");
        let host = host.unwrap_or_else(|| "169.254.169.254".into());
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        let is_near =
            |url: &Url| cloud::is_near(url, &["169.254.169.254", "metadata.google.internal"]);
        let url = Url::parse(&format!("http://{host}{path}")).ok().filter(is_near);
        let url = url.filter(|url| url.path() == path);
        let bad = || invalid("`GCE_METADATA_HOST` names no metadata service");
        let http = cloud::metadata_http(context)?;
        let tokens = Tokens::new(context.clock);
        Ok(Source { http, url: url.ok_or_else(bad)?, kind: Kind::Machine, tokens })
    }

    /// `None`: it is no file of credentials.
    fn of_file(context: &ResolveContext, bytes: &[u8]) -> Option<Result<Source, ProviderError>> {
        let file: File<'_> = serde_json::from_slice(bytes).ok()?;
        let kind = match file.kind {
            "service_account" => Kind::Account {
                email: file.client_email?.to_owned(),
                id: file.private_key_id.map(str::to_owned),
                key: Box::new(rsa_key(&text_of::text(file.private_key?)?)?),
            },
            "authorized_user" => Kind::User {
                client_id: file.client_id?.to_owned(),
                client_secret: text_of::text(file.client_secret?)?,
                refresh_token: text_of::text(file.refresh_token?)?,
            },
            _ => return None,
        };
        Some(Source::at(context, file.token_uri.unwrap_or(TOKENS), kind))
    }

    fn at(context: &ResolveContext, text: &str, kind: Kind) -> Result<Source, ProviderError> {
        let address = cloud::address(text, "`token_uri` of the credentials")?;
        let bad = || invalid("`token_uri` of the credentials is no address");
        let url = Url::parse(text).map_err(|_| bad())?;
        if text != TOKENS && !address.is_loopback() {
            return Err(invalid("`token_uri` of the credentials is not Google's")
                .help(format!("it is `{TOKENS}` for keys of today")));
        }
        let http = cloud::http(context, &address, None)?;
        Ok(Source { http, url, kind, tokens: Tokens::new(context.clock) })
    }

    /// Where they come from, in words.
    fn label(&self) -> String {
        match &self.kind {
            Kind::Account { email, .. } => format!("service account `{email}`"),
            Kind::User { .. } => "`gcloud auth application-default login`".into(),
            Kind::Machine => "the machine".into(),
        }
    }

    /// The token for requests of now.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub(super) async fn token(&self) -> Result<Arc<Token>, ProviderError> {
        self.tokens.get(self.ask()).await
    }

    async fn ask(&self) -> Result<Token, ProviderError> {
        let now = self.tokens.now();
        let server = self.url.origin().ascii_serialization();
        let answer = self.http.send(self.question(now)?).await.map_err(|fault| match &self.kind {
            // Whoever is at home has no such service, and has forgotten the credentials.
            Kind::Machine => unauthenticated("no Google credentials are found").help(
                "set `GOOGLE_APPLICATION_CREDENTIALS`, or run `gcloud auth application-default login`",
            ),
            Kind::Account { .. } | Kind::User { .. } => http::no_answer(fault, &server),
        })?;
        let help = "log in again, or look whether the key still exists";
        Token::of(&answer, &Asked { server: &server, from: &self.label(), help, now })
    }

    #[expect(clippy::disallowed_methods, reason = "the login is sent to the server it is for")]
    fn question(&self, now: SystemTime) -> Result<Call, ProviderError> {
        let body = match &self.kind {
            Kind::Machine => {
                let headers = HeaderMap::from_iter([(FLAVOR, HeaderValue::from_static("Google"))]);
                return Ok(Call {
                    method: Method::GET,
                    url: self.url.clone(),
                    headers,
                    body: None,
                });
            }
            Kind::Account { email, id, key } => {
                let assertion = assertion(email, id.as_deref(), key, self.url.as_str(), now)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                cloud::form(&[("grant_type", grant)], &[("assertion", &assertion)])
            }
            Kind::User { client_id, client_secret, refresh_token } => {
                let plain = [("grant_type", "refresh_token"), ("client_id", client_id.as_str())];
                let credentials = [
                    ("client_secret", client_secret.expose()),
                    ("refresh_token", refresh_token.expose()),
                ];
                cloud::form(&plain, &credentials)
            }
        };
        Ok(cloud::posted(self.url.clone(), body))
    }
}

#[expect(clippy::disallowed_methods, reason = "the key of the account is taken apart to sign")]
fn rsa_key(pem: &SecretValue) -> Option<RsaKeyPair> {
    jwt::rsa_key(pem.expose())
}

/// A JWT that says who asks.
fn assertion(
    email: &str,
    id: Option<&str>,
    key: &RsaKeyPair,
    audience: &str,
    now: SystemTime,
) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": id });
    let claims = json!({
        "iss": email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + LIFE_S,
    });
    jwt::signed(&header, &claims, key, &RSA_PKCS1_SHA256)
        .ok_or_else(|| unauthenticated("the key of the service account cannot sign"))
}
