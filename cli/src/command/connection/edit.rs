//! `connection edit` and `connection rotate`: some fields get new values, the others stay, unopened.

use subrosa_connections::change::{self, Change};
use subrosa_connections::form::{self, Current, Filled, newly_missing};
use subrosa_connections::state::Seen;
use subrosa_connections::{ConnectionType, Field, Record, Types};
use subrosa_registry::{Action, Address, Admin, MustBe, RecordInfo, SetOptions};

use super::add::{lacking, next_steps, stored, summary};
use super::store;
use super::{about, address, find, is_asked, name, next, options};
use crate::args::connection::{EditArgs, RotateArgs};
use crate::command::secret::{allowed, later, minute, place, stamp};
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::form::ask::Person;
use crate::form::given::{self, Words};
use crate::text::shown;
use crate::wiring::World;

/// A connection that is about to change.
struct Before<'a> {
    address: Address,
    kind: &'a ConnectionType,
    info: RecordInfo,
    record: Record,
}

impl Before<'_> {
    fn current(&self) -> Current {
        Seen { info: &self.info, record: &self.record, kind: Some(self.kind) }.current()
    }
}

/// Changes fields.
pub(crate) fn edit(args: &EditArgs, world: &World) -> Result<Exit, Failure> {
    let address = address(&args.change.one)?;
    let options = options(&args.about, world)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin("connection edit", args.change.allow_protected, world);
    let types = connections::types(world)?;
    let before = before(&admin, address, &types)?;
    let answers = &args.answers;
    let words = Words { set: &answers.set, set_file: &answers.set_file, unset: &args.unset };
    let has_options = options.description.is_some() || options.expiry.is_some();
    let mut filled = Filled::default();
    if words.is_empty() && !has_options {
        let fields: Vec<&Field> = before.kind.fields.iter().collect();
        ask(("Connection", EDIT_HOW, &fields), &before, &mut filled, world)?;
        ask_anew(&before, &mut filled, world)?;
    }
    given::read(words, before.kind, &mut filled)?;
    if filled.is_empty() && !has_options {
        return about(&before.address, "nothing was changed")
            .with("version", before.info.info.version)
            .with("changed", false)
            .tell(args.change.one.json);
    }
    refuse_lacking(&before, &filled)?;
    let kind = before.kind;
    let change = Change { kind, filled, options, must_be: MustBe::Present, expect: None };
    let written = change::put(&admin, Action::Set, &before.address, change)?;
    let told = stored(&before.address, kind, &written, None).with("changed", true);
    let exit = told.tell(args.change.one.json)?;
    next(&next_steps_after(&before), args.change.one.json);
    Ok(exit)
}

/// Asks for the secrets that would go to another place than before, as if there were none.
fn ask_anew(before: &Before<'_>, filled: &mut Filled, world: &World) -> Result<(), Failure> {
    let mut current = before.current();
    let moved = before.kind.moved(&current.public, &filled.public_after(&current));
    let Some(moved) = moved.first() else { return Ok(()) };
    let is_kept = |field: &&Field| {
        current.secret.contains_key(&field.name) && !filled.secret.contains_key(&field.name)
    };
    let fields: Vec<&Field> = before.kind.fields.iter().filter(is_kept).collect();
    if fields.is_empty() {
        return Ok(());
    }
    current.secret.clear();
    let person = Person::at_terminal(world)?;
    person
        .say(&format!("\n`{moved}` decides where the credential goes: it is asked for anew.\n"))?;
    person.fill(before.kind, &fields, &current, filled)?;
    for field in fields {
        // One that may be left out, and was: what is there must not stay.
        if !filled.has(&field.name) {
            form::remove(field, filled);
        }
    }
    Ok(())
}

const EDIT_HOW: &str = "Enter keeps what is in [brackets]; `-` takes an optional answer away. What is \
                        typed for a secret is not shown. Ctrl-C ends it, and nothing is stored.";

