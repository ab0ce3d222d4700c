//! What is known of writes that had a key: the rules, without a disk or a clock.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// How long a write is remembered, in seconds.
pub(super) const LIFE_S: u64 = 24 * 60 * 60;
/// Writes of one caller that are remembered; the oldest goes first.
const PER_CALLER_MAX: usize = 1_000;
/// Writes that are remembered; the oldest goes first.
const WRITES_MAX: usize = 10_000;

/// A write that begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Names the key and the caller.
    pub(super) id: String,
    /// Whose it is.
    pub(super) caller: String,
    /// Tells the request from others.
    pub(super) what: String,
    /// When, in seconds since 1970.
    pub(super) at: u64,
}

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The status.
    pub(super) status: u16,
    /// `Content-Type`.
    pub(super) kind: Option<String>,
    /// `ETag`.
    pub(super) tag: Option<String>,
    /// `Location`.
    pub(super) place: Option<String>,
    /// The body.
    pub(super) body: String,
}

/// What a request meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// Nothing: it is new.
    New,
    /// Itself, with the answer.
    Same(Box<Kept>),
    /// Itself; its answer was not kept.
    NotKept,
    /// Itself, and nobody knows what came of it.
    Lost,
    /// Itself, which is not done yet.
    UnderWay,
    /// Another request.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    UnderWay,
    Lost,
    Done(Option<Kept>),
}

#[derive(Debug)]
struct Write {
    begun: Begun,
    state: State,
}

/// All writes that are remembered.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By age.
    writes: BTreeMap<u64, Write>,
    numbers: HashMap<String, u64>,
    /// How many each caller has.
    callers: HashMap<String, usize>,
    next: u64,
}

impl Ledger {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// What a request meets that would begin now.
    pub(super) fn meet(&mut self, new: &Begun) -> Met {
        self.expire(new.at);
        let number = self.numbers.get(&new.id);
        let Some(write) = number.and_then(|number| self.writes.get(number)) else {
            return Met::New;
        };
        match &write.state {
            _ if write.begun.what != new.what => Met::Other,
            State::UnderWay => Met::UnderWay,
            State::Lost => Met::Lost,
            State::Done(None) => Met::NotKept,
            State::Done(Some(kept)) => Met::Same(Box::new(kept.clone())),
        }
    }

    /// Remembers one that begins; the oldest goes if there are too many.
    pub(super) fn begin(&mut self, begun: Begun) {
        self.forget(&begun.id);
        if self.callers.get(&begun.caller).is_some_and(|count| *count >= PER_CALLER_MAX) {
            self.drop_oldest(|write| write.begun.caller == begun.caller);
        }
        if self.writes.len() >= WRITES_MAX {
            self.drop_oldest(|_| true);
        }
        *self.callers.entry(begun.caller.clone()).or_default() += 1;
        self.numbers.insert(begun.id.clone(), self.next);
        self.writes.insert(self.next, Write { begun, state: State::UnderWay });
        self.next += 1;
    }

    /// Remembers the answer.
    pub(super) fn done(&mut self, id: &str, kept: Option<Kept>) {
        self.put(id, State::Done(kept));
    }

    /// Forgets one that was not done.
    pub(super) fn forget(&mut self, id: &str) {
        let number = self.numbers.remove(id);
        let Some(write) = number.and_then(|number| self.writes.remove(&number)) else { return };
        if let Some(count) = self.callers.get_mut(&write.begun.caller) {
            *count -= 1;
            if *count == 0 {
                self.callers.remove(&write.begun.caller);
            }
        }
    }

    /// Remembers of one that is under way that nobody will know what came of it.
    pub(super) fn lose(&mut self, id: &str) {
        let number = self.numbers.get(id);
        let write = number.and_then(|number| self.writes.get_mut(number));
        if let Some(write) = write.filter(|write| write.state == State::UnderWay) {
            write.state = State::Lost;
        }
    }

    /// The same of all that are under way.
    pub(super) fn lose_all(&mut self) {
        for write in self.writes.values_mut().filter(|write| write.state == State::UnderWay) {
            write.state = State::Lost;
        }
    }

