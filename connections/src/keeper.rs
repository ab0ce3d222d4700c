//! Carries out, with the registry at hand, what needs an opened connection: granting access, exchanging
//! tokens, giving them back, trying a connection.
//!
//! One at a time works on the tokens of a connection, whichever process it is in: the registry's lock is
//! held from reading a refresh token to having stored what it was exchanged for, so that no token is ever
//! used twice. What a service has handed out is stored before anything else is done, and the storing is
//! tried again for a while if it fails. Nothing here shows a value to anybody.

mod flows;
mod outcome;
mod person;
mod store;

pub use person::{Back, Elsewhere};

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use subrosa_engine::secret::SecretValue;
use subrosa_http::{Address as Server, Http, Reach};
use subrosa_registry::{
    Action, Actor, Address, FoundRecord, Lookup, LookupError, RecordReader as _, Registry,
    RegistryError, Scope,
};

use self::person::Shown;
use crate::kind::{Auth, ConnectionType, REDIRECT_URI};
use crate::oauth::{OAuthError, Redirect, Tokens};
use crate::opened::Opened;
use crate::protocol::{Done, Event, Failed, FailedKind, Flow as Way, Task};
use crate::provider::is_due;
use crate::record::{ACCESS_TOKEN, REFRESH_TOKEN, Record};
use crate::types::Types;

/// Makes the client for a server; it reads settings of the process.
pub type MakeHttp = Arc<dyn Fn(&Server) -> Result<Http, String> + Send + Sync>;

/// Tells whoever asked what goes on.
pub type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// What works on connections.
pub struct Keeper {
    /// Where they are kept.
    pub registry: Arc<Registry>,
    /// Their types.
    pub types: Arc<Types>,
    /// On whose behalf, for the audit log.
    pub actor: Actor,
    /// Whether those of protected environments may be opened.
    pub allow_protected: bool,
    /// How servers are reached.
    pub http: MakeHttp,
    /// The wall clock.
    pub clock: fn() -> SystemTime,
    /// Who is told.
    pub tell: Tell,
    /// Which addresses are connected to without HTTP; `http` has its own.
    pub reach: Reach,
    /// Who waits for the browser, for [`Way::Elsewhere`]; good once.
    pub elsewhere: Mutex<Option<Elsewhere>>,
}

impl Keeper {
    /// Does what is asked of one connection. `gone` ends when nobody wants it any more; what was begun
    /// with a service's token is finished all the same.
    ///
    /// # Errors
    /// [`Failed`], in words that may be shown.
    pub async fn carry_out(
        &self,
        task: Task,
        address: &Address,
        gone: impl Future<Output = ()> + Send,
    ) -> Result<Done, Failed> {
        match task {
            Task::Refresh { force } => self.refresh(address, force).await,
            Task::Revoke { forget } => self.revoke(address, forget).await,
            Task::Test => {
                // Not cut off: a token that the service has handed out must be stored.
                let opened = self.ready(address).await?;
                or_gone(flows::test(&opened, self), gone).await
            }
            Task::Authorize(way) => {
                // What was granted is not dropped on the way to where it is stored.
                let is_spent = AtomicBool::new(false);
                let gone = async {
                    gone.await;
                    if is_spent.load(Ordering::SeqCst) {
                        std::future::pending().await
                    }
                };
                let granted = or_gone(self.authorize(address, way, &is_spent), gone).await?;
                let (opened, tokens) = granted?;
                self.keep_granted(&opened, tokens).await
            }
        }
    }

    /// Exchanges the tokens, unless they hold for a while and it is not forced.
    async fn refresh(&self, address: &Address, force: bool) -> Result<Done, Failed> {
        let held = self.hold(address).await?;
        let opened = self.open(address).await?;
        let done = self.exchange(address, &opened, force).await;
        drop(held);
        done
    }

