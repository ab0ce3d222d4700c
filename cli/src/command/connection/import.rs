//! `connection import`: connections from a file that other tools use.
//!
//! What the file seems to hold is shown first; only `--apply` stores it. Nothing that is there already
//! is overwritten, and of the file only names are told.

use std::path::Path;

use serde_json::{Map, Value, json};
use subrosa_connections::change::{self, Change};
use subrosa_connections::files::{read_secrets_toml, recognise};
use subrosa_connections::form::{self, Current, Filled, missing};
use subrosa_connections::record::REFRESH_TOKEN;
use subrosa_connections::{ConnectionType, Types};
use subrosa_registry::{Action, Address, Admin, MustBe, Names, SetOptions};

use super::list::{json_lines, text};
use super::{find, name, named, names};
use crate::args::connection::ImportArgs;
use crate::command::secret::begin;
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::text::shown;
use crate::value::{self, Given};
use crate::wiring::World;

/// What one connection would be made of.
struct Planned<'a> {
    kind: &'a ConnectionType,
    address: Address,
    filled: Filled,
    notes: Vec<String>,
}

/// Shows what a file would bring; with `--apply`, stores it.
pub(crate) fn import(args: &ImportArgs, world: &World) -> Result<Exit, Failure> {
    let types = connections::types(world)?;
    let bytes = value::credentials(&args.file)?;
    let is_toml = args.file.extension().is_some_and(|ending| ending == "toml");
    let found = if is_toml { of_toml(args, &bytes, world)? } else { of_json(args, &bytes)? };
    let mut planned = Vec::new();
    for one in found {
        planned.extend(plan(one, args, &types)?);
    }
    if planned.is_empty() {
        let message = format!("`{}` holds no credentials of a known type", args.file.display());
        return Err(Failure::new(Exit::INVALID, message));
    }
    let secrets = world.secrets()?;
    let admin = secrets.admin("connection import", args.allow_protected, world);
    let conflicts = conflicts(&admin, &planned)?;
    for one in &planned {
        change::check_public(&one.kind.id, &one.filled).map_err(|why| {
            let name = name(&one.address);
            invalid(&args.file, &format!("what it has for `{name}`: {why}"))
        })?;
    }
    tell(&planned, &conflicts, args)?;
    if !conflicts.is_empty() {
        out::stderr("nothing was stored: what is there already is not overwritten\n");
        return Ok(Exit::CONFLICTS);
    }
    if !args.apply {
        out::stderr("nothing was stored; `--apply` stores it\n");
        return Ok(Exit::OK);
    }
    let is_new_store = begin(&admin, &planned[0].address, false)?;
    if is_new_store {
        admin.create_store(Names::Open)?;
    }
    let changes: Vec<(Address, Change<'_>)> = planned.into_iter().map(change).collect();
    change::put_new(&admin, Action::Import, changes)?;
    Ok(Exit::OK)
}

fn change(planned: Planned<'_>) -> (Address, Change<'_>) {
    let Planned { kind, address, filled, .. } = planned;
    let options = SetOptions::default();
    (address, Change { kind, filled, options, must_be: MustBe::New, expect: None })
}

/// What a file says of one connection.
struct Source {
    source: Option<String>,
    kind: Option<String>,
    fields: Vec<(String, Given)>,
    notes: Vec<String>,
}

fn of_toml(args: &ImportArgs, bytes: &[u8], world: &World) -> Result<Vec<Source>, Failure> {
    let variable = |name: &str| value::of_variable(world.var(name)?);
    let read = read_secrets_toml(bytes, &variable).map_err(|why| invalid(&args.file, &why))?;
    let ignored = read.ignored.iter().map(|name| format!("ignored `{name}`"));
    for note in ignored {
        out::stderr(&format!("note: {}\n", shown(&note)));
    }
    let found = |guess: subrosa_connections::files::Guess| {
        let unknown = guess.unknown.iter().map(|key| format!("`{key}` is no field of it"));
        let unset = guess.unset.iter().map(|name| format!("the variable `{name}` is not set"));
        Source {
            notes: unknown.chain(unset).collect(),
            source: Some(guess.source),
            kind: guess.kind.map(str::to_owned),
            fields: guess.fields.into_iter().collect(),
        }
    };
    Ok(read.guesses.into_iter().map(found).collect())
}

fn of_json(args: &ImportArgs, bytes: &[u8]) -> Result<Vec<Source>, Failure> {
    let read = recognise(bytes).map_err(|why| invalid(&args.file, &why))?;
    let notes = read.unknown.iter().map(|key| format!("`{key}` is no field of it")).collect();
    let kind = Some(read.kind.to_owned());
    Ok(vec![Source { source: None, kind, fields: read.fields.into_iter().collect(), notes }])
}

fn invalid(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::INVALID, format!("`{}` cannot be used: {why}", path.display()))
}

