//! Users, as they are kept.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::access::Rights;
use crate::channel::stamp;

/// The name of the user that a first link makes.
const FIRST: &str = "admin";

/// All users, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Users {
    users: BTreeMap<String, User>,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    /// The name, which is told in the audit log.
    pub(crate) name: String,
    /// The digest of the password (Argon2id, PHC text); none: it cannot be used to come in.
    pub(crate) password: Option<String>,
    /// What the user may do.
    pub(crate) rights: Rights,
    /// Whether the user may not come in.
    #[serde(default)]
    pub(crate) is_disabled: bool,
    /// RFC 3339, UTC.
    pub(crate) created: String,
}

impl Users {
    /// Whether an admin can come in without a link.
    pub(crate) fn has_admin_with_password(&self) -> bool {
        let can = |user: &User| user.rights.admin && !user.is_disabled && user.password.is_some();
        self.users.values().any(can)
    }

    /// A user who may come in.
    pub(crate) fn active(&self, name: &str) -> Option<&User> {
        self.users.get(name).filter(|user| !user.is_disabled)
    }

    /// The name of the admin that a link lets in; makes one if there is none.
    pub(crate) fn first_admin(&mut self, now: SystemTime) -> String {
        let is_admin = |user: &&User| user.rights.admin && !user.is_disabled;
        if let Some(user) = self.users.values().find(is_admin) {
            return user.name.clone();
        }
        let user = User {
            name: FIRST.to_owned(),
            password: None,
            rights: Rights::admin(),
            is_disabled: false,
            created: stamp(now),
        };
        self.users.insert(user.name.clone(), user);
        FIRST.to_owned()
    }
}
