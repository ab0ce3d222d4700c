//! Grants that people give in a browser or with a code, as long as they are under way.
//!
//! Each belongs to whoever began it: nobody else can look at it, come back to it or cancel it. The browser's
//! answer is handed in once, sealed, and goes straight to the broker that waits for it; neither it nor a token
//! is kept here. A state is told apart from others in a time that says nothing of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use data_encoding::HEXLOWER;
use secrecy::SecretSlice;
use subrosa_connections::oauth::{is_same, state_of};
use subrosa_connections::protocol::{Done, Event, Failed, Flow, Request, Task};
use subrosa_connections::state::moment;
use subrosa_http::Url;
use subrosa_server::channel::connections::{
    BeginGrant, CancelGrant, GrantView, GrantWay, LookAtGrant, ReturnToGrant,
};
use subrosa_server::channel::{By, Refusal, RefusalKind, stamp};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Runner, connections, refusal};
use crate::broker::Broker;

/// Grants that wait for somebody, at the same time; and of one owner.
const WAITING_MAX: usize = 64;
const OWN_MAX: usize = 5;

/// How long one that has ended can be looked at.
const SHOWN_FOR: Duration = Duration::from_secs(10 * 60);

/// How long the broker may take to say what a person has to open, and to exchange what they came back with:
/// less than an answer may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// All that were begun and not forgotten.
#[derive(Default)]
pub(super) struct Grants(Mutex<HashMap<String, Arc<Grant>>>);

struct Grant {
    owner: String,
    cancel: Notify,
    inner: Mutex<Inner>,
    /// Told whenever something of it changes.
    changed: watch::Sender<()>,
}

struct Inner {
    view: GrantView,
    state: Option<Zeroizing<Vec<u8>>>,
    back: Option<oneshot::Sender<SecretSlice<u8>>>,
    ended: Option<Instant>,
}

impl Grant {
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
        changed
    }

    fn read<T>(&self, read: impl FnOnce(&Inner) -> T) -> T {
        read(&self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something holds of it, for a while; how it stands then.
    fn wait(&self, holds: impl Fn(&Inner) -> bool) -> GrantView {
        let mut changes = self.changed.subscribe();
        let waiting = async { while !self.read(&holds) && changes.changed().await.is_ok() {} };
        // How it stands is told either way.
        Handle::current().block_on(async { timeout(PATIENCE, waiting).await.ok() });
        self.read(|inner| inner.view.clone())
    }
}

impl Grants {
    fn all(&self) -> Vec<Arc<Grant>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().collect()
    }

    fn find(&self, id: &str, owner: &str) -> Result<Arc<Grant>, Refusal> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(id).filter(|grant| grant.owner == owner);
        found.cloned().ok_or_else(not_found)
    }

    /// Keeps one, if there are not too many; forgets those that ended long ago.
    fn keep(&self, grant: &Arc<Grant>) -> Result<(), Refusal> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, grant| {
            grant.read(|inner| inner.ended.is_none_or(|ended| ended.elapsed() < SHOWN_FOR))
        });
        let waits = |grant: &&Arc<Grant>| grant.read(|inner| inner.ended.is_none());
        let waiting = known.values().filter(waits).count();
        let own = known.values().filter(waits).filter(|known| known.owner == grant.owner).count();
        if waiting >= WAITING_MAX || own >= OWN_MAX {
            return Err(Refusal {
                kind: RefusalKind::Unavailable,
                message: "too many grants wait for somebody at the same time".to_owned(),
                help: Some("finish or cancel one that was begun".to_owned()),
            });
        }
        known.insert(grant.read(|inner| inner.view.id.clone()), grant.clone());
        Ok(())
    }
}

fn not_found() -> Refusal {
    let message = "there is no such grant, or it was begun in another session".to_owned();
    Refusal { kind: RefusalKind::NotFound, message, help: Some("begin a new one".to_owned()) }
}

/// Has a broker begin, and waits until it has said what the person has to open.
pub(super) fn begin(runner: &Runner, by: &By, asked: BeginGrant) -> Result<GrantView, Refusal> {
    let address = connections::address(&asked.name, &asked.scope)?;
    let there = runner.admin(by, "serve").record(&address);
    there.map_err(|error| refusal::registry(&error))?;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| refusal::busy())?;
    let (flow, redirect) = match asked.way {
        GrantWay::Browser(redirect) => (Flow::Elsewhere, Some(redirect)),
        GrantWay::Device => (Flow::Device, None),
    };
    let view = GrantView {
        id: HEXLOWER.encode(&bytes),
        name: asked.name,
        workspace: asked.scope.workspace,
        environment: asked.scope.environment,
        state: "waiting".to_owned(),
        url: None,
        code: None,
        complete_url: None,
        until: None,
        message: None,
        help: None,
        expires: None,
    };
    let (back, came) = oneshot::channel();
    let inner = Mutex::new(Inner { view, state: None, back: Some(back), ended: None });
    let (cancel, (changed, _)) = (Notify::new(), watch::channel(()));
    let grant = Arc::new(Grant { owner: asked.owner, cancel, inner, changed });
    runner.services.grants.keep(&grant)?;
    let task = Task::Authorize(flow);
    let request = Request { redirect, ..runner.services.request(task, &address, by) };
    let (broker, clock) = (runner.services.broker.clone(), runner.clock);
    Handle::current().spawn(Box::pin(carry_out(broker, request, grant.clone(), came, clock)));
    let view = grant.wait(|inner| inner.view.url.is_some() || inner.ended.is_some());
    match view.state.as_str() {
        "failed" => Err(refusal_of(view)),
        _ => Ok(view),
    }
}

