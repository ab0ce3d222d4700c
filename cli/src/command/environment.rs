//! `environment`: the environments of the registry, and which of them are protected.

use serde_json::{Map, json};
use subrosa_registry::{EnvironmentInfo, EnvironmentName, RegistryError};

use crate::args::secret::{EnvironmentArgs, EnvironmentCommand};
use crate::command::secret::{Told, is_no_store, minute, stamp};
use crate::command::validate::to_line;
use crate::failure::{Exit, Failure};
use crate::wiring::World;
use crate::{out, table};

/// Does what a verb says.
pub(crate) fn environment(command: &EnvironmentCommand, world: &World) -> Result<Exit, Failure> {
    match command {
        EnvironmentCommand::List { json } => list(*json, world),
        EnvironmentCommand::Protect(args) => protect(args, world),
        EnvironmentCommand::Unprotect(args) => unprotect(args, world),
        EnvironmentCommand::Rm(args) => remove(args, world),
    }
}

fn list(json: bool, world: &World) -> Result<Exit, Failure> {
    let secrets = world.secrets()?;
    let infos = match secrets.admin("environment list", false, world).environments() {
        Ok(infos) => infos,
        Err(error) if is_no_store(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if json {
        let infos: Vec<_> = infos.iter().map(to_json).collect();
        out::stdout(to_line(&infos)?)?;
    } else if infos.is_empty() {
        out::stderr("no environments\n");
    } else {
        let mut rows =
            vec![["ENVIRONMENT", "PROTECTED", "CREATED (UTC)"].map(str::to_owned).to_vec()];
        rows.extend(infos.iter().map(|info| {
            let protected = if info.is_protected { "yes" } else { "no" };
            vec![info.name.to_string(), protected.to_owned(), minute(info.created)]
        }));
        let lines: String = table::lines(&rows).iter().map(|line| format!("{line}\n")).collect();
        out::stdout(lines)?;
    }
    Ok(Exit::OK)
}

fn to_json(info: &EnvironmentInfo) -> serde_json::Value {
    json!({
        "environment": info.name.as_str(),
        "protected": info.is_protected,
        "created": stamp(info.created),
    })
}

fn protect(args: &EnvironmentArgs, world: &World) -> Result<Exit, Failure> {
    let secrets = world.secrets()?;
    let admin = secrets.admin("environment protect", args.allow_protected, world);
    let is_new = !admin.environments()?.iter().any(|info| info.name == args.name);
    let changed = admin.protect(&args.name)?;
    let what = match (is_new, changed) {
        (true, _) => "made, and protected",
        (false, true) => "protected",
        (false, false) => "protected already",
    };
    told(&args.name, what, true, changed).with("new", is_new).tell(args.json)
}

fn unprotect(args: &EnvironmentArgs, world: &World) -> Result<Exit, Failure> {
    let secrets = world.secrets()?;
    let admin = secrets.admin("environment unprotect", args.allow_protected, world);
    let changed = admin.unprotect(&args.name)?;
    let what = if changed { "no longer protected" } else { "not protected anyway" };
    told(&args.name, what, false, changed).tell(args.json)
}

fn remove(args: &EnvironmentArgs, world: &World) -> Result<Exit, Failure> {
    let secrets = world.secrets()?;
    let admin = secrets.admin("environment rm", args.allow_protected, world);
    match admin.remove_environment(&args.name) {
        Ok(()) => {}
        Err(RegistryError::Exists(address)) => {
            let message = format!("the environment `{}` is not empty: it has {address}", args.name);
            return Err(Failure::new(Exit::SECRETS, message)
                .help(format!("`subrosa secret list --env {}` shows what is in it", args.name)));
        }
        Err(error) => return Err(error.into()),
    }
    let line = format!("{}: removed", args.name);
    let mut json = Map::new();
    json.insert("environment".to_owned(), json!(args.name.as_str()));
    Told { line, json, notes: Vec::new() }.with("removed", true).tell(args.json)
}

fn told(name: &EnvironmentName, what: &str, protected: bool, changed: bool) -> Told {
    let mut json = Map::new();
    json.insert("environment".to_owned(), json!(name.as_str()));
    Told { line: format!("{name}: {what}"), json, notes: Vec::new() }
        .with("protected", protected)
        .with("changed", changed)
}
