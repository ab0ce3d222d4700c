//! `connection add`: a new connection, from a form, from words or from a file.
//!
//! All that can be refused without an answer is refused before anybody is asked.

use serde_json::json;
use subrosa_connections::change::{self, Change};
use subrosa_connections::form::{Current, Filled, Standing, missing, standing};
use subrosa_connections::{Auth, ConnectionType, Field};
use subrosa_registry::{Action, Address, Admin, MustBe, Names, RegistryError, Written};

use super::{about, command, find, is_asked, name, named, next, options};
use crate::args::connection::AddArgs;
use crate::command::secret::{Told, begin, new_store, place};
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::form::ask::Person;
use crate::form::given::{self, Words};
use crate::registry::Secrets;
use crate::table;
use crate::text::shown;
use crate::wiring::World;

/// Makes a connection.
pub(crate) fn add(args: &AddArgs, world: &World) -> Result<Exit, Failure> {
    let types = connections::types(world)?;
    let kind = find(&types, &args.kind)?;
    let by_type = || kind.id.replace('_', "-").into();
    let word = args.name.clone().unwrap_or_else(by_type);
    let address = named(&word, &args.scope)?;
    let options = options(&args.about, world)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin("connection add", args.allow_protected, world);
    let is_new_store = begin(&admin, &address, false)?;
    refuse_existing(&admin, &address, args.name.is_some())?;
    let filled = fill(args, kind, &address, world)?;
    if is_new_store {
        admin.create_store(Names::Open)?;
    }
    let change = Change { kind, filled, options, must_be: MustBe::New, expect: None };
    let written = change::put(&admin, Action::Set, &address, change)?;
    let exit =
        stored(&address, kind, &written, is_new_store.then_some(&secrets)).tell(args.json)?;
    next(&next_steps(kind, &address), args.json);
    Ok(exit)
}

fn refuse_existing(admin: &Admin<'_>, address: &Address, is_named: bool) -> Result<(), Failure> {
    if change::known(admin, address)?.is_none() {
        return Ok(());
    }
    let failure = Failure::from(RegistryError::Exists(address.clone()));
    let another = match is_named {
        true => "another name makes a second one",
        false => "a name after the type makes a second one",
    };
    Err(failure.help(format!("change it with `{}`; {another}", command("edit", address))))
}

fn fill(
    args: &AddArgs,
    kind: &ConnectionType,
    address: &Address,
    world: &World,
) -> Result<Filled, Failure> {
    let mut filled = Filled::default();
    let words = Words { set: &args.answers.set, set_file: &args.answers.set_file, unset: &[] };
    let from_file = args.from_file.as_deref();
    if let Some(path) = from_file {
        crate::form::file::read(path, kind, &mut filled)?;
    }
    given::read(words, kind, &mut filled)?;
    let current = Current::default();
    let is_form = words.is_empty() && from_file.is_none();
    let asked: Vec<&Field> = match is_form {
        true => kind.fields.iter().collect(),
        false => missing(kind, &current, &filled),
    };
    if !is_asked() {
        return match missing(kind, &current, &filled) {
            fields if fields.is_empty() => Ok(filled),
            fields => Err(lacking(kind, &fields)),
        };
    }
    if asked.is_empty() {
        return Ok(filled);
    }
    let person = Person::at_terminal(world)?;
    let place = place(&address.scope);
    let title = format!("New connection {} ({}, {place})", name(address), shown(&kind.label));
    person.begin(&title, kind, HOW)?;
    person.fill(kind, &asked, &current, &mut filled)?;
    person.say(&format!("\n{}", summary(kind, &current, &filled)))?;
    Ok(filled)
}

const HOW: &str = "Enter takes what is in [brackets]. What is typed for a secret is not shown. \
                   Ctrl-C ends it, and nothing is stored.";

/// That fields have no value, with the words that give them one.
pub(super) fn lacking(kind: &ConnectionType, fields: &[&Field]) -> Failure {
    let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    let message =
        format!("no value for {}, which the type `{}` requires", names.join(", "), kind.id);
    let ways: Vec<String> = fields.iter().map(|field| way(field)).collect();
    Failure::usage(message).help(format!("{}\non a terminal, they are asked for", ways.join("\n")))
}

fn way(field: &Field) -> String {
    let name = &field.name;
    match field.is_secret {
        true => format!(
            "`--set {name}=-` reads it from standard input, `--set-file {name}=PATH` from a file"
        ),
        false => format!("`--set {name}=VALUE`"),
    }
}

/// How each field stands, without a secret value.
pub(super) fn summary(kind: &ConnectionType, current: &Current, filled: &Filled) -> String {
    let public = filled.public_after(current);
    let row = |field: &Field| {
        let default = field.default.as_deref().unwrap_or_default();
        let text = match (standing(field, current, filled), public.get(&field.name)) {
            (Standing::Given | Standing::Stays, Some(text)) => shown(text),
            (Standing::Given, None) => "given, not shown".to_owned(),
            (Standing::Stays, None) => "stays as it is".to_owned(),
            (Standing::Default, _) => format!("{} (default)", shown(default)),
            (Standing::Missing, _) => "not set".to_owned(),
        };
        vec![format!("  {}", field.name), text]
    };
    let rows: Vec<Vec<String>> = kind.fields.iter().map(row).collect();
    table::lines(&rows).iter().map(|line| format!("{line}\n")).collect()
}

/// What is told of what was stored.
pub(super) fn stored(
    address: &Address,
    kind: &ConnectionType,
    written: &Written,
    new_registry: Option<&Secrets>,
) -> Told {
    let state = if written.is_disabled { "disabled" } else { "active" };
    let mut told = about(address, &format!("version {} stored", written.version))
        .with("type", kind.id.as_str())
        .with("version", written.version)
        .with("state", state)
        .with("new", written.is_new)
        .with("new_registry", new_registry.is_some())
        .with("new_environment", written.is_new_environment)
        .with("next", json!(next_steps(kind, address)));
    if let Some(secrets) = new_registry {
        told.notes.extend(new_store(secrets));
    }
    if let Some(name) = address.scope.environment.as_ref().filter(|_| written.is_new_environment) {
        told.note(format!("the environment {name} is new"));
    }
    if written.is_disabled {
        let enable = command("enable", address);
        told.note(format!("it is still disabled; `{enable}` lets runs use it"));
    }
    told
}

/// What to do with a connection that was just made.
pub(super) fn next_steps(kind: &ConnectionType, address: &Address) -> Vec<String> {
    let mut steps = Vec::new();
    if kind.auth == Auth::OAuth2 {
        steps.push(command("authorize", address));
    }
    if kind.test.is_some() {
        steps.push(command("test", address));
    }
    steps
}
