//! `secret`: changing and listing what the registry holds.
//!
//! Each verb is one call of the registry, which is durable when it returns; what is told afterwards can
//! no longer change that, so lost output has an exit code of its own.

mod change;
mod export;
mod import;
mod list;
mod reveal;
mod set;
mod show;
mod transfer;

use std::ffi::OsStr;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use subrosa_registry::{Address, Scope, SecretInfo, SecretRef};

use crate::args::secret::{OneArgs, ScopeArgs, SecretCommand};
use crate::command::validate::to_line;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::out::{self, OutputLost};

pub(crate) use set::{NO_ARGUMENT, allowed, begin, new_store};

/// Does what a verb says.
pub(crate) fn secret(command: &SecretCommand, world: &Opener<'_>) -> Result<Exit, Failure> {
    match command {
        SecretCommand::Set(args) => set::set(args, world),
        SecretCommand::Rotate(args) => set::rotate(args, world),
        SecretCommand::List(args) => list::list(args, world),
        SecretCommand::GetMetadata(args) => show::get_metadata(args, world),
        SecretCommand::Versions(args) => show::versions(args, world),
        SecretCommand::Rollback(args) => change::rollback(args, world),
        SecretCommand::Prune(args) => change::prune(args, world),
        SecretCommand::Disable(args) => change::disable(args, world),
        SecretCommand::Enable(args) => change::enable(args, world),
        SecretCommand::Rm(args) => change::remove(args, world),
        SecretCommand::Mv(args) => transfer::mv(args, world),
        SecretCommand::Copy(args) => transfer::copy(args, world),
        SecretCommand::Describe(args) => change::describe(args, world),
        SecretCommand::Expire(args) => change::expire(args, world),
        SecretCommand::Reveal(args) => reveal::reveal(args, world),
        SecretCommand::Import(args) => import::import(args, world),
        SecretCommand::Export(args) => export::export(args, world),
    }
}

/// What is told of a change.
pub(crate) struct Told {
    /// The outcome, in a line.
    pub(crate) line: String,
    /// The same for programs.
    pub(crate) json: Map<String, Value>,
    /// What else there is to know.
    pub(crate) notes: Vec<String>,
}

impl Told {
    /// About a secret: `prod/db: disabled (global)`.
    pub(crate) fn about(address: &Address, what: &str) -> Told {
        let line = format!("{}: {what} ({})", address.reference, place(&address.scope));
        Told { line, json: names(address), notes: Vec::new() }
    }

    /// Adds a field for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Told {
        self.json.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what else there is to know.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Tells it. The change was made, so a lost output is neither a failure nor a success.
    pub(crate) fn tell(self, json: bool) -> Result<Exit, Failure> {
        for note in &self.notes {
            out::stderr(&format!("note: {}\n", crate::text::shown(note)));
        }
        let text = if json { to_line(&self.json)? } else { format!("{}\n", self.line) };
        out::stdout(text).map(|()| Exit::OK).map_err(untold)
    }
}

fn untold(OutputLost(error): OutputLost) -> Failure {
    let message = format!("the change was made, but standard output cannot be written: {error}");
    Failure::new(Exit::UNTOLD, message)
        .help("do not make it again; `list` and `show` or `versions` tell how things are")
}

/// The secret that is meant.
pub(crate) fn address(args: &OneArgs) -> Result<Address, Failure> {
    named(&args.reference, &args.scope)
}

fn named(word: &OsStr, scope: &ScopeArgs) -> Result<Address, Failure> {
    let scope =
        Scope { workspace: scope.workspace.clone(), environment: scope.environment.clone() };
    Ok(Address { reference: reference(word)?, scope })
}

/// A ref as it was typed. What could be a value is not repeated.
pub(crate) fn reference(word: &OsStr) -> Result<SecretRef, Failure> {
    let Some(text) = word.to_str() else {
        return Err(Failure::usage("the ref is not UTF-8"));
    };
    if text.contains('=') {
        return Err(Failure::usage("there is a `=` in the ref").help(set::NO_ARGUMENT));
    }
    SecretRef::parse(text)
        .map_err(|why| Failure::usage(format!("`{text}` is no ref: {why}")).help(GRAMMAR))
}

const GRAMMAR: &str = "a ref is made of a-z, 0-9 and `-`, in segments joined by `/`: \
                       `prod/db-password`";

/// `global`, `workspace payments`, `workspace payments, environment prod`.
pub(crate) fn place(scope: &Scope) -> String {
    let mut place = match &scope.workspace {
        Some(workspace) => format!("workspace {workspace}"),
        None => "global".to_owned(),
    };
    if let Some(environment) = &scope.environment {
        place.push_str(&format!(", environment {environment}"));
    }
    place
}

/// The names of a secret for programs.
fn names(address: &Address) -> Map<String, Value> {
    let mut names = Map::new();
    names.insert("ref".to_owned(), json!(address.reference.as_str()));
    names.append(&mut scope_names(&address.scope));
    names
}

/// The names of a scope for programs.
pub(crate) fn scope_names(scope: &Scope) -> Map<String, Value> {
    let mut names = Map::new();
    let workspace = scope.workspace.as_ref().map(|name| name.as_str());
    names.insert("workspace".to_owned(), json!(workspace));
    let environment = scope.environment.as_ref().map(|name| name.as_str());
    names.insert("environment".to_owned(), json!(environment));
    names
}

/// `active` or `disabled`.
fn state(info: &SecretInfo) -> &'static str {
    if info.is_disabled { "disabled" } else { "active" }
}

/// So long after a moment, but not after the year 9999, where the registry and all notation end.
pub(crate) fn later(time: SystemTime, length: Duration) -> SystemTime {
    let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    time.checked_add(length).map_or(latest, |later| later.min(latest))
}

/// A moment for programs.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A moment for people, to the minute, UTC.
pub(crate) fn minute(time: SystemTime) -> String {
    let mut text = stamp(time);
    text.truncate("2027-01-31T12:00".len());
    text.replace('T', " ")
}

/// Whether a read found that there is no registry at all.
pub(crate) fn is_no_store(error: &subrosa_registry::RegistryError) -> bool {
    matches!(error, subrosa_registry::RegistryError::NoStore { .. })
}

/// Whether standard output is a terminal.
fn on_terminal() -> bool {
    crate::terminal::is_terminal(&io::stdout())
}
