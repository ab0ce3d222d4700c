//! Clients that steps share.
//!
//! Steps of one identity (what the kind connects to, as what) share a client: the first makes it, those
//! that come meanwhile wait for it. A failure is told to those who waited and is not kept: whoever comes
//! later tries anew. A client is of one version of its credential; with another version it is made anew,
//! and the old one is closed when the last step that uses it lets it go. Clients that nobody used for a
//! while are let go, and there are not more than so many.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use subrosa_engine::kind::{ClientUse, StepFault, Usage};
use tokio::sync::watch;
use tokio::time::Instant;

/// Clients of one kind at a time; beyond that the one that was not used for longest goes.
const CLIENTS_MAX: usize = 64;
/// A client that nobody used for so long is let go.
const IDLE: Duration = Duration::from_secs(60);

/// What two steps must have in common to share a client. It may be made of secrets and is kept as a digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// What it was made of first: the credential.
    holder: [u8; 32],
    whole: [u8; 32],
}

impl Identity {
    /// One made of parts, each by itself: `ab`, `c` is another than `a`, `bc`.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Identity {
        let whole = digest(parts);
        Identity { holder: whole, whole }
    }

    /// This one and more that steps must have in common.
    #[must_use]
    pub fn and<'a>(&'a self, more: impl IntoIterator<Item = &'a [u8]>) -> Identity {
        let whole = digest([self.whole.as_slice()].into_iter().chain(more));
        Identity { holder: self.holder, whole }
    }
}

fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The clients of one kind.
pub struct Clients<C>(Arc<Table<C>>);

type Table<C> = Mutex<BTreeMap<Identity, Slot<C>>>;

struct Slot<C> {
    version: Identity,
    state: State<C>,
    used: Instant,
}

enum State<C> {
    /// Somebody makes it.
    Opening(watch::Receiver<Option<Result<Arc<C>, StepFault>>>),
    Open(Arc<C>),
}

impl<C> Default for Clients<C> {
    fn default() -> Clients<C> {
        Clients(Arc::default())
    }
}

/// What the table says to somebody who wants a client.
enum Turn<C> {
    Ready(Arc<C>),
    Wait(watch::Receiver<Option<Result<Arc<C>, StepFault>>>),
    Make(watch::Sender<Option<Result<Arc<C>, StepFault>>>),
}

