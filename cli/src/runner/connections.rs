//! Connections: listed, made, changed, tried. No answer holds a value.
//!
//! What needs an opened connection is done by a broker, as for the command line, which connects to public
//! addresses only and to those that were opened when the server was started.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use subrosa_connections::change::{self, Change};
use subrosa_connections::form::{self, Current, Filled, missing, newly_missing};
use subrosa_connections::protocol::{Done, FailedKind, Request, Task};
use subrosa_connections::state::{Seen, State, moment};
use subrosa_connections::{Auth, ConnectionType, Field, Record, TokenState, Types};
use subrosa_registry::{
    Action, Address, Admin, MustBe, Names, RecordInfo, RegistryError, SecretRef, SetOptions,
};
use subrosa_server::channel::connections::{
    BeginGrant, CancelGrant, ChangeConnection, ConnectionChange, ConnectionTask, ConnectionView,
    ConnectionWritten, ConnectionsCall, FieldView, ListConnections, ListTypes, LookAtGrant,
    OutcomeView, Put, PutConnection, ReturnToGrant, SealedView, TokensView, TypeView,
    UseConnection,
};
use subrosa_server::channel::secrets::{ExpiryName, Standing, VersionView};
use subrosa_server::channel::{By, Refusal, ScopeName, stamp};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

use super::grants::{self, Grants};
use super::secrets::expiry;
use super::{Runner, refusal, reply};
use crate::broker::{Broker, request};
use crate::connections;
use crate::failure::Failure;
use crate::wiring::World;

/// Brokers that work at the same time.
const BROKERS_MAX: usize = 8;

/// The variable with the hosts and networks that may be private, for the runner.
pub(crate) const PRIVATE_HOSTS: &str = "SUBROSA_ALLOW_PRIVATE_HOSTS";

/// What connections take beside the registry.
pub(super) struct Services {
    types: Arc<Types>,
    pub(super) broker: Broker,
    brokers: Semaphore,
    /// Hosts and networks that may be private.
    private_hosts: Vec<String>,
    pub(super) grants: Grants,
}

impl Services {
    /// With the types as they are declared now.
    pub(super) fn new(world: &World) -> Result<Services, Failure> {
        let hosts = world.var(PRIVATE_HOSTS).and_then(|text| text.to_str()).unwrap_or_default();
        Ok(Services {
            types: connections::types(world)?,
            broker: Broker::new(world),
            brokers: Semaphore::new(BROKERS_MAX),
            private_hosts: hosts.split_whitespace().map(str::to_owned).collect(),
            grants: Grants::default(),
        })
    }

    /// What a broker is asked for a user.
    pub(super) fn request(&self, task: Task, address: &Address, by: &By) -> Request {
        Request {
            allow_protected: by.allow_protected,
            user: Some(by.user.clone()),
            private_hosts: Some(self.private_hosts.clone()),
            ..request(task, &address.reference, &address.scope, "serve")
        }
    }
}

/// Answers what is asked about connections.
pub(super) fn answer(runner: &Runner, id: u64, by: &By, call: ConnectionsCall) {
    use ConnectionsCall as Ask;
    match call {
        Ask::ListTypes(_) => reply::<ListTypes>(id, Ok(types(runner))),
        Ask::ListConnections(asked) => reply::<ListConnections>(id, list(runner, by, &asked)),
        Ask::PutConnection(asked) => reply::<PutConnection>(id, put(runner, by, asked)),
        Ask::ChangeConnection(asked) => reply::<ChangeConnection>(id, change(runner, by, &asked)),
        Ask::UseConnection(asked) => reply::<UseConnection>(id, use_it(runner, by, &asked)),
        Ask::BeginGrant(asked) => reply::<BeginGrant>(id, grants::begin(runner, by, asked)),
        Ask::ReturnToGrant(asked) => reply::<ReturnToGrant>(id, grants::come_back(runner, &asked)),
        Ask::LookAtGrant(asked) => reply::<LookAtGrant>(id, grants::look(runner, &asked)),
        Ask::CancelGrant(asked) => reply::<CancelGrant>(id, grants::cancel(runner, &asked)),
    }
}

