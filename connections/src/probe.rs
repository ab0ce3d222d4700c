//! Whether a connection works: one cheap question to its service.
//!
//! A database is logged in to, a broker is greeted, a server is asked who it takes us for. What comes back
//! is told in our words: no body, no message of the other side, and of the answer only what the type says
//! may be shown, unless a secret of the connection is in it. Each try ends after [`TIMEOUT`]. Nothing is
//! tried twice and nothing is changed.

mod http;
mod nats;
mod nkey;
mod redis;
mod relay;
mod socket;
mod sql;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustls::ClientConfig;
use subrosa_engine::secret::SecretValue;
use subrosa_http::{Http, Reach};

use crate::apply::ApplyError;
use crate::kind::Test;
use crate::opened::Opened;
use crate::record::ACCESS_TOKEN;

/// How long a try may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// What a try takes.
pub struct Means<'a> {
    /// For HTTP.
    pub http: &'a Http,
    /// For brokers with TLS: [`subrosa_http::Tls::load`] makes one.
    pub tls: Arc<ClientConfig>,
    /// For signatures.
    pub now: SystemTime,
    /// Exchanges credentials for a token, for types that have one and were not authorized yet.
    pub tokens: Option<&'a dyn Tokens>,
    /// Which addresses databases and brokers may have; `http` has its own.
    pub reach: &'a Reach,
}

/// Exchanges the credentials of a connection for a token.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A fresh token.
    ///
    /// # Errors
    /// Why there is none, as the outcome of the try.
    async fn token(&self, opened: &Opened) -> Result<SecretValue, Outcome>;
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works.
    Works {
        /// Whom the service takes us for, if it says so.
        shows: Option<String>,
    },
    /// The service does not take the credential.
    Refused,
    /// The service takes the credential, and does not let it ask the question.
    Denied,
    /// The service cannot be reached, or not trusted, now.
    Unreachable {
        /// Why.
        why: String,
    },
    /// The service answers something that says nothing.
    Unexpected {
        /// What.
        why: String,
    },
    /// It was not tried: something is missing, or there is nothing to try.
    Untested {
        /// Why.
        why: String,
    },
}

impl Outcome {
    fn unreachable(why: impl Into<String>) -> Outcome {
        Outcome::Unreachable { why: why.into() }
    }

    fn unexpected(why: impl Into<String>) -> Outcome {
        Outcome::Unexpected { why: why.into() }
    }

    fn untested(why: impl Into<String>) -> Outcome {
        Outcome::Untested { why: why.into() }
    }
}

impl From<ApplyError> for Outcome {
    fn from(error: ApplyError) -> Outcome {
        Outcome::untested(error.to_string())
    }
}

/// Tries a connection.
pub async fn probe(opened: &Opened, means: &Means<'_>) -> Outcome {
    let complete = opened.kind.check_complete(|name| opened.value(name).is_some());
    if let Err(incomplete) = complete {
        return Outcome::untested(incomplete.to_string());
    }
    // Boxed: the drivers of databases make large futures.
    match tokio::time::timeout(TIMEOUT, Box::pin(ask(opened, means))).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => Outcome::unreachable("no answer within ten seconds"),
    }
}

async fn ask(opened: &Opened, means: &Means<'_>) -> Result<Outcome, Outcome> {
    match &opened.kind.test {
        None => Err(Outcome::untested("its type has no test")),
        Some(Test::Http { .. }) => {
            let token = token(opened, means).await?;
            http::ask(opened, means, token.as_ref()).await
        }
        Some(Test::Token) => match means.tokens {
            Some(tokens) => tokens.token(opened).await.map(|_| Outcome::Works { shows: None }),
            None => Err(Outcome::untested("nobody is here to exchange it for a token")),
        },
        Some(Test::Postgres) => sql::postgres(opened, means.reach).await,
        Some(Test::MySql) => sql::mysql(opened, means.reach).await,
        Some(Test::Redis) => redis::ask(opened, means).await,
        Some(Test::Nats) => nats::ask(opened, means).await,
        Some(Test::Tcp) => {
            socket::Place::of(opened)?.connect(means.reach).await?;
            Ok(Outcome::Works { shows: None })
        }
    }
}

/// The token of a type that has one: kept, or exchanged now.
async fn token(opened: &Opened, means: &Means<'_>) -> Result<Option<SecretValue>, Outcome> {
    if !opened.kind.has_token() || opened.parts.contains_key(ACCESS_TOKEN) {
        return Ok(None);
    }
    match means.tokens {
        Some(tokens) => tokens.token(opened).await.map(Some),
        None => Err(Outcome::from(ApplyError::NoToken)),
    }
}

/// The text of a public field.
fn text(opened: &Opened, name: &str) -> Result<String, Outcome> {
    let found = optional(opened, name)?;
    found.ok_or_else(|| Outcome::from(ApplyError::Missing { field: name.to_owned() }))
}

/// The text of a public field, if it has one.
fn optional(opened: &Opened, name: &str) -> Result<Option<String>, Outcome> {
    let Some(value) = opened.value(name) else { return Ok(None) };
    #[expect(clippy::disallowed_methods, reason = "fields that are read so are public")]
    let text = std::str::from_utf8(value.expose()).map(str::to_owned);
    text.map(Some).map_err(|_| Outcome::untested(format!("the field `{name}` is no text")))
}
