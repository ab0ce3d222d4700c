//! Connections to services, as the channel and the API tell of them.
//!
//! What is filled in comes sealed, public or not: which fields are secret, their type says, and the runner
//! knows that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::secrets::{Standing, VersionView};
use super::{Ask, Call, ScopeName, Sealed};

/// What can be asked about connections.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionsCall {
    /// What there is to connect to.
    ListTypes(ListTypes),
    /// Every connection, without what is sealed in it.
    ListConnections(ListConnections),
    /// A new connection, or new answers to its form.
    PutConnection(PutConnection),
    /// Any other change.
    ChangeConnection(ChangeConnection),
    /// What asks the service.
    UseConnection(UseConnection),
    /// A person is to grant access.
    BeginGrant(BeginGrant),
    /// A browser came back.
    ReturnToGrant(ReturnToGrant),
    /// How a grant stands.
    LookAtGrant(LookAtGrant),
    /// A grant is not wanted any more.
    CancelGrant(CancelGrant),
}

/// Asks for the types.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListTypes {}

/// A type of connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TypeView {
    /// The word that names it.
    #[schema(example = "github")]
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// What the service is, and what the credential lets a step do.
    pub summary: String,
    /// Where the service tells how to get the credential.
    pub docs: Option<String>,
    /// What it authenticates with, in words.
    pub authenticates_with: String,
    /// Whether a person has to grant access.
    pub needs_grant: bool,
    /// Whether access can be granted with a code on another device.
    pub has_device_flow: bool,
    /// Whether the service can be asked if a connection works.
    pub can_be_tested: bool,
    /// What is asked for, in the order of the form.
    pub fields: Vec<FieldView>,
}

/// A field of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldView {
    /// The word that names it.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// What to write there, and where to find it.
    pub help: String,
    /// Whether it is sealed and write-only.
    pub secret: bool,
    /// Whether a connection without it is incomplete.
    pub required: bool,
    /// What it has to look like: `text`, `lines`, `url`, `host`, `port`, `integer`, `boolean`, `email`,
    /// `json`, `pem` or `path`.
    pub format: String,
    /// What holds if nothing is given.
    pub default: Option<String>,
    /// The only texts it can be; empty: any.
    pub choices: Vec<String>,
}

/// Asks for connections.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListConnections {
    /// The one that is wanted, by its name and scope; none: every one.
    pub only: Option<(String, ScopeName)>,
}

/// A connection, without what is sealed in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    /// Its name.
    #[schema(example = "jira-prod")]
    pub name: String,
    /// Its workspace; null: the global scope.
    pub workspace: Option<String>,
    /// Its environment; null: it holds in any.
    pub environment: Option<String>,
    /// The id of its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `ready`, `expires_soon`, `expired`, `refused`, `not_authorized`, `incomplete`, `unknown_type` or
    /// `disabled`.
    #[schema(example = "ready")]
    pub state: String,
    /// The same for people.
    pub status: String,
    /// Whether somebody has to do something.
    pub needs_somebody: bool,
    /// Required fields that have no value.
    pub missing: Vec<String>,
    /// When it cannot be used any more unless somebody does something; null: not known. RFC 3339, UTC.
    pub ends: Option<String>,
    /// The number of its version.
    pub version: Option<u64>,
    /// What it is for.
    pub description: String,
    /// RFC 3339, UTC.
    pub created: String,
    /// RFC 3339, UTC.
    pub updated: String,
    /// When a run last used it; null: never, as far as is known.
    pub last_used: Option<String>,
    /// Its public fields.
    pub fields: BTreeMap<String, String>,
    /// Its sealed parts, tokens among them: that they are set, and since when.
    pub secrets: BTreeMap<String, SealedView>,
    /// How its tokens stand; null: it has none.
    pub tokens: Option<TokensView>,
    /// The versions that are kept, the oldest first.
    pub versions: Vec<VersionView>,
}

/// A sealed part, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealedView {
    /// The version in which it was written.
    pub version: u64,
    /// RFC 3339, UTC.
    pub created: String,
}

/// How the tokens of a connection stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokensView {
    /// When access was granted. RFC 3339, UTC.
    pub authorized: String,
    /// When the access token was last exchanged. RFC 3339, UTC.
    pub refreshed: String,
    /// When the access token ends; null: it does not, as far as is known.
    pub expires: Option<String>,
    /// When the grant ends, if the service said so.
    pub grant_expires: Option<String>,
    /// Whether it is refreshed by itself.
    pub can_refresh: bool,
    /// What was granted.
    pub scopes: Vec<String>,
    /// The word with which the service refuses to refresh it.
    pub refused: Option<String>,
}

