//! What the broker and whoever started it say to each other: one JSON line each way at a time.
//!
//! No message has room for a value of a connection. Two secrets pass, as bytes that follow their line: a
//! passphrase for the registry's key, which a person types where the other end has a terminal, and what a
//! browser came back with from a service, where somebody else than the broker waits for it.

use serde::{Deserialize, Serialize};

/// What whoever started the broker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// What is to be done: the first line.
    Do(Box<Request>),
    /// What was typed for [`Event::Ask`]: so many bytes follow the line. None: nobody could be asked.
    Answer(Option<usize>),
    /// What the browser came back with, for [`Flow::Elsewhere`]: the query of so many bytes follows the line.
    Back(usize),
    /// Whoever asked does not want it any more. What cannot be taken back any more is finished.
    Cancel,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What.
    pub task: Task,
    /// The connection's name.
    pub name: String,
    /// The workspace; `None`: the global scope.
    #[serde(default)]
    pub workspace: Option<String>,
    /// The environment; `None`: any.
    #[serde(default)]
    pub environment: Option<String>,
    /// Whether a protected environment may be used.
    #[serde(default)]
    pub allow_protected: bool,
    /// The command on whose behalf, for the audit log.
    pub command: String,
    /// The run on whose behalf, for the audit log.
    #[serde(default)]
    pub run: Option<String>,
    /// The user on whose behalf, for the audit log; `None`: whose process it is.
    #[serde(default)]
    pub user: Option<String>,
    /// Where the browser comes back to, for [`Flow::Elsewhere`].
    #[serde(default)]
    pub redirect: Option<String>,
    /// Hosts and networks that may be private, while others must not be; `None`: any may be asked.
    #[serde(default)]
    pub private_hosts: Option<Vec<String>>,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A person grants access.
    Authorize(Flow),
    /// Tokens are exchanged for new ones.
    Refresh {
        /// Also if those that are there hold for a while.
        force: bool,
    },
    /// The service is asked one cheap question.
    Test,
    /// The service forgets the grant, and we the tokens.
    Revoke {
        /// We forget them only, and do not ask the service.
        forget: bool,
    },
}

/// How a person grants access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// In a browser on this machine.
    Browser,
    /// In a browser anywhere, which comes back to somebody who hands in what it brought.
    Elsewhere,
    /// With a code, on any device.
    Device,
}

/// What the broker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A person has to open this.
    OpenUrl {
        /// Holds a state and a challenge, nothing that can be used without what the broker keeps.
        url: String,
        /// How long it can be used, in seconds.
        within_s: u64,
    },
    /// A person has to open this and type the code.
    UserCode {
        /// Where.
        url: String,
        /// The same with the code in it, if the service has that.
        complete_url: Option<String>,
        /// What to type.
        code: String,
        /// How long it can be used, in seconds.
        within_s: u64,
    },
    /// A passphrase for the registry's key is needed.
    Ask {
        /// The place of the key, for the question.
        place: String,
    },
    /// Something that should be known, and ends nothing.
    Note(String),
    /// It is done: the last line.
    Done(Done),
    /// It is not done: the last line.
    Failed(Failed),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// There are tokens, stored; when the access token ends, in seconds since 1970.
    Authorized {
        /// When the access token ends, if that is known.
        expires: Option<u64>,
        /// What was granted.
        scopes: Vec<String>,
    },
    /// There are new tokens, stored.
    Refreshed {
        /// When the access token ends, if that is known.
        expires: Option<u64>,
    },
    /// The tokens hold for a while, or somebody else has just exchanged them.
    StillFresh {
        /// When the access token ends, if that is known.
        expires: Option<u64>,
    },
    /// The service answers and accepts the credential.
    Works {
        /// What it tells of whose the credential is.
        shows: Option<String>,
    },
    /// It is not known whether the credential is accepted.
    NotTested {
        /// Why it was not tried.
        why: String,
    },
    /// The tokens are gone here; and at the service, if it offers that.
    Revoked {
        /// Whether the service was told.
        at_service: bool,
    },
}

/// Why it is not done, in words that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What kind of failure.
    pub kind: FailedKind,
    /// What was found; never a value, a token, a code or a body.
    pub message: String,
    /// How to mend it, if that is known.
    #[serde(default)]
    pub help: Option<String>,
}

/// What a caller may branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedKind {
    /// There is no such connection, or it may not be used, or something of it is missing.
    Unusable,
    /// The service refuses the credential or the grant: a person has to mend it.
    Refused,
    /// The service is out of reach, now.
    Unavailable,
    /// It was not wanted any more, or its time was over.
    Cancelled,
    /// The registry, or a bug.
    Broken,
}
