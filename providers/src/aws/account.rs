//! A service that we are logged in to: signed calls, with new credentials once the old ones have expired.

use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use subrosa_engine::provider::{Environment, Identity, ProviderError, ResolveContext};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::credentials::{Credentials, Source};
use super::outcome::{self, Asked};
use super::profile::Profile;
use super::sign::{self, Scope, Signed};
use crate::cloud;
use crate::http::{self, Address, Answer, Call, Http, sensitive};
use crate::setup::{blocking, invalid};

/// A service of Amazon.
#[derive(Clone, Copy)]
pub(super) struct Service {
    /// As signatures and addresses name it.
    name: &'static str,
    /// As variables name it.
    variable: &'static str,
    /// What its calls begin with.
    target: &'static str,
}

/// Secrets Manager.
pub(super) const SECRETS_MANAGER: Service = Service {
    name: "secretsmanager",
    variable: "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    target: "secretsmanager",
};

/// Systems Manager.
pub(super) const SSM: Service =
    Service { name: "ssm", variable: "AWS_ENDPOINT_URL_SSM", target: "AmazonSSM" };

/// The security token service.
pub(super) const STS: Service =
    Service { name: "sts", variable: "AWS_ENDPOINT_URL_STS", target: "" };

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const JSON: &str = "application/x-amz-json-1.1";

/// A service that we are logged in to.
pub(super) struct Account {
    pub(super) address: Address,
    service: Service,
    region: String,
    http: Http,
    source: Source,
    clock: fn() -> SystemTime,
    credentials: Mutex<Arc<Credentials>>,
}

/// The address of a service that the environment names.
pub(super) fn endpoint_setting(environment: &Environment, service: Service) -> Option<String> {
    let variable = |name| cloud::variable(environment, name);
    variable(service.variable).or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// The address of a service.
///
/// # Errors
/// The environment names one that is no good.
pub(super) fn endpoint(
    environment: &Environment,
    service: Service,
    region: &str,
) -> Result<Address, ProviderError> {
    if let Some(text) = endpoint_setting(environment, service) {
        return cloud::address(&text, &format!("`{}` or `AWS_ENDPOINT_URL`", service.variable));
    }
    let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    cloud::address(&format!("https://{}.{region}.{end}", service.name), "the region")
}

/// The region: the option, the variables, the profile.
fn region(
    context: &ResolveContext,
    identity: &Identity,
    profile: Option<&Profile>,
) -> Result<String, ProviderError> {
    let option = identity.0.get("region").map(|text| text.trim().to_owned());
    let variable = |name| cloud::variable(&context.env, name);
    let of_profile = || profile.and_then(|profile| cloud::text(profile.entry("region")?));
    let found = option
        .filter(|text| !text.is_empty())
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(of_profile);
    let Some(region) = found else {
        return Err(invalid("no AWS region is given")
            .help("set option `region`, or `AWS_REGION`, or `region` in the profile"));
    };
    // It becomes part of a host's name.
    let is_region =
        region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_region || region.len() > 32 {
        return Err(invalid("what is given as the AWS region is none, such as `eu-west-1`"));
    }
    Ok(region)
}

impl Account {
    /// Finds out where and as whom, and gets credentials.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub(super) async fn open(
        context: &ResolveContext,
        identity: &Identity,
        service: Service,
    ) -> Result<Account, ProviderError> {
        let (kept, given) = (context.clone(), identity.clone());
        let read = move || {
            let asked =
                given.0.get("profile").map(|name| name.trim()).filter(|name| !name.is_empty());
            let profile = Profile::read(&kept.env, asked)?;
            let region = region(&kept, &given, profile.as_ref())?;
            let address = endpoint(&kept.env, service, &region)?;
            let authority = cloud::variable(&kept.env, "AWS_CA_BUNDLE").map(Into::into);
            let http = cloud::http(&kept, &address, authority)?;
            let source = Source::find(&kept, asked.is_some(), profile.as_ref(), &region)?;
            Ok((address, region, http, source))
        };
        let (address, region, http, source) = blocking(read).await?;
        let credentials = Mutex::new(Arc::new(source.credentials().await?));
        let clock = context.clock;
        Ok(Account { address, service, region, http, source, clock, credentials })
    }

    /// Calls an action; `what` it is about, in words.
    ///
    /// # Errors
    /// There is no answer, or it is no good one.
    pub(super) async fn call(
        &self,
        action: &str,
        what: &str,
        body: &Value,
    ) -> Result<Answer, ProviderError> {
        let body = body.to_string().into_bytes();
        let credentials = self.credentials.lock().await.clone();
        let mut answer = self.send(&credentials, action, &body).await?;
        if outcome::is_expired(&answer) && self.source.is_lent() {
            let credentials = self.renewed(&credentials).await?;
            answer = self.send(&credentials, action, &body).await?;
        }
        if answer.status == reqwest::StatusCode::OK {
            return Ok(answer);
        }
        let action = format!("{}:{action}", self.service.name);
        let source = self.source.label();
        let asked = Asked { address: &self.address, action: &action, what, source: &source };
        Err(outcome::refused(&asked, &answer))
    }

    /// New credentials, unless somebody got some since `old` was taken.
    async fn renewed(&self, old: &Arc<Credentials>) -> Result<Arc<Credentials>, ProviderError> {
        let mut current = self.credentials.lock().await;
        if Arc::ptr_eq(&current, old) {
            *current = Arc::new(self.source.credentials().await?);
        }
        Ok(current.clone())
    }

    async fn send(
        &self,
        credentials: &Credentials,
        action: &str,
        body: &[u8],
    ) -> Result<Answer, ProviderError> {
        let bad = || invalid("the AWS credentials hold what no credentials hold");
        let url = self.address.join([]).ok_or_else(bad)?;
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let stamp = sign::stamp((self.clock)());
        let target = format!("{}.{action}", self.service.target);
        let token = match &credentials.token {
            Some(token) => Some(cloud::header("", token).ok_or_else(bad)?),
            None => None,
        };
        let mut signed: Vec<(&str, &[u8])> = vec![
            ("content-type", JSON.as_bytes()),
            ("host", host.as_bytes()),
            ("x-amz-date", stamp.as_bytes()),
        ];
        signed.extend(token.as_ref().map(|token| ("x-amz-security-token", token.as_bytes())));
        signed.push(("x-amz-target", target.as_bytes()));
        let scope = Scope { region: &self.region, service: self.service.name, stamp: &stamp };
        let request =
            Signed { method: "POST", path: url.path(), query: "", headers: &signed, body };
        let authorization =
            sign::authorization(&scope, &credentials.key_id, &credentials.key, &request);
        let mut headers = HeaderMap::new();
        let text = |text: &str| HeaderValue::from_str(text).map_err(|_| bad());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(DATE, text(&stamp)?);
        headers.insert(TARGET, text(&target)?);
        let authorization = Zeroizing::new(authorization.into_bytes());
        headers.insert(AUTHORIZATION, sensitive(authorization).ok_or_else(bad)?);
        if let Some(token) = token {
            headers.insert(TOKEN, token);
        }
        let body = Some(Zeroizing::new(body.to_vec()));
        let sent = self.http.send(Call { method: Method::POST, url, headers, body }).await;
        sent.map_err(|fault| http::no_answer(fault, &self.address.to_string()))
    }
}
