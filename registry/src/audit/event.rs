//! What the audit log records, and its JSON.
//!
//! The JSON is ASCII: every other character is escaped, so that no name in it can begin a line, or
//! steer the terminal of whoever looks at the file.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as TextError, StrDeserializer};
use serde::{Deserialize, Serialize};

use super::Actor;
use crate::error::{LookupError, RegistryError};
use crate::names::{EnvironmentName, Scope, SecretRef, WorkspaceName};

/// One thing that was done, or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When; whole seconds are kept.
    pub time: SystemTime,
    /// On whose behalf. Of each text the first 256 bytes are kept.
    pub actor: Actor,
    /// What was asked for.
    pub action: Action,
    /// The ref that it was about, if it was about one.
    pub reference: Option<SecretRef>,
    /// The scope that it was about.
    pub scope: Scope,
    /// The version that was read, made, or brought back.
    pub version: Option<u64>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A run asked for a value.
    Read,
    /// A person had a value shown.
    Reveal,
    /// A value was set.
    Set,
    /// A value was replaced.
    Rotate,
    /// A secret was enabled.
    Enable,
    /// A secret was disabled.
    Disable,
    /// A secret was removed.
    Remove,
    /// An older version was made the current one.
    Rollback,
    /// Old versions were destroyed.
    Prune,
    /// A secret was given another address.
    Move,
    /// A secret was copied to another address.
    Copy,
    /// A description was changed.
    Describe,
    /// The date of expiry was changed.
    Expire,
    /// Secrets were taken from a file or another store.
    Import,
    /// Secrets were given to a file or another store.
    Export,
    /// An environment was made.
    EnvironmentAdd,
    /// An environment was removed.
    EnvironmentRemove,
    /// An environment was made a protected one.
    EnvironmentProtect,
    /// An environment is no longer a protected one.
    EnvironmentUnprotect,
    /// The master key was replaced.
    KeyRotate,
    /// The master key was taken to another place.
    KeyMove,
    /// The master key was written out for keeping.
    KeyExport,
    /// A master key was taken in.
    KeyImport,
    /// The store was made.
    Create,
    /// Names were sealed, or are no longer.
    SealNames,
    /// A backup was made.
    Backup,
    /// A backup was restored.
    Restore,
    /// An older state of the store was accepted as the current one.
    Accept,
    /// Files were searched for values.
    Scan,
    /// A person let a connection have tokens.
    Authorize,
    /// The tokens of a connection were exchanged for newer ones.
    Refresh,
    /// The tokens of a connection were given back to the service.
    Revoke,
    /// A connection was tried on the service.
    Test,
    /// Damage was repaired.
    Repair,
    /// The log itself begins a new chain, since it does not hold together before this line.
    ChainRestart,
}

/// What came of it: done, or the kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// There is no such secret.
    NotFound,
    /// There is one already.
    Exists,
    /// There is no such version.
    NoVersion,
    /// The secret is disabled.
    Disabled,
    /// The secret has no value.
    NoValue,
    /// The value is past its date.
    Expired,
    /// The environment is protected.
    Protected,
    /// There is no such environment.
    UnknownEnvironment,
    /// What was given cannot be stored.
    Invalid,
    /// Somebody else has changed it meanwhile.
    Changed,
    /// Leave was asked for and not given.
    Denied,
    /// What is stored does not hold together.
    Damaged,
    /// The store is older than one that was seen before.
    RolledBack,
    /// It was done, and may not survive a power cut.
    Unconfirmed,
    /// Something else went wrong.
    Failed,
}

