//! Runs: listed, shown with their masked logs, followed, stopped, tried again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::workflows::{Given, StartedView, begin};
use crate::access::Action;
use crate::app::App;
use crate::channel::moment;
use crate::channel::runs::{StartKind, StopHow, StopRun, Stopping};
use crate::extract::{Asked, Body, Named};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery};
use crate::runs::steps::{RunDetail, detail};
use crate::runs::{Run, RunView};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(stop))
        .routes(routes!(retry))
}

/// Which runs are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Of this workflow.
    pub(crate) workflow: Option<String>,
    /// That stand so: `failed`.
    #[param(inline)]
    pub(crate) status: Option<RunState>,
    /// That started at this moment or later, RFC 3339.
    #[param(format = DateTime)]
    pub(crate) since: Option<String>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunState {
    /// It goes on.
    Running,
    /// Every step succeeded or was skipped.
    Succeeded,
    /// A step failed, and the rest went on.
    PartiallySucceeded,
    /// A step failed.
    Failed,
    /// It was stopped, or its precondition did not hold.
    Aborted,
    /// Its process was killed.
    Interrupted,
}

impl RunState {
    /// All of them.
    pub(crate) const ALL: [RunState; 6] = [
        RunState::Running,
        RunState::Succeeded,
        RunState::PartiallySucceeded,
        RunState::Failed,
        RunState::Aborted,
        RunState::Interrupted,
    ];

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Succeeded => "succeeded",
            RunState::PartiallySucceeded => "partially_succeeded",
            RunState::Failed => "failed",
            RunState::Aborted => "aborted",
            RunState::Interrupted => "interrupted",
        }
    }
}

/// The runs that are wanted and that the caller may see, newest first.
pub(crate) async fn seen(
    app: &App,
    caller: &Caller,
    wanted: Wanted,
    page: &PageQuery,
) -> Result<Page<RunView>, Problem> {
    let since =
        match wanted.since.as_deref() {
            None => None,
            Some(text) => Some(moment(text).ok_or_else(|| {
                Problem::invalid("`since` is no moment like `2026-11-22T15:00:00Z`")
            })?),
        };
    let runs = app.blocking(|app| app.runs.all(&app.flows)).await?;
    let is_wanted = |run: &&Arc<Run>| {
        wanted.workflow.as_ref().is_none_or(|name| run.view.workflow.as_ref() == Some(name))
            && wanted.status.is_none_or(|status| run.view.status == status.word())
            && since.is_none_or(|since| run.started >= since)
            && caller.may_at(Action::SeeRuns, &run.placed)
    };
    let found = page.page_down(runs.iter().filter(is_wanted), |run| run.view.id.clone())?;
    let items = found.items.into_iter().map(|run| run.view.clone()).collect();
    Ok(Page { items, next: found.next })
}

/// Lists runs, newest first.
#[utoipa::path(
    get, path = "/runs", tag = "runs", params(Wanted, PageQuery),
    responses(
        (status = 200, description = "A page of what the caller sees", body = Page<RunView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<RunView>>, Problem> {
    seen(&app, &caller, wanted, &page).await.map(Json)
}

/// The run with an id, if the caller may see it.
pub(crate) async fn find(app: &App, caller: &Caller, id: String) -> Result<Arc<Run>, Problem> {
    let run = app.blocking(move |app| app.runs.find(&id, &app.flows)).await?;
    let run = run.ok_or_else(Problem::not_found)?;
    caller.decide_at(Action::SeeRuns, &run.placed).check()?;
    Ok(run)
}

/// A run, all of it.
#[derive(Serialize, ToSchema)]
struct RunShown {
    #[serde(flatten)]
    run: RunView,
    #[serde(flatten)]
    detail: RunDetail,
}

/// What a run was given, and its steps.
pub(crate) async fn read(app: &App, run: &Run) -> Result<RunDetail, Problem> {
    let dir = run.dir.clone();
    app.blocking(move |_| detail(&dir)).await?.ok_or_else(Problem::not_found)
}

/// Shows a run with its steps.
#[utoipa::path(
    get, path = "/runs/{id}", tag = "runs",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 200, description = "The run", body = RunShown),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<RunShown>, Problem> {
    let run = find(&app, &caller, id).await?;
    let detail = read(&app, &run).await?;
    Ok(Json(RunShown { run: run.view.clone(), detail }))
}

/// How a run is stopped.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// `graceful` where nothing is said.
    #[serde(default)]
    how: StopHow,
}

/// Asks for the end of a run; it may take a while.
#[utoipa::path(
    post, path = "/runs/{id}/stop", tag = "runs", request_body = How,
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 202, description = "It was told to stop"),
        (status = "default", description = "Refused; 409: it does not go on, or another program \
         started it", body = Problem, content_type = "application/problem+json"),
    )
)]
async fn stop(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
    Body(How { how }): Body<How>,
) -> Result<StatusCode, Problem> {
    let run = find(&app, &caller, id).await?;
    halt(&app, &caller, &run, how).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Tells a run to stop.
pub(crate) async fn halt(
    app: &App,
    caller: &Caller,
    run: &Run,
    how: StopHow,
) -> Result<(), Problem> {
    caller.decide_at(Action::SteerRuns, &run.placed).check()?;
    if !run.goes_on() {
        return Err(Problem::new(StatusCode::CONFLICT, "the run is over"));
    }
    let asked = StopRun { run: run.view.id.clone(), how };
    match app.runner.ask(caller.by(None), asked).await? {
        Stopping::Told => Ok(()),
        Stopping::NotOurs => {
            Err(Problem::new(StatusCode::CONFLICT, "this server does not steer the run")
                .help("it was started elsewhere, or is just ending: stop it where it was started"))
        }
    }
}

/// Runs again what did not succeed; parameters that were masked in the record have to be given again.
#[utoipa::path(
    post, path = "/runs/{id}/retry", tag = "runs", request_body = Given,
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 202, description = "It runs, as a new run", body = StartedView,
         headers(("Location" = String, description = "Where the new run is shown"))),
        (status = "default", description = "Refused; 409: it still goes on", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn retry(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
    Body(given): Body<Given>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, id).await?;
    let id = again(&app, &caller, &run, given).await?;
    Ok(StartedView { id }.respond())
}

/// Tries a run again, and gives the id of the new one.
pub(crate) async fn again(
    app: &App,
    caller: &Caller,
    run: &Run,
    given: Given,
) -> Result<String, Problem> {
    caller.decide_at(Action::SteerRuns, &run.placed).check()?;
    if run.goes_on() {
        return Err(Problem::new(StatusCode::CONFLICT, "the run still goes on")
            .help("stop it first, or wait for its end"));
    }
    let Some(name) = run.view.workflow.clone() else {
        return Err(Problem::invalid("its workflow is none of this server"));
    };
    let flow = super::workflows::find(app, caller, name).await?;
    let kind = StartKind::Retry { run: run.view.id.clone() };
    begin(app, caller, &flow, kind, given).await
}
