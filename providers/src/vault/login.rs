//! Logging in: which credential, and how it becomes a token.
//!
//! A token that was given is used as it is: not looked at, not renewed, not revoked. What a login makes is
//! ours, and so is a token that was made wrapped, because nobody else can have it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};
use subrosa_engine::secret::SecretValue;

use super::json;
use super::options::{Given, without_blanks};
use super::server::{Server, header};
use super::settings::is_own;
use super::wire::{Envelope, Granted};
use crate::http::Address;
use crate::setup::{self, invalid};

/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How to get a token.
pub(super) enum Login {
    /// It is there.
    Token(SecretValue),
    /// It is there, wrapped: the token opens once.
    Wrapped(SecretValue),
    /// By a credential.
    Call(LoginCall),
}

/// A login by a credential.
pub(super) struct LoginCall {
    /// The word in `auth:`.
    auth: String,
    path: String,
    fields: Vec<(&'static str, SecretValue)>,
    /// A token that opens to the field `secret_id`.
    wrapped_secret_id: Option<SecretValue>,
}

/// What a wrapped token held.
enum Opened {
    /// A token that was made for whoever opens it.
    Granted(Granted),
    /// A token that somebody had and put there: it is given.
    Value(SecretValue),
}

/// A token in use.
pub(super) struct Token {
    pub(super) header: HeaderValue,
    /// What is ours to renew and to revoke; `None` for one that was given.
    pub(super) own: Option<OwnToken>,
}

/// A token that is ours.
pub(super) struct OwnToken {
    pub(super) ttl: Duration,
    pub(super) renewable: bool,
    /// A batch token ends by itself, and cannot be revoked.
    pub(super) is_batch: bool,
}

impl Login {
    /// Finds the credential; asks nobody.
    ///
    /// # Errors
    /// There is none, or it does not fit.
    pub(super) fn read(given: &Given<'_>, address: &Address) -> Result<Login, ProviderError> {
        let auth = given.option("auth").unwrap_or("token");
        let mut fields: Vec<(&'static str, SecretValue)> = Vec::new();
        let mut wrapped_secret_id = None;
        let mut user = String::new();
        match auth {
            "token" => return token(given, address),
            "approle" => {
                fields.push(("role_id", given.required("role_id", auth)?));
                wrapped_secret_id = given.credential("wrapped_secret_id")?;
                // A role may ask for none.
                match (given.credential("secret_id")?, &wrapped_secret_id) {
                    (Some(_), Some(_)) => {
                        return Err(invalid("both `secret_id` and `wrapped_secret_id` are given"));
                    }
                    (Some(secret_id), None) => fields.push(("secret_id", secret_id)),
                    (None, _) => {}
                }
            }
            "kubernetes" => {
                fields.push(("role", text(role(given, auth)?)));
                fields.push(("jwt", service_account(given, address)?));
            }
            "jwt" => {
                fields.extend(given.option("role").map(|role| ("role", text(role))));
                fields.push(("jwt", given.required("jwt", auth)?));
            }
            "userpass" => {
                let name = given.option("username");
                let missing = || invalid("`auth: userpass` needs `username`");
                user = format!("/{}", name.ok_or_else(missing)?);
                fields.push(("password", given.required("password", auth)?));
            }
            "cert" => {
                if given.path("client_cert", "VAULT_CLIENT_CERT").is_none() {
                    return Err(invalid("`auth: cert` needs `client_cert` and `client_key`"));
                }
                fields.extend(given.option("role").map(|role| ("name", text(role))));
            }
            _ => {
                return Err(invalid(format!("unknown login `{auth}`"))
                    .help("`auth` is one of token, approle, kubernetes, userpass, jwt, cert"));
            }
        }
        let mount = given.option("auth_mount").unwrap_or(auth).trim_matches('/');
        let path = format!("auth/{mount}/login{user}");
        Ok(Login::Call(LoginCall { auth: auth.to_owned(), path, fields, wrapped_secret_id }))
    }

    /// Logs in.
    ///
    /// # Errors
    /// The server does not let us.
    pub(super) async fn token(self, server: &Server) -> Result<Token, ProviderError> {
        match self {
            Login::Token(token) => Ok(Token { header: header(&token)?, own: None }),
            Login::Wrapped(wrapped) => {
                let opened = unwrap(server, &wrapped, "wrapped_token", |envelope| {
                    Some(match envelope.granted() {
                        Some(granted) => Opened::Granted(granted),
                        None => Opened::Value(bare_token(&envelope)?),
                    })
                });
                match opened.await? {
                    Opened::Granted(granted) => own(granted),
                    Opened::Value(token) => Ok(Token { header: header(&token)?, own: None }),
                }
            }
            Login::Call(call) => own(call.send(server).await?),
        }
    }
}

impl LoginCall {
    async fn send(mut self, server: &Server) -> Result<Granted, ProviderError> {
        if let Some(wrapped) = self.wrapped_secret_id.take() {
            let opened = unwrap(server, &wrapped, "wrapped_secret_id", |envelope| {
                envelope.fields()?.field("secret_id").flatten()
            });
            self.fields.push(("secret_id", opened.await?));
            // What was wrapped opens once: to do all of it again would look like a theft.
            return self.log_in(server).await.map_err(|error| error.retry(Retry::Never));
        }
        self.log_in(server).await
    }

