//! Secrets of the registry, as the channel and the API tell of them.

use serde::{Deserialize, Serialize};
use subrosa_registry::{
    Address, EnvironmentName, InvalidName, Scope, SecretInfo, SecretRef, VersionInfo, WorkspaceName,
};
use utoipa::ToSchema;

use super::{Ask, Call, Sealed, stamp};

/// What can be asked about secrets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretsCall {
    /// Every secret, without values.
    ListSecrets(ListSecrets),
    /// A new value.
    SetSecret(SetSecret),
    /// One secret, without values.
    ShowSecret(ShowSecret),
    /// Any change but of the value.
    ChangeSecret(ChangeSecret),
}

/// A scope: a workspace and an environment, each of them or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeName {
    /// The workspace; null: the global scope.
    #[serde(default)]
    pub workspace: Option<String>,
    /// The environment; null: the values that hold in any.
    #[serde(default)]
    pub environment: Option<String>,
}

impl ScopeName {
    /// The same, checked.
    ///
    /// # Errors
    /// [`InvalidName`]: a name breaks the grammar.
    pub fn parse(&self) -> Result<Scope, InvalidName> {
        let workspace = self.workspace.as_deref().map(WorkspaceName::parse).transpose()?;
        let environment = self.environment.as_deref().map(EnvironmentName::parse).transpose()?;
        Ok(Scope { workspace, environment })
    }

    /// What names a scope.
    pub fn of(scope: &Scope) -> ScopeName {
        ScopeName {
            workspace: scope.workspace.as_ref().map(ToString::to_string),
            environment: scope.environment.as_ref().map(ToString::to_string),
        }
    }

    /// The secret of this ref in the scope.
    ///
    /// # Errors
    /// [`InvalidName`]: a name breaks the grammar.
    pub fn address(&self, reference: &str) -> Result<Address, InvalidName> {
        Ok(Address { reference: SecretRef::parse(reference)?, scope: self.parse()? })
    }
}

/// Asks for every secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListSecrets {}

/// Asks for one secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShowSecret {
    /// The ref.
    pub reference: String,
    /// Its scope.
    pub scope: ScopeName,
}

/// A secret, without its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretView {
    /// Its ref: `prod/db-password`.
    #[serde(rename = "ref")]
    #[schema(example = "prod/db-password")]
    pub reference: String,
    /// Its workspace; null: the global scope.
    pub workspace: Option<String>,
    /// Its environment; null: the value that holds in any.
    pub environment: Option<String>,
    /// `active` or `disabled`.
    #[schema(example = "active")]
    pub state: String,
    /// The number of its current version; null: it has no value.
    pub version: Option<u64>,
    /// What it is for.
    pub description: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub created: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub updated: String,
    /// When its value expires; null: never.
    pub expires: Option<String>,
    /// The age at which a version expires, in seconds.
    pub max_age_s: Option<u64>,
    /// How many versions are kept, if that was said.
    pub keep: Option<u32>,
    /// The versions that are kept, the oldest first.
    pub versions: Vec<VersionView>,
    /// When a run last got its value; null: never, as far as is known.
    pub last_used: Option<String>,
}

/// A version, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Its number, which is never given again.
    pub number: u64,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub created: String,
    /// Who made it.
    pub by: String,
    /// Until when this former value is still masked, because something may use it.
    pub in_use_until: Option<String>,
}

impl SecretView {
    /// What is told of a secret.
    pub fn of(info: &SecretInfo) -> SecretView {
        let scope = ScopeName::of(&info.address.scope);
        SecretView {
            reference: info.address.reference.to_string(),
            workspace: scope.workspace,
            environment: scope.environment,
            state: if info.is_disabled { "disabled" } else { "active" }.to_owned(),
            version: info.version,
            description: info.description.clone(),
            created: stamp(info.created),
            updated: stamp(info.updated),
            expires: info.expires.map(stamp),
            max_age_s: info.max_age_s,
            keep: info.keep,
            versions: info.versions.iter().map(VersionView::of).collect(),
            last_used: info.last_used.map(stamp),
        }
    }

    /// Its scope.
    pub fn scope(&self) -> ScopeName {
        ScopeName { workspace: self.workspace.clone(), environment: self.environment.clone() }
    }
}

impl VersionView {
    /// What is told of a version.
    pub fn of(info: &VersionInfo) -> VersionView {
        VersionView {
            number: info.number,
            created: stamp(info.created),
            by: info.by.clone(),
            in_use_until: info.in_use_until.map(stamp),
        }
    }
}

/// Stores a value.
#[derive(Debug, Serialize, Deserialize)]
pub struct SetSecret {
    /// The ref.
    pub reference: String,
    /// Its scope.
    pub scope: ScopeName,
    /// The value; none: the secret is declared without one.
    pub value: Option<Sealed>,
    /// What must be there before.
    pub must_be: Standing,
    /// What it is for; none: as it was.
    pub description: Option<String>,
    /// When the value expires; none: as a rule for each value has it.
    pub expiry: Option<ExpiryName>,
    /// For how long the former value may still be in use and is masked, in seconds.
    pub overlap_s: Option<u64>,
    /// How many versions to keep from now on.
    pub keep: Option<u32>,
}

/// What must be there before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing of that name.
    New,
    /// One of that name; with the version that it was read with, if one is given.
    Present(Option<u64>),
}

/// What a value became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Written {
    /// Its version; null if it was declared without a value.
    pub version: Option<u64>,
    /// Whether the former value had a date that the new one does not have.
    pub lost_expiry: bool,
}

/// Changes a secret, but not its value.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeSecret {
    /// The ref.
    pub reference: String,
    /// Its scope.
    pub scope: ScopeName,
    /// The version that it was read with, 0 for none; if another is the current one, nothing is changed.
    pub expect: Option<u64>,
    /// What is changed.
    pub change: SecretChange,
}

/// What can be changed of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretChange {
    /// Runs may use it again.
    Enable,
    /// Runs may not use it, and look no further for another.
    Disable,
    /// It goes, with all its versions.
    Remove,
    /// An earlier value becomes a new version.
    Rollback {
        /// The version whose value it is.
        version: u64,
    },
    /// What it is for, when its value expires, how many versions are kept: what is given of it, at once.
    Amend {
        /// What it is for.
        description: Option<String>,
        /// When its value expires.
        expiry: Option<ExpiryName>,
        /// How many versions are kept; older ones go.
        keep: Option<u32>,
    },
    /// The oldest versions go until so many are left.
    Prune {
        /// How many.
        keep: u32,
    },
}

/// When a value expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryName {
    /// Never.
    Never,
    /// At a moment, RFC 3339.
    At(String),
    /// At an age, in seconds, and each later value as well.
    Age(u64),
}

/// What became of a secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The version that an earlier value became.
    pub version: Option<u64>,
    /// How many versions went.
    pub dropped: u64,
}

impl Ask for ListSecrets {
    type Answer = Vec<SecretView>;

    fn into_call(self) -> Call {
        Call::Secrets(SecretsCall::ListSecrets(self))
    }
}

impl Ask for SetSecret {
    type Answer = Written;

    fn into_call(self) -> Call {
        Call::Secrets(SecretsCall::SetSecret(self))
    }
}

impl Ask for ShowSecret {
    type Answer = SecretView;

    fn into_call(self) -> Call {
        Call::Secrets(SecretsCall::ShowSecret(self))
    }
}

impl Ask for ChangeSecret {
    type Answer = Changed;

    fn into_call(self) -> Call {
        Call::Secrets(SecretsCall::ChangeSecret(self))
    }
}
