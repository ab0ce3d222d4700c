//! `connection list`: what is there and how it stands.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use subrosa_connections::state::{Seen, State};
use subrosa_connections::{ConnectionType, Record, Types};
use subrosa_registry::RecordInfo;

use super::{find, name, names};
use crate::args::connection::ListArgs;
use crate::command::secret::{is_no_store, minute, stamp};
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::text::shown;
use crate::wiring::World;
use crate::{out, table};

/// Lists connections, sorted by name and scope.
pub(crate) fn list(args: &ListArgs, world: &World) -> Result<Exit, Failure> {
    let types = connections::types(world)?;
    if let Some(kind) = &args.kind {
        find(&types, kind)?;
    }
    let mut rows = rows(&types, "connection list", world)?;
    rows.retain(|row| {
        let workspace = row.info.info.address.scope.workspace.as_ref();
        args.workspace.is_none() || args.workspace.as_ref() == workspace
    });
    rows.retain(|row| args.kind.as_ref().is_none_or(|kind| row.record.kind == *kind));
    if args.json {
        out::stdout(json_lines(&rows.iter().map(Row::to_json).collect::<Vec<_>>())?)?;
    } else if rows.is_empty() {
        out::stderr("no connections\n");
    } else {
        let header = ["NAME", "WORKSPACE", "ENVIRONMENT", "TYPE", "STATE", "LAST USED"];
        let now = (world.clock)();
        let mut lines = vec![header.map(str::to_owned).to_vec()];
        lines.extend(rows.iter().map(|row| row.cells(now)));
        out::stdout(text(&lines))?;
    }
    Ok(Exit::OK)
}

/// A connection with what is known of it.
pub(super) struct Row<'a> {
    pub(super) info: RecordInfo,
    pub(super) record: Record,
    pub(super) kind: Option<&'a ConnectionType>,
    pub(super) state: State,
}

/// All connections.
pub(super) fn rows<'a>(
    types: &'a Types,
    command: &str,
    world: &World,
) -> Result<Vec<Row<'a>>, Failure> {
    let secrets = world.secrets()?;
    let infos = match secrets.admin(command, false, world).records() {
        Ok(infos) => infos,
        Err(error) if is_no_store(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let now = (world.clock)();
    Ok(infos.into_iter().map(|info| Row::of(info, types, now)).collect())
}

impl<'a> Row<'a> {
    /// A record that cannot be read here has the type `` and the state of one whose type is not known:
    /// the others are still to be listed.
    pub(super) fn of(info: RecordInfo, types: &'a Types, now: SystemTime) -> Row<'a> {
        let record = Record::parse(&info.public).unwrap_or_default();
        let kind = types.get(&record.kind).map(|kind| &**kind);
        let state = State::of(&Seen { info: &info, record: &record, kind }, now);
        Row { info, record, kind, state }
    }

    pub(super) fn seen(&self) -> Seen<'_> {
        Seen { info: &self.info, record: &self.record, kind: self.kind }
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        let info = &self.info.info;
        let mut object = names(&info.address);
        let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
        add("type", json!(self.record.kind));
        add("state", json!(self.state.word()));
        add("ends", json!(self.seen().end().map(stamp)));
        add("version", json!(info.version));
        add("description", json!(info.description));
        add("created", json!(stamp(info.created)));
        add("updated", json!(stamp(info.updated)));
        add("last_used", json!(info.last_used.map(stamp)));
        object
    }

    /// Name, scope and type, then the state.
    pub(super) fn cells(&self, now: SystemTime) -> Vec<String> {
        let info = &self.info.info;
        let scope = &info.address.scope;
        vec![
            name(&info.address).to_owned(),
            scope.workspace.as_ref().map_or("(global)".into(), ToString::to_string),
            scope.environment.as_ref().map_or("-".into(), ToString::to_string),
            shown(if self.record.kind.is_empty() { "-" } else { &self.record.kind }),
            self.state.words(now),
            info.last_used.map_or("never".into(), minute),
        ]
    }
}

/// An array with one object a line.
pub(super) fn json_lines(objects: &[Map<String, Value>]) -> Result<String, Failure> {
    let lines: Result<Vec<String>, _> = objects.iter().map(serde_json::to_string).collect();
    let lines = lines.map_err(|error| Failure::engine(format!("cannot write JSON: {error}")))?;
    Ok(match lines.is_empty() {
        true => "[]\n".to_owned(),
        false => format!("[\n{}\n]\n", lines.join(",\n")),
    })
}

/// The text of a table.
pub(super) fn text(rows: &[Vec<String>]) -> String {
    table::lines(rows).iter().map(|line| format!("{line}\n")).collect()
}
