//! What is done with one connection: a word, or a question before it, and back to its page.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;

use super::super::{Frame, Refused, page};
use super::{PART, path, query, with};
use crate::access::Action;
use crate::api::connection_use::use_it;
use crate::api::connections::{At, one};
use crate::app::App;
use crate::channel::connections::{ChangeConnection, ConnectionChange, ConnectionTask};
use crate::channel::secrets::Standing;
use crate::extract::{Asked, Named};
use crate::people::{Caller, Form};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/connections/{name}/enable", post(enable))
        .route("/connections/{name}/disable", post(disable))
        .route("/connections/{name}/delete", get(ask_delete).post(delete))
        .route("/connections/{name}/refresh", post(refresh))
        .route("/connections/{name}/revoke", get(ask_revoke).post(revoke))
}

#[derive(Deserialize)]
struct Nothing {}

/// The page of a connection, which says what was just done.
fn back(name: &str, at: &At, done: &str) -> Redirect {
    let query = query(at.workspace.as_deref(), at.environment.as_deref());
    Redirect::to(&format!("{}{}", path(name), with(&query, &format!("done={done}"))))
}

fn same(at: &At) -> At {
    At { workspace: at.workspace.clone(), environment: at.environment.clone() }
}

async fn change(
    (app, caller): (&App, &Caller),
    (name, at): (&str, &At),
    change: ConnectionChange,
) -> Result<(), Refused> {
    let (scope, address) = same(at).find(name)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeConnections, workspace)?;
    let (name, must_be) = (name.to_owned(), Standing::Present(None));
    let asked = ChangeConnection { name, scope, must_be, change };
    Ok(app.runner.ask(caller.by(workspace), asked).await?)
}

async fn enable(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    change((&app, &caller), (&name, &at), ConnectionChange::Enable).await?;
    Ok(back(&name, &at, "enabled"))
}

async fn disable(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    change((&app, &caller), (&name, &at), ConnectionChange::Disable).await?;
    Ok(back(&name, &at, "disabled"))
}

async fn delete(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    change((&app, &caller), (&name, &at), ConnectionChange::Remove).await?;
    Ok(Redirect::to(&format!("{PART}?done=deleted")))
}

async fn refresh(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    let task = ConnectionTask::Refresh { force: true };
    let done = use_it((&app, &caller), (name.clone(), same(&at)), task).await?;
    Ok(back(&name, &at, &done.outcome))
}

#[derive(Deserialize)]
struct Revoke {
    #[serde(default)]
    forget: String,
}

async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(Revoke { forget }): Form<Revoke>,
) -> Result<Redirect, Refused> {
    let task = ConnectionTask::Revoke { forget: forget == "yes" };
    let done = use_it((&app, &caller), (name.clone(), same(&at)), task).await?;
    Ok(back(&name, &at, &done.outcome))
}

#[derive(Template)]
#[template(path = "connections/confirm.html")]
struct Confirm {
    frame: Frame,
    question: String,
    consequence: &'static str,
    action: String,
    verb: &'static str,
    back: String,
    can_forget: bool,
}

async fn confirm(
    (app, caller): (&App, &Caller),
    (name, at): (String, At),
    (verb, consequence): (&'static str, &'static str),
) -> Result<Html<String>, Refused> {
    let query = query(at.workspace.as_deref(), at.environment.as_deref());
    let found = at.find(&name)?;
    caller.check(Action::ChangeConnections, found.1.scope.workspace.as_ref())?;
    one(app, caller, &found).await?;
    let path = path(&name);
    let word = verb.to_lowercase();
    Ok(page(&Confirm {
        frame: Frame::new(caller, PART),
        question: format!("{verb} {name}?"),
        consequence,
        action: format!("{path}/{word}{query}"),
        verb,
        back: format!("{path}{query}"),
        can_forget: word == "revoke",
    })?)
}

async fn ask_delete(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
) -> Result<Html<String>, Refused> {
    let consequence = "It goes with all its versions, and runs that name it fail. A grant stays at the \
                       service: revoke it first.";
    confirm((&app, &caller?), (name, at), ("Delete", consequence)).await
}

async fn ask_revoke(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
) -> Result<Html<String>, Refused> {
    let consequence = "The service is asked to forget the grant, and the tokens go. Runs cannot use the \
                       connection until somebody authorizes it again.";
    confirm((&app, &caller?), (name, at), ("Revoke", consequence)).await
}
