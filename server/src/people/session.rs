//! Sessions of browsers: an id that the browser holds, a digest of it here.
//!
//! An id has two halves: one names the session, the other shows that it is yours. The second is replaced
//! every hour, and when its user's rights change; the former is good for some moments more, for requests
//! that were under way. A session ends after two hours without a request, and after twelve in any case.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{PeopleError, Token, digest, is_same, random_id};

/// How long a session lasts at most.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// How long it lasts without a request.
const IDLE: Duration = Duration::from_secs(2 * 60 * 60);
/// How old the half that shows it may become.
const ROTATION: Duration = Duration::from_secs(60 * 60);
/// How long the former half is good.
const OVERLAP: Duration = Duration::from_secs(60);
/// Sessions of one user; a new one ends the one that was used least lately.
const PER_USER_MAX: usize = 20;
/// Characters of what a browser says it is.
const AGENT_CHARS_MAX: usize = 120;

/// All sessions, by the half that names them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    sessions: BTreeMap<String, Session>,
}

/// A session; times are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Whose: a user's id.
    user: String,
    /// The digest of what shows it.
    secret: String,
    former: Option<Former>,
    /// What forms show: it stays while the other half changes, so that open pages go on.
    form: String,
    pub(crate) begun: u64,
    rotated: u64,
    pub(crate) seen: u64,
    /// Where it was begun.
    pub(crate) from: String,
    /// What the browser said it is.
    pub(crate) agent: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Former {
    secret: String,
    until: u64,
}

/// The id of a session, for its browser alone.
pub(crate) struct SessionId(Zeroizing<String>);

impl SessionId {
    fn new(key: &str, secret: &Token) -> SessionId {
        SessionId(Zeroizing::new(format!("{key}.{}", secret.text())))
    }

    /// For the cookie.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// Where somebody comes in from.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The address.
    pub(crate) address: IpAddr,
    /// What the browser says it is.
    pub(crate) agent: String,
}

/// A session that a request shows.
pub(super) struct Shown {
    /// What names it.
    pub(super) key: String,
    /// Whose.
    pub(super) user: String,
    /// What its forms show.
    pub(super) form: String,
    /// Whether its id is to be replaced.
    pub(super) is_due: bool,
}

impl Session {
    fn is_over(&self, seen: u64, now: u64) -> bool {
        let idle = now.saturating_sub(self.seen.max(seen));
        now.saturating_sub(self.begun) >= LIFE.as_secs() || idle >= IDLE.as_secs()
    }
}

impl Sessions {
    /// Begins one, and forgets those that are over.
    pub(super) fn begin(
        &mut self,
        user: &str,
        arrival: &Arrival,
        now: u64,
    ) -> Result<SessionId, PeopleError> {
        self.sessions.retain(|_, session| !session.is_over(0, now));
        let count = self.sessions.values().filter(|session| session.user == user).count();
        if count >= PER_USER_MAX {
            let of_user = self.sessions.iter().filter(|(_, session)| session.user == user);
            let oldest =
                of_user.min_by_key(|(_, session)| session.seen).map(|(key, _)| key.clone());
            oldest.map(|key| self.sessions.remove(&key));
        }
        let (key, secret) = (random_id()?, Token::random()?);
        let agent = arrival.agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX);
        let session = Session {
            user: user.to_owned(),
            secret: secret.digest(),
            former: None,
            form: Token::random()?.text().to_owned(),
            begun: now,
            rotated: now,
            seen: now,
            from: arrival.address.to_string(),
            agent: agent.collect(),
        };
        let id = SessionId::new(&key, &secret);
        self.sessions.insert(key, session);
        Ok(id)
    }

    /// The session that an id shows, if it is not over; `seen` is newer than what is kept.
    pub(super) fn find(&self, id: &str, seen: impl Fn(&str) -> u64, now: u64) -> Option<Shown> {
        let (key, secret) = id.split_once('.')?;
        let session = self.sessions.get(key)?;
        let shown = digest(secret);
        let is_current = is_same(&shown, &session.secret);
        let is_former = session
            .former
            .as_ref()
            .is_some_and(|former| now < former.until && is_same(&shown, &former.secret));
        if !(is_current || is_former) || session.is_over(seen(key), now) {
            return None;
        }
        let is_old = now.saturating_sub(session.rotated) >= ROTATION.as_secs();
        Some(Shown {
            key: key.to_owned(),
            user: session.user.clone(),
            form: session.form.clone(),
            is_due: is_current && is_old,
        })
    }

    /// Whether one is there and not over; `seen` is newer than what is kept.
    pub(super) fn is_there(&self, key: &str, seen: u64, now: u64) -> bool {
        self.sessions.get(key).is_some_and(|session| !session.is_over(seen, now))
    }

    /// Gives a session a new id; `None`: another request was first, or it ended.
    pub(super) fn rotate(&mut self, id: &str, now: u64) -> Result<Option<SessionId>, PeopleError> {
        let Some(shown) = self.find(id, |_| now, now).filter(|shown| shown.is_due) else {
            return Ok(None);
        };
        let Some(session) = self.sessions.get_mut(&shown.key) else { return Ok(None) };
        let secret = Token::random()?;
        let former = std::mem::replace(&mut session.secret, secret.digest());
        session.former = Some(Former { secret: former, until: now + OVERLAP.as_secs() });
        session.rotated = now;
        Ok(Some(SessionId::new(&shown.key, &secret)))
    }

    /// Gives a session a new id; the former is no good any more.
    pub(super) fn renew(&mut self, key: &str, now: u64) -> Result<Option<SessionId>, PeopleError> {
        let Some(session) = self.sessions.get_mut(key) else { return Ok(None) };
        let secret = Token::random()?;
        session.secret = secret.digest();
        session.former = None;
        session.form = Token::random()?.text().to_owned();
        session.rotated = now;
        Ok(Some(SessionId::new(key, &secret)))
    }

    /// Has the ids of a user's sessions replaced with their next requests.
    pub(super) fn make_due(&mut self, user: &str) {
        for session in self.sessions.values_mut().filter(|session| session.user == user) {
            session.rotated = 0;
        }
    }

    /// A user's, those seen last first.
    pub(super) fn of_user(&self, user: &str) -> Vec<(String, Session)> {
        let of_user = self.sessions.iter().filter(|(_, session)| session.user == user);
        let mut all: Vec<_> =
            of_user.map(|(key, session)| (key.clone(), session.clone())).collect();
        all.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen));
        all
    }

    /// Ends one of a user's; `false`: there is none of this name.
    pub(super) fn end(&mut self, user: &str, key: &str) -> bool {
        let is_theirs = self.sessions.get(key).is_some_and(|session| session.user == user);
        is_theirs && self.sessions.remove(key).is_some()
    }

    /// Ends the one that an id shows.
    pub(super) fn end_shown(&mut self, id: &str, now: u64) {
        if let Some(shown) = self.find(id, |_| now, now) {
            self.sessions.remove(&shown.key);
        }
    }

    /// Ends all of a user's but one.
    pub(super) fn end_all(&mut self, user: &str, but: Option<&str>) {
        self.sessions.retain(|key, session| session.user != user || Some(key.as_str()) == but);
    }

    /// Notes when they were last seen, and forgets those that are over.
    pub(super) fn saw(&mut self, seen: impl Fn(&str) -> u64, now: u64) {
        for (key, session) in &mut self.sessions {
            session.seen = session.seen.max(seen(key));
        }
        self.sessions.retain(|_, session| !session.is_over(0, now));
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