/// Whether the answer is known only when a service elsewhere has given one.
pub(super) fn waits_for_a_service(call: &ConnectionsCall) -> bool {
    use ConnectionsCall as Ask;
    match call {
        Ask::UseConnection(_) | Ask::BeginGrant(_) | Ask::ReturnToGrant(_) => true,
        Ask::ListTypes(_)
        | Ask::ListConnections(_)
        | Ask::PutConnection(_)
        | Ask::ChangeConnection(_)
        | Ask::LookAtGrant(_)
        | Ask::CancelGrant(_) => false,
    }
}

fn types(runner: &Runner) -> Vec<TypeView> {
    runner.services.types.iter().map(|kind| type_view(kind)).collect()
}

fn type_view(kind: &ConnectionType) -> TypeView {
    let field = |field: &Field| FieldView {
        name: field.name.clone(),
        label: field.label.clone(),
        help: field.help.clone(),
        secret: field.is_secret,
        required: field.is_required,
        format: field.format.name().to_owned(),
        default: field.default.clone(),
        choices: field.choices.clone(),
    };
    TypeView {
        id: kind.id.clone(),
        label: kind.label.clone(),
        summary: kind.summary.clone(),
        docs: kind.docs.clone(),
        authenticates_with: kind.auth.words().to_owned(),
        needs_grant: kind.auth == Auth::OAuth2,
        has_device_flow: kind.auth == Auth::OAuth2
            && kind.oauth.as_ref().is_some_and(|oauth| oauth.device_url.is_some()),
        can_be_tested: kind.test.is_some(),
        fields: kind.fields.iter().map(field).collect(),
    }
}

/// Every connection, or one; none without a registry.
fn list(runner: &Runner, by: &By, asked: &ListConnections) -> Result<Vec<ConnectionView>, Refusal> {
    let admin = runner.admin(by, "serve");
    let found = match &asked.only {
        None => admin.records(),
        Some((name, scope)) => admin.record(&address(name, scope)?).map(|info| vec![info]),
    };
    match found {
        Ok(list) => Ok(list.iter().map(|info| view(runner, info)).collect()),
        Err(RegistryError::NoStore { .. } | RegistryError::NotFound(_)) => Ok(Vec::new()),
        Err(error) => Err(refusal::registry(&error)),
    }
}

fn view(runner: &Runner, info: &RecordInfo) -> ConnectionView {
    let now = (runner.clock)();
    // One that cannot be read here has the state of one whose type is not known; the others still count.
    let record = Record::parse(&info.public).unwrap_or_default();
    let kind = runner.services.types.get(&record.kind).map(|kind| &**kind);
    let seen = Seen { info, record: &record, kind };
    let (state, end) = (State::of(&seen, now), seen.end());
    let about = &info.info;
    let scope = ScopeName::of(&about.address.scope);
    let part = |part: &subrosa_registry::PartInfo| {
        let sealed = SealedView { version: part.version, created: stamp(part.created) };
        (part.name.clone(), sealed)
    };
    ConnectionView {
        name: name(&about.address),
        workspace: scope.workspace,
        environment: scope.environment,
        kind: record.kind.clone(),
        state: state.word().to_owned(),
        status: state.words(now),
        needs_somebody: state.needs_somebody(),
        missing: match state {
            State::Incomplete(fields) => fields,
            _ => Vec::new(),
        },
        ends: end.map(stamp),
        version: about.version,
        description: about.description.clone(),
        created: stamp(about.created),
        updated: stamp(about.updated),
        last_used: about.last_used.map(stamp),
        fields: record.fields,
        secrets: info.parts.iter().map(part).collect(),
        tokens: record.tokens.as_ref().map(tokens_view),
        versions: about.versions.iter().map(VersionView::of).collect(),
    }
}

fn tokens_view(tokens: &TokenState) -> TokensView {
    let at = |seconds: u64| stamp(moment(seconds));
    TokensView {
        authorized: at(tokens.authorized),
        refreshed: at(tokens.refreshed),
        expires: tokens.expires.map(at),
        grant_expires: tokens.grant_expires.map(at),
        can_refresh: tokens.can_refresh,
        scopes: tokens.scopes.clone(),
        refused: tokens.refused.clone(),
    }
}

/// The name of a connection.
pub(super) fn name(address: &Address) -> String {
    address.reference.connection_name().unwrap_or_default().to_owned()
}