    async fn exchange(
        &self,
        address: &Address,
        opened: &Opened,
        force: bool,
    ) -> Result<Done, Failed> {
        let known = opened.record.tokens.clone();
        if let Some(tokens) = &known
            && !force
            && tokens.refused.is_none()
            && opened.parts.contains_key(ACCESS_TOKEN)
            && !is_due(tokens, (self.clock)())
        {
            return Ok(Done::StillFresh { expires: tokens.expires });
        }
        let is_granted = opened.kind.auth == Auth::OAuth2;
        // Whoever asked before has found out: a service may take a second use of a token for a theft.
        if let Some(word) = known.as_ref().and_then(|tokens| tokens.refused.as_ref())
            && is_granted
            && !force
        {
            return Err(outcome::refused(word, opened));
        }
        let tokens = match self.ask_for_tokens(opened).await? {
            Ok(tokens) => tokens,
            Err(error) => {
                // What a person has granted ends; credentials of a client can be mended without one.
                if error.ends_grant() && is_granted {
                    self.note_refusal(address, opened, &error).await;
                }
                return Err(outcome::of_oauth(&error, opened));
            }
        };
        let expires = outcome::seconds(tokens.expires);
        self.store(Action::Refresh, address, tokens, known).await?;
        Ok(Done::Refreshed { expires })
    }

    /// Asks the service for new tokens, as the type has it.
    async fn ask_for_tokens(&self, opened: &Opened) -> Result<Result<Tokens, OAuthError>, Failed> {
        let asking = flows::Asking::new(opened, self)?;
        let flow = asking.flow(self.clock);
        let scopes = asking.scopes();
        Ok(match opened.kind.auth {
            Auth::OAuth2 => {
                let token = opened.parts.get(REFRESH_TOKEN).ok_or_else(|| {
                    outcome::unusable(
                        "there is no refresh token",
                        format!("grant access: {}", opened.command("authorize")),
                    )
                })?;
                // Where the answer does not say, those hold that were granted, not those that were wanted.
                let held = opened.record.tokens.as_ref().map(|tokens| tokens.scopes.clone());
                flow.refresh(token, &held.unwrap_or(scopes)).await
            }
            Auth::ClientCredentials => flow.client_credentials(&scopes).await,
            Auth::ServiceAccount => {
                let account = flows::service_account(opened)?;
                flow.service_account(&account, &scopes).await
            }
            Auth::ApiKey | Auth::Basic | Auth::Bearer | Auth::Fields => {
                return Err(outcome::unusable(
                    "connections of its type have no tokens that are exchanged",
                    format!("give it a new value: {}", opened.command("rotate")),
                ));
            }
        })
    }

    /// Has a person grant access.
    async fn authorize(
        &self,
        address: &Address,
        way: Way,
        is_spent: &AtomicBool,
    ) -> Result<Result<(Opened, Tokens), Failed>, Failed> {
        let opened = self.open(address).await?;
        let asking = flows::Asking::new(&opened, self)?;
        let flow = asking.flow(self.clock);
        let (scopes, ui) = (asking.scopes(), Shown { tell: self.tell.clone(), is_spent });
        let tokens = match (opened.kind.auth, way) {
            (Auth::OAuth2, Way::Browser) => {
                let redirect = redirect(&opened)?;
                flow.authorize(&scopes, &redirect, &ui).await
            }
            (Auth::OAuth2, Way::Elsewhere) => {
                let Elsewhere { redirect, back } = self.waiting_elsewhere()?;
                flow.authorize_elsewhere(&scopes, &redirect, back, &ui).await
            }
            (Auth::OAuth2, Way::Device) => flow.device(&scopes, &ui).await,
            (Auth::ClientCredentials | Auth::ServiceAccount, _) => {
                return Err(outcome::unusable(
                    "nobody has to grant access: its own credentials get the tokens",
                    format!("try it: {}", opened.command("test")),
                ));
            }
            (Auth::ApiKey | Auth::Basic | Auth::Bearer | Auth::Fields, _) => {
                return Err(outcome::unusable(
                    "connections of its type are not granted, they have a key or a password",
                    format!("give it: {}", opened.command("edit")),
                ));
            }
        };
        Ok(tokens
            .map_err(|error| outcome::of_oauth(&error, &opened))
            .map(|tokens| (opened, tokens)))
    }

