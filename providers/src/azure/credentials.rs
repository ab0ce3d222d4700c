//! Credentials, from where Azure's tools look for them, in their order.
//!
//! An application of the environment, by secret, by certificate, or by a token of its platform (workload
//! identity); the managed identity of an app or a machine; the Azure CLI. Tokens are for vaults alone; they
//! are asked for once, and again shortly before they end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use reqwest::Url;
use subrosa_engine::provider::{Environment, ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::command_line::CommandLine;
use super::identity::{Answered, ManagedIdentity};
use super::place::Cloud;
use crate::cloud::token::{Asked, Token, Tokens};
use crate::cloud::{self, unauthenticated};
use crate::http::{self, Http};
use crate::setup::{self, blocking, invalid};

/// The variable of the tenant.
const TENANT: &str = "AZURE_TENANT_ID";

/// The variable of the application.
const CLIENT: &str = "AZURE_CLIENT_ID";

/// What goes with an assertion (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where credentials come from.
pub(super) struct Source {
    kind: Kind,
    tokens: Tokens,
}

enum Kind {
    Application(Application),
    App(ManagedIdentity),
    /// A machine, or else whoever logged in at it.
    Machine(ManagedIdentity, Option<CommandLine>),
}

/// An application that is registered with a tenant.
struct Application {
    http: Http,
    url: Url,
    client_id: String,
    scope: String,
    proof: Proof,
}

/// How an application shows that it is the one.
enum Proof {
    Secret(SecretValue),
    Certificate(Box<Certificate>),
    /// A file with a token that the platform keeps fresh.
    File(PathBuf),
}

/// There are none.
pub(super) fn nobody() -> ProviderError {
    unauthenticated("no Azure credentials are found").help(
        "set `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`, or give the machine a managed \
         identity, or run `az login`",
    )
}

impl Source {
    /// Finds where credentials come from. Reads files: not for async threads.
    ///
    /// # Errors
    /// What is found is no good.
    pub(super) fn find(
        context: &ResolveContext,
        cloud: &'static Cloud,
    ) -> Result<Source, ProviderError> {
        let kind = match proof(&context.env)? {
            Some((name, proof)) => {
                Kind::Application(Application::new(context, cloud, name, proof)?)
            }
            None => match ManagedIdentity::of_app(context, cloud)? {
                Some(app) => Kind::App(app),
                None => {
                    let machine = ManagedIdentity::of_machine(context, cloud)?;
                    Kind::Machine(machine, CommandLine::find(context, cloud))
                }
            },
        };
        Ok(Source { kind, tokens: Tokens::new(context.clock) })
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
        match &self.kind {
            Kind::Application(application) => application.token(now).await,
            Kind::App(app) => app.token(now).await,
            Kind::Machine(machine, person) => match (machine.token_if_any(now).await?, person) {
                (Answered::Token(token), _) => Ok(token),
                (Answered::Nothing, Some(person)) => person.token(now).await,
                (Answered::Nothing, None) => Err(nobody()),
            },
        }
    }
}

/// How the application of the environment shows who it is, and the variable that says so.
fn proof(environment: &Environment) -> Result<Option<(&'static str, Proof)>, ProviderError> {
    let path = |name| cloud::variable(environment, name).map(PathBuf::from);
    if let Some(secret) = cloud::credential(environment, "AZURE_CLIENT_SECRET") {
        return Ok(Some(("AZURE_CLIENT_SECRET", Proof::Secret(secret))));
    }
    let name = "AZURE_CLIENT_CERTIFICATE_PATH";
    if let Some(path) = path(name) {
        let certificate = Box::new(Certificate::read(&path)?);
        return Ok(Some((name, Proof::Certificate(certificate))));
    }
    let name = "AZURE_FEDERATED_TOKEN_FILE";
    Ok(path(name).map(|path| (name, Proof::File(path))))
}

impl Application {
    fn new(
        context: &ResolveContext,
        cloud: &Cloud,
        name: &str,
        proof: Proof,
    ) -> Result<Application, ProviderError> {
        let variable = |name| cloud::variable(&context.env, name);
        let (Some(tenant), Some(client_id)) = (variable(TENANT), variable(CLIENT)) else {
            let message = format!("`{name}` is set without `{TENANT}` and `{CLIENT}`");
            return Err(unauthenticated(message));
        };
        let host = "AZURE_AUTHORITY_HOST";
        let authority = variable(host).unwrap_or_else(|| cloud.authority.to_owned());
        let authority = match authority.contains("://") {
            true => authority,
            false => format!("https://{authority}"),
        };
        let address = cloud::address(&authority, &format!("`{host}`"))?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        let url = address.join([tenant.as_str(), "oauth2", "v2.0", "token"]);
        let url = url.filter(|_| tenant.bytes().all(is_plain));
        let url = url.ok_or_else(|| invalid(format!("`{TENANT}` is no tenant")))?;
        let http = cloud::http(context, &address, None)?;
        let scope = format!("{}/.default", cloud.audience());
        Ok(Application { http, url, client_id, scope, proof })
    }

    async fn token(&self, now: SystemTime) -> Result<Token, ProviderError> {
        let server = self.url.origin().ascii_serialization();
        let call = cloud::posted(self.url.clone(), self.question(now).await?);
        let answer = self.http.send(call).await.map_err(|fault| http::no_answer(fault, &server))?;
        let from = format!("application `{}`", self.client_id);
        let help = match &self.proof {
            Proof::Secret(_) => {
                "look at the tenant, the application, and whether its secret has expired"
            }
            Proof::Certificate(_) => {
                "look at the tenant, the application, and whether it knows the certificate"
            }
            Proof::File(_) => {
                "look at the federated credential of the application: its issuer, subject and audience"
            }
        };
        Token::of(&answer, &Asked { server: &server, from: &from, help, now })
    }

    #[expect(clippy::disallowed_methods, reason = "the login is sent to the server it is for")]
    async fn question(&self, now: SystemTime) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let plain = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("scope", self.scope.as_str()),
        ];
        let asserted = |assertion: &[u8]| {
            let kind = [("client_assertion_type", ASSERTION_TYPE)];
            cloud::form(&[plain.as_slice(), &kind].concat(), &[("client_assertion", assertion)])
        };
        Ok(match &self.proof {
            Proof::Secret(secret) => cloud::form(&plain, &[("client_secret", secret.expose())]),
            Proof::Certificate(certificate) => {
                asserted(&certificate.assertion(&self.client_id, self.url.as_str(), now)?)
            }
            Proof::File(path) => {
                let path = path.clone();
                let read = move || setup::read(&path, "the federated token");
                asserted(blocking(read).await?.trim_ascii())
            }
        })
    }
}