/// The connection of this name.
pub(super) fn address(name: &str, scope: &ScopeName) -> Result<Address, Refusal> {
    let parsed = SecretRef::parse(name).and_then(|name| Ok((name, scope.parse()?)));
    let (name, scope) = parsed.map_err(|why| refusal::name(&why))?;
    Ok(Address { reference: SecretRef::connection(&name), scope })
}

/// Makes a connection, or stores other answers.
fn put(runner: &Runner, by: &By, asked: PutConnection) -> Result<ConnectionWritten, Refusal> {
    let address = address(&asked.name, &asked.scope)?;
    let admin = runner.admin(by, "serve");
    let known = change::known(&admin, &address).map_err(|error| refusal::registry(&error))?;
    let refused = |error: RegistryError| Err(refusal::registry(&error));
    let (id, current) = match (&asked.put, &known) {
        (Put::New(_), Some(_)) => return refused(RegistryError::Exists(address)),
        (Put::Edit(_) | Put::Rotate(_), None) => return refused(RegistryError::NotFound(address)),
        (Put::New(id), None) => (id.clone(), Current::default()),
        (Put::Edit(_) | Put::Rotate(_), Some(info)) => {
            let record = change::parse(info).map_err(|error| refusal::change(&error))?;
            let current = Seen { info, record: &record, kind: None }.current();
            (record.kind, current)
        }
    };
    let kind = runner.services.types.get(&id);
    let kind = kind.ok_or_else(|| refusal::invalid("there is no type of that name"))?;
    let filled = fill(runner, kind, &asked)?;
    let lacking = match asked.put {
        Put::New(_) => missing(kind, &current, &filled),
        Put::Edit(_) | Put::Rotate(_) => newly_missing(kind, &current, &filled),
    };
    if !lacking.is_empty() {
        let names: Vec<String> = lacking.iter().map(|field| format!("`{}`", field.name)).collect();
        let names = names.join(", ");
        return Err(refusal::invalid(format!("no value for {names}, which the type requires")));
    }
    let options = options(&asked, (runner.clock)())?;
    store(&admin, &address, (&asked.put, kind), (filled, options))
}

fn store(
    admin: &Admin<'_>,
    address: &Address,
    (put, kind): (&Put, &ConnectionType),
    (filled, options): (Filled, SetOptions),
) -> Result<ConnectionWritten, Refusal> {
    let (action, must_be, expect) = match put {
        Put::New(_) => (Action::Set, MustBe::New, None),
        Put::Edit(expect) => (Action::Set, MustBe::Present, *expect),
        Put::Rotate(expect) => (Action::Rotate, MustBe::Present, *expect),
    };
    // The first that is kept makes the registry.
    if let Err(RegistryError::NoStore { .. }) = admin.environments()
        && must_be == MustBe::New
    {
        admin.create_store(Names::Open).map_err(|error| refusal::registry(&error))?;
    }
    let change = Change { kind, filled, options, must_be, expect };
    let written = change::put(admin, action, address, change);
    let written = written.map_err(|error| refusal::change(&error))?;
    let new_environment = written.is_new_environment;
    Ok(ConnectionWritten { version: written.version, new_environment })
}

#[expect(clippy::disallowed_methods, reason = "an answer is judged by its format and sealed again")]
fn fill(runner: &Runner, kind: &ConnectionType, asked: &PutConnection) -> Result<Filled, Refusal> {
    use secrecy::ExposeSecret as _;
    let mut filled = Filled::default();
    for (name, answer) in &asked.answers {
        // What is no field's name is not repeated: it may be a value.
        let no_field = || refusal::invalid(format!("the type `{}` has no such field", kind.id));
        let field = kind.field(name).ok_or_else(no_field)?;
        if let Put::Rotate(_) = asked.put
            && !field.is_secret
        {
            let message = format!("the field `{name}` is public: there is nothing to rotate");
            return Err(refusal::invalid(message));
        }
        let Some(sealed) = answer else {
            form::remove(field, &mut filled);
            continue;
        };
        let value = runner.key.open(sealed).map_err(refusal::sealed)?;
        form::put(field, value.expose_secret(), &mut filled).map_err(|why| {
            refusal::invalid(format!("the value of `{name}` cannot be used: {why}"))
        })?;
    }
    match asked.put {
        Put::Rotate(_) if filled.is_empty() => Err(refusal::invalid("no new value was given")),
        _ => Ok(filled),
    }
}

