//! Users, as they are kept.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::password::Kept;
use super::{PeopleError, random_id};
use crate::access::Rights;
use crate::channel::stamp;

/// The name of the user that a first link makes.
const FIRST: &str = "admin";
/// Longest name.
const NAME_LEN_MAX: usize = 64;
/// More than anybody has.
const USERS_MAX: usize = 10_000;

/// All users, by their id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Users {
    users: BTreeMap<String, User>,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    /// Random, and never another's: what belongs to a user who is gone belongs to nobody.
    pub(crate) id: String,
    /// The name, which is told in the audit log.
    pub(crate) name: String,
    /// What is kept of the password; none: it cannot be used to come in.
    pub(crate) password: Option<Kept>,
    /// Who it is at an OpenID provider.
    #[serde(default)]
    pub(crate) openid: Option<OpenId>,
    /// What the user may do.
    pub(crate) rights: Rights,
    /// Whether the user may not come in.
    #[serde(default)]
    pub(crate) is_disabled: bool,
    /// RFC 3339, UTC.
    pub(crate) created: String,
    /// One more with each change.
    pub(crate) version: u64,
}

/// Somebody at an OpenID provider: the two together are never another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenId {
    /// The provider.
    pub(crate) issuer: String,
    /// Who it is there.
    pub(crate) subject: String,
}

/// A user to be.
pub(crate) struct NewUser {
    /// The name.
    pub(crate) name: String,
    /// What is kept of a password, if there is one.
    pub(crate) password: Option<Kept>,
    /// Who it is at an OpenID provider.
    pub(crate) openid: Option<OpenId>,
    /// What the user may do.
    pub(crate) rights: Rights,
}

/// Whether a text can be a user's name.
pub(crate) fn is_name(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_next = |byte: u8| is_first(byte) || matches!(byte, b'.' | b'_' | b'-' | b'@');
    text.len() <= NAME_LEN_MAX
        && text.bytes().next().is_some_and(is_first)
        && text.bytes().all(is_next)
}

impl User {
    fn is_active_admin(&self) -> bool {
        self.rights.admin && !self.is_disabled
    }
}

impl Users {
    /// Whether an admin can come in without a link.
    pub(crate) fn has_admin_with_way_in(&self) -> bool {
        let has_way = |user: &User| user.password.is_some() || user.openid.is_some();
        let can = |user: &User| user.is_active_admin() && has_way(user);
        self.users.values().any(can)
    }

    /// Whether anybody has a password.
    pub(crate) fn has_passwords(&self) -> bool {
        self.users.values().any(|user| user.password.is_some())
    }

    fn has_active_admin(&self) -> bool {
        self.users.values().any(User::is_active_admin)
    }