/// Gives secret fields new values.
pub(crate) fn rotate(args: &RotateArgs, world: &World) -> Result<Exit, Failure> {
    let address = address(&args.change.one)?;
    let options = SetOptions { overlap: args.overlap, ..options(&args.about, world)? };
    let secrets = world.secrets()?;
    let admin = secrets.admin("connection rotate", args.change.allow_protected, world);
    let types = connections::types(world)?;
    let before = before(&admin, address, &types)?;
    let filled = new_secrets(args, &before, world)?;
    let kind = before.kind;
    let change = Change { kind, filled, options, must_be: MustBe::Present, expect: None };
    let written = change::put(&admin, Action::Rotate, &before.address, change)?;
    let mut told = stored(&before.address, kind, &written, None);
    let end = args.overlap.map(|overlap| later((world.clock)(), overlap));
    if let (Some(former), Some(end)) = (before.info.info.version, end) {
        told.note(format!("version {former} is masked as well until {} UTC", minute(end)));
        told = told.with("overlap_until", stamp(end));
    }
    let exit = told.tell(args.change.one.json)?;
    next(&next_steps_after(&before), args.change.one.json);
    Ok(exit)
}

fn new_secrets(args: &RotateArgs, before: &Before<'_>, world: &World) -> Result<Filled, Failure> {
    let kind = before.kind;
    let mut filled = Filled::default();
    if let Some(path) = &args.from_file {
        crate::form::file::read(path, kind, &mut filled)?;
        filled.public.clear();
    }
    let words = Words { set: &args.answers.set, set_file: &args.answers.set_file, unset: &[] };
    if words.is_empty() && args.from_file.is_none() {
        let current = before.current();
        let is_asked = |field: &&Field| {
            field.is_secret && (field.is_required || current.secret.contains_key(&field.name))
        };
        let fields: Vec<&Field> = kind.fields.iter().filter(is_asked).collect();
        if fields.is_empty() {
            let message = format!("the type `{}` has no secret field to rotate", kind.id);
            return Err(Failure::new(Exit::SECRETS, message));
        }
        ask(("New secrets of", ROTATE_HOW, &fields), before, &mut filled, world)?;
    }
    given::read(words, kind, &mut filled)?;
    if let Some(name) = filled.public.keys().next() {
        let edit = super::command("edit", &before.address);
        return Err(Failure::usage(format!(
            "the field `{name}` is public: there is nothing to rotate"
        ))
        .help(format!("`{edit}` changes it")));
    }
    if filled.is_empty() {
        return Err(Failure::new(Exit::SECRETS, "no new value was given; nothing was stored"));
    }
    refuse_lacking(before, &filled)?;
    Ok(filled)
}

const ROTATE_HOW: &str = "Enter keeps what is in [brackets]. What is typed is not shown. Ctrl-C ends it, \
                          and nothing is stored.";

fn before<'a>(
    admin: &Admin<'_>,
    address: Address,
    types: &'a Types,
) -> Result<Before<'a>, Failure> {
    let info = super::record(admin, &address)?;
    allowed(admin, &address)?;
    let record = store::parse(&info)?;
    let kind = find(types, &record.kind)?;
    Ok(Before { address, kind, info, record })
}

fn refuse_lacking(before: &Before<'_>, filled: &Filled) -> Result<(), Failure> {
    match newly_missing(before.kind, &before.current(), filled) {
        fields if fields.is_empty() => Ok(()),
        fields => Err(lacking(before.kind, &fields)),
    }
}

fn ask(
    (what, how, fields): (&str, &str, &[&Field]),
    before: &Before<'_>,
    filled: &mut Filled,
    world: &World,
) -> Result<(), Failure> {
    if !is_asked() {
        return Err(Failure::usage("there is no terminal to ask on, and no field was given").help(
            "`--set FIELD=VALUE` gives a public field, `--set FIELD=-` a secret one from standard input",
        ));
    }
    let person = Person::at_terminal(world)?;
    let (address, kind) = (&before.address, before.kind);
    let place = place(&address.scope);
    let title = format!("{what} {} ({}, {place})", name(address), shown(&kind.label));
    person.begin(&title, kind, how)?;
    person.fill(kind, fields, &before.current(), filled)?;
    person.say(&format!("\n{}", summary(kind, &before.current(), filled)))
}

fn next_steps_after(before: &Before<'_>) -> Vec<String> {
    let mut steps = next_steps(before.kind, &before.address);
    if before.record.tokens.as_ref().is_some_and(|tokens| tokens.refused.is_none()) {
        steps.retain(|step| !step.contains(" authorize "));
    }
    steps
}