/// Makes a connection, or changes answers to its form.
#[derive(Debug, Serialize, Deserialize)]
pub struct PutConnection {
    /// Its name.
    pub name: String,
    /// Its scope.
    pub scope: ScopeName,
    /// What it is.
    pub put: Put,
    /// Answers by the names of fields; null takes what is there away, and what is not named stays.
    pub answers: BTreeMap<String, Option<Sealed>>,
    /// What it is for; none: as it was.
    pub description: Option<String>,
    /// When it expires, RFC 3339; none: as it was.
    pub expires: Option<String>,
    /// The age at which it and each later version expires, in seconds.
    pub max_age_s: Option<u64>,
    /// For how long former values may still be in use and are masked, in seconds.
    pub overlap_s: Option<u64>,
}

/// What putting is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Put {
    /// A new one, of this type.
    New(String),
    /// Other answers; if another version than this is the current one, nothing is changed.
    Edit(Option<u64>),
    /// Other secrets and nothing else; the same.
    Rotate(Option<u64>),
}

/// What a connection became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionWritten {
    /// Its version.
    pub version: u64,
    /// Whether its environment is new.
    pub new_environment: bool,
}

/// Changes a connection, but none of its fields.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeConnection {
    /// Its name.
    pub name: String,
    /// Its scope.
    pub scope: ScopeName,
    /// What must be there before.
    pub must_be: Standing,
    /// What is changed.
    pub change: ConnectionChange,
}

/// What can be changed of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionChange {
    /// Runs may use it again.
    Enable,
    /// Runs may not use it.
    Disable,
    /// It goes, with all its versions.
    Remove,
}

/// Has its service asked.
#[derive(Debug, Serialize, Deserialize)]
pub struct UseConnection {
    /// Its name.
    pub name: String,
    /// Its scope.
    pub scope: ScopeName,
    /// What for.
    pub task: ConnectionTask,
}

/// What a service is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionTask {
    /// One cheap question.
    Test,
    /// New tokens.
    Refresh {
        /// Also if those that are there hold for a while.
        force: bool,
    },
    /// To forget the grant.
    Revoke {
        /// We forget the tokens only, and do not ask.
        forget: bool,
    },
}

/// What came of asking a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeView {
    /// `works`, `not_tested`, `refreshed`, `still_fresh`, `revoked` or `forgotten`; of a test also `refused`,
    /// `unavailable`, `unusable`, `cancelled` and `broken`.
    #[schema(example = "works")]
    pub outcome: String,
    /// Whom the service takes us for, if it says so.
    pub shows: Option<String>,
    /// What was found, where it does not work.
    pub message: Option<String>,
    /// How to mend it, if that is known.
    pub help: Option<String>,
    /// When the access token ends. RFC 3339, UTC.
    pub expires: Option<String>,
}

/// Has a person grant access.
#[derive(Debug, Serialize, Deserialize)]
pub struct BeginGrant {
    /// Its name.
    pub name: String,
    /// Its scope.
    pub scope: ScopeName,
    /// How.
    pub way: GrantWay,
    /// Who may look at it, come back to it and cancel it.
    pub owner: String,
}

/// How a person grants access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantWay {
    /// In the browser, which comes back to this address.
    Browser(String),
    /// With a code on another device.
    Device,
}

/// Hands in what a browser came back with.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReturnToGrant {
    /// Whose browser it is.
    pub owner: String,
    /// The query that it brought.
    pub query: Sealed,
}

/// Asks how a grant stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct LookAtGrant {
    /// Its number.
    pub id: String,
    /// Who asks.
    pub owner: String,
}

/// A grant is not wanted any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct CancelGrant {
    /// Its number.
    pub id: String,
    /// Who says so.
    pub owner: String,
}

/// A grant that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    /// What names it.
    pub id: String,
    /// The connection.
    pub name: String,
    /// Its workspace; null: the global scope.
    pub workspace: Option<String>,
    /// Its environment; null: it holds in any.
    pub environment: Option<String>,
    /// `waiting`, `granted` or `failed`.
    #[schema(example = "waiting")]
    pub state: String,
    /// What the person has to open.
    pub url: Option<String>,
    /// What the person has to type there.
    pub code: Option<String>,
    /// The same page with the code in it, if the service has that.
    pub complete_url: Option<String>,
    /// Until when. RFC 3339, UTC.
    pub until: Option<String>,
    /// What was found, where it failed.
    pub message: Option<String>,
    /// How to mend it, if that is known.
    pub help: Option<String>,
    /// When the access token ends, once it is granted. RFC 3339, UTC.
    pub expires: Option<String>,
}

/// What each question is answered with.
macro_rules! asks {
    ($($ask:ident => $answer:ty),* $(,)?) => {$(
        impl Ask for $ask {
            type Answer = $answer;

            fn into_call(self) -> Call {
                Call::Connections(ConnectionsCall::$ask(self))
            }
        }
    )*};
}

asks! {
    ListTypes => Vec<TypeView>,
    ListConnections => Vec<ConnectionView>,
    PutConnection => ConnectionWritten,
    ChangeConnection => (),
    UseConnection => OutcomeView,
    BeginGrant => GrantView,
    ReturnToGrant => GrantView,
    LookAtGrant => GrantView,
    CancelGrant => (),
}