    /// A user who may come in, by id.
    pub(crate) fn active(&self, id: &str) -> Option<&User> {
        self.users.get(id).filter(|user| !user.is_disabled)
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<&User> {
        let mut all: Vec<&User> = self.users.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One, by name.
    pub(crate) fn named(&self, name: &str) -> Option<&User> {
        self.users.values().find(|user| user.name == name)
    }

    /// One, by who it is at a provider.
    pub(crate) fn at_provider(&self, openid: &OpenId) -> Option<&User> {
        self.users.values().find(|user| user.openid.as_ref() == Some(openid))
    }

    /// Adds one.
    pub(crate) fn add(&mut self, new: NewUser, now: SystemTime) -> Result<User, PeopleError> {
        if !is_name(&new.name) {
            return Err(PeopleError::UserName);
        }
        if self.named(&new.name).is_some() {
            return Err(PeopleError::UserExists);
        }
        if self.users.len() >= USERS_MAX {
            return Err(PeopleError::TooMany("users"));
        }
        let user = User {
            id: random_id()?,
            name: new.name,
            password: new.password,
            openid: new.openid,
            rights: new.rights,
            is_disabled: false,
            created: stamp(now),
            version: 1,
        };
        self.users.insert(user.id.clone(), user.clone());
        Ok(user)
    }

    /// Changes one. Nobody can change all admins away, and a name stays one user's.
    pub(crate) fn edit(
        &mut self,
        name: &str,
        expected: Option<u64>,
        edit: impl FnOnce(&mut User),
    ) -> Result<User, PeopleError> {
        let had_admin = self.has_active_admin();
        let id = self.find(name, expected)?;
        let user = self.users.get_mut(&id).ok_or(PeopleError::NotThere)?;
        edit(user);
        user.version += 1;
        let user = user.clone();
        if user.name != name {
            if !is_name(&user.name) {
                return Err(PeopleError::UserName);
            }
            if self.users.values().any(|other| other.name == user.name && other.id != user.id) {
                return Err(PeopleError::UserExists);
            }
        }
        self.keeps_admin(had_admin)?;
        Ok(user)
    }

    /// Takes one away.
    pub(crate) fn remove(
        &mut self,
        name: &str,
        expected: Option<u64>,
    ) -> Result<User, PeopleError> {
        let had_admin = self.has_active_admin();
        let id = self.find(name, expected)?;
        let user = self.users.remove(&id).ok_or(PeopleError::NotThere)?;
        self.keeps_admin(had_admin)?;
        Ok(user)
    }

    fn find(&self, name: &str, expected: Option<u64>) -> Result<String, PeopleError> {
        let user = self.named(name).ok_or(PeopleError::NotThere)?;
        match expected.is_none_or(|version| version == user.version) {
            true => Ok(user.id.clone()),
            false => Err(PeopleError::Changed),
        }
    }

    /// The change that this refuses is not kept.
    fn keeps_admin(&self, had_admin: bool) -> Result<(), PeopleError> {
        match had_admin && !self.has_active_admin() {
            true => Err(PeopleError::LastAdmin),
            false => Ok(()),
        }
    }

    /// The id of the admin that a link lets in, the oldest; makes one if there is none.
    pub(crate) fn first_admin(&mut self, now: SystemTime) -> Result<String, PeopleError> {
        let admins = self.users.values().filter(|user| user.is_active_admin());
        if let Some(user) = admins.min_by_key(|user| (&user.created, &user.name)) {
            return Ok(user.id.clone());
        }
        let free = |name: &String| self.named(name).is_none();
        let names = std::iter::once(FIRST.to_owned()).chain((2..).map(|n| format!("{FIRST}-{n}")));
        let name = names.take(USERS_MAX + 1).find(free).ok_or(PeopleError::TooMany("users"))?;
        let new = NewUser { name, password: None, openid: None, rights: Rights::admin() };
        Ok(self.add(new, now)?.id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::{NewUser, PeopleError, Rights, Users, is_name};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn add(users: &mut Users, name: &str, rights: Rights) -> Result<String, PeopleError> {
        let new = NewUser { name: name.to_owned(), password: None, openid: None, rights };
        users.add(new, NOW).map(|user| user.id)
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "0", "ada", "ada.lovelace@example.com", "a_b-c", &"a".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "Ada", "-a", ".", "..", "a b", "a/b", "ä", "a\n", &"a".repeat(65), "@a"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_one_users() {
        let mut users = Users::default();
        add(&mut users, "ada", Rights::default()).unwrap();
        add(&mut users, "bob", Rights::default()).unwrap();
        let again = add(&mut users, "ada", Rights::default());
        assert!(matches!(again, Err(PeopleError::UserExists)));
        let rename = |users: &mut Users, to: &str| {
            users.clone().edit("bob", None, |user| to.clone_into(&mut user.name))
        };
        assert!(matches!(rename(&mut users, "ada"), Err(PeopleError::UserExists)));
        assert!(matches!(rename(&mut users, "B"), Err(PeopleError::UserName)));
        assert_eq!(rename(&mut users, "carl").unwrap().name, "carl");
    }

    #[test]
    fn who_comes_back_under_a_name_is_somebody_else() {
        let mut users = Users::default();
        let first = add(&mut users, "ada", Rights::default()).unwrap();
        users.remove("ada", None).unwrap();
        assert_ne!(add(&mut users, "ada", Rights::default()).unwrap(), first);
        assert!(users.active(&first).is_none());
    }

    #[test]
    fn the_last_admin_stays_one() {
        let check = |others: &[&str], is_kept: bool| {
            let mut users = Users::default();
            add(&mut users, "ada", Rights::admin()).unwrap();
            for name in others {
                add(&mut users, name, Rights::admin()).unwrap();
            }
            let outcomes = [
                users.clone().remove("ada", None),
                users.clone().edit("ada", None, |user| user.is_disabled = true),
                users.clone().edit("ada", None, |user| user.rights = Rights::default()),
            ];
            for outcome in outcomes {
                assert_eq!(matches!(outcome, Err(PeopleError::LastAdmin)), is_kept);
            }
        };
        check(&[], true);
        check(&["bob"], false);
    }

    #[test]
    fn a_change_is_for_the_version_that_was_read() {
        let mut users = Users::default();
        add(&mut users, "ada", Rights::default()).unwrap();
        users.edit("ada", Some(1), |user| user.is_disabled = true).unwrap();
        let stale = users.edit("ada", Some(1), |user| user.is_disabled = false);
        assert!(matches!(stale, Err(PeopleError::Changed)));
        assert!(matches!(users.remove("ada", Some(1)), Err(PeopleError::Changed)));
        assert!(users.remove("ada", Some(2)).is_ok());
    }

    #[test]
    fn the_first_admin_takes_a_name_that_is_free() {
        let mut users = Users::default();
        add(&mut users, "admin", Rights::default()).unwrap();
        let id = users.first_admin(NOW).unwrap();
        assert_eq!(users.active(&id).unwrap().name, "admin-2");
        assert_eq!(users.first_admin(NOW).unwrap(), id);
        add(&mut users, "root", Rights::admin()).unwrap();
        assert_eq!(users.first_admin(NOW).unwrap(), id, "of two, the first");
    }
}
