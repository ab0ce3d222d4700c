//! What the runner and the process of a run say to each other, through the standard streams of the latter.
//!
//! Parameters and passphrases go this way, so that nothing of them is in an argument or a file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use subrosa_server::channel::Refusal;
use subrosa_server::channel::runs::{Param, StartKind, Started};

/// What is to be done: the first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    /// The id of the run that is to come.
    pub(super) run: String,
    /// On whose behalf.
    pub(super) user: String,
    /// Whether protected environments may be used.
    pub(super) allow_protected: bool,
    /// The workflow's file, absolute.
    pub(super) file: PathBuf,
    /// The workspace that the workflow must be in.
    pub(super) workspace: Option<String>,
    /// The environment, in place of what files say.
    pub(super) environment: Option<String>,
    /// Parameters.
    pub(super) params: Vec<Param>,
    /// What is wanted.
    pub(super) kind: StartKind,
}

/// What the runner says after the order. The end of its lines means that nobody steers the run any more: it is
/// stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Say {
    /// The passphrase that was asked for: so many bytes follow the line. `None`: nobody knows it.
    Answer(Option<usize>),
    /// Stop: once gently, twice at once.
    Stop,
    /// Stop at once: nothing more is run.
    Kill,
}

/// What the process of a run says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// It needs the passphrase of the key in this place.
    Ask {
        /// Where the key is, in words.
        place: String,
    },
    /// What came of the order.
    Done(Started),
    /// It cannot be carried out.
    Refused(Refusal),
}

/// Longest line that either side says: a body of a webhook as a parameter, escaped.
pub(super) const LINE_LEN_MAX: u64 = 128 << 20;