impl<C: Send + Sync + 'static> Clients<C> {
    /// The client of an identity, for a version of its credential. `shown` is its name in the record.
    ///
    /// # Errors
    /// The failure of `open`: of this call or of the one that this one waited for.
    pub async fn get<F>(
        &self,
        (identity, version): (Identity, Identity),
        (usage, shown): (&Usage, &str),
        open: impl FnOnce() -> F,
    ) -> Result<Arc<C>, StepFault>
    where
        F: Future<Output = Result<C, StepFault>>,
    {
        loop {
            match self.turn(identity, version) {
                Turn::Ready(client) => {
                    usage.note(shown, ClientUse::Shared);
                    return Ok(client);
                }
                Turn::Wait(mut opening) => {
                    let ended = opening.wait_for(Option::is_some).await;
                    // Whoever made it was stopped: it is somebody else's turn.
                    let Ok(Some(ended)) = ended.map(|ended| ended.clone()) else { continue };
                    let client = ended?;
                    usage.note(shown, ClientUse::Shared);
                    return Ok(client);
                }
                Turn::Make(sender) => {
                    let opened = open().await.map(Arc::new);
                    self.settle(identity, version, &opened);
                    if opened.is_ok() {
                        usage.note(shown, ClientUse::Opened);
                    }
                    sender.send_replace(Some(opened.clone()));
                    return opened;
                }
            }
        }
    }

    /// Lets a client go that turned out to be of no use any more, unless there is another by now.
    pub fn forget(&self, identity: Identity, client: &Arc<C>) {
        let mut slots = self.slots();
        if slots.get(&identity).is_some_and(|slot| slot.has(client)) {
            slots.remove(&identity);
        }
    }

    /// Lets all clients of a credential go, whatever else their identities are made of: it is not to be used any
    /// more.
    pub fn close(&self, credential: &Identity) {
        self.slots().retain(|identity, _| identity.holder != credential.holder);
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<Identity, Slot<C>>> {
        locked(&self.0)
    }

    fn turn(&self, identity: Identity, version: Identity) -> Turn<C> {
        let now = Instant::now();
        let mut slots = self.slots();
        slots.retain(|of, slot| *of == identity || !slot.is_idle(now));
        if let Some(slot) = slots.get_mut(&identity).filter(|slot| slot.version == version) {
            slot.used = now;
            match &slot.state {
                State::Open(client) => return Turn::Ready(client.clone()),
                State::Opening(opening) if opening.has_changed().is_ok() => {
                    return Turn::Wait(opening.clone());
                }
                // Nobody makes it any more.
                State::Opening(_) => {}
            }
        }
        if slots.len() >= CLIENTS_MAX && !slots.contains_key(&identity) {
            let open = slots.iter().filter(|(_, slot)| matches!(slot.state, State::Open(_)));
            let oldest = open.min_by_key(|(_, slot)| slot.used).map(|(of, _)| *of);
            oldest.map(|of| slots.remove(&of));
        }
        let (sender, opening) = watch::channel(None);
        slots.insert(identity, Slot { version, state: State::Opening(opening), used: now });
        Turn::Make(sender)
    }

    /// Keeps what was made, unless another version is wanted by now.
    fn settle(&self, identity: Identity, version: Identity, opened: &Result<Arc<C>, StepFault>) {
        let mut slots = self.slots();
        if slots.get(&identity).is_none_or(|slot| slot.version != version) {
            return;
        }
        match opened {
            Ok(client) => {
                let state = State::Open(client.clone());
                slots.insert(identity, Slot { version, state, used: Instant::now() });
                tokio::spawn(watch(Arc::downgrade(&self.0), identity, Arc::downgrade(client)));
            }
            Err(_) => {
                slots.remove(&identity);
            }
        }
    }
}

fn locked<C>(table: &Table<C>) -> MutexGuard<'_, BTreeMap<Identity, Slot<C>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a client go when nobody used it for a while: steps of other kinds may go on for hours.
async fn watch<C>(table: Weak<Table<C>>, identity: Identity, client: Weak<C>) {
    let mut until = Instant::now() + IDLE;
    loop {
        tokio::time::sleep_until(until).await;
        let (Some(table), Some(client)) = (table.upgrade(), client.upgrade()) else { return };
        let mut slots = locked(&table);
        let Some(slot) = slots.get_mut(&identity).filter(|slot| slot.has(&client)) else { return };
        // The table has it, and we: whoever else has it is at work with it.
        if Arc::strong_count(&client) > 2 {
            slot.used = Instant::now();
        }
        until = slot.used + IDLE;
        if until <= Instant::now() {
            slots.remove(&identity);
            return;
        }
    }
}

impl<C> Slot<C> {
    fn is_idle(&self, now: Instant) -> bool {
        let is_free = matches!(&self.state, State::Open(client) if Arc::strong_count(client) == 1);
        is_free && now.duration_since(self.used) > IDLE
    }