impl Action {
    /// Takes the word that the log has for an action.
    pub fn parse(text: &str) -> Option<Action> {
        let text: StrDeserializer<'_, TextError> = text.into_deserializer();
        Action::deserialize(text).ok()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl Outcome {
    /// Takes the word that the log has for an outcome.
    pub fn parse(text: &str) -> Option<Outcome> {
        let text: StrDeserializer<'_, TextError> = text.into_deserializer();
        Outcome::deserialize(text).ok()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl From<&LookupError> for Outcome {
    fn from(error: &LookupError) -> Outcome {
        match error {
            LookupError::NotFound => Outcome::NotFound,
            LookupError::Disabled(_) => Outcome::Disabled,
            LookupError::NoValue(_) => Outcome::NoValue,
            LookupError::Expired { .. } => Outcome::Expired,
            LookupError::Damaged { .. } => Outcome::Damaged,
        }
    }
}

impl From<&RegistryError> for Outcome {
    fn from(error: &RegistryError) -> Outcome {
        match error {
            RegistryError::Damaged { .. } | RegistryError::Missing { .. } => Outcome::Damaged,
            RegistryError::RolledBack { .. } => Outcome::RolledBack,
            RegistryError::Unconfirmed { .. } => Outcome::Unconfirmed,
            RegistryError::NotFound(_) => Outcome::NotFound,
            RegistryError::Exists(_) => Outcome::Exists,
            RegistryError::NoVersion { .. } => Outcome::NoVersion,
            RegistryError::NoValue(_) => Outcome::NoValue,
            RegistryError::UnknownEnvironment { .. } => Outcome::UnknownEnvironment,
            RegistryError::Protected(_) => Outcome::Protected,
            RegistryError::InvalidValue(_)
            | RegistryError::InvalidDescription(_)
            | RegistryError::InvalidRecord(_)
            | RegistryError::WrongKind(_) => Outcome::Invalid,
            RegistryError::Changed { .. } => Outcome::Changed,
            RegistryError::NoStore { .. }
            | RegistryError::StoreExists { .. }
            | RegistryError::File(_)
            | RegistryError::Key(_)
            | RegistryError::TooNew { .. }
            | RegistryError::Audit { .. }
            | RegistryError::Randomness => Outcome::Failed,
        }
    }
}

/// An event as JSON has it; the order of the fields is part of the format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    time: Cow<'a, str>,
    user: Cow<'a, str>,
    command: Cow<'a, str>,
    run: Option<Cow<'a, str>>,
    workflow: Option<Cow<'a, str>>,
    step: Option<Cow<'a, str>>,
    action: Action,
    #[serde(rename = "ref")]
    reference: Option<Cow<'a, str>>,
    workspace: Option<Cow<'a, str>>,
    environment: Option<Cow<'a, str>>,
    version: Option<u64>,
    outcome: Outcome,
}

const TEXT_LEN_MAX: usize = 256;

impl Event {
    /// The JSON object of an event.
    pub(super) fn to_json(&self) -> String {
        let scope = &self.scope;
        let name = |text: Option<&'_ str>| text.map(|text| Cow::Owned(text.to_owned()));
        let text = |text: &Option<String>| text.as_deref().map(|text| Cow::Owned(bounded(text)));
        let body = Body {
            time: Cow::Owned(shown_time(self.time)),
            user: Cow::Owned(bounded(&self.actor.user)),
            command: Cow::Owned(bounded(&self.actor.command)),
            run: text(&self.actor.run),
            workflow: text(&self.actor.workflow),
            step: text(&self.actor.step),
            action: self.action,
            reference: name(self.reference.as_ref().map(SecretRef::as_str)),
            workspace: name(scope.workspace.as_ref().map(WorkspaceName::as_str)),
            environment: name(scope.environment.as_ref().map(EnvironmentName::as_str)),
            version: self.version,
            outcome: self.outcome,
        };
        let json = serde_json::to_string(&body).expect("texts and numbers always have a JSON");
        escaped(&json)
    }

    /// Takes the JSON object of an event; `None` if it is anything else.
    pub(super) fn from_json(json: &[u8]) -> Option<Event> {
        let body: Body<'_> = serde_json::from_slice(json).ok()?;
        let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let workspace = body.workspace.map(|name| WorkspaceName::parse(&name)).transpose();
        let environment = body.environment.map(|name| EnvironmentName::parse(&name)).transpose();
        let reference = body.reference.map(|text| SecretRef::parse_kept(&text)).transpose();
        Some(Event {
            time: humantime::parse_rfc3339(&body.time).ok()?,
            actor: Actor {
                user: body.user.into_owned(),
                command: body.command.into_owned(),
                run: text(body.run),
                workflow: text(body.workflow),
                step: text(body.step),
            },
            action: body.action,
            reference: reference.ok()?,
            scope: Scope { workspace: workspace.ok()?, environment: environment.ok()? },
            version: body.version,
            outcome: body.outcome,
        })
    }
}

/// The text, or its beginning, ending with a whole character.
fn bounded(text: &str) -> String {
    let mut len = text.len().min(TEXT_LEN_MAX);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text[..len].to_owned()
}

/// The last second that has four digits for its year.
const SECONDS_MAX: u64 = 253_402_300_799;

/// The time as RFC 3339 has it. A clock that is set to what RFC 3339 cannot say gives the nearest
/// that it can.
fn shown_time(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(SECONDS_MAX));
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The same JSON in printable ASCII. Only strings can hold anything else.
fn escaped(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && !c.is_ascii_control() {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(ascii, "\\u{unit:04x}").expect("a `String` takes all text");
        }
    }
    ascii
}
