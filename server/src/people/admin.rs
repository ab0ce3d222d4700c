//! What admins do with users. Who loses rights loses them at once: they are looked up with each request.

use super::password::Kept;
use super::user::NewUser;
use super::{People, PeopleError, User};
use crate::access::Rights;

/// What is changed of a user; `None`: it stays.
#[derive(Default)]
pub(crate) struct UserChange {
    /// The name.
    pub(crate) name: Option<String>,
    /// What the user may do.
    pub(crate) rights: Option<Rights>,
    /// Whether the user may not come in.
    pub(crate) is_disabled: Option<bool>,
    /// What is kept of the password.
    pub(crate) password: Option<Kept>,
}

impl People {
    /// All users, by name.
    pub(crate) fn all_users(&self) -> Vec<User> {
        self.users.read(|users| users.all().into_iter().cloned().collect())
    }

    /// A user, by name.
    pub(crate) fn user(&self, name: &str) -> Option<User> {
        self.users.read(|users| users.named(name).cloned())
    }

    /// Adds a user.
    pub(crate) fn add_user(&self, new: NewUser) -> Result<User, PeopleError> {
        let now = (self.clock)();
        self.users.change(|users| users.add(new, now))
    }

    /// Changes a user. With other rights, ids of sessions are replaced; with another password, or of a
    /// user who may not come in, all sessions end.
    pub(crate) fn change_user(
        &self,
        name: &str,
        expected: Option<u64>,
        change: UserChange,
    ) -> Result<User, PeopleError> {
        let ends = change.is_disabled == Some(true) || change.password.is_some();
        let is_due = change.rights.is_some();
        let user = self.users.change(|users| {
            users.edit(name, expected, |user| {
                let UserChange { name, rights, is_disabled, password } = change;
                user.name = name.unwrap_or_else(|| user.name.clone());
                user.rights = rights.unwrap_or_else(|| user.rights.clone());
                user.is_disabled = is_disabled.unwrap_or(user.is_disabled);
                user.password = password.or_else(|| user.password.take());
            })
        })?;
        if ends {
            self.end_sessions(&user.id, None)?;
        } else if is_due {
            self.sessions.change(|sessions| {
                sessions.make_due(&user.id);
                Ok::<_, PeopleError>(())
            })?;
        }
        Ok(user)
    }

    /// Takes a user away, with sessions and tokens.
    pub(crate) fn remove_user(&self, name: &str, expected: Option<u64>) -> Result<(), PeopleError> {
        let user = self.users.change(|users| users.remove(name, expected))?;
        self.end_sessions(&user.id, None)?;
        self.tokens.change(|tokens| {
            tokens.revoke_all(&user.id);
            Ok(())
        })
    }
}
