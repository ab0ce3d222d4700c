//! `key`: where the key of the registry is, and exchanging, moving, copying and restoring it.
//!
//! The text of a key passes through here in `copy` only, between the registry and a file.

mod copy;
pub(crate) mod status;

use std::path::Path;

use serde_json::{Map, json};
use subrosa_engine::remedy::quoted;
use subrosa_registry::{Actor, Names, Source};

use crate::args::key::{KeyCommand, MoveArgs, RotateArgs, To};
use crate::command::secret::Told;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::registry::OpenSecrets;
use crate::text::count;

/// Does what a verb says; `named` is `--key-file`.
pub(crate) fn key(
    command: &KeyCommand,
    named: Option<&Path>,
    world: &Opener<'_>,
) -> Result<Exit, Failure> {
    match command {
        KeyCommand::Status { json } => status::status(*json, world),
        KeyCommand::Rotate(args) => rotate(args, world),
        KeyCommand::Move(args) => move_key(args, named, world),
        KeyCommand::Export(args) => copy::export(args, world),
        KeyCommand::Import(args) => copy::import(args, world),
    }
}

/// Whoever started us, as the audit log has it.
fn actor(secrets: &OpenSecrets, command: &str, world: &Opener<'_>) -> Actor {
    secrets.admin(command, false, world).actor
}

fn told(line: String) -> Told {
    Told { line, json: Map::new(), notes: Vec::new() }
}

fn rotate(args: &RotateArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let secrets = world.open_secrets()?;
    let names = match (args.seal_names, args.show_names) {
        (true, _) => Some(Names::Sealed),
        (false, true) => Some(Names::Open),
        (false, false) => None,
    };
    let done = secrets.admin("key rotate", false, world).rotate_key(names)?;
    let versions = count(done.versions, "version");
    let line = format!(
        "the key {} is in use in place of {}: {versions} of secrets sealed anew",
        done.to, done.from
    );
    let mut told = told(line)
        .with("key", done.to.as_str())
        .with("from", done.from.as_str())
        .with("versions", done.versions)
        .with("place", secrets.key());
    told.note(
        "copies of the former key open backups of before and nothing of now: make a new copy \
         with `subrosa key export`",
    );
    told.tell(args.json)
}

fn move_key(args: &MoveArgs, named: Option<&Path>, world: &Opener<'_>) -> Result<Exit, Failure> {
    let to = target(args, named, world)?;
    let secrets = world.open_secrets()?;
    let actor = actor(&secrets, "key move", world);
    let moved = secrets.registry.move_key(&actor, secrets.places()?, &to)?;
    let mut told = told(format!("the key is in {}", moved.place))
        .with("place", moved.place.as_str())
        .with("left", moved.left.as_deref());
    if let Some(left) = &moved.left {
        told.note(format!(
            "a copy is still in {left}; remove it yourself once you are sure of the new place"
        ));
    }
    if let Some(path) = &world.key_file {
        told.note(format!(
            "`SUBROSA_KEY_FILE` is set, and wins: as long as it is, the key is looked for in {}",
            path.display()
        ));
    }
    told.tell(args.json)
}

/// The place that is meant.
fn target(args: &MoveArgs, named: Option<&Path>, world: &Opener<'_>) -> Result<Source, Failure> {
    let path = named.map(|path| world.current_dir.join(path));
    let is_command = args.to == To::Command;
    if is_command == args.command.is_empty() {
        return Err(match is_command {
            true => Failure::usage("the program that prints the key is not named")
                .help("`subrosa key move --to command -- CMD ARGS`"),
            false => Failure::usage("there are words after `--`, which only `--to command` takes"),
        });
    }
    match (args.to, path) {
        (To::File, path) => Ok(Source::File { path }),
        (To::Passphrase, path) => Ok(Source::Passphrase { path }),
        (To::Keyring, None) => Ok(Source::Keyring),
        (To::Command, None) => Ok(Source::Command { argv: args.command.clone() }),
        (To::Keyring | To::Command, Some(_)) => {
            Err(Failure::usage("`--key-file` goes with `--to file` and `--to passphrase` only"))
        }
    }
}

/// The words that `key move` has for a place.
pub(crate) fn words(source: &Source) -> String {
    let (to, path) = match source {
        Source::File { path } => ("file", path.as_deref()),
        Source::Passphrase { path } => ("passphrase", path.as_deref()),
        Source::Keyring => ("keyring", None),
        // Its arguments may be nobody's business.
        Source::Command { .. } => return "--to command -- CMD ARGS".to_owned(),
    };
    match path {
        Some(path) => {
            format!("--to {to} --key-file {}", quoted(&path.display().to_string()))
        }
        None => format!("--to {to}"),
    }
}

/// A field for programs.
fn field(map: &mut Map<String, serde_json::Value>, name: &str, value: impl serde::Serialize) {
    map.insert(name.to_owned(), json!(value));
}
