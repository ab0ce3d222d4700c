//! What is asked of a service, made from an opened connection and its type.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Deserialize;
use subrosa_engine::secret::SecretValue;
use subrosa_http::{Address as Server, Http, Roots, Tls, Url};

use super::{Keeper, outcome};
use crate::apply;
use crate::kind::{Auth, ClientAuth, Piece, Template, Test};
use crate::oauth::{Client, Endpoint, Endpoints, Flow, Limits, ServiceAccount};
use crate::opened::Opened;
use crate::probe::{self, Means, Outcome};
use crate::protocol::{Done, Failed, FailedKind};
use crate::record::ACCESS_TOKEN;

/// A client, the endpoints it asks at, and the way there.
pub(super) struct Asking {
    http: Http,
    client: Client,
    endpoints: Endpoints,
    scopes: Vec<String>,
}

impl Asking {
    /// As the type declares it, with the connection's own fields.
    pub(super) fn new(opened: &Opened, keeper: &Keeper) -> Result<Asking, Failed> {
        let Some(oauth) = &opened.kind.oauth else {
            if opened.kind.auth == Auth::ServiceAccount {
                return Asking::of_key_file(opened, keeper);
            }
            return Err(outcome::unusable(
                "its type declares no OAuth endpoints",
                format!("`subrosa connection types --show {}`", opened.kind.id),
            ));
        };
        let endpoint = |template: &Template| endpoint(opened, template);
        let optional = |template: &Option<Template>| template.as_ref().map(endpoint).transpose();
        let endpoints = Endpoints {
            authorize: optional(&oauth.authorize_url)?,
            token: endpoint(&oauth.token_url)?,
            device: optional(&oauth.device_url)?,
            revoke: optional(&oauth.revoke_url)?,
            issuer: oauth.issuer.clone(),
            scope_separator: oauth.scope_separator.clone(),
            extra: oauth.extra.clone(),
            expires_in: oauth.expires_in_s.map(Duration::from_secs),
        };
        let server = server_of(endpoints.token.url().as_str());
        let server = server.ok_or_else(|| no_endpoint(opened))?;
        let http = (keeper.http)(&server).map_err(|why| outcome::unusable(&why, String::new()))?;
        let client = Client {
            id: opened.public("client_id").unwrap_or_default(),
            secret: opened.value("client_secret"),
            auth: oauth.client_auth,
        };
        let own = opened.public("scopes");
        let scopes = match own.as_deref().map(str::split_whitespace) {
            Some(own) => own.map(str::to_owned).collect(),
            None => oauth.scopes.clone(),
        };
        Ok(Asking { http, client, endpoints, scopes })
    }

    /// For a type whose key file says where tokens are given.
    fn of_key_file(opened: &Opened, keeper: &Keeper) -> Result<Asking, Failed> {
        let address = token_address(opened).ok_or_else(|| no_endpoint(opened))?;
        let token = Endpoint::parse(&address).map_err(|_| no_endpoint(opened))?;
        let endpoints = Endpoints {
            authorize: None,
            token,
            device: None,
            revoke: None,
            issuer: None,
            scope_separator: " ".to_owned(),
            extra: BTreeMap::new(),
            expires_in: None,
        };
        let server = server_of(&address).ok_or_else(|| no_endpoint(opened))?;
        let http = (keeper.http)(&server).map_err(|why| outcome::unusable(&why, String::new()))?;
        // The signature says who asks.
        let client = Client { id: String::new(), secret: None, auth: ClientAuth::Body };
        let scopes = opened.public("scopes").unwrap_or_default();
        let scopes = scopes.split_whitespace().map(str::to_owned).collect();
        Ok(Asking { http, client, endpoints, scopes })
    }

    pub(super) fn flow(&self, clock: fn() -> SystemTime) -> Flow<'_> {
        let (client, endpoints) = (&self.client, &self.endpoints);
        Flow { http: &self.http, client, endpoints, clock, limits: Limits::default() }
    }

    pub(super) fn scopes(&self) -> Vec<String> {
        self.scopes.clone()
    }
}

fn endpoint(opened: &Opened, template: &Template) -> Result<Endpoint, Failed> {
    // As for every address: no value leaves its place in it.
    let url = apply::url(&opened.kind, template, |name| opened.value(name))
        .map_err(|error| outcome::unusable(&error.to_string(), edit(opened)))?;
    Endpoint::parse(url.as_str()).map_err(|error| {
        let message = format!("the address `{}` cannot be asked: {error}", template.to_text());
        outcome::unusable(&message, edit(opened))
    })
}

fn no_endpoint(opened: &Opened) -> Failed {
    outcome::unusable("a field that its addresses are made of has no value", edit(opened))
}

