//! `secret import`: the secrets of a file that other tools use.
//!
//! It says what it would do; with `--apply` it does it, in one change. With `--move` the file goes once
//! every value was read back from the disk and found to be the one that was in the file.

mod source;
mod table;

use subrosa_exchange::{Item, Options, Problem, read};
use subrosa_registry::{
    Address, Admin, Import, ImportedSecret, Names, Planned, RegistryError, Scope,
};
use zeroize::Zeroizing;

use super::{Told, is_no_store, new_store, place, set};
use crate::args::exchange::{Conflicts, ImportArgs};
use crate::command::validate::to_line;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::text::shown;
use crate::wiring::World;

use source::Source;
use table::{Outcome, Row};

/// Shows what would be stored, or stores it.
pub(crate) fn import(args: &ImportArgs, world: &World) -> Result<Exit, Failure> {
    let source = Source::take(args)?;
    let items = items(args, &source, world)?;
    if items.is_empty() && args.remove {
        return Err(Failure::usage(format!("there is no secret in `{}`", source.name)));
    }
    let (imports, names) = imports(args, items)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin("secret import", args.allow_protected, world);
    let planned = plan(&admin, &imports)?;
    let is_new_store = planned.is_none();
    let planned = planned.unwrap_or_else(|| vec![Planned::New; imports.len()]);
    let rows: Vec<Row> =
        names.iter().zip(imports.iter().zip(&planned)).map(Row::planned(args)).collect();
    let conflicts = rows.iter().any(|row| matches!(row.outcome, Outcome::Conflict { .. }));
    let applies = args.apply || args.remove;
    if conflicts || !applies {
        return show(args, &rows, applies);
    }
    if args.remove && rows.iter().any(|row| matches!(row.outcome, Outcome::Kept { .. })) {
        let message = format!("`{}` holds values that would not be stored", source.name);
        return Err(Failure::new(Exit::SECRETS, message).help(
            "nothing was stored; import it without `--move`, or with `--on-conflict replace`",
        ));
    }
    if is_new_store {
        admin.create_store(Names::Open)?;
    }
    let imported = admin.import_by(&imports, args.on_conflict.rule()).map_err(raced)?;
    let mut told = applied(args, &names, &imports, &imported);
    if is_new_store {
        told.notes.extend(new_store(&secrets));
    }
    if args.remove {
        // Another registry, so that nothing comes from this one's memory.
        let fresh = world.secrets()?;
        let stored =
            fresh.admin("secret import", args.allow_protected, world).import_plan(&imports);
        let is_same = |planned: &Planned| matches!(planned, Planned::Same { .. });
        if !stored?.iter().all(is_same) {
            return Err(Failure::engine("what was stored is not what is in the file any more")
                .help(format!("`{}` is still there; look at `subrosa secret list`", source.name)));
        }
        source.remove()?;
        told = told.with("removed", true);
        told.note(format!(
            "removed `{}`; that wipes no disk: free blocks, backups, snapshots and the history of \
             git may still hold it",
            source.name
        ));
    }
    told.tell(args.json)
}

/// What is in the file; all of its problems are told at once.
fn items(args: &ImportArgs, source: &Source, world: &World) -> Result<Vec<Item>, Failure> {
    let options = Options {
        prefix: args.prefix.clone(),
        vault_path: args.vault_path.clone(),
        namespaces: args.namespaces,
        keep_sources: args.keep_sources,
    };
    let environment = |name: &str| {
        let (_, value) = world.env.iter().find(|(key, _)| key == name)?;
        Some(Zeroizing::new(std::os::unix::ffi::OsStrExt::as_bytes(value.as_os_str()).to_vec()))
    };
    read(source.format, &source.name, &source.bytes, &options, &environment).map_err(|problems| {
        for Problem { file, line, column, message, cure } in &problems {
            let at: String =
                [*line, *column].iter().flatten().map(|number| format!(":{number}")).collect();
            let text = format!("{file}{at}: {message}");
            out::stderr(&format!("error: {}\n  help: {}\n", shown(&text), shown(cure)));
        }
        Failure::Told(Exit::INVALID)
    })
}

