//! Who may do what: every decision is made here.
//!
//! A user has roles, each in a workspace, in the global scope, or everywhere; an admin may do all. What a
//! caller may not see is [`Verdict::Hidden`], and whoever asks is told that it is not there; what may be
//! seen and not done is [`Verdict::Forbidden`]. A token may narrow its user's rights and never widens them.

use serde::{Deserialize, Serialize};
use subrosa_registry::WorkspaceName;
use utoipa::ToSchema;

use crate::channel::audit::Within;

/// What somebody may do in a workspace; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees workflows, runs, masked logs, and names of secrets and connections.
    Viewer,
    /// Starts, stops and retries runs as well, and tests connections.
    Operator,
    /// Changes secrets and connections as well, and uses protected environments.
    Manager,
}

/// Where a role holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In every workspace and in the global scope.
    Everywhere,
    /// In the global scope, where workflows without a workspace are.
    Global,
    /// In one workspace.
    Workspace(WorkspaceName),
}

/// A role and where it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The name of a workspace; null or nothing: the global scope; `*`: everywhere.
    #[serde(with = "place", default = "global")]
    #[schema(
        value_type = Option<String>,
        pattern = r"^(\*|[A-Za-z0-9_][A-Za-z0-9_-]{0,63})$",
        example = "payments"
    )]
    pub workspace: Place,
    /// The role.
    pub role: Role,
}

fn global() -> Place {
    Place::Global
}

/// All that somebody may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// Whether everything is allowed.
    #[serde(default)]
    pub admin: bool,
    /// The roles of who is no admin.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Workflow files and what is wrong with them.
    SeeWorkflows,
    /// Starting a run, or resolving what one would need.
    StartRuns,
    /// Runs, their steps and masked logs.
    SeeRuns,
    /// Stopping and retrying runs.
    SteerRuns,
    /// Names and dates of secrets.
    SeeSecrets,
    /// Any change of a secret.
    ChangeSecrets,
    /// Which types of connections there are.
    SeeConnectionTypes,
    /// Connections, without what is sealed in them.
    SeeConnections,
    /// Asking a service whether a connection works.
    TestConnections,
    /// Any change of a connection, granting and giving back access.
    ChangeConnections,
    /// Which environments there are.
    SeeEnvironments,
    /// Reading and changing values of protected environments.
    UseProtected,
    /// Protecting, unprotecting and removing environments.
    ChangeEnvironments,
    /// What was done with secrets of a workspace.
    SeeAudit,
    /// Whether the log of it is what was written.
    VerifyAudit,
    /// Where the key of the registry is.
    SeeKeys,
    /// Users and their roles.
    ManageUsers,
    /// Who one is and what one may do.
    SeeSelf,
    /// One's own password, tokens and sessions; never with a token, which could make itself a wider one.
    ManageSelf,
    /// Counters of this server.
    SeeMetrics,
}

/// What an action takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// To be signed in.
    SignIn,
    /// A role where the thing is; without [`Role::Viewer`] there, the thing is hidden.
    Role(Role),
    /// To be an admin; nobody else is told that it exists.
    Admin,
}

impl Action {
    /// Every action, for tables and tests.
    pub const ALL: [Action; 20] = [
        Action::SeeWorkflows,
        Action::StartRuns,
        Action::SeeRuns,
        Action::SteerRuns,
        Action::SeeSecrets,
        Action::ChangeSecrets,
        Action::SeeConnectionTypes,
        Action::SeeConnections,
        Action::TestConnections,
        Action::ChangeConnections,
        Action::SeeEnvironments,
        Action::UseProtected,
        Action::ChangeEnvironments,
        Action::SeeAudit,
        Action::VerifyAudit,
        Action::SeeKeys,
        Action::ManageUsers,
        Action::SeeSelf,
        Action::ManageSelf,
        Action::SeeMetrics,
    ];

    /// What it takes.
    pub fn needs(self) -> Needs {
        match self {
            Action::SeeConnectionTypes
            | Action::SeeEnvironments
            | Action::SeeSelf
            | Action::ManageSelf => Needs::SignIn,
            Action::SeeWorkflows
            | Action::SeeRuns
            | Action::SeeSecrets
            | Action::SeeConnections => Needs::Role(Role::Viewer),
            Action::StartRuns | Action::SteerRuns | Action::TestConnections => {
                Needs::Role(Role::Operator)
            }
            Action::ChangeSecrets
            | Action::ChangeConnections
            | Action::UseProtected
            | Action::SeeAudit => Needs::Role(Role::Manager),
            Action::ChangeEnvironments
            | Action::VerifyAudit
            | Action::SeeKeys
            | Action::ManageUsers
            | Action::SeeMetrics => Needs::Admin,
        }
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be done.
    Allowed,
    /// The thing may be seen, and this may not be done with it.
    Forbidden,
    /// The thing may not be seen: to the caller, it is not there.
    Hidden,
}

impl Rights {
    /// An admin's.
    pub fn admin() -> Rights {
        Rights { admin: true, grants: Vec::new() }
    }

