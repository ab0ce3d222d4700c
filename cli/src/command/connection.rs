//! `connection`: typed credentials of services.
//!
//! What is here makes, changes and shows connections, and cannot open one: it holds an [`Admin`], which
//! has no method that returns a value, and nothing that a value could be had from (a test reads these
//! files). Values pass through on their way in only. What needs an opened connection (testing,
//! authorizing, refreshing, revoking) is done by the broker, a process of its own, which answers in
//! words that may be shown.

mod add;
mod broker;
mod change;
mod edit;
mod import;
mod list;
mod show;
mod status;
pub(super) mod store;
mod types;

use std::ffi::OsStr;
use std::io;

use serde_json::{Map, Value, json};
use subrosa_registry::{Address, Admin, Expiry, RecordInfo, Scope, SecretRef, SetOptions};

use crate::args::connection::{AboutArgs, ConnectionCommand, NameArgs};
use crate::args::secret::ScopeArgs;
use crate::command::secret::{Told, place, scope_names, stamp};
use crate::failure::{Exit, Failure};
use crate::terminal;
use crate::wiring::World;

pub(super) use types::find;

/// Does what a verb says.
pub(crate) fn connection(command: &ConnectionCommand, world: &World) -> Result<Exit, Failure> {
    match command {
        ConnectionCommand::Add(args) => add::add(args, world),
        ConnectionCommand::Edit(args) => edit::edit(args, world),
        ConnectionCommand::Rotate(args) => edit::rotate(args, world),
        ConnectionCommand::List(args) => list::list(args, world),
        ConnectionCommand::Status(args) => status::status(args, world),
        ConnectionCommand::Show(args) => show::show(args, world),
        ConnectionCommand::Types(args) => types::types(args, world),
        ConnectionCommand::Test(args) => broker::test(args, world),
        ConnectionCommand::Authorize(args) => broker::authorize(args, world),
        ConnectionCommand::Refresh(args) => broker::refresh(args, world),
        ConnectionCommand::Revoke(args) => broker::revoke(args, world),
        ConnectionCommand::Import(args) => import::import(args, world),
        ConnectionCommand::Disable(args) => change::disable(args, world),
        ConnectionCommand::Enable(args) => change::enable(args, world),
        ConnectionCommand::Rm(args) => change::remove(args, world),
    }
}

/// What is told of a change of a connection: `jira-prod: version 1 stored (global)`.
pub(super) fn about(address: &Address, what: &str) -> Told {
    let line = format!("{}: {what} ({})", name(address), place(&address.scope));
    Told { line, json: names(address), notes: Vec::new() }
}

/// The name of a connection.
pub(super) fn name(address: &Address) -> &str {
    address.reference.connection_name().unwrap_or(address.reference.as_str())
}

/// The names of a connection for programs.
fn names(address: &Address) -> Map<String, Value> {
    let mut names = Map::new();
    names.insert("name".to_owned(), json!(name(address)));
    names.append(&mut scope_names(&address.scope));
    names
}

/// The connection that is meant.
fn address(args: &NameArgs) -> Result<Address, Failure> {
    named(&args.name, &args.scope)
}

/// The connection of this name. A word that cannot be one is not repeated: next to `add TYPE`, it may
/// well be a key.
fn named(word: &OsStr, scope: &ScopeArgs) -> Result<Address, Failure> {
    let Some(text) = word.to_str() else {
        return Err(Failure::usage("the name is not UTF-8"));
    };
    let name = SecretRef::parse(text).map_err(|_| {
        Failure::usage("what was given as the connection's name cannot be one").help(GRAMMAR)
    })?;
    let scope =
        Scope { workspace: scope.workspace.clone(), environment: scope.environment.clone() };
    Ok(Address { reference: SecretRef::connection(&name), scope })
}

const GRAMMAR: &str = "a name is made of a-z, 0-9 and `-`, in segments joined by `/`: `jira-prod`, \
                       `team/jira`";

/// A command about a connection, as it can be typed.
pub(crate) fn command(verb: &str, address: &Address) -> String {
    let mut command = format!("subrosa connection {verb} {}", name(address));
    if let Some(workspace) = &address.scope.workspace {
        command.push_str(&format!(" --workspace {workspace}"));
    }
    if let Some(environment) = &address.scope.environment {
        command.push_str(&format!(" --env {environment}"));
    }
    command
}

/// A connection that has to be there.
fn record(admin: &Admin<'_>, address: &Address) -> Result<RecordInfo, Failure> {
    Ok(admin.record(address)?)
}

/// What goes with a version.
fn options(args: &AboutArgs, world: &World) -> Result<SetOptions, Failure> {
    let expiry = match (args.expires, args.max_age) {
        (Some(time), _) if time <= (world.clock)() => {
            return Err(Failure::usage(format!("{} is in the past", stamp(time))));
        }
        (Some(time), _) => Some(Expiry::At(time)),
        (None, age) => age.map(Expiry::Age),
    };
    let description = args.description.clone();
    Ok(SetOptions { description, expiry, ..SetOptions::default() })
}

/// Whether there is a person to ask: only who types is asked, as with `secret set`.
pub(super) fn is_asked() -> bool {
    terminal::is_terminal(&io::stdin())
}

/// Asks before what cannot be taken back, unless that was answered beforehand.
pub(super) fn confirm(question: &str, yes: bool, world: &World) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !is_asked() {
        let message = "this cannot be taken back, and there is no terminal to ask on";
        return Err(Failure::usage(message).help("if that is meant, add `--yes`"));
    }
    let person = crate::form::ask::Person::at_terminal(world)?;
    match person.ask(&format!("{question} [y/N] "))?.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(Exit::SECRETS, "the answer was not yes; nothing was changed")),
    }
}

/// Says on standard error what to do next; programs have it in their JSON.
pub(super) fn next(commands: &[String], json: bool) {
    for command in commands.iter().filter(|_| !json) {
        crate::out::stderr(&format!("next: {command}\n"));
    }
}
