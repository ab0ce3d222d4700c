//! Credentials that whoever runs the container or the machine lends.

use std::path::PathBuf;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::provider::{ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;

use super::credentials::{Credentials, is_key_id, nobody, read_token};
use crate::cloud::{self, unauthenticated};
use crate::http::{self, Answer, Call, Http};
use crate::setup::invalid;
use crate::vault::json;

/// Where containers of ECS ask.
const CONTAINER: &str = "http://169.254.170.2";

/// Hosts beside this machine that a container may ask without encryption: those of ECS and of EKS.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// Where machines ask.
const METADATA: &str = "http://169.254.169.254";

const METADATA_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const METADATA_TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// Whoever runs the container.
pub(super) struct Container {
    http: Http,
    url: Url,
    authorization: Authorization,
}

/// Whoever runs the machine.
pub(super) struct Machine {
    http: Http,
    address: Url,
}

/// What a container shows.
enum Authorization {
    Nothing,
    Token(SecretValue),
    File(PathBuf),
}

impl Container {
    /// What the environment says of a container; none if it says nothing.
    ///
    /// # Errors
    /// What it says is no good.
    pub(super) fn find(context: &ResolveContext) -> Result<Option<Container>, ProviderError> {
        let variable = |name| cloud::variable(&context.env, name);
        let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        let Some(text) = relative.map(|path| format!("{CONTAINER}{path}")).or(full) else {
            return Ok(None);
        };
        let is_allowed =
            |url: &Url| url.scheme() == "https" || cloud::is_near(url, &CONTAINER_HOSTS);
        let Some(url) = Url::parse(&text).ok().filter(is_allowed) else {
            return Err(invalid(
                "`AWS_CONTAINER_CREDENTIALS_FULL_URI` is neither encrypted nor near",
            ));
        };
        let file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let token = || cloud::credential(&context.env, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
        let authorization = match file {
            Some(path) => Authorization::File(path.into()),
            None => token().map_or(Authorization::Nothing, Authorization::Token),
        };
        let http = match url.scheme() {
            "https" => cloud::http(
                context,
                &cloud::address(&url.origin().ascii_serialization(), "it")?,
                None,
            )?,
            _ => cloud::metadata_http(context)?,
        };
        Ok(Some(Container { http, url, authorization }))
    }

    /// Gets credentials.
    ///
    /// # Errors
    /// It gives none.
    pub(super) async fn credentials(&self) -> Result<Credentials, ProviderError> {
        let Container { http, url, authorization } = self;
        let mut headers = HeaderMap::new();
        let token = match authorization {
            Authorization::Nothing => None,
            Authorization::Token(token) => Some(token.clone()),
            Authorization::File(path) => Some(read_token(path).await?),
        };
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, sendable(&token)?);
        }
        let place = "the container's credentials";
        parse(&get(http, Method::GET, url.clone(), headers, place).await?.body, place)
    }
}

impl Machine {
    /// The metadata service.
    ///
    /// # Errors
    /// The environment says that there is none, or names one that is no good.
    pub(super) fn find(context: &ResolveContext) -> Result<Machine, ProviderError> {
        let variable = |name| cloud::variable(&context.env, name);
        let disabled = variable("AWS_EC2_METADATA_DISABLED");
        if disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Err(nobody());
        }
        let named = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let address = Url::parse(named.as_deref().unwrap_or(METADATA)).ok();
        let is_near = |url: &Url| cloud::is_near(url, &["169.254.169.254", "[fd00:ec2::254]"]);
        let address = address.filter(is_near).ok_or_else(|| {
            invalid("`AWS_EC2_METADATA_SERVICE_ENDPOINT` names no metadata service")
        })?;
        Ok(Machine { http: cloud::metadata_http(context)?, address })
    }

    /// Gets credentials.
    ///
    /// # Errors
    /// There is no such service, or it gives none.
    pub(super) async fn credentials(&self) -> Result<Credentials, ProviderError> {
        let Machine { http, address } = self;
        let place = "the machine's metadata service";
        let at = |path: &str| {
            let mut url = address.clone();
            url.set_path(path);
            url
        };
        let headers = HeaderMap::from_iter([(METADATA_TTL, HeaderValue::from_static("60"))]);
        let asked = get(http, Method::PUT, at("/latest/api/token"), headers, place).await;
        // Whoever is at home has no such service, and has forgotten the credentials.
        let token = asked.map_err(|error| nobody().retry(error.retry))?.body;
        let token = sendable(&SecretValue::new(token.trim_ascii().to_vec()))?;
        let headers = HeaderMap::from_iter([(METADATA_TOKEN, token)]);
        let base = "/latest/meta-data/iam/security-credentials/";
        let roles = get(http, Method::GET, at(base), headers.clone(), place).await?.body;
        let role = std::str::from_utf8(&roles).ok().and_then(|text| text.lines().next());
        let is_role = |name: &&str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b))
        };
        let Some(role) = role.map(str::trim).filter(is_role) else {
            return Err(unauthenticated("the machine has no role"));
        };
        parse(
            &get(http, Method::GET, at(&format!("{base}{role}")), headers, place).await?.body,
            place,
        )
    }
}

async fn get(
    http: &Http,
    method: Method,
    url: Url,
    headers: HeaderMap,
    place: &str,
) -> Result<Answer, ProviderError> {
    let server = url.origin().ascii_serialization();
    let sent = http.send(Call { method, url, headers, body: None }).await;
    let answer = sent.map_err(|fault| http::no_answer(fault, &server))?;
    if answer.status == reqwest::StatusCode::OK {
        return Ok(answer);
    }
    let status = answer.status.as_u16();
    Err(unauthenticated(format!("{place} at `{server}` answered {status}")))
}

/// The answer of a container's or a machine's service.
fn parse(body: &[u8], place: &str) -> Result<Credentials, ProviderError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Lent<'a> {
        access_key_id: &'a str,
        #[serde(borrow)]
        secret_access_key: &'a RawValue,
        #[serde(borrow)]
        token: &'a RawValue,
    }
    let read = || {
        let lent: Lent<'_> = serde_json::from_slice(body).ok()?;
        let key_id = is_key_id(lent.access_key_id).then(|| lent.access_key_id.to_owned())?;
        let (key, token) = (json::text(lent.secret_access_key)?, json::text(lent.token)?);
        Some(Credentials { key_id, key, token: Some(token) })
    };
    read().ok_or_else(|| unauthenticated(format!("{place} gave something that is no access key")))
}

fn sendable(token: &SecretValue) -> Result<HeaderValue, ProviderError> {
    cloud::header("", token).ok_or_else(|| unauthenticated("a token for AWS is none"))
}