    async fn log_in(&self, server: &Server) -> Result<Granted, ProviderError> {
        let fields: Vec<(&str, &SecretValue)> =
            self.fields.iter().map(|(name, value)| (*name, value)).collect();
        let granted = server.post(None, &self.path, &fields, |envelope| envelope.granted());
        granted.await.map_err(|error| self.refused(server, error))
    }

    /// Whatever the server found wrong with the request, it is the login that was wrong.
    fn refused(&self, server: &Server, error: ProviderError) -> ProviderError {
        match error.kind {
            ProviderErrorKind::InvalidRequest
            | ProviderErrorKind::Denied
            | ProviderErrorKind::NotFound
            | ProviderErrorKind::Unauthenticated => {
                let LoginCall { auth, path, .. } = self;
                let message = format!(
                    "vault at `{}` refuses the login by {auth} at `{path}`",
                    server.address
                );
                ProviderError::new(ProviderErrorKind::Unauthenticated, message).help(self.cure())
            }
            ProviderErrorKind::Unavailable
            | ProviderErrorKind::TimedOut
            | ProviderErrorKind::Malformed => error,
        }
    }

    fn cure(&self) -> String {
        let what = match self.auth.as_str() {
            "approle" => "are `role_id` and `secret_id` right, and is the secret id not used up?",
            "kubernetes" => "is `role` bound to this service account and its Kubernetes namespace?",
            "userpass" => "are `username` and `password` right?",
            "jwt" => "is `role` right, and does it accept this issuer, audience and subject?",
            _ => "does a role accept the client certificate?",
        };
        format!("{what} `auth_mount` and `namespace` say where the login is")
    }
}

fn own(granted: Granted) -> Result<Token, ProviderError> {
    let Granted { token, ttl, renewable, is_batch } = granted;
    Ok(Token { header: header(&token)?, own: Some(OwnToken { ttl, renewable, is_batch }) })
}

/// A token that was given: by option, by variable, by file.
fn token(given: &Given<'_>, address: &Address) -> Result<Login, ProviderError> {
    let wrapped = given.credential("wrapped_token")?;
    match (given.credential("vault_token")?, wrapped) {
        (Some(_), Some(_)) => Err(invalid("both `vault_token` and `wrapped_token` are given")),
        (Some(token), None) => Ok(Login::Token(token)),
        (None, Some(wrapped)) => Ok(Login::Wrapped(wrapped)),
        (None, None) => ambient_token(given, address),
    }
}

/// The token of the user's own environment, which is for the user's own server.
fn ambient_token(given: &Given<'_>, address: &Address) -> Result<Login, ProviderError> {
    let by_variable = given.variable("VAULT_TOKEN").map(|token| text(&token));
    let token = match by_variable {
        Some(token) => Some(token),
        None => token_file(given)?,
    };
    let Some(token) = token else {
        let message = "there is no token for vault, and no other login is chosen";
        return Err(ProviderError::new(ProviderErrorKind::Unauthenticated, message).help(
            "log in with `bao login` or `vault login`, set `VAULT_TOKEN`, or choose a login with option `auth`",
        ));
    };
    for_own_server(
        given,
        address,
        "give this server's token with `vault_token_env` or `vault_token_file`",
    )?;
    Ok(Login::Token(token))
}

/// Whoever names a server in the environment does not mean its credentials for others.
fn for_own_server(given: &Given<'_>, address: &Address, help: &str) -> Result<(), ProviderError> {
    if given.variable("VAULT_ADDR").is_none() || is_own(given, address) {
        return Ok(());
    }
    let message = format!("the token of the environment is for `VAULT_ADDR`, not for `{address}`");
    Err(ProviderError::new(ProviderErrorKind::Unauthenticated, message).help(help))
}

fn token_file(given: &Given<'_>) -> Result<Option<SecretValue>, ProviderError> {
    if let Some(path) = given.variable("VAULT_TOKEN_FILE") {
        let bytes = setup::read(Path::new(&path), "the file of `VAULT_TOKEN_FILE`")?;
        return Ok(Some(without_blanks(&bytes)));
    }
    let Some(home) = given.variable("HOME") else {
        return Ok(None);
    };
    let path = PathBuf::from(home).join(".vault-token");
    let bytes = setup::read_if_there(&path, "the token file")?;
    Ok(bytes.filter(|bytes| !bytes.trim_ascii().is_empty()).map(|bytes| without_blanks(&bytes)))
}

fn service_account(given: &Given<'_>, address: &Address) -> Result<SecretValue, ProviderError> {
    if let Some(jwt) = given.credential("jwt")? {
        return Ok(jwt);
    }
    for_own_server(given, address, "if it is meant for this server, name it with `jwt_file`")?;
    let place = Path::new(SERVICE_ACCOUNT_TOKEN);
    let bytes = setup::read(place, "the service account's token")
        .map_err(|error| error.help("outside of a pod, name the token with `jwt_file`"))?;
    Ok(without_blanks(&bytes))
}

fn role<'a>(given: &'a Given<'_>, auth: &str) -> Result<&'a str, ProviderError> {
    given.option("role").ok_or_else(|| invalid(format!("`auth: {auth}` needs `role`")))
}

fn text(value: &str) -> SecretValue {
    SecretValue::new(value.into())
}

/// Opens what was wrapped; this works once.
async fn unwrap<T>(
    server: &Server,
    wrapped: &SecretValue,
    option: &str,
    read: impl FnOnce(Envelope<'_>) -> Option<T>,
) -> Result<T, ProviderError> {
    let token = header(wrapped)?;
    let opened = server.post(Some(&token), "sys/wrapping/unwrap", &[], read).await;
    opened.map_err(|error| match error.kind {
        ProviderErrorKind::InvalidRequest
        | ProviderErrorKind::Denied
        | ProviderErrorKind::NotFound
        | ProviderErrorKind::Unauthenticated => {
            let message = format!("vault at `{}` does not unwrap `{option}`", server.address);
            ProviderError::new(ProviderErrorKind::Unauthenticated, message).help(
                "it opens once and for a while; if you did not open it, somebody else did: have it revoked",
            )
        }
        ProviderErrorKind::Malformed => {
            let message = format!("`{option}` does not hold what is looked for");
            ProviderError::new(ProviderErrorKind::Unauthenticated, message)
        }
        // It may have been opened although no answer came.
        ProviderErrorKind::Unavailable | ProviderErrorKind::TimedOut => error.retry(Retry::Never),
    })
}

fn bare_token(envelope: &Envelope<'_>) -> Option<SecretValue> {
    #[derive(Deserialize)]
    struct Bare<'a> {
        #[serde(borrow)]
        token: &'a RawValue,
    }
    json::text(envelope.data::<Bare<'_>>()?.token)
}