    /// Keeps what was granted to the connection as it was then; what cannot be kept is given back.
    async fn keep_granted(&self, asked: &Opened, tokens: Tokens) -> Result<Done, Failed> {
        let (expires, scopes) = (outcome::seconds(tokens.expires), tokens.scopes.clone());
        let (access, refresh) = (tokens.access.clone(), tokens.refresh.clone());
        match self.store_granted(asked, tokens).await {
            Ok(()) => Ok(Done::Authorized { expires, scopes }),
            Err(failed) => {
                let asking = flows::Asking::new(asked, self)?;
                let revoked = asking.flow(self.clock).revoke(refresh.as_ref(), Some(&access)).await;
                let what = match revoked {
                    Ok(_) => "what was granted is given back",
                    Err(_) => {
                        "what was granted could not be given back: take it back at the service"
                    }
                };
                (self.tell)(Event::Note(what.to_owned()));
                Err(failed)
            }
        }
    }

    async fn store_granted(&self, asked: &Opened, tokens: Tokens) -> Result<(), Failed> {
        // Whoever is exchanging the tokens of an earlier grant must not store them over these.
        let held = self.hold(&asked.address).await?;
        let now = self.open(&asked.address).await?;
        // A person may take minutes, and somebody else may give it another client meanwhile.
        if (&now.record.kind, &now.record.fields) != (&asked.record.kind, &asked.record.fields) {
            return Err(outcome::unusable(
                "it was changed while access was granted; nothing was stored",
                format!("grant access to it as it is now: {}", asked.command("authorize")),
            ));
        }
        self.store(Action::Authorize, &asked.address, tokens, None).await?;
        drop(held);
        Ok(())
    }

    /// Gives the tokens back, and forgets them.
    async fn revoke(&self, address: &Address, forget: bool) -> Result<Done, Failed> {
        let held = self.hold(address).await?;
        // What was disabled because it leaked is what most needs to be taken back.
        let opened = self.open_for(address, true).await?;
        if opened.record.tokens.is_none() {
            return Err(outcome::unusable(
                "there are no tokens that could be given back",
                format!("forbid its use: {}", opened.command("disable")),
            ));
        }
        let at_service = !forget && self.give_back(&opened).await?;
        self.forget(address, &opened).await?;
        drop(held);
        Ok(Done::Revoked { at_service })
    }

    /// Has the service forget the grant; whether it offers that.
    async fn give_back(&self, opened: &Opened) -> Result<bool, Failed> {
        let asking = flows::Asking::new(opened, self)?;
        let (refresh, access) = (opened.parts.get(REFRESH_TOKEN), opened.parts.get(ACCESS_TOKEN));
        match asking.flow(self.clock).revoke(refresh, access).await {
            Ok(revoked) => Ok(revoked.refresh || revoked.access),
            Err(OAuthError::NoEndpoint(_)) => Ok(false),
            Err(error) => {
                let failed = outcome::of_oauth(&error, opened);
                let forget =
                    format!("{} forgets the tokens here alone", opened.command("revoke --forget"));
                let help = match failed.help {
                    Some(help) => format!("{help}; {forget}"),
                    None => forget,
                };
                Err(Failed { help: Some(help), ..failed })
            }
        }
    }

    /// The connection opened, with a token that holds.
    async fn ready(&self, address: &Address) -> Result<Opened, Failed> {
        let mut opened = self.open(address).await?;
        let has_tokens = matches!(
            opened.kind.auth,
            Auth::OAuth2 | Auth::ClientCredentials | Auth::ServiceAccount
        );
        if has_tokens && opened.record.tokens.as_ref().is_none_or(|tokens| tokens.expires.is_some())
        {
            self.refresh(address, false).await?;
            opened = self.open(address).await?;
        }
        Ok(opened)
    }

