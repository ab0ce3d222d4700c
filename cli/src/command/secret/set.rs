//! `secret set` and `secret rotate`: storing a value.
//!
//! All that can be refused without the value is refused before anybody is asked for it.

use subrosa_registry::{Address, Admin, Expiry, Names, RegistryError, SetOptions, Written};

use super::{Told, address, later, minute, stamp};
use crate::args::secret::{ChangeArgs, RotateArgs, SetArgs, ValueArgs};
use crate::failure::{Exit, Failure};
use crate::out;
use crate::registry::Secrets;
use crate::value::{self, Source, Taken};
use crate::wiring::World;

/// What to do instead of giving a value as an argument.
pub(crate) const NO_ARGUMENT: &str = "a value is never an argument, as these can be read by every user of the machine; it comes \
     from standard input, a prompt or `--from-file FILE`";

/// Stores a value.
pub(crate) fn set(args: &SetArgs, world: &World) -> Result<Exit, Failure> {
    let address = named(&args.change, &args.value)?;
    let options = options(&args.value, world)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin("secret set", args.change.allow_protected, world);
    let is_new_store = begin(&admin, &address, args.seal_names)?;
    let names = if args.seal_names { Names::Sealed } else { Names::Open };
    if args.no_value {
        if is_new_store {
            admin.create_store(names)?;
        }
        let is_new_environment = admin.declare(&address)?;
        let mut told = Told::about(&address, "declared without a value")
            .with("version", None::<u64>)
            .with("new", true)
            .with("new_registry", is_new_store)
            .with("new_environment", is_new_environment);
        note_new(&mut told, &address, (is_new_store, is_new_environment), &secrets);
        return told.tell(args.change.one.json);
    }
    let taken = take(&args.value, &address)?;
    if is_new_store {
        admin.create_store(names)?;
    }
    let written = admin.set(&address, &taken.value, &options)?;
    stored(&address, &written, &taken, (is_new_store, &secrets)).tell(args.change.one.json)
}

/// Stores a new version of a secret that is there.
pub(crate) fn rotate(args: &RotateArgs, world: &World) -> Result<Exit, Failure> {
    let address = named(&args.change, &args.value)?;
    let options = SetOptions { overlap: args.overlap, ..options(&args.value, world)? };
    let secrets = world.secrets()?;
    let admin = secrets.admin("secret rotate", args.change.allow_protected, world);
    let before = admin.info(&address)?;
    allowed(&admin, &address)?;
    let taken = take(&args.value, &address)?;
    let written = admin.rotate(&address, &taken.value, &options)?;
    let mut told = stored(&address, &written, &taken, (false, &secrets));
    let end = args.overlap.map(|overlap| later((world.clock)(), overlap));
    if let (Some(former), Some(end)) = (before.version, end) {
        told.note(format!("version {former} is masked as well until {} UTC", minute(end)));
        told = told.with("overlap_until", stamp(end));
    }
    told.tell(args.change.one.json)
}

/// The secret that is meant, if nothing but its ref was given.
fn named(change: &ChangeArgs, value: &ValueArgs) -> Result<Address, Failure> {
    if !value.surplus.is_empty() {
        return Err(Failure::usage("there are words after the ref").help(NO_ARGUMENT));
    }
    address(&change.one)
}

fn options(args: &ValueArgs, world: &World) -> Result<SetOptions, Failure> {
    let now = (world.clock)();
    let expiry = match (args.expires, args.max_age) {
        (Some(time), _) if time <= now => {
            return Err(Failure::usage(format!("{} is in the past", stamp(time))));
        }
        (Some(time), _) => Some(Expiry::At(time)),
        (None, age) => age.map(Expiry::Age),
    };
    let (description, keep) = (args.description.clone(), args.keep);
    Ok(SetOptions { overlap: None, description, expiry, keep })
}

/// Whether the registry is still to be made; an error if a value could not be stored anyway.
pub(crate) fn begin(
    admin: &Admin<'_>,
    address: &Address,
    seal_names: bool,
) -> Result<bool, Failure> {
    match allowed(admin, address) {
        Ok(()) if seal_names => {
            Err(Failure::usage("`--seal-names` is for a new registry, and there is one already"))
        }
        Ok(()) => Ok(false),
        Err(RegistryError::NoStore { .. }) => Ok(true),
        Err(RegistryError::Missing { .. }) => {
            // Making it was cut off, or it lost its root; the registry tells the two apart.
            let names = if seal_names { Names::Sealed } else { Names::Open };
            admin.create_store(names)?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a protected environment; that the registry opens is found out as well.
pub(crate) fn allowed(admin: &Admin<'_>, address: &Address) -> Result<(), RegistryError> {
    let environments = admin.environments()?;
    let Some(name) = &address.scope.environment else { return Ok(()) };
    let protected = |known: &&subrosa_registry::EnvironmentInfo| {
        known.name == *name && known.is_protected && !admin.allow_protected
    };
    match environments.iter().find(protected) {
        Some(_) => Err(RegistryError::Protected(name.clone())),
        None => Ok(()),
    }
}

fn take(args: &ValueArgs, address: &Address) -> Result<Taken, Failure> {
    let what = address.reference.as_str();
    let file = args.from_file.as_deref();
    value::take(&Source { file, keep_newline: args.keep_newline, what })
}

fn stored(
    address: &Address,
    written: &Written,
    taken: &Taken,
    (is_new_store, secrets): (bool, &Secrets),
) -> Told {
    if let Some(newline) = taken.newline {
        out::stderr(&format!("{newline}\n"));
    }
    let state = if written.is_disabled { "disabled" } else { "active" };
    let mut told = Told::about(address, &format!("version {} stored", written.version))
        .with("version", written.version)
        .with("state", state)
        .with("new", written.is_new)
        .with("new_registry", is_new_store)
        .with("new_environment", written.is_new_environment)
        .with("lost_expiry", written.lost_expiry);
    note_new(&mut told, address, (is_new_store, written.is_new_environment), secrets);
    if written.is_disabled {
        let enable = crate::registry::command("enable", address);
        told.note(format!("it is still disabled; `{enable}` lets runs use it"));
    }
    if written.lost_expiry {
        told.note("the former value had a date at which it expired, and this one has none");
    }
    told
}

fn note_new(
    told: &mut Told,
    address: &Address,
    (is_new_store, is_new_environment): (bool, bool),
    secrets: &Secrets,
) {
    if is_new_store {
        told.notes.extend(new_store(secrets));
    }
    if let Some(name) = address.scope.environment.as_ref().filter(|_| is_new_environment) {
        told.note(format!("the environment {name} is new"));
    }
}

/// What there is to know of a registry that was just made.
pub(crate) fn new_store(secrets: &Secrets) -> [String; 2] {
    [
        format!("made the registry `{}`", secrets.folder.display()),
        format!(
            "its key is {}; without it every secret is lost, so keep a copy of it elsewhere \
             (`subrosa key export`)",
            secrets.key()
        ),
    ]
}
