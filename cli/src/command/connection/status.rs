//! `connection status`: what expires, and what waits for somebody.

use serde_json::{Map, Value, json};
use subrosa_connections::state::{State, moment};
use subrosa_connections::{Auth, TokenState};

use super::list::{Row, json_lines, rows, text};
use super::{command, name};
use crate::args::connection::StatusArgs;
use crate::command::secret::{minute, stamp};
use crate::connections;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::wiring::World;

/// Tells of every connection that has an end, and of those that cannot be used; the exit code says
/// whether somebody has to do something.
pub(crate) fn status(args: &StatusArgs, world: &World) -> Result<Exit, Failure> {
    let types = connections::types(world)?;
    let mut rows = rows(&types, "connection status", world)?;
    rows.retain(|row| row.state.needs_somebody() || has_end(row));
    let waiting: Vec<&Row<'_>> = rows.iter().filter(|row| row.state.needs_somebody()).collect();
    if args.json {
        let objects: Vec<Map<String, Value>> = rows.iter().map(to_json).collect();
        out::stdout(json_lines(&objects)?)?;
    } else if rows.is_empty() {
        out::stderr("nothing expires, and nothing waits for anybody\n");
    } else {
        let now = (world.clock)();
        let header = [
            "NAME",
            "WORKSPACE",
            "ENVIRONMENT",
            "TYPE",
            "STATE",
            "ENDS (UTC)",
            "ACCESS TOKEN (UTC)",
        ];
        let mut lines = vec![header.map(str::to_owned).to_vec()];
        lines.extend(rows.iter().map(|row| {
            let mut cells = row.cells(now);
            cells.pop();
            cells.push(row.seen().end().map_or("-".into(), minute));
            cells.push(row.record.tokens.as_ref().map_or("-".into(), token_words));
            cells
        }));
        out::stdout(text(&lines))?;
    }
    for row in &waiting {
        if let Some(warning) = warning(row, world) {
            out::stderr(&warning);
        }
    }
    Ok(if waiting.is_empty() { Exit::OK } else { Exit::FOUND })
}

fn has_end(row: &Row<'_>) -> bool {
    row.state != State::Disabled && (row.record.tokens.is_some() || row.seen().end().is_some())
}

/// When the access token ends, and whether anybody has to mind.
fn token_words(tokens: &TokenState) -> String {
    let end = tokens.expires.map_or("no end".to_owned(), |end| minute(moment(end)));
    if tokens.can_refresh { format!("{end}, refreshed by itself") } else { end }
}

/// What is wrong, and what to do about it.
fn warning(row: &Row<'_>, world: &World) -> Option<String> {
    let address = &row.info.info.address;
    let again = || command("authorize", address);
    let (what, how) = match &row.state {
        State::Disabled | State::Ready => return None,
        State::UnknownType => {
            let types = "subrosa connection types".to_owned();
            (format!("nobody declares its type `{}` here", row.record.kind), types)
        }
        State::Incomplete(fields) => {
            (format!("it has no value for {}", fields.join(", ")), command("edit", address))
        }
        State::NotAuthorized => ("nobody has granted access yet".to_owned(), again()),
        State::Refused(word) => (format!("the service refuses to refresh it: {word}"), again()),
        State::Expired(end) => (format!("it expired {} UTC", minute(*end)), mend(row)),
        State::ExpiresSoon(_) => (row.state.words((world.clock)()), mend(row)),
    };
    let (name, what) = (name(address), crate::text::shown(&what));
    Some(format!("warning: {name}: {what}\n  help: `{how}`\n"))
}

/// What puts the end off: a new grant that of a grant, a new secret or another date that of a date.
fn mend(row: &Row<'_>) -> String {
    let is_granted = row.kind.is_some_and(|kind| kind.auth == Auth::OAuth2);
    let is_date = row.info.info.expires == row.seen().end();
    let verb = match (is_granted, is_date) {
        (true, false) => "authorize",
        (true, true) => "edit",
        (false, _) => "rotate",
    };
    command(verb, &row.info.info.address)
}

fn to_json(row: &Row<'_>) -> Map<String, Value> {
    let mut object = row.to_json();
    object.insert("needs_somebody".to_owned(), json!(row.state.needs_somebody()));
    object.insert("tokens".to_owned(), json!(row.record.tokens.as_ref().map(tokens_json)));
    object
}

/// How tokens stand, for programs.
pub(super) fn tokens_json(tokens: &TokenState) -> Value {
    json!({
        "authorized": stamp(moment(tokens.authorized)),
        "refreshed": stamp(moment(tokens.refreshed)),
        "expires": tokens.expires.map(|end| stamp(moment(end))),
        "grant_expires": tokens.grant_expires.map(|end| stamp(moment(end))),
        "can_refresh": tokens.can_refresh,
        "scopes": tokens.scopes,
        "refused": tokens.refused,
    })
}
