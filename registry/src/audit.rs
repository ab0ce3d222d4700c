//! The audit log: one line for each read, write and refusal.

/// On whose behalf something is done, as the audit log records it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// The user's name, or number where there is none.
    pub user: String,
    /// The command: `run`, `dry`, `secret set` ...
    pub command: String,
    /// The run's id.
    pub run: Option<String>,
    /// The workflow's name.
    pub workflow: Option<String>,
    /// The step, where one is concerned.
    pub step: Option<String>,
}