fn edit(opened: &Opened) -> String {
    format!("complete it: {}", opened.command("edit"))
}

/// An address; made of public fields only, as addresses are shown.
pub(super) fn text(opened: &Opened, template: &Template) -> Option<String> {
    let mut text = String::new();
    for piece in &template.0 {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Field(name) => text.push_str(&opened.public(name)?),
        }
    }
    Some(text)
}

/// The server of an address.
fn server_of(url: &str) -> Option<Server> {
    Server::parse(&Url::parse(url).ok()?.origin().ascii_serialization()).ok()
}

/// Where the key file of a connection has its tokens given.
#[expect(clippy::disallowed_methods, reason = "an address is taken out of the file, not its key")]
fn token_address(opened: &Opened) -> Option<String> {
    #[derive(Deserialize)]
    struct Place {
        token_uri: Option<String>,
    }
    let file = opened.parts.get("key_file")?;
    let Place { token_uri } = serde_json::from_slice(file.expose()).ok()?;
    apply::token_address(token_uri)
}

#[derive(Deserialize)]
struct KeyFile<'a> {
    client_email: String,
    private_key_id: Option<String>,
    #[serde(borrow)]
    private_key: &'a serde_json::value::RawValue,
}

/// The account of a key file.
#[expect(clippy::disallowed_methods, reason = "the key is taken out of its file")]
pub(super) fn service_account(opened: &Opened) -> Result<ServiceAccount, Failed> {
    let unreadable = || {
        outcome::unusable(
            "its key file is no key of a service account",
            format!("give it again: {}", opened.command("rotate")),
        )
    };
    let file = opened.parts.get("key_file").ok_or_else(unreadable)?;
    let read: KeyFile<'_> = serde_json::from_slice(file.expose()).map_err(|_| unreadable())?;
    let key = crate::oauth::json::text(read.private_key).ok_or_else(unreadable)?;
    Ok(ServiceAccount {
        email: read.client_email,
        key_id: read.private_key_id,
        key: SecretValue::new(key.to_vec()),
        subject: opened.public("subject"),
    })
}

/// Gives the token that was just exchanged.
struct AtHand;

#[async_trait]
impl probe::Tokens for AtHand {
    async fn token(&self, opened: &Opened) -> Result<SecretValue, Outcome> {
        let missing = || Outcome::Untested { why: "it has no token yet".to_owned() };
        opened.parts.get(ACCESS_TOKEN).cloned().ok_or_else(missing)
    }
}

/// Asks the one cheap question of the type.
pub(super) async fn test(opened: &Opened, keeper: &Keeper) -> Result<Done, Failed> {
    let server = tested_server(opened);
    let http = (keeper.http)(&server).map_err(|why| outcome::unusable(&why, String::new()))?;
    let tls = Tls { roots: Roots::System, identity: None }.load();
    let tls = tls.map_err(|error| outcome::unusable(&error.to_string(), String::new()))?;
    let (tls, now) = (Arc::new(tls), (keeper.clock)());
    let means = Means { http: &http, tls, now, tokens: Some(&AtHand), reach: &keeper.reach };
    let failed = |kind, message: String, help: Option<String>| Err(Failed { kind, message, help });
    match probe::probe(opened, &means).await {
        Outcome::Works { shows } => Ok(Done::Works { shows }),
        Outcome::Untested { why } => Ok(Done::NotTested { why }),
        Outcome::Refused => failed(
            FailedKind::Refused,
            "the service does not accept the credential".to_owned(),
            Some(format!("give it a new one: {}", opened.command(renewal(opened)))),
        ),
        Outcome::Denied => failed(
            FailedKind::Refused,
            "the service accepts the credential, and does not let it ask this question".to_owned(),
            Some("it may still do what a step needs; look at what it was granted".to_owned()),
        ),
        Outcome::Unreachable { why } => failed(FailedKind::Unavailable, why, None),
        Outcome::Unexpected { why } => failed(FailedKind::Broken, why, None),
    }
}

/// The command that brings another credential.
fn renewal(opened: &Opened) -> &'static str {
    match opened.kind.auth {
        Auth::OAuth2 => "authorize",
        _ => "rotate",
    }
}

/// The server that is asked, which decides about the way there.
fn tested_server(opened: &Opened) -> Server {
    let own = match &opened.kind.test {
        Some(Test::Http { url, .. }) => text(opened, url).and_then(|url| server_of(&url)),
        _ => None,
    };
    let base = || server_of(&text(opened, opened.kind.apply.base_url.as_ref()?)?);
    own.or_else(base)
        .unwrap_or_else(|| Server::parse("https://localhost").expect("it is an address"))
}
