//! Coming in and leaving.
//!
//! Whoever comes in gets a session with an id that nobody had before, whatever the request showed; the
//! session that it showed ends.

use std::time::Instant;

use secrecy::SecretString;

use super::caller::Via;
use super::session::SessionId;
use super::{Arrival, Caller, People, PeopleError, Token, Users, digest, is_same, with};
use crate::app::App;
use crate::problem::Problem;

impl People {
    /// Whether anybody could come in by a password.
    pub(crate) fn has_passwords(&self) -> bool {
        self.users.read(Users::has_passwords)
    }

    /// Makes a link's token that lets an admin in once, if nobody could come in otherwise or it is wanted.
    pub(crate) fn offer_link(&self, is_wanted: bool) -> Result<Option<String>, PeopleError> {
        let has_admin = self.users.read(|users| users.has_admin_with_password());
        if has_admin && !is_wanted {
            return Ok(None);
        }
        let token = Token::random()?;
        let text = token.text().to_owned();
        *self.link.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(token);
        Ok(Some(text))
    }

    /// Lets an admin in who shows the link's token, which is good once.
    pub(crate) fn enter_by_link(
        &self,
        shown: &str,
        arrival: &Arrival,
        former: Option<&str>,
    ) -> Result<Option<SessionId>, PeopleError> {
        let mut link = self.link.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Digests are compared, so how long it takes tells nothing of the token.
        if link.as_ref().is_none_or(|token| !is_same(&token.digest(), &digest(shown))) {
            return Ok(None);
        }
        let now = (self.clock)();
        let user = self.users.change(|users| users.first_admin(now))?;
        let session = self.begin_session(&user, arrival, former)?;
        *link = None;
        Ok(Some(session))
    }

    /// Begins a session; the one that the request showed ends.
    pub(super) fn begin_session(
        &self,
        user: &str,
        arrival: &Arrival,
        former: Option<&str>,
    ) -> Result<SessionId, PeopleError> {
        let now = self.now();
        self.sessions.change(|sessions| {
            if let Some(former) = former {
                sessions.end_shown(former, now);
            }
            sessions.begin(user, arrival, now)
        })
    }

    /// Whose session it is, whether its id is to be replaced, and whether it is time to write.
    pub(super) fn session(&self, shown: &str) -> Option<(Caller, bool, bool)> {
        let now = self.now();
        let seen = |key: &str| self.seen.last(key);
        let found = self.sessions.read(|sessions| sessions.find(shown, seen, now))?;
        let user = self.users.read(|users| users.active(&found.user).cloned())?;
        let is_writing = self.note_seen(&found.key);
        let via = Via::Session { key: found.key, form_token: found.form };
        Some((Caller::new(user, via), found.is_due, is_writing))
    }

    /// Whose token it is, and whether it is time to write.
    pub(super) fn token(&self, shown: &str) -> Option<(Caller, bool)> {
        let now = self.now();
        let find = |tokens: &super::token::ApiTokens| tokens.find(shown, now).cloned();
        let token = self.tokens.read(find)?;
        let user = self.users.read(|users| users.active(&token.user).cloned())?;
        let is_writing = self.note_seen(&token.id);
        Some((Caller::new(user, Via::Token { limit: token.limit }), is_writing))
    }

    /// Gives a session whose id is old a new one.
    pub(super) fn rotate(&self, shown: &str) -> Result<Option<SessionId>, PeopleError> {
        let now = self.now();
        self.sessions.change(|sessions| sessions.rotate(shown, now))
    }

    /// Ends the session that a request shows.
    pub(crate) fn leave(&self, shown: &str) -> Result<(), PeopleError> {
        let now = self.now();
        self.sessions.change(|sessions| {
            sessions.end_shown(shown, now);
            Ok(())
        })
    }
}

/// Lets somebody in who knows the password. Unknown names, wrong passwords and users who may not come in take
/// the same steps and get the same answer.
pub(crate) async fn enter_by_password(
    app: &App,
    name: &str,
    password: SecretString,
    arrival: Arrival,
    former: Option<String>,
) -> Result<SessionId, Problem> {
    let people = &app.people;
    let name = name.trim().to_lowercase();
    // What cannot be a name is not remembered by itself: there is no end of those.
    let tried = if super::user::is_name(&name) { name.as_str() } else { "" };
    let refused = |error: PeopleError| error.problem(app);
    people.throttle.begin(tried, arrival.address, Instant::now()).map_err(refused)?;
    let user =
        people.users.read(|users| users.named(&name).filter(|user| !user.is_disabled).cloned());
    let kept = user.as_ref().and_then(|user| user.password.clone());
    let is_right = people.passwords.verify(password, kept).await.map_err(refused)?;
    let Some(user) = user.filter(|_| is_right) else {
        return Err(refused(PeopleError::Unknown));
    };
    people.throttle.passed(&name, arrival.address, Instant::now());
    with(app, move |people| people.begin_session(&user.id, &arrival, former.as_deref())).await
}
