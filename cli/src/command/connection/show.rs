//! `connection show`: all about a connection but what is secret of it.

use serde_json::{Map, Value, json};
use subrosa_connections::Field;
use subrosa_connections::record::{ACCESS_TOKEN, REFRESH_TOKEN};
use subrosa_connections::state::{State, moment};
use subrosa_registry::PartInfo;

use super::list::{Row, text};
use super::status::tokens_json;
use super::{address, name, record, store};
use crate::args::connection::NameArgs;
use crate::command::secret::{minute, stamp};
use crate::command::validate::to_line;
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::text::shown;
use crate::wiring::World;

/// Tells all about a connection; of secret fields, whether and when they were set.
pub(crate) fn show(args: &NameArgs, world: &World) -> Result<Exit, Failure> {
    let address = address(args)?;
    let secrets = world.secrets()?;
    let admin = secrets.admin("connection show", false, world);
    let info = record(&admin, &address)?;
    store::parse(&info)?;
    let types = connections::types(world)?;
    let row = Row::of(info, &types, (world.clock)());
    if args.json {
        out::stdout(to_line(&to_json(&row))?)?;
    } else {
        let blocks = [head(&row, world), fields(&row), tokens(&row)];
        let blocks: Vec<String> =
            blocks.iter().filter(|rows| !rows.is_empty()).map(|rows| text(rows)).collect();
        out::stdout(blocks.join("\n"))?;
    }
    Ok(Exit::OK)
}

type Rows = Vec<Vec<String>>;

fn head(row: &Row<'_>, world: &World) -> Rows {
    let info = &row.info.info;
    let scope = &info.address.scope;
    let mut rows = Vec::new();
    let mut add = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    add("name", name(&info.address).to_owned());
    let label = row.kind.map(|kind| format!(" ({})", shown(&kind.label))).unwrap_or_default();
    add("type", format!("{}{label}", shown(&row.record.kind)));
    add("workspace", scope.workspace.as_ref().map_or("(global)".into(), ToString::to_string));
    if let Some(environment) = &scope.environment {
        add("environment", environment.to_string());
    }
    let lacks = match &row.state {
        State::Incomplete(fields) => format!(": no value for {}", fields.join(", ")),
        State::Refused(word) => format!(": {}", shown(word)),
        _ => String::new(),
    };
    add("state", row.state.words((world.clock)()) + &lacks);
    add("version", info.version.map_or("none".into(), |number| number.to_string()));
    if !info.description.is_empty() {
        add("description", shown(&info.description));
    }
    add("created", format!("{} UTC", minute(info.created)));
    add("updated", format!("{} UTC", minute(info.updated)));
    let never = || "never".to_owned();
    add("expires", row.seen().end().map_or_else(never, |end| format!("{} UTC", minute(end))));
    let used = info.last_used.map(|time| format!("{} UTC", minute(time)));
    add("last used", used.unwrap_or_else(|| "never, as far as is known".to_owned()));
    rows
}

/// The fields in the order of the form, then those that the type does not declare (any more).
fn fields(row: &Row<'_>) -> Rows {
    let declared = row.kind.map(|kind| kind.fields.as_slice()).unwrap_or_default();
    let mut rows: Rows =
        declared.iter().map(|field| vec![field.name.clone(), value(row, field)]).collect();
    let is_declared = |name: &str| declared.iter().any(|field| field.name == name);
    for (name, text) in row.record.fields.iter().filter(|(name, _)| !is_declared(name)) {
        rows.push(vec![shown(name), format!("{} (not of this type)", shown(text))]);
    }
    for part in row.info.parts.iter().filter(|part| !is_declared(&part.name) && !is_token(part)) {
        rows.push(vec![part.name.clone(), format!("{} (not of this type)", set(part))]);
    }
    if !rows.is_empty() {
        rows.insert(0, ["FIELD", "VALUE"].map(str::to_owned).to_vec());
    }
    rows
}

fn value(row: &Row<'_>, field: &Field) -> String {
    let part = row.info.parts.iter().find(|part| part.name == field.name);
    match (part, row.record.fields.get(&field.name), &field.default) {
        (Some(part), _, _) => set(part),
        (None, Some(text), _) if !field.is_secret => shown(text),
        (None, _, Some(default)) => format!("{} (default)", shown(default)),
        (None, _, None) => "not set".to_owned(),
    }
}

fn set(part: &PartInfo) -> String {
    format!("set (version {}, {} UTC)", part.version, minute(part.created))
}

fn is_token(part: &PartInfo) -> bool {
    part.name == ACCESS_TOKEN || part.name == REFRESH_TOKEN
}

fn tokens(row: &Row<'_>) -> Rows {
    let Some(tokens) = &row.record.tokens else { return Vec::new() };
    let mut rows = vec![["GRANT", ""].map(str::to_owned).to_vec()];
    let mut add = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    let time = |seconds: u64| format!("{} UTC", minute(moment(seconds)));
    add("authorized", time(tokens.authorized));
    add("refreshed", time(tokens.refreshed));
    add("token ends", tokens.expires.map_or("no end".to_owned(), time));
    add("grant ends", tokens.grant_expires.map_or("not known".to_owned(), time));
    let by_itself = if tokens.can_refresh { "yes, by itself" } else { "no" };
    add("can be refreshed", by_itself.to_owned());
    if !tokens.scopes.is_empty() {
        add("scopes", shown(&tokens.scopes.join(" ")));
    }
    rows
}

fn to_json(row: &Row<'_>) -> Map<String, Value> {
    let mut object = row.to_json();
    object.insert("fields".to_owned(), json!(row.record.fields));
    let mut secrets = Map::new();
    let declared = row.kind.map(|kind| kind.fields.as_slice()).unwrap_or_default();
    for field in declared.iter().filter(|field| field.is_secret) {
        secrets.insert(field.name.clone(), Value::Null);
    }
    for part in &row.info.parts {
        let about = json!({ "version": part.version, "created": stamp(part.created) });
        secrets.insert(part.name.clone(), about);
    }
    object.insert("secrets".to_owned(), Value::Object(secrets));
    let missing = match &row.state {
        State::Incomplete(fields) => fields.as_slice(),
        _ => &[],
    };
    object.insert("missing".to_owned(), json!(missing));
    object.insert("tokens".to_owned(), json!(row.record.tokens.as_ref().map(tokens_json)));
    object
}
