//! The provider `connection`: a field of a connection as a secret of a workflow.
//!
//! `key: NAME/FIELD`; the scope is that of the workflow, as for refs. A connection is read once for all
//! fields that are wanted of it. Where it has a token that has ended or is about to, the token is exchanged
//! before anybody gets it; by whom is the [`Refresher`]'s business. A token that the service refuses stops
//! the run, a service out of reach only warns while there is a token at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use subrosa_engine::provider::{
    Asking, Checked, Client, Identity, Provider, ProviderError, ProviderErrorKind, ProviderWarning,
    ResolveContext, Retry, SecretRequest,
};
use subrosa_engine::secret::SecretValue;
use subrosa_registry::{
    Address, FoundRecord, Lookup, LookupError, RecordReader, RecordSeen, SecretRef,
};
use tokio::sync::OnceCell;

use crate::kind::{Auth, ConnectionType};
use crate::opened::{Opened, command};
use crate::protocol::{Done, Failed, FailedKind};
use crate::record::{ACCESS_TOKEN, Record, TokenState};
use crate::types::Types;

mod due;
mod lend;
mod refusal;

use due::is_fresh;
pub use due::{EXPIRES_SOON, ends_at, is_due};
pub use lend::Seen;
use refusal::{
    ended, late, malformed, missing_field, newer, no_field, not_authorized, of_lookup, of_registry,
    refused, unreadable,
};

/// How long a run waits for an exchange: less than it waits for a provider, so that what took too long is
/// only warned of while the token holds. Whoever carries the exchange out goes on.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(10);

/// Has a connection's token exchanged, by a process that finishes even if this one is killed.
#[async_trait]
pub trait Refresher: Send + Sync {
    /// Exchanges the token, unless somebody else has just done so. What should be known and ends nothing goes
    /// to `note`.
    ///
    /// # Errors
    /// [`Failed`], in words that may be shown.
    async fn refresh(
        &self,
        lookup: &Lookup,
        name: &SecretRef,
        note: &(dyn Fn(String) + Send + Sync),
    ) -> Result<Done, Failed>;
}

/// Reads the types of connection, or says why it cannot.
pub type ReadTypes = Arc<dyn Fn() -> Result<Arc<Types>, String> + Send + Sync>;

/// The provider.
pub struct Connections {
    /// Where connections are kept; `None`: there is no registry.
    pub reader: Option<Arc<dyn RecordReader>>,
    /// The types of connection; read when the first connection is.
    pub types: ReadTypes,
    /// Who exchanges tokens.
    pub refresher: Arc<dyn Refresher>,
    /// The wall clock.
    pub clock: fn() -> SystemTime,
}

/// The name of a connection and of a field of it.
fn place(request: &SecretRequest) -> Option<(SecretRef, &str)> {
    let (name, field) = match request.options.0.get(FIELD) {
        Some(field) => (request.key.as_str(), field.as_str()),
        None => request.key.rsplit_once('/')?,
    };
    Some((SecretRef::parse(name).ok()?, field)).filter(|_| !field.is_empty())
}

const FIELD: &str = "field";
const NAME: &str = "name";

#[async_trait]
impl Provider for Connections {
    fn name(&self) -> &str {
        "connection"
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        let name = place(request).map(|(name, _)| (NAME.to_owned(), name.to_string()));
        Identity(name.into_iter().collect())
    }

    fn options(&self) -> &[&str] {
        &[FIELD]
    }

    fn needs_settings(&self) -> bool {
        false
    }

    async fn open(
        &self,
        context: &ResolveContext,
        _identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let Some(reader) = self.reader.clone() else {
            return Err(unreadable("there is no registry yet"));
        };
        Ok(Box::new(Session {
            at: At { reader, types: self.types.clone(), clock: self.clock },
            refresher: self.refresher.clone(),
            asking: context.asking.clone(),
            opened: OnceCell::new(),
            unexchanged: OnceCell::new(),
            warnings: Mutex::default(),
            retired_for: Mutex::default(),
        }))
    }
}

