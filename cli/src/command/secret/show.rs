//! `secret get-metadata` and `secret versions`: all about one secret but its value.

use serde_json::{Value, json};
use subrosa_registry::{KEEP_DEFAULT, SecretInfo, VersionInfo};

use super::list::Row;
use super::{address, minute, stamp, state};
use crate::args::secret::OneArgs;
use crate::command::validate::to_line;
use crate::failure::{Exit, Failure};
use crate::text::shown;
use crate::wiring::World;
use crate::{out, table};

/// Tells all about a secret but its value.
pub(crate) fn get_metadata(args: &OneArgs, world: &World) -> Result<Exit, Failure> {
    let info = info(args, "secret get-metadata", world)?;
    if args.json {
        out::stdout(to_line(&Row::of(&info))?)?;
    } else {
        out::stdout(lines(&rows(&info)))?;
    }
    Ok(Exit::OK)
}

/// Lists the versions that are kept, the newest first.
pub(crate) fn versions(args: &OneArgs, world: &World) -> Result<Exit, Failure> {
    let info = info(args, "secret versions", world)?;
    if args.json {
        let versions: Vec<Value> =
            info.versions.iter().rev().map(|version| to_json(version, info.version)).collect();
        out::stdout(to_line(&versions)?)?;
    } else {
        let mut rows = vec![["VERSION", "CREATED (UTC)", "BY", ""].map(str::to_owned).to_vec()];
        rows.extend(info.versions.iter().rev().map(|version| row(version, info.version)));
        out::stdout(lines(&rows))?;
    }
    Ok(Exit::OK)
}

fn info(args: &OneArgs, command: &str, world: &World) -> Result<SecretInfo, Failure> {
    let address = address(args)?;
    let secrets = world.secrets()?;
    Ok(secrets.admin(command, false, world).info(&address)?)
}

fn rows(info: &SecretInfo) -> Vec<Vec<String>> {
    let scope = &info.address.scope;
    let mut rows = Vec::new();
    let mut add = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    add("ref", info.address.reference.to_string());
    add("workspace", scope.workspace.as_ref().map_or("(global)".into(), ToString::to_string));
    if let Some(environment) = &scope.environment {
        add("environment", environment.to_string());
    }
    add("state", state(info).to_owned());
    add("version", info.version.map_or("none: it has no value".into(), |n| n.to_string()));
    add("kept", format!("{} of {}", info.versions.len(), info.keep.unwrap_or(KEEP_DEFAULT)));
    if !info.description.is_empty() {
        add("description", shown(&info.description));
    }
    add("created", format!("{} UTC", minute(info.created)));
    add("updated", format!("{} UTC", minute(info.updated)));
    let age = info.max_age_s.map(|seconds| {
        let age = humantime::format_duration(std::time::Duration::from_secs(seconds));
        format!(", at an age of {age}")
    });
    let expires = info.expires.map_or("never".into(), |time| format!("{} UTC", minute(time)));
    add("expires", expires + &age.unwrap_or_default());
    let used = info
        .last_used
        .map_or("never, as far as is known".into(), |time| format!("{} UTC", minute(time)));
    add("last used", used);
    rows
}

fn row(version: &VersionInfo, current: Option<u64>) -> Vec<String> {
    let note = match version.in_use_until {
        _ if Some(version.number) == current => "current".to_owned(),
        Some(until) => format!("masked until {} UTC", minute(until)),
        None => String::new(),
    };
    vec![version.number.to_string(), minute(version.created), shown(&version.by), note]
}

fn to_json(version: &VersionInfo, current: Option<u64>) -> Value {
    json!({
        "version": version.number,
        "current": Some(version.number) == current,
        "created": stamp(version.created),
        "by": version.by,
        "in_use_until": version.in_use_until.map(stamp),
    })
}

fn lines(rows: &[Vec<String>]) -> String {
    table::lines(rows).iter().map(|line| format!("{line}\n")).collect()
}
