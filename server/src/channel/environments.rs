//! Environments of the registry, as the channel and the API tell of them.

use serde::{Deserialize, Serialize};
use subrosa_registry::EnvironmentInfo;
use utoipa::ToSchema;

use super::{Ask, Call, stamp};

/// What can be asked about environments.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentsCall {
    /// All of them.
    ListEnvironments(ListEnvironments),
    /// A change of one.
    ChangeEnvironment(ChangeEnvironment),
}

/// Asks for the environments.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListEnvironments {}

/// An environment of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentView {
    /// Its name.
    #[schema(example = "production")]
    pub name: String,
    /// Whether using or changing it takes the role of a manager.
    pub protected: bool,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub created: String,
}

impl EnvironmentView {
    /// What is told of an environment.
    pub fn of(info: &EnvironmentInfo) -> EnvironmentView {
        EnvironmentView {
            name: info.name.to_string(),
            protected: info.is_protected,
            created: stamp(info.created),
        }
    }
}

/// Changes an environment.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeEnvironment {
    /// Its name.
    pub name: String,
    /// What is changed.
    pub change: EnvironmentChange,
}

/// What can be changed of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentChange {
    /// It takes leave to be used or changed; it is made if it is new.
    Protect,
    /// It takes none any more.
    Unprotect,
    /// It goes; no secret may be left in it.
    Remove,
}

impl Ask for ListEnvironments {
    type Answer = Vec<EnvironmentView>;

    fn into_call(self) -> Call {
        Call::Environments(EnvironmentsCall::ListEnvironments(self))
    }
}

impl Ask for ChangeEnvironment {
    type Answer = ();

    fn into_call(self) -> Call {
        Call::Environments(EnvironmentsCall::ChangeEnvironment(self))
    }
}