    fn has(&self, client: &Arc<C>) -> bool {
        match &self.state {
            State::Open(open) => Arc::ptr_eq(open, client),
            State::Opening(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use subrosa_engine::kind::{StepFault, Usage};

    use super::{CLIENTS_MAX, Clients, Identity};

    fn id(text: &str) -> Identity {
        Identity::of([text.as_bytes()])
    }

    fn nobody() -> Usage {
        Usage::new(|_, _| {})
    }

    async fn get(
        clients: &Clients<usize>,
        what: &str,
        version: &str,
        count: &AtomicUsize,
    ) -> Result<Arc<usize>, StepFault> {
        let open = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(count.fetch_add(1, Ordering::Relaxed))
        };
        clients.get((id(what), id(version)), (&nobody(), "c"), open).await
    }

    #[tokio::test(start_paused = true)]
    async fn one_makes_it_and_the_others_wait() {
        let (clients, count) = (Clients::default(), AtomicUsize::new(0));
        let all = futures_util::future::join_all((0..50).map(|_| get(&clients, "a", "1", &count)));
        assert!(all.await.iter().all(|one| one.as_ref().is_ok_and(|client| **client == 0)));
        assert_eq!(*get(&clients, "b", "1", &count).await.unwrap(), 1);
        assert_eq!(*get(&clients, "a", "2", &count).await.unwrap(), 2);
        assert_eq!(*get(&clients, "a", "2", &count).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_to_those_who_waited_and_is_not_kept() {
        let (clients, count) = (Clients::<usize>::default(), AtomicUsize::new(0));
        let fail = || {
            let open = || async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                count.fetch_add(1, Ordering::Relaxed);
                Err(StepFault::new("refused"))
            };
            let clients = &clients;
            async move { clients.get((id("a"), id("1")), (&nobody(), "c"), open).await }
        };
        let all = futures_util::future::join_all((0..20).map(|_| fail())).await;
        assert!(all.iter().all(|one| one.as_ref().is_err_and(|fault| fault.message == "refused")));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert_eq!(*get(&clients, "a", "1", &count).await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_maker_that_was_stopped_leaves_it_to_the_next() {
        let (clients, count) = (Clients::default(), AtomicUsize::new(0));
        let stopped = get(&clients, "a", "1", &count);
        let both = tokio::time::timeout(Duration::from_millis(500), stopped);
        let (first, second) = tokio::join!(both, get(&clients, "a", "1", &count));
        assert!(first.is_err());
        assert_eq!(*second.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_goes() {
        let (clients, count) = (Clients::default(), AtomicUsize::new(0));
        let first = Arc::downgrade(&get(&clients, "a", "1", &count).await.unwrap());
        let used = get(&clients, "u", "1", &count).await.unwrap();
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(first.upgrade().is_some());
        // Nobody asks for another.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(first.upgrade().is_none());
        // What somebody is at work with is not idle, however long that takes.
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(*get(&clients, "u", "1", &count).await.unwrap(), *used);
        let gone = Arc::downgrade(&used);
        drop(used);
        tokio::time::sleep(Duration::from_secs(121)).await;
        assert!(gone.upgrade().is_none());
        for index in 0..CLIENTS_MAX {
            let identity = (id(&index.to_string()), id("1"));
            clients.get(identity, (&nobody(), "c"), || async { Ok(index) }).await.unwrap();
        }
        assert_eq!(clients.slots().len(), CLIENTS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_credential_opened_is_closed_with_it() {
        let (clients, count) = (Clients::default(), AtomicUsize::new(0));
        let make = async |identity: Identity| {
            let open = || async { Ok(count.fetch_add(1, Ordering::Relaxed)) };
            clients.get((identity, id("1")), (&nobody(), "c"), open).await.unwrap()
        };
        let here = Arc::downgrade(&make(id("a").and([b"here".as_slice()])).await);
        let there = Arc::downgrade(&make(id("a").and([b"there".as_slice()])).await);
        let other = Arc::downgrade(&make(id("b").and([b"here".as_slice()])).await);
        clients.close(&id("a"));
        let left = [here, there, other].map(|client| client.upgrade().is_some());
        assert_eq!(left, [false, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_of_no_use_is_forgotten_once() {
        let (clients, count) = (Clients::default(), AtomicUsize::new(0));
        let old = get(&clients, "a", "1", &count).await.unwrap();
        clients.forget(id("a"), &old);
        let new = get(&clients, "a", "1", &count).await.unwrap();
        clients.forget(id("a"), &old);
        assert_eq!(*get(&clients, "a", "1", &count).await.unwrap(), *new);
    }
}
