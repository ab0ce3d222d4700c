//! Environments of the registry, for whoever is signed in; admins protect and remove them.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::{Frame, Refused, page};
use crate::access::Action;
use crate::app::App;
use crate::channel::environments::{
    ChangeEnvironment, EnvironmentChange, EnvironmentView, ListEnvironments,
};
use crate::extract::{Asked, Named};
use crate::people::{Caller, Form};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/environments", get(list).post(add))
        .route("/environments/{name}/{change}", post(change_one))
}

#[derive(Template)]
#[template(path = "environments.html")]
struct List {
    frame: Frame,
    environments: Vec<EnvironmentView>,
    may_change: bool,
    /// What was typed as a name, if the form comes again.
    name: String,
    refused: Option<String>,
}

impl List {
    async fn new(app: &App, caller: &Caller) -> Result<List, Problem> {
        caller.check(Action::SeeEnvironments, None)?;
        let mut environments = app.runner.ask(caller.by(None), ListEnvironments {}).await?;
        environments.sort_by(|one, other| one.name.cmp(&other.name));
        let may_change = caller.may(Action::ChangeEnvironments, None);
        let frame = Frame::new(caller, super::secrets::PART);
        Ok(List { frame, environments, may_change, name: String::new(), refused: None })
    }
}

/// What was just done, by the word in the address.
#[derive(Deserialize, Default)]
struct Done {
    #[serde(default)]
    done: String,
}

fn notice(done: &str) -> Option<String> {
    let text = match done {
        "protected" => "To use or change it takes a manager from now on.",
        "unprotected" => "Whoever may use its secrets elsewhere may use them there, too.",
        "removed" => "The environment is gone.",
        _ => return None,
    };
    Some(text.to_owned())
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Asked(Done { done }): Asked<Done>,
) -> Result<Html<String>, Refused> {
    let mut shown = List::new(&app, &caller?).await?;
    shown.frame.notice = notice(&done);
    Ok(page(&shown)?)
}

/// Changes an environment, and says so in the list.
async fn change(
    app: &App,
    caller: Result<Caller, Problem>,
    name: String,
    change: EnvironmentChange,
) -> Result<Response, Refused> {
    let caller = caller?;
    caller.check(Action::ChangeEnvironments, None)?;
    let asked = ChangeEnvironment { name: name.clone(), change };
    let changed = app.runner.ask(caller.by(None), asked).await.map_err(Problem::from);
    let done = match change {
        EnvironmentChange::Protect => "protected",
        EnvironmentChange::Unprotect => "unprotected",
        EnvironmentChange::Remove => "removed",
    };
    match changed {
        Ok(()) => Ok(Redirect::to(&format!("/environments?done={done}")).into_response()),
        Err(problem) if problem.status().is_client_error() => {
            let mut shown = List::new(app, &caller).await?;
            (shown.refused, shown.name) = (Some(problem.told()), name);
            Ok((problem.status(), page(&shown)?).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

#[derive(Deserialize)]
struct New {
    name: String,
}

async fn add(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Form(New { name }): Form<New>,
) -> Result<Response, Refused> {
    change(&app, caller, name.trim().to_owned(), EnvironmentChange::Protect).await
}

#[derive(Deserialize)]
struct Nothing {}

async fn change_one(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named((name, wanted)): Named<(String, EnvironmentChange)>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, Refused> {
    change(&app, caller, name, wanted).await
}