fn named(asked: &PutConnection) -> Result<Option<ExpiryName>, Refusal> {
    match (&asked.expires, asked.max_age_s) {
        (Some(_), Some(_)) => Err(refusal::invalid("`expires` and `max_age_s` exclude each other")),
        (Some(at), None) => Ok(Some(ExpiryName::At(at.clone()))),
        (None, age) => Ok(age.map(ExpiryName::Age)),
    }
}

fn options(asked: &PutConnection, now: SystemTime) -> Result<SetOptions, Refusal> {
    Ok(SetOptions {
        overlap: asked.overlap_s.map(Duration::from_secs),
        description: asked.description.clone(),
        expiry: named(asked)?.map(|name| expiry(&name, now)).transpose()?,
        ..SetOptions::default()
    })
}

/// Changes a connection, but none of its fields.
fn change(runner: &Runner, by: &By, asked: &ChangeConnection) -> Result<(), Refusal> {
    let address = address(&asked.name, &asked.scope)?;
    let admin = runner.admin(by, "serve");
    let info = admin.record(&address).map_err(|error| refusal::registry(&error))?;
    if let Standing::Present(Some(expected)) = asked.must_be
        && info.info.version != Some(expected)
    {
        let found = info.info.version;
        return Err(refusal::registry(&RegistryError::Changed { address, expected, found }));
    }
    let changed = match asked.change {
        ConnectionChange::Enable => admin.enable(&address).map(drop),
        ConnectionChange::Disable => admin.disable(&address).map(drop),
        ConnectionChange::Remove => admin.remove(&address),
    };
    changed.map_err(|error| refusal::registry(&error))
}

/// Has a service asked.
fn use_it(runner: &Runner, by: &By, asked: &UseConnection) -> Result<OutcomeView, Refusal> {
    let address = address(&asked.name, &asked.scope)?;
    let there = runner.admin(by, "serve").record(&address);
    there.map_err(|error| refusal::registry(&error))?;
    let services = &runner.services;
    let _held = services.brokers.try_acquire().map_err(|_| refusal::busy())?;
    let task = match asked.task {
        ConnectionTask::Test => Task::Test,
        ConnectionTask::Refresh { force } => Task::Refresh { force },
        ConnectionTask::Revoke { forget } => Task::Revoke { forget },
    };
    let request = services.request(task, &address, by);
    let (mut ignore, cancel) = (|_| {}, Notify::new());
    let asking = services.broker.ask(&request, &mut ignore, &cancel);
    match (Handle::current().block_on(Box::pin(asking)), asked.task) {
        (Ok(done), _) => Ok(outcome(done)),
        (Err(failed), ConnectionTask::Test) => {
            let message = Some(failed.message);
            let (outcome, help) = (failed_word(failed.kind).to_owned(), failed.help);
            Ok(OutcomeView { outcome, shows: None, message, help, expires: None })
        }
        (Err(failed), _) => Err(refusal::failed(failed)),
    }
}

fn outcome(done: Done) -> OutcomeView {
    let (word, shows, message, expires) = match done {
        Done::Works { shows } => ("works", shows, None, None),
        Done::NotTested { why } => ("not_tested", None, Some(why), None),
        Done::Authorized { expires, .. } => ("authorized", None, None, expires),
        Done::Refreshed { expires } => ("refreshed", None, None, expires),
        Done::StillFresh { expires } => ("still_fresh", None, None, expires),
        Done::Revoked { at_service: true } => ("revoked", None, None, None),
        Done::Revoked { at_service: false } => ("forgotten", None, None, None),
    };
    let expires = expires.map(|end| stamp(moment(end)));
    OutcomeView { outcome: word.to_owned(), shows, message, help: None, expires }
}

fn failed_word(kind: FailedKind) -> &'static str {
    match kind {
        FailedKind::Unusable => "unusable",
        FailedKind::Refused => "refused",
        FailedKind::Unavailable => "unavailable",
        FailedKind::Cancelled => "cancelled",
        FailedKind::Broken => "broken",
    }
}
