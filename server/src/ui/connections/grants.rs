//! Grants: the person is sent to the service, or shown a code, and comes back.
//!
//! What a browser brings back stands in the query of one address. It is sealed to the runner as it is, and the
//! browser is sent on at once, so that no page of ours is shown at an address with a code in it.

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;

use super::super::{Frame, Refused, page};
use super::{PART, path, query, with};
use crate::access::Action;
use crate::api::connection_use::{CALLBACK, GrantFlow, begin, end, grant};
use crate::api::connections::At;
use crate::app::App;
use crate::channel::connections::{GrantView, ReturnToGrant};
use crate::extract::{Asked, Named};
use crate::people::{Caller, Form};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/connections/{name}/authorize", post(authorize))
        .route("/grants/{id}", get(show))
        .route("/grants/{id}/cancel", post(cancel))
        .route(CALLBACK, get(come_back))
}

#[derive(Deserialize)]
struct Way {
    flow: GrantFlow,
}

/// Begins a grant. A form may lead to pages of ours only, so the browser goes on from the next one.
async fn authorize(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(Way { flow }): Form<Way>,
) -> Result<Redirect, Refused> {
    let begun = begin((&app, &caller), (name, at), flow).await?;
    let go = if flow == GrantFlow::Browser { "?go=1" } else { "" };
    Ok(Redirect::to(&format!("/grants/{}{go}", begun.id)))
}

#[derive(Template)]
#[template(path = "connections/grant.html")]
struct Show {
    frame: Frame,
    grant: GrantView,
    /// Where the person goes on.
    open: String,
    /// Its host, so that they see where.
    host: String,
    /// What the page does by itself.
    refresh: Option<String>,
    back: String,
}

#[derive(Deserialize)]
struct Go {
    go: Option<String>,
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(id): Named<String>,
    Asked(Go { go }): Asked<Go>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let grant = grant(&app, &caller, id).await?;
    let open = grant.complete_url.clone().or_else(|| grant.url.clone());
    let open = open.filter(|url| is_web(url)).unwrap_or_default();
    let host = open.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    let is_waiting = grant.state == "waiting";
    let refresh = match (&grant.code, go) {
        (Some(_), _) if is_waiting => Some("3".to_owned()),
        (None, Some(_)) if is_waiting && !open.is_empty() => Some(format!("0; url={open}")),
        _ => None,
    };
    let frame = Frame::new(&caller, PART);
    let back = connection(&grant, "");
    let host = host.unwrap_or_default();
    Ok(page(&Show { frame, grant, open, host, refresh, back })?)
}

/// Whether an address of a service is one for browsers; the broker lets no other through.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// The page of the connection that a grant is for.
fn connection(grant: &GrantView, done: &str) -> String {
    let query = query(grant.workspace.as_deref(), grant.environment.as_deref());
    let query = if done.is_empty() { query } else { with(&query, &format!("done={done}")) };
    format!("{}{query}", path(&grant.name))
}

#[derive(Deserialize)]
struct Nothing {}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    let waiting = grant(&app, &caller, id.clone()).await?;
    end(&app, &caller, id).await?;
    Ok(Redirect::to(&connection(&waiting, "cancelled")))
}

/// Takes what a browser brings back from a service. Whatever comes of it, the browser is sent on.
async fn come_back(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    RawQuery(query): RawQuery,
) -> Redirect {
    let Ok(caller) = caller else { return Redirect::to("/login") };
    // The right was looked at when the grant was begun; it may have gone since.
    if !caller.may_anywhere(Action::ChangeConnections) {
        return Redirect::to(PART);
    }
    let Ok(query) = app.runner.seal(query.unwrap_or_default().as_bytes()) else {
        return Redirect::to(PART);
    };
    let asked = ReturnToGrant { owner: caller.mark(), query };
    match app.runner.ask(caller.by(None), asked).await {
        Ok(grant) => Redirect::to(&format!("/grants/{}", grant.id)),
        Err(_) => Redirect::to(&format!("{PART}?done=lost")),
    }
}
