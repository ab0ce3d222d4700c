//! What users do for themselves: their password, tokens and sessions.

use secrecy::SecretString;

use super::session::{Session, SessionId};
use super::token::{ApiToken, NewToken, ShownToken};
use super::{Caller, People, PeopleError, with};
use crate::app::App;
use crate::problem::Problem;

impl People {
    /// Whether a user comes in by a provider and in no other way.
    pub(crate) fn is_by_provider(&self, id: &str) -> bool {
        let is_it = |user: &super::User| user.password.is_none() && user.openid.is_some();
        self.users.read(|users| users.active(id).is_some_and(is_it))
    }

    /// Whether a user has a password.
    pub(crate) fn has_password(&self, id: &str) -> bool {
        self.users.read(|users| users.active(id).is_some_and(|user| user.password.is_some()))
    }

    /// A caller's sessions, those seen last first.
    pub(crate) fn own_sessions(&self, caller: &Caller) -> Vec<(String, Session)> {
        let mut all = self.sessions.read(|sessions| sessions.of_user(&caller.id));
        for (key, session) in &mut all {
            session.seen = session.seen.max(self.seen.last(key));
        }
        all
    }

    /// Ends one of a user's sessions.
    pub(crate) fn end_session(&self, user: &str, key: &str) -> Result<(), PeopleError> {
        self.sessions.change(|sessions| match sessions.end(user, key) {
            true => Ok(()),
            false => Err(PeopleError::NotThere),
        })
    }

    /// Ends all of a user's sessions but one.
    pub(crate) fn end_sessions(&self, user: &str, but: Option<&str>) -> Result<(), PeopleError> {
        self.sessions.change(|sessions| {
            sessions.end_all(user, but);
            Ok(())
        })
    }

    /// A caller's tokens, the newest first.
    pub(crate) fn own_tokens(&self, caller: &Caller) -> Vec<ApiToken> {
        let mut all = self.tokens.read(|tokens| tokens.of_user(&caller.id));
        for token in &mut all {
            let last = Some(self.seen.last(&token.id)).filter(|last| *last > 0);
            token.used = token.used.max(last);
        }
        all
    }

    /// Makes a token for a caller.
    pub(crate) fn make_token(
        &self,
        caller: &Caller,
        new: NewToken,
    ) -> Result<(ApiToken, ShownToken), PeopleError> {
        if new.limit.as_ref().is_some_and(|limit| !caller.rights.cover(limit)) {
            return Err(PeopleError::TokenRights);
        }
        let now = self.now();
        self.tokens.change(|tokens| tokens.make(&caller.id, new, now))
    }

    /// Revokes one of a caller's tokens.
    pub(crate) fn revoke_token(&self, caller: &Caller, id: &str) -> Result<(), PeopleError> {
        self.tokens.change(|tokens| match tokens.revoke(&caller.id, id) {
            true => Ok(()),
            false => Err(PeopleError::NotThere),
        })
    }
}

/// Changes a caller's own password: the one that is there has to be shown. Other sessions end, and this
/// one gets a new id. Who comes in by a provider alone cannot give themselves another way in, which would be
/// there when the provider knows them no more.
pub(crate) async fn change_password(
    app: &App,
    caller: &Caller,
    old: Option<SecretString>,
    new: SecretString,
) -> Result<Option<SessionId>, Problem> {
    let people = &app.people;
    let refused = |error: PeopleError| error.problem(app);
    let (id, name) = (caller.id.clone(), caller.name.clone());
    let user = people.users.read(|users| users.active(&id).cloned());
    let user = user.ok_or_else(|| refused(PeopleError::NotThere))?;
    if user.password.is_none() && user.openid.is_some() {
        return Err(refused(PeopleError::ByProvider));
    }
    if user.password.is_some() {
        // A session that somebody left open is no way to guess the password.
        let now = std::time::Instant::now();
        people.throttle.begin_own(&id, now).map_err(refused)?;
        let shown = old.unwrap_or_else(|| SecretString::from(""));
        if !people.passwords.verify(shown, user.password).await.map_err(refused)? {
            return Err(refused(PeopleError::WrongPassword));
        }
        people.throttle.passed_own(&id);
    }
    let kept = people.passwords.make(&new).await.map_err(refused)?;
    let session = caller.session().map(str::to_owned);
    with(app, move |people| {
        people.users.change(|users| {
            users.edit(&name, Some(user.version), |user| user.password = Some(kept))
        })?;
        let now = people.now();
        people.sessions.change(|sessions| {
            sessions.end_all(&id, session.as_deref());
            match &session {
                Some(key) => sessions.renew(key, now),
                None => Ok(None),
            }
        })
    })
    .await
}
