//! Connections: a list, what there is to connect to, forms made from types, tests and grants.

mod act;
mod form;
mod grants;
mod show;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use serde::Deserialize;
use subrosa_registry::WorkspaceName;

use super::{Frame, Refused, page};
use crate::access::Action;
use crate::api::connection_types::types;
use crate::api::connections::{At, seen};
use crate::app::App;
use crate::channel::connections::{ConnectionView, TypeView};
use crate::extract::Asked;
use crate::people::Caller;
use crate::problem::Problem;

/// The first page of this part.
const PART: &str = "/connections";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(PART, get(list))
        .route("/connection-types", get(gallery))
        .merge(form::routes())
        .merge(show::routes())
        .merge(act::routes())
        .merge(grants::routes())
}

/// A moment for people, to the minute.
pub(crate) fn short(stamp: impl AsRef<str>) -> String {
    let stamp = stamp.as_ref();
    let minute = stamp.get(..16).unwrap_or(stamp);
    format!("{} UTC", minute.replace('T', " "))
}

/// Where a connection is shown; names have nothing else that a path would take for its own.
fn path(name: &str) -> String {
    format!("{PART}/{}", name.replace('/', "%2F"))
}

/// The query that says in which scope it is.
fn query(workspace: Option<&str>, environment: Option<&str>) -> String {
    let pairs = [("workspace", workspace), ("environment", environment)];
    let pairs: Vec<(&str, &str)> =
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    match serde_urlencoded::to_string(&pairs) {
        Ok(text) if !text.is_empty() => format!("?{text}"),
        _ => String::new(),
    }
}

/// The same with one more part, which is a word of ours.
fn with(query: &str, more: &str) -> String {
    let mark = if query.is_empty() { '?' } else { '&' };
    format!("{query}{mark}{more}")
}

/// A scope for people.
fn scope(workspace: Option<&str>, environment: Option<&str>) -> String {
    let place = workspace.unwrap_or("global");
    match environment {
        Some(environment) => format!("{place}, {environment}"),
        None => place.to_owned(),
    }
}

/// What a state looks like.
fn tone(state: &str) -> &'static str {
    match state {
        "ready" => "good",
        "disabled" => "",
        "expires_soon" | "not_authorized" | "incomplete" => "warn",
        _ => "bad",
    }
}

/// What a word in the query says was just done; others say nothing.
fn done(word: Option<&str>) -> Option<String> {
    let text = match word? {
        "stored" => "It is stored.",
        "enabled" => "It is enabled: runs can use it.",
        "disabled" => "It is disabled: runs cannot use it.",
        "deleted" => "It is deleted.",
        "refreshed" => "There are new tokens.",
        "still_fresh" => "The tokens hold for a while.",
        "revoked" => "The grant was given back, and the tokens are gone.",
        "forgotten" => {
            "The tokens are gone here. The service was not told: take the grant back there."
        }
        "cancelled" => "The grant was cancelled.",
        "lost" => {
            "A service sent a browser back to a grant that does not wait for it in this session: it \
             came too late, twice, or to another browser. Authorize the connection once more."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// What a page says was just done.
#[derive(Deserialize)]
struct DoneQuery {
    done: Option<String>,
}

struct Row {
    path: String,
    label: String,
    scope: String,
    tone: &'static str,
    view: ConnectionView,
}

#[derive(Template)]
#[template(path = "connections/list.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    waiting: usize,
    may_add: bool,
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Asked(query_): Asked<DoneQuery>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let (types, all) = (types(&app, &caller).await?, seen(&app, &caller).await?);
    let rows: Vec<Row> = all.into_iter().map(|view| row(view, &types)).collect();
    let waiting = rows.iter().filter(|row| row.view.needs_somebody).count();
    let frame = Frame { notice: done(query_.done.as_deref()), ..Frame::new(&caller, PART) };
    Ok(page(&List { frame, rows, waiting, may_add: may_add(&caller) })?)
}

fn row(view: ConnectionView, types: &[TypeView]) -> Row {
    let (workspace, environment) = (view.workspace.as_deref(), view.environment.as_deref());
    Row {
        path: format!("{}{}", path(&view.name), query(workspace, environment)),
        label: label(&view.kind, types),
        scope: scope(workspace, environment),
        tone: tone(&view.state),
        view,
    }
}

/// The name of a type for people.
fn label(id: &str, types: &[TypeView]) -> String {
    let found = types.iter().find(|kind| kind.id == id);
    found.map_or_else(|| id.to_owned(), |kind| kind.label.clone())
}

/// Whether there is a place where the caller may add one.
fn may_add(caller: &Caller) -> bool {
    caller.may_anywhere(Action::ChangeConnections)
}

#[derive(Template)]
#[template(path = "connections/types.html")]
struct Gallery {
    frame: Frame,
    types: Vec<TypeView>,
    query: String,
}

#[derive(Deserialize)]
struct Find {
    #[serde(default)]
    q: String,
}

async fn gallery(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Asked(Find { q }): Asked<Find>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let mut types = types(&app, &caller).await?;
    let wanted = q.trim().to_lowercase();
    types.retain(|kind| {
        let text = format!("{} {} {}", kind.id, kind.label, kind.summary).to_lowercase();
        wanted.split_whitespace().all(|word| text.contains(word))
    });
    types.sort_by_cached_key(|kind| kind.label.to_lowercase());
    Ok(page(&Gallery { frame: Frame::new(&caller, PART), types, query: q })?)
}

/// The workspace of a scope, where it is named by one.
fn workspace(at: &At) -> Option<WorkspaceName> {
    WorkspaceName::parse(at.workspace.as_deref()?).ok()
}