/// The values with their places, and what they are called in the file.
fn imports(args: &ImportArgs, items: Vec<Item>) -> Result<(Vec<Import>, Vec<String>), Failure> {
    let scope = Scope {
        workspace: args.scope.workspace.clone(),
        environment: args.scope.environment.clone(),
    };
    let mut names = Vec::with_capacity(items.len());
    let mut imports = Vec::with_capacity(items.len());
    let mut is_valid = true;
    for Item { reference, name_in_source, value, line } in items {
        let import = Import { address: Address { reference, scope: scope.clone() }, value };
        if let Err(why) = import.check() {
            is_valid = false;
            let at = line.map_or_else(String::new, |line| format!(" (line {line})"));
            out::stderr(&format!("error: {}{at}: {why}\n", import.address.reference));
        }
        names.push(name_in_source);
        imports.push(import);
    }
    match is_valid {
        true => Ok((imports, names)),
        false => {
            out::stderr("  help: a value has 1 byte to 64 KiB, any but NUL\n");
            Err(Failure::Told(Exit::INVALID))
        }
    }
}

/// What the values would meet; there is no registry: `None`.
fn plan(admin: &Admin<'_>, imports: &[Import]) -> Result<Option<Vec<Planned>>, Failure> {
    let allowed = match imports.first() {
        Some(import) => set::allowed(admin, &import.address),
        None => Ok(()),
    };
    match allowed.and_then(|()| admin.import_plan(imports)) {
        Ok(planned) => Ok(Some(planned)),
        Err(error) if is_no_store(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Somebody else stored something since it was planned.
fn raced(error: RegistryError) -> Failure {
    match error {
        RegistryError::Exists(address) => {
            let message = format!("another value was stored meanwhile: {address}");
            Failure::new(Exit::CONFLICTS, message).help("nothing was stored; look again")
        }
        other => other.into(),
    }
}

/// Nothing was stored: because of conflicts, or as nobody asked for it.
fn show(args: &ImportArgs, rows: &[Row], applies: bool) -> Result<Exit, Failure> {
    let conflicts = rows.iter().any(|row| matches!(row.outcome, Outcome::Conflict { .. }));
    if args.json {
        out::stdout(to_line(&table::json(rows, false))?)?;
    } else {
        out::stdout(format!("{}\n", text(args, rows, "nothing was stored")))?;
    }
    if conflicts {
        out::stderr(
            "note: of secrets with another value, `--on-conflict skip` keeps theirs, `--on-conflict \
             replace` stores a new version\n",
        );
        return Ok(Exit::CONFLICTS);
    }
    if !applies && !rows.is_empty() {
        out::stderr("note: `--apply` does it\n");
    }
    Ok(Exit::OK)
}

fn applied(
    args: &ImportArgs,
    names: &[String],
    imports: &[Import],
    imported: &[ImportedSecret],
) -> Told {
    let rows: Vec<Row> =
        names.iter().zip(imports.iter().zip(imported)).map(Row::imported).collect();
    let stored = |imported: &ImportedSecret| matches!(imported, ImportedSecret::Stored(_));
    let end = if imported.iter().any(stored) { "stored" } else { "nothing had to be stored" };
    let mut told =
        Told { line: text(args, &rows, end), json: table::json(&rows, true), notes: Vec::new() };
    let written = imported.iter().filter_map(|imported| match imported {
        ImportedSecret::Stored(written) => Some(written),
        ImportedSecret::Same { .. } | ImportedSecret::Kept { .. } => None,
    });
    let written: Vec<_> = written.collect();
    let environment = args.scope.environment.as_ref();
    if let Some(name) = environment.filter(|_| written.iter().any(|one| one.is_new_environment)) {
        told.note(format!("the environment {name} is new"));
    }
    let disabled = written.iter().filter(|one| one.is_disabled).count();
    if disabled > 0 {
        told.note(format!("{disabled} of them are still disabled (`subrosa secret enable`)"));
    }
    let undated = written.iter().filter(|one| one.lost_expiry).count();
    if undated > 0 {
        told.note(format!("{undated} of them had a date at which they expired, and have none now"));
    }
    told
}

/// The table, and a line that sums it up.
fn text(args: &ImportArgs, rows: &[Row], end: &str) -> String {
    let scope = Scope {
        workspace: args.scope.workspace.clone(),
        environment: args.scope.environment.clone(),
    };
    let mut text = table::lines(rows);
    text.push_str(&format!("{} ({}): {end}", table::summary(rows), place(&scope)));
    text
}

/// A value that differs, by what was asked for.
fn differing(args: &ImportArgs, version: u64) -> Outcome {
    match args.on_conflict {
        Conflicts::Stop => Outcome::Conflict { version },
        Conflicts::Skip => Outcome::Kept { version },
        Conflicts::Replace => Outcome::NewVersion { version: version + 1 },
    }
}
