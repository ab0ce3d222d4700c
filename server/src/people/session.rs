//! Sessions of browsers: an id that the browser holds, a digest of it here.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Token, digest};
use crate::shelf::ShelfError;

/// How long a session lasts at most.
const LIFE: Duration = Duration::from_secs(12 * 60 * 60);

/// All sessions, by the digest of their id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sessions {
    sessions: BTreeMap<String, Session>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    user: String,
    /// Seconds since 1970.
    ends: u64,
}

/// A session that was just begun.
pub(crate) struct NewSession {
    /// Its id, for the browser alone.
    pub(crate) id: Token,
}

impl Sessions {
    /// Begins one, and forgets those that are over.
    pub(super) fn begin(&mut self, user: &str, now: SystemTime) -> Result<NewSession, ShelfError> {
        let id = Token::random().map_err(|error| ShelfError::Io {
            verb: "make",
            file: "a session".to_owned(),
            source: std::io::Error::other(error),
        })?;
        let now_s = seconds(now);
        self.sessions.retain(|_, session| session.ends > now_s);
        let session = Session { user: user.to_owned(), ends: now_s + LIFE.as_secs() };
        self.sessions.insert(id.digest(), session);
        Ok(NewSession { id })
    }

    /// Whose it is, if it is not over.
    pub(super) fn user(&self, digest: &str, now: SystemTime) -> Option<String> {
        let session = self.sessions.get(digest)?;
        (session.ends > seconds(now)).then(|| session.user.clone())
    }

    /// Ends it.
    pub(super) fn end(&mut self, digest: &str) {
        self.sessions.remove(digest);
    }
}

/// What a form of a session has to show, so that no other site can send it: it follows from the session's
/// id, and the id does not follow from it.
pub(super) fn form_token(id: &str) -> String {
    digest(&format!("form of {id}"))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