    /// Forgets what is older than a day.
    pub(super) fn expire(&mut self, now: u64) {
        while let Some((_, write)) = self.writes.first_key_value() {
            // A clock that was set back keeps them longer.
            if write.begun.at.saturating_add(LIFE_S) > now {
                return;
            }
            let id = write.begun.id.clone();
            self.forget(&id);
        }
    }

    /// Each, the oldest first, with its answer if it is done.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Begun, Option<Option<&Kept>>)> {
        self.writes.values().map(|write| {
            let done = match &write.state {
                State::UnderWay | State::Lost => None,
                State::Done(kept) => Some(kept.as_ref()),
            };
            (&write.begun, done)
        })
    }

    fn put(&mut self, id: &str, state: State) {
        let number = self.numbers.get(id);
        if let Some(write) = number.and_then(|number| self.writes.get_mut(number)) {
            write.state = state;
        }
    }

    /// One that is under way stays: it would be begun a second time.
    fn drop_oldest(&mut self, is_meant: impl Fn(&Write) -> bool) {
        let oldest =
            self.writes.values().find(|write| write.state != State::UnderWay && is_meant(write));
        if let Some(id) = oldest.map(|write| write.begun.id.clone()) {
            self.forget(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Begun, Kept, LIFE_S, Ledger, Met, PER_CALLER_MAX, WRITES_MAX};

    fn begun(id: &str, what: &str, at: u64) -> Begun {
        let caller = id.split('-').next().unwrap().to_owned();
        Begun { id: id.to_owned(), caller, what: what.to_owned(), at }
    }

    fn kept(body: &str) -> Kept {
        Kept { status: 201, kind: None, tag: None, place: None, body: body.to_owned() }
    }

    #[test]
    fn a_write_is_met_as_what_became_of_it() {
        let mut ledger = Ledger::default();
        let one = begun("ada-1", "a", 100);
        assert_eq!(ledger.meet(&one), Met::New);
        ledger.begin(one.clone());
        assert_eq!(ledger.meet(&one), Met::UnderWay);
        assert_eq!(ledger.meet(&begun("ada-1", "b", 100)), Met::Other);
        ledger.lose("ada-1");
        assert_eq!(ledger.meet(&one), Met::Lost);
        ledger.done("ada-1", None);
        assert_eq!(ledger.meet(&one), Met::NotKept);
        ledger.done("ada-1", Some(kept("x")));
        ledger.lose("ada-1");
        assert_eq!(ledger.meet(&one), Met::Same(Box::new(kept("x"))));
        ledger.forget("ada-1");
        assert_eq!(ledger.meet(&one), Met::New);
    }

    #[test]
    fn a_write_is_remembered_for_a_day() {
        let mut ledger = Ledger::default();
        ledger.begin(begun("ada-1", "a", 100));
        ledger.done("ada-1", None);
        assert_eq!(ledger.meet(&begun("ada-1", "a", 99 + LIFE_S)), Met::NotKept);
        assert_eq!(ledger.meet(&begun("ada-1", "a", 100 + LIFE_S)), Met::New);
        assert_eq!(ledger.len(), 0);
    }

    #[test]
    fn of_too_many_the_oldest_goes_and_never_one_that_is_under_way() {
        let mut ledger = Ledger::default();
        ledger.begin(begun("ada-first", "a", 1));
        for n in 0..PER_CALLER_MAX {
            let id = format!("ada-{n}");
            ledger.begin(begun(&id, "a", 1));
            ledger.done(&id, None);
        }
        assert_eq!(ledger.len(), PER_CALLER_MAX);
        assert_eq!(ledger.meet(&begun("ada-first", "a", 1)), Met::UnderWay);
        assert_eq!(ledger.meet(&begun("ada-0", "a", 1)), Met::New);
        assert_eq!(ledger.meet(&begun("ada-1", "a", 1)), Met::NotKept);
        for n in 0..WRITES_MAX {
            let id = format!("user{n}-1");
            ledger.begin(begun(&id, "a", 1));
            ledger.done(&id, None);
        }
        assert_eq!(ledger.len(), WRITES_MAX);
    }
}