    /// The highest role in a workspace, or in the global scope.
    pub fn role_in(&self, workspace: Option<&WorkspaceName>) -> Option<Role> {
        if self.admin {
            return Some(Role::Manager);
        }
        let holds = |grant: &&Grant| match (&grant.workspace, workspace) {
            (Place::Everywhere, _) | (Place::Global, None) => true,
            (Place::Workspace(granted), Some(asked)) => granted == asked,
            (Place::Global, Some(_)) | (Place::Workspace(_), None) => false,
        };
        self.grants.iter().filter(holds).map(|grant| grant.role).max()
    }

    /// Whether there is a place where an action may be done.
    pub fn may_anywhere(&self, action: Action) -> bool {
        match action.needs() {
            Needs::SignIn => true,
            Needs::Admin => self.admin,
            Needs::Role(needed) => {
                self.admin || self.grants.iter().any(|grant| grant.role >= needed)
            }
        }
    }

    /// In which scopes an action may be done; an admin's is more than all scopes.
    pub fn within(&self, action: Action) -> Within {
        if self.admin {
            return Within { all: true, ..Within::default() };
        }
        let mut within = Within::default();
        for grant in &self.grants {
            let alone = Rights { admin: false, grants: vec![grant.clone()] };
            let allows = |at| alone.decide(action, at) == Verdict::Allowed;
            match &grant.workspace {
                Place::Everywhere => within.any_scope |= allows(None),
                Place::Global => within.global |= allows(None),
                Place::Workspace(name) if allows(Some(name)) => {
                    within.workspaces.insert(name.to_string());
                }
                Place::Workspace(_) => {}
            }
        }
        within
    }

    /// Whether an action may be done where the thing is that it is about; for things that are in no
    /// workspace, that is the global scope.
    pub fn decide(&self, action: Action, workspace: Option<&WorkspaceName>) -> Verdict {
        match action.needs() {
            Needs::SignIn => Verdict::Allowed,
            Needs::Admin if self.admin => Verdict::Allowed,
            Needs::Admin => Verdict::Hidden,
            Needs::Role(needed) => match self.role_in(workspace) {
                Some(role) if role >= needed => Verdict::Allowed,
                Some(_) => Verdict::Forbidden,
                None => Verdict::Hidden,
            },
        }
    }
}

impl Rights {
    /// Whether an action may be done with a token of somebody with these rights; `limit` is what the token
    /// leaves of them, `None` all.
    pub fn decide_by_token(
        &self,
        limit: Option<&Rights>,
        action: Action,
        workspace: Option<&WorkspaceName>,
    ) -> Verdict {
        if action == Action::ManageSelf {
            return Verdict::Forbidden;
        }
        let verdict = self.decide(action, workspace);
        limit.map_or(verdict, |limit| verdict.and(limit.decide(action, workspace)))
    }

    /// Whether there is nothing in others that is not in these.
    pub fn cover(&self, others: &Rights) -> bool {
        let holds_everywhere = |role: Role| {
            let is_it = |own: &Grant| own.workspace == Place::Everywhere && own.role >= role;
            self.grants.iter().any(is_it)
        };
        let covers = |grant: &Grant| match &grant.workspace {
            Place::Everywhere => holds_everywhere(grant.role),
            Place::Global => self.role_in(None) >= Some(grant.role),
            Place::Workspace(name) => self.role_in(Some(name)) >= Some(grant.role),
        };
        self.admin || (!others.admin && others.grants.iter().all(covers))
    }
}

/// Where a thing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// In a workspace, or in the global scope.
    In(Option<WorkspaceName>),
    /// That cannot be told: it takes a role that holds everywhere.
    Unknown,
}

impl Rights {
    /// As [`Rights::decide`], for a thing whose place may not be known.
    pub fn decide_at(&self, action: Action, placed: &Placed) -> Verdict {
        match placed {
            Placed::In(workspace) => self.decide(action, workspace.as_ref()),
            Placed::Unknown => {
                let everywhere = |grant: &&Grant| grant.workspace == Place::Everywhere;
                let grants = self.grants.iter().filter(everywhere).cloned().collect();
                Rights { admin: self.admin, grants }.decide(action, None)
            }
        }
    }
}

impl Verdict {
    /// The stricter of two.
    #[must_use]
    pub fn and(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Hidden, _) | (_, Verdict::Hidden) => Verdict::Hidden,
            (Verdict::Forbidden, _) | (_, Verdict::Forbidden) => Verdict::Forbidden,
            (Verdict::Allowed, Verdict::Allowed) => Verdict::Allowed,
        }
    }
}

/// A place as JSON: null, `*` or a name.
mod place {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use subrosa_registry::WorkspaceName;

    use super::Place;

    pub(super) fn serialize<S: Serializer>(
        place: &Place,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = match place {
            Place::Everywhere => Some("*"),
            Place::Global => None,
            Place::Workspace(name) => Some(name.as_str()),
        };
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Place, D::Error> {
        match Option::<String>::deserialize(deserializer)?.as_deref() {
            None => Ok(Place::Global),
            Some("*") => Ok(Place::Everywhere),
            Some(name) => {
                WorkspaceName::parse(name).map(Place::Workspace).map_err(D::Error::custom)
            }
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