/// What failed before anybody was asked.
fn refusal_of(view: GrantView) -> Refusal {
    let message = view.message.unwrap_or_default();
    Refusal { kind: RefusalKind::Invalid, message, help: view.help }
}

/// Has the broker do it, and notes what it says.
async fn carry_out(
    broker: Broker,
    request: Request,
    grant: Arc<Grant>,
    came: oneshot::Receiver<SecretSlice<u8>>,
    clock: fn() -> SystemTime,
) {
    let noted = grant.clone();
    let mut show = move |event: Event| noted.change(|inner| note(inner, event, clock()));
    let back = async { came.await.ok() };
    let outcome = broker.ask_and_return(&request, &mut show, &grant.cancel, back).await;
    grant.change(|inner| end(inner, outcome));
}

fn note(inner: &mut Inner, event: Event, now: SystemTime) {
    let until = |seconds| Some(stamp(now + Duration::from_secs(seconds)));
    match event {
        Event::OpenUrl { url, within_s } => {
            let query = Url::parse(&url).ok();
            let query = query.as_ref().and_then(|url| url.query());
            inner.state = query.and_then(|query| state_of(query.as_bytes()));
            inner.view.url = Some(url);
            inner.view.until = until(within_s);
        }
        Event::UserCode { url, complete_url, code, within_s } => {
            inner.view.url = Some(url);
            inner.view.complete_url = complete_url;
            inner.view.code = Some(code);
            inner.view.until = until(within_s);
        }
        Event::Note(_) | Event::Ask { .. } | Event::Done(_) | Event::Failed(_) => {}
    }
}

fn end(inner: &mut Inner, outcome: Result<Done, Failed>) {
    inner.ended = Some(Instant::now());
    (inner.state, inner.back) = (None, None);
    let view = &mut inner.view;
    (view.url, view.code, view.complete_url, view.until) = (None, None, None, None);
    match outcome {
        Ok(done) => {
            "granted".clone_into(&mut view.state);
            if let Done::Authorized { expires, .. } = done {
                view.expires = expires.map(|end| stamp(moment(end)));
            }
        }
        Err(failed) => {
            "failed".clone_into(&mut view.state);
            (view.message, view.help) = (Some(failed.message), failed.help);
        }
    }
}

/// Hands in what a browser came back with, and waits for what comes of it.
#[expect(clippy::disallowed_methods, reason = "the state is taken out of what came back")]
pub(super) fn come_back(runner: &Runner, asked: &ReturnToGrant) -> Result<GrantView, Refusal> {
    use secrecy::ExposeSecret as _;
    let query = runner.key.open(&asked.query).map_err(refusal::sealed)?;
    let state = state_of(query.expose_secret()).ok_or_else(|| {
        refusal::invalid("what the browser came back with is no answer to a grant")
    })?;
    let is_it = |grant: &&Arc<Grant>| {
        grant.read(|inner| inner.state.as_ref().is_some_and(|known| is_same(known, &state)))
    };
    let grants = runner.services.grants.all();
    let grant = grants.iter().find(is_it).filter(|grant| grant.owner == asked.owner);
    let grant = grant.ok_or_else(|| Refusal {
        kind: RefusalKind::NotFound,
        message: "the answer belongs to no grant that waits for it in this session".to_owned(),
        help: Some(
            "it may have come too late, or twice; begin a new one, and finish it in the same browser"
                .to_owned(),
        ),
    })?;
    // The state is spent by whoever shows it first.
    let back = grant.change(|inner| {
        inner.state = None;
        inner.back.take()
    });
    if let Some(back) = back {
        // The broker may have given up at this moment, and says so.
        back.send(query).ok();
    }
    Ok(grant.wait(|inner| inner.ended.is_some()))
}

/// How it stands.
pub(super) fn look(runner: &Runner, asked: &LookAtGrant) -> Result<GrantView, Refusal> {
    let grant = runner.services.grants.find(&asked.id, &asked.owner)?;
    Ok(grant.read(|inner| inner.view.clone()))
}

/// Ends it, if that is still possible.
pub(super) fn cancel(runner: &Runner, asked: &CancelGrant) -> Result<(), Refusal> {
    let grant = runner.services.grants.find(&asked.id, &asked.owner)?;
    grant.cancel.notify_one();
    grant.wait(|inner| inner.ended.is_some());
    Ok(())
}