/// Where connections are read.
#[derive(Clone)]
struct At {
    reader: Arc<dyn RecordReader>,
    types: ReadTypes,
    clock: fn() -> SystemTime,
}

/// One connection, for one run.
struct Session {
    at: At,
    refresher: Arc<dyn Refresher>,
    asking: Option<Arc<Asking>>,
    opened: OnceCell<Opened>,
    /// The same with the token as it was, for who wanted another field.
    unexchanged: OnceCell<Opened>,
    warnings: Mutex<Vec<ProviderWarning>>,
    /// The variable with which values of versions before are told, until they were.
    retired_for: Mutex<Option<String>>,
}

#[async_trait]
impl Client for Session {
    async fn fetch(&self, request: &SecretRequest) -> Result<SecretValue, ProviderError> {
        let (name, field) = place(request).ok_or_else(|| malformed(request))?;
        let opened = self.opened_for(field, &name, &request.name).await?;
        self.retired_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| request.name.clone());
        let ends = self.at.expiry(&opened.record, opened.expires, &opened.address);
        ends.into_iter().for_each(|(message, help)| self.warn(&request.name, message, Some(help)));
        opened.value(field).ok_or_else(|| no_field(opened, field))
    }

    async fn check(&self, request: &SecretRequest) -> Result<Checked, ProviderError> {
        let (name, field) = place(request).ok_or_else(|| malformed(request))?;
        let (seen, record) = self.look(&name).await?;
        let kind = self.at.kind(&record, &name)?;
        if let Some(tokens) = &record.tokens
            && let Some(word) = &tokens.refused
            && kind.auth == Auth::OAuth2
        {
            return Err(refused(&seen.address, word));
        }
        let has_default =
            || kind.fields.iter().any(|one| one.name == field && one.default.is_some());
        let is_lent = |part: &&String| crate::opened::is_lent(&kind, part);
        if seen.parts.iter().filter(is_lent).any(|part| part == field)
            || record.fields.contains_key(field)
            || has_default()
        {
            return Ok(Checked::Readable);
        }
        let parts = seen.parts.iter().filter(is_lent);
        let known = parts.chain(record.fields.keys()).map(String::as_str);
        Err(missing_field(&seen.address, field, known))
    }

    fn retired(&self) -> Vec<(String, SecretValue)> {
        let name = self.retired_for.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(name), Some(opened)) = (name, self.opened()) else { return Vec::new() };
        opened.retired.iter().map(|value| (name.clone(), value.clone())).collect()
    }

    fn warnings(&self) -> Vec<ProviderWarning> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Session {
    /// The connection with its values. Where its own credentials get its token, that is exchanged only if
    /// the token is what is wanted: who wants the key file need not reach the service.
    async fn opened_for(
        &self,
        field: &str,
        name: &SecretRef,
        secret: &str,
    ) -> Result<&Opened, ProviderError> {
        if field != ACCESS_TOKEN {
            if let Some(opened) = self.opened() {
                return Ok(opened);
            }
            let (_, record) = self.look(name).await?;
            let kind = self.at.kind(&record, name)?;
            if gets_token(&kind) {
                return self.unexchanged.get_or_try_init(|| self.read(name, secret)).await;
            }
        }
        self.opened.get_or_try_init(|| self.open(name, secret)).await
    }

    /// What was opened.
    fn opened(&self) -> Option<&Opened> {
        self.opened.get().or_else(|| self.unexchanged.get())
    }

    /// The connection with its values; its token exchanged first, if it has one that needs it.
    async fn open(&self, name: &SecretRef, secret: &str) -> Result<Opened, ProviderError> {
        let asking = self.asking()?;
        if asking.checks_connections {
            let (seen, record) = self.look(name).await?;
            self.refresh_if_needed(&record, name, secret, &seen.address).await?;
        }
        self.read(name, secret).await
    }

    /// The connection with its values.
    async fn read(&self, name: &SecretRef, secret: &str) -> Result<Opened, ProviderError> {
        let (at, lookup) = (self.at.clone(), self.asking()?.lookup.clone());
        let (name, reference) = (name.clone(), SecretRef::connection(name));
        let (opened, told) = blocking(move || at.open(&lookup, &reference, &name)).await?;
        told.into_iter().for_each(|message| self.warn(secret, message, None));
        Ok(opened)
    }

    fn warn(&self, secret: &str, message: String, help: Option<String>) {
        let warning = ProviderWarning { secret: secret.to_owned(), message, help };
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    async fn look(&self, name: &SecretRef) -> Result<(RecordSeen, Record), ProviderError> {
        let (at, lookup) = (self.at.clone(), self.asking()?.lookup.clone());
        let name = name.clone();
        blocking(move || at.look(&lookup, &name)).await
    }

    fn asking(&self) -> Result<&Asking, ProviderError> {
        self.asking.as_deref().ok_or_else(|| unreadable("it was not said on whose behalf"))
    }

    async fn refresh_if_needed(
        &self,
        record: &Record,
        name: &SecretRef,
        secret: &str,
        address: &Address,
    ) -> Result<(), ProviderError> {
        let kind = self.at.kind(record, name)?;
        let gets_token = gets_token(&kind);
        let Some(tokens) = &record.tokens else {
            return match kind.auth {
                Auth::OAuth2 => Err(not_authorized(address)),
                _ if gets_token => self.refresh(None, name, secret, address).await,
                _ => Ok(()),
            };
        };
        if let Some(word) = tokens.refused.as_ref().filter(|_| kind.auth == Auth::OAuth2) {
            return Err(refused(address, word));
        }
        if !is_due(tokens, (self.at.clock)()) {
            return Ok(());
        }
        if !tokens.can_refresh && !gets_token {
            return match is_fresh(tokens, (self.at.clock)(), Duration::ZERO) {
                true => Ok(()),
                false => Err(ended(address)),
            };
        }
        self.refresh(Some(tokens), name, secret, address).await
    }

    async fn refresh(
        &self,
        tokens: Option<&TokenState>,
        name: &SecretRef,
        secret: &str,
        address: &Address,
    ) -> Result<(), ProviderError> {
        // The broker looks nowhere else than where the connection was found.
        let lookup = Lookup { scope: address.scope.clone(), ..self.asking()?.lookup.clone() };
        let note = |text| self.warn(secret, format!("connection `{name}`: {text}"), None);
        let asked = self.refresher.refresh(&lookup, name, &note);
        let asked = tokio::time::timeout(REFRESH_TIMEOUT, asked);
        let Err(failed) = asked.await.unwrap_or_else(|_| Err(late())) else { return Ok(()) };
        let Failed { kind, message, help } = failed;
        let kind = match (kind, tokens) {
            // A service out of reach ends no run: there is a token, and the steps will see.
            (FailedKind::Unavailable | FailedKind::Cancelled, Some(_)) => {
                let message =
                    format!("the token of connection `{name}` was not refreshed: {message}");
                self.warn(secret, message, help);
                return Ok(());
            }
            (FailedKind::Unavailable | FailedKind::Cancelled, None) => {
                ProviderErrorKind::Unavailable
            }
            (FailedKind::Refused, _) => ProviderErrorKind::Unauthenticated,
            (FailedKind::Unusable, _) => ProviderErrorKind::InvalidRequest,
            (FailedKind::Broken, _) => ProviderErrorKind::Malformed,
        };
        // The broker has asked as often as it made sense.
        Err(ProviderError { kind, message, help, retry: Retry::Never })
    }
}

/// Whether the connection's own credentials get its tokens.
fn gets_token(kind: &ConnectionType) -> bool {
    matches!(kind.auth, Auth::ClientCredentials | Auth::ServiceAccount)
}

impl At {
    fn open(
        &self,
        lookup: &Lookup,
        reference: &SecretRef,
        name: &SecretRef,
    ) -> Result<(Opened, Vec<String>), ProviderError> {
        let answer = self.reader.open_records(lookup, std::slice::from_ref(reference));
        let mut answer = answer.map_err(|error| of_registry(&error))?;
        let found = answer.results.pop();
        let found = found.unwrap_or(Err(LookupError::NotFound));
        let found = found.map_err(|error| of_lookup(&error, name))?;
        let record = Record::parse(&found.public).ok_or_else(|| newer(name))?;
        let kind = self.kind(&record, name)?;
        let parts: BTreeMap<String, SecretValue> =
            found.parts.into_iter().map(|(part, value)| (part, SecretValue::from(value))).collect();
        let retired = found.retired.into_iter().map(SecretValue::from).collect();
        let FoundRecord { address, version, expires, .. } = found;
        Ok((Opened { kind, address, version, expires, record, parts, retired }, answer.warnings))
    }

    fn look(
        &self,
        lookup: &Lookup,
        name: &SecretRef,
    ) -> Result<(RecordSeen, Record), ProviderError> {
        let reference = SecretRef::connection(name);
        let seen = self.reader.look_records(lookup, std::slice::from_ref(&reference));
        let seen = seen.map_err(|error| of_registry(&error))?.pop();
        let seen = seen.unwrap_or(Err(LookupError::NotFound));
        let seen = seen.map_err(|error| of_lookup(&error, name))?;
        let record = Record::parse(&seen.public).ok_or_else(|| newer(name))?;
        Ok((seen, record))
    }

    fn kind(
        &self,
        record: &Record,
        name: &SecretRef,
    ) -> Result<Arc<crate::ConnectionType>, ProviderError> {
        let types = (self.types)();
        let types =
            types.map_err(|why| ProviderError::new(ProviderErrorKind::InvalidRequest, why))?;
        types.get(&record.kind).cloned().ok_or_else(|| {
            let message = format!(
                "connection `{name}` is of type `{}`, which is not declared here",
                record.kind
            );
            ProviderError::new(ProviderErrorKind::InvalidRequest, message)
                .help("`subrosa connection types` lists what is declared, and where")
        })
    }

    /// What should be told of a connection, or of a grant, that ends soon, and the cure.
    fn expiry(
        &self,
        record: &Record,
        expires: Option<SystemTime>,
        address: &Address,
    ) -> Vec<(String, String)> {
        let name = address.reference.connection_name().unwrap_or_default();
        let is_near = |ends: &SystemTime| {
            ends.duration_since((self.clock)()).unwrap_or_default() <= EXPIRES_SOON
        };
        // Only what a person has granted ends in a way that a person has to mend.
        let is_granted =
            self.kind(record, &address.reference).is_ok_and(|kind| kind.auth == Auth::OAuth2);
        let grant = record.tokens.as_ref().filter(|_| is_granted).and_then(ends_at).filter(is_near);
        let grant = grant.map(|ends| {
            let date = subrosa_engine::event::Timestamp(ends);
            (
                format!("access through connection `{name}` ends on {date}"),
                format!("grant it again: {}", command("authorize", address)),
            )
        });
        let own = expires.filter(is_near).map(|ends| {
            let date = subrosa_engine::event::Timestamp(ends);
            (
                format!("connection `{name}` expires on {date}"),
                format!("renew it, or give it another date: {}", command("edit", address)),
            )
        });
        grant.into_iter().chain(own).collect()
    }
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
) -> Result<T, ProviderError> {
    let ended = tokio::task::spawn_blocking(call).await;
    ended.unwrap_or_else(|_| Err(unreadable("reading it broke off")))
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