/// What would be stored; nothing, with a note, for a source whose type nobody can tell.
fn plan<'a>(
    found: Source,
    args: &ImportArgs,
    types: &'a Types,
) -> Result<Option<Planned<'a>>, Failure> {
    let Source { source, kind, fields, mut notes } = found;
    let Some(id) = args.kind.clone().or(kind) else {
        let source = source.unwrap_or_default();
        out::stderr(&format!("note: nobody can tell the type of `{}`\n", shown(&source)));
        return Ok(None);
    };
    let kind = find(types, &id)?;
    let by_file =
        source.as_deref().unwrap_or(&kind.id).to_ascii_lowercase().replace(['_', '.'], "-");
    let word = args.name.clone().unwrap_or_else(|| by_file.into());
    let address = named(&word, &args.scope)?;
    let mut filled = Filled::default();
    for (name, given) in fields {
        match kind.field(&name) {
            Some(field) => value::with(&given, |bytes| form::put(field, bytes, &mut filled))
                .map_err(|why| invalid(&args.file, &format!("its `{name}`: {why}")))?,
            None if name == REFRESH_TOKEN => {
                notes.push("its grant is not taken over: authorize it here".to_owned());
            }
            None => notes.push(format!("`{}` is no field of it", shown(&name))),
        }
    }
    let lacking = missing(kind, &Current::default(), &filled);
    notes.extend(lacking.iter().map(|field| format!("`{}` is still to be given", field.name)));
    Ok(Some(Planned { kind, address, filled, notes }))
}

fn conflicts(admin: &Admin<'_>, planned: &[Planned<'_>]) -> Result<Vec<String>, Failure> {
    let mut conflicts = Vec::new();
    for (index, one) in planned.iter().enumerate() {
        let is_twice = planned[..index].iter().any(|former| former.address == one.address);
        if is_twice || change::known(admin, &one.address)?.is_some() {
            conflicts.push(name(&one.address).to_owned());
        }
    }
    Ok(conflicts)
}

fn tell(planned: &[Planned<'_>], conflicts: &[String], args: &ImportArgs) -> Result<(), Failure> {
    let is_conflict = |one: &Planned<'_>| conflicts.iter().any(|known| known == name(&one.address));
    let fields = |one: &Planned<'_>| -> Vec<String> {
        one.filled.public.keys().chain(one.filled.secret.keys()).cloned().collect()
    };
    for one in planned {
        for note in &one.notes {
            out::stderr(&format!("note: {}: {}\n", name(&one.address), shown(note)));
        }
    }
    if args.json {
        let object = |one: &Planned<'_>| -> Map<String, Value> {
            let mut object = names(&one.address);
            object.insert("type".to_owned(), json!(one.kind.id));
            object.insert("fields".to_owned(), json!(fields(one)));
            object.insert("conflict".to_owned(), json!(is_conflict(one)));
            object.insert("notes".to_owned(), json!(one.notes));
            object
        };
        let objects: Vec<Map<String, Value>> = planned.iter().map(object).collect();
        out::stdout(json_lines(&objects)?)?;
        return Ok(());
    }
    let mut rows = vec![["NAME", "TYPE", "FIELDS", ""].map(str::to_owned).to_vec()];
    rows.extend(planned.iter().map(|one| {
        let conflict = if is_conflict(one) { "is there already" } else { "" };
        let name = name(&one.address).to_owned();
        vec![name, one.kind.id.clone(), fields(one).join(", "), conflict.to_owned()]
    }));
    out::stdout(text(&rows))?;
    Ok(())
}
