//! Credentials, from where Amazon's tools look for them, in their order.
//!
//! A profile that was asked for by name; the variables; a web identity; the profile of the environment, or
//! the default one; the container; at last the machine. What is found first counts, even if it is no good.

use std::path::PathBuf;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::provider::{Environment, ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;

use super::account::{STS, endpoint};
use super::outcome;
use super::profile::Profile;
use crate::cloud::{self, unauthenticated};
use crate::http::{Address, Answer, Call, Http};
use crate::small_file;
use crate::vault::json;

/// Where containers of ECS ask.
const CONTAINER: &str = "http://169.254.170.2";

/// Hosts beside this machine that a container may ask without encryption: those of ECS and of EKS.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

/// Where machines ask.
const METADATA: &str = "http://169.254.169.254";

const METADATA_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const METADATA_TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// An access key.
pub(super) struct Credentials {
    /// Its id, which is no secret.
    pub(super) key_id: String,
    /// The key itself.
    pub(super) key: SecretValue,
    /// What goes with one that was lent.
    pub(super) token: Option<SecretValue>,
}

impl Clone for Credentials {
    fn clone(&self) -> Credentials {
        Credentials {
            key_id: self.key_id.clone(),
            key: self.key.clone(),
            token: self.token.clone(),
        }
    }
}

/// Where credentials come from.
pub(super) enum Source {
    /// They stand somewhere; where, in words.
    Given(Credentials, String),
    /// A role, for a token of somebody else's.
    WebIdentity { http: Http, address: Address, role: String, session: String, token: PathBuf },
    /// Whoever runs the container.
    Container { http: Http, url: Url, authorization: Authorization },
    /// Whoever runs the machine.
    Machine { http: Http, address: Url },
}

/// What a container shows.
pub(super) enum Authorization {
    Nothing,
    Token(SecretValue),
    File(PathBuf),
}

impl Source {
    /// Finds where credentials come from. Reads files: not for async threads.
    ///
    /// # Errors
    /// What is found is no good.
    pub(super) fn find(
        context: &ResolveContext,
        is_asked_for: bool,
        profile: Option<&Profile>,
        region: &str,
    ) -> Result<Source, ProviderError> {
        let environment = &context.env;
        let variable = |name| cloud::variable(environment, name);
        if !is_asked_for {
            if let Some(source) = of_variables(environment)? {
                return Ok(source);
            }
            if let (Some(token), Some(role)) =
                (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN"))
            {
                let session = variable("AWS_ROLE_SESSION_NAME");
                return web_identity(context, region, role, session, token.into());
            }
        }
        if let Some(profile) = profile
            && let Some(source) = of_profile(context, profile, region)?
        {
            return Ok(source);
        }
        if is_asked_for {
            return Err(unauthenticated(
                "the AWS profile that `profile` names holds no credentials",
            ));
        }
        if let Some(source) = of_container(context)? {
            return Ok(source);
        }
        if variable("AWS_EC2_METADATA_DISABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
        {
            return Err(nobody());
        }
        let named = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let address = Url::parse(named.as_deref().unwrap_or(METADATA)).ok();
        let is_near = |url: &Url| is_plain_host(url, &["169.254.169.254", "[fd00:ec2::254]"]);
        let Some(address) = address.filter(is_near) else {
            return Err(cloud::invalid(
                "`AWS_EC2_METADATA_SERVICE_ENDPOINT` names no metadata service",
            ));
        };
        Ok(Source::Machine { http: cloud::metadata_http(context)?, address })
    }

    /// Where they come from, in words.
    pub(super) fn label(&self) -> String {
        match self {
            Source::Given(_, place) => place.clone(),
            Source::WebIdentity { role, .. } => format!("role `{role}`"),
            Source::Container { .. } => "the container".into(),
            Source::Machine { .. } => "the machine".into(),
        }
    }

    /// Whether new ones can be had.
    pub(super) fn is_lent(&self) -> bool {
        !matches!(self, Source::Given(..))
    }

    /// Gets credentials.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub(super) async fn credentials(&self) -> Result<Credentials, ProviderError> {
        match self {
            Source::Given(credentials, _) => Ok(credentials.clone()),
            Source::WebIdentity { http, address, role, session, token } => {
                assume(http, address, role, session, token).await
            }
            Source::Container { http, url, authorization } => {
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
            Source::Machine { http, address } => of_machine(http, address).await,
        }
    }
}

fn nobody() -> ProviderError {
    unauthenticated("no AWS credentials are found").help(
        "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_PROFILE`, or give the machine a role",
    )
}

fn of_variables(environment: &Environment) -> Result<Option<Source>, ProviderError> {
    let variable = |name| cloud::credential(environment, name);
    let found =
        (cloud::variable(environment, "AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    match found {
        (Some(key_id), Some(key)) => {
            let token = variable("AWS_SESSION_TOKEN");
            given(key_id, key, token, "`AWS_ACCESS_KEY_ID`".into()).map(Some)
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(unauthenticated("`AWS_ACCESS_KEY_ID` is set without `AWS_SECRET_ACCESS_KEY`"))
        }
        (None, Some(_)) => {
            Err(unauthenticated("`AWS_SECRET_ACCESS_KEY` is set without `AWS_ACCESS_KEY_ID`"))
        }
    }
}

fn given(
    key_id: String,
    key: SecretValue,
    token: Option<SecretValue>,
    place: String,
) -> Result<Source, ProviderError> {
    if !is_key_id(&key_id) {
        return Err(unauthenticated(format!("the access key's id in {place} is none")));
    }
    Ok(Source::Given(Credentials { key_id, key, token }, place))
}

/// Letters and digits: it goes into a header as it is.
fn is_key_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn of_profile(
    context: &ResolveContext,
    profile: &Profile,
    region: &str,
) -> Result<Option<Source>, ProviderError> {
    let place = format!("profile `{}`", profile.name);
    let text = |name| profile.entry(name).and_then(cloud::text);
    if let (Some(token), Some(role)) = (text("web_identity_token_file"), text("role_arn")) {
        return web_identity(context, region, role, text("role_session_name"), token.into())
            .map(Some);
    }
    if let Some(refused) = profile.refused() {
        return Err(unauthenticated(format!("{place} wants `{refused}`, which is not followed"))
            .help(
                "get credentials first, such as by `aws configure export-credentials --format env`",
            ));
    }
    match (text("aws_access_key_id"), profile.entry("aws_secret_access_key")) {
        (Some(key_id), Some(key)) => {
            let token = profile.entry("aws_session_token").cloned();
            given(key_id, key.clone(), token, place).map(Some)
        }
        (None, None) => Ok(None),
        (_, _) => Err(unauthenticated(format!("{place} has half of an access key"))),
    }
}

fn web_identity(
    context: &ResolveContext,
    region: &str,
    role: String,
    session: Option<String>,
    token: PathBuf,
) -> Result<Source, ProviderError> {
    let address = endpoint(&context.env, STS, region)?;
    let authority = cloud::variable(&context.env, "AWS_CA_BUNDLE").map(Into::into);
    let http = cloud::http(context, &address, authority)?;
    let session = session.unwrap_or_else(|| "subrosa".into());
    Ok(Source::WebIdentity { http, address, role, session, token })
}

fn of_container(context: &ResolveContext) -> Result<Option<Source>, ProviderError> {
    let variable = |name| cloud::variable(&context.env, name);
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let Some(text) = relative.map(|path| format!("{CONTAINER}{path}")).or(full) else {
        return Ok(None);
    };
    let is_allowed = |url: &Url| url.scheme() == "https" || is_plain_host(url, &CONTAINER_HOSTS);
    let Some(url) = Url::parse(&text).ok().filter(is_allowed) else {
        return Err(cloud::invalid(
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
        "https" => {
            cloud::http(context, &cloud::address(&url.origin().ascii_serialization(), "it")?, None)?
        }
        _ => cloud::metadata_http(context)?,
    };
    Ok(Some(Source::Container { http, url, authorization }))
}

/// Whether it is asked by `http`, at this machine or one of these hosts.
fn is_plain_host(url: &Url, hosts: &[&str]) -> bool {
    let origin = Address::parse(&url.origin().ascii_serialization());
    let is_loopback = origin.is_ok_and(|origin| origin.is_loopback());
    url.scheme() == "http"
        && url.username().is_empty()
        && (is_loopback || url.host_str().is_some_and(|host| hosts.contains(&host)))
}

async fn of_machine(http: &Http, address: &Url) -> Result<Credentials, ProviderError> {
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
    parse(&get(http, Method::GET, at(&format!("{base}{role}")), headers, place).await?.body, place)
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
    let answer = sent.map_err(|fault| fault.error(&server))?;
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

async fn read_token(path: &std::path::Path) -> Result<SecretValue, ProviderError> {
    let path = path.to_owned();
    let read = move || small_file::read(&path, "the token for AWS");
    Ok(SecretValue::new(cloud::blocking(read).await?.trim_ascii().to_vec()))
}

fn sendable(token: &SecretValue) -> Result<HeaderValue, ProviderError> {
    cloud::header("", token).ok_or_else(|| unauthenticated("a token for AWS is none"))
}

/// A role for a token: not signed, the token says who asks.
#[expect(clippy::disallowed_methods, reason = "the token is sent to the server it is for")]
async fn assume(
    http: &Http,
    address: &Address,
    role: &str,
    session: &str,
    path: &std::path::Path,
) -> Result<Credentials, ProviderError> {
    let token = read_token(path).await?;
    let place = format!("role `{role}`");
    let known = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session),
    ];
    let body = cloud::form(&known, &[("WebIdentityToken", token.expose())]);
    let url = address.join([]).ok_or_else(|| cloud::invalid("the address of STS is no good"))?;
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
    let sent = http.send(Call { method: Method::POST, url, headers, body: Some(body) }).await;
    let answer = sent.map_err(|fault| fault.error(&address.to_string()))?;
    match answer.status.as_u16() {
        200 => {}
        status @ (429 | 500..=599) => {
            return Err(outcome::unavailable(address, status, answer.retry_after()));
        }
        status => {
            return Err(unauthenticated(format!("`{address}` does not give {place} ({status})"))
                .help(
                    "look at the trust policy of the role, and at the token's issuer and audience",
                ));
        }
    }
    let element = |name| element(&answer.body, name);
    let read = || {
        let key_id = String::from_utf8(element("AccessKeyId")?.to_vec()).ok()?;
        let key = SecretValue::new(element("SecretAccessKey")?.to_vec());
        let token = Some(SecretValue::new(element("SessionToken")?.to_vec()));
        is_key_id(&key_id).then_some(Credentials { key_id, key, token })
    };
    read().ok_or_else(|| outcome::malformed(address, &place))
}

/// What stands between the marks of an element of XML; keys and tokens need no escapes.
fn element<'a>(body: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let find =
        |text: &[u8], mark: &str| text.windows(mark.len()).position(|at| at == mark.as_bytes());
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = body.get(find(body, &open)? + open.len()..)?;
    let inside = rest.get(..find(rest, &close)?)?.trim_ascii();
    let is_plain = |b: &u8| b.is_ascii_graphic() && !b"<>&".contains(b);
    (!inside.is_empty() && inside.iter().all(is_plain)).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::{element, is_key_id};

    #[test]
    fn elements_hold_plain_texts() {
        let body = b"<a><Key>x+/=</Key><Other>&lt;</Other><Empty></Empty><Open>y</a>";
        assert_eq!(element(body, "Key"), Some(b"x+/=".as_slice()));
        for name in ["Other", "Empty", "Open", "None"] {
            assert!(element(body, name).is_none(), "{name}");
        }
    }

    #[test]
    fn ids_of_keys_are_letters_and_digits() {
        assert!(is_key_id("AKIDEXAMPLE"));
        for text in ["", "a b", "a,Credential=b", "a\r\nb", &"a".repeat(129)] {
            assert!(!is_key_id(text), "{text}");
        }
    }
}