    /// The connection at exactly this address, opened.
    async fn open(&self, address: &Address) -> Result<Opened, Failed> {
        self.open_for(address, false).await
    }

    async fn open_for(&self, address: &Address, allow_disabled: bool) -> Result<Opened, Failed> {
        let lookup = Lookup {
            scope: address.scope.clone(),
            allow_protected: self.allow_protected,
            allow_expired: true,
            allow_disabled,
            audit_required: false,
            actor: self.actor.clone(),
        };
        let (registry, wanted) = (self.registry.clone(), address.clone());
        let key = address.reference.clone();
        let found = blocking(move || registry.open_records(&lookup, &[key])).await?;
        let found = found.results.into_iter().next().unwrap_or(Err(LookupError::NotFound));
        let missing = || outcome::of_registry(&RegistryError::NotFound(wanted.clone()));
        let found = match found {
            Ok(found) if found.address == wanted => found,
            Ok(_) | Err(LookupError::NotFound) => return Err(missing()),
            Err(error) => return Err(outcome::of_lookup(&error, address)),
        };
        let record = Record::parse(&found.public).ok_or_else(outcome::newer)?;
        let kind = self.kind(&record)?;
        let parts = found.parts.into_iter().map(|(name, value)| (name, SecretValue::from(value)));
        let parts = parts.collect();
        let FoundRecord { address, version, expires, .. } = found;
        Ok(Opened { kind, address, version, expires, record, parts, retired: Vec::new() })
    }

    fn kind(&self, record: &Record) -> Result<Arc<ConnectionType>, Failed> {
        self.types.get(&record.kind).cloned().ok_or_else(|| {
            outcome::unusable(
                &format!("its type `{}` is not declared here", record.kind),
                "`subrosa connection types` lists what is declared, and where".to_owned(),
            )
        })
    }
}

/// The address that is registered for the client, if the connection says one.
fn redirect(opened: &Opened) -> Result<Redirect, Failed> {
    let Some(text) = opened.public(REDIRECT_URI) else { return Ok(Redirect::default()) };
    Redirect::parse(&text).map_err(|error| {
        let help = format!("change it: {}", opened.command("edit"));
        outcome::unusable(&format!("its redirect_uri cannot be used: {error}"), help)
    })
}

/// The work's outcome; that it was cancelled, if nobody wants it any more.
async fn or_gone<T>(
    work: impl Future<Output = Result<T, Failed>>,
    gone: impl Future<Output = ()>,
) -> Result<T, Failed> {
    tokio::select! {
        outcome = work => outcome,
        () = gone => Err(Failed {
            kind: FailedKind::Cancelled,
            message: "cancelled".to_owned(),
            help: None,
        }),
    }
}

/// What the registry does, off the async threads.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, Failed> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| outcome::of_registry(&error)),
        Err(_) => Err(outcome::broken("the registry broke off")),
    }
}

/// The scope as the protocol names it.
///
/// # Errors
/// [`Failed`]: a name in the request is none.
pub fn address_of(request: &crate::protocol::Request) -> Result<Address, Failed> {
    let invalid = |error: subrosa_registry::InvalidName| Failed {
        kind: FailedKind::Unusable,
        message: error.to_string(),
        help: None,
    };
    let name = subrosa_registry::SecretRef::parse(&request.name).map_err(invalid)?;
    let workspace = request.workspace.as_deref().map(subrosa_registry::WorkspaceName::parse);
    let environment = request.environment.as_deref().map(subrosa_registry::EnvironmentName::parse);
    let scope = Scope {
        workspace: workspace.transpose().map_err(invalid)?,
        environment: environment.transpose().map_err(invalid)?,
    };
    Ok(Address { reference: subrosa_registry::SecretRef::connection(&name), scope })
}
