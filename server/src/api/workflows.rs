//! Workflows: listed, shown with what is wrong with them, explained, started.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Action, Placed};
use crate::app::App;
use crate::channel::runs::{
    Param, PlanView, ProblemView, StartKind, StartRun, Started, VariableView,
};
use crate::extract::{Asked, Body, Named};
use crate::flow::{FlowDetail, FlowView};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery};
use crate::workflows::{Flow, check_text};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(check, show_validate))
        .routes(routes!(explain))
        .routes(routes!(start))
        .routes(routes!(dry))
}

/// The workflow of a name, if the caller may see it.
pub(crate) async fn find(app: &App, caller: &Caller, name: String) -> Result<Arc<Flow>, Problem> {
    let flow = app.blocking(move |app| app.flows.find(&name)).await?;
    let flow = flow.ok_or_else(Problem::not_found)?;
    caller.decide_at(Action::SeeWorkflows, &flow.placed).check()?;
    Ok(flow)
}

/// Those that the caller may see, each with its last run.
pub(crate) async fn seen(app: &App, caller: &Caller) -> Result<Vec<FlowView>, Problem> {
    let (flows, runs) = app.blocking(|app| (app.flows.all(), app.runs.all(&app.flows))).await?;
    let mut last = BTreeMap::new();
    for run in runs.iter().filter(|run| caller.may_at(Action::SeeRuns, &run.placed)) {
        if let Some(name) = &run.view.workflow {
            last.entry(name.as_str()).or_insert(&run.view);
        }
    }
    let may_see = |flow: &&Arc<Flow>| caller.may_at(Action::SeeWorkflows, &flow.placed);
    let seen = flows.values().filter(may_see);
    Ok(seen.map(|flow| FlowView::of(flow, last.get(flow.name.as_str()).copied())).collect())
}

/// Lists workflows.
#[utoipa::path(
    get, path = "/workflows", tag = "workflows", params(PageQuery),
    responses(
        (status = 200, description = "A page of what the caller sees", body = Page<FlowView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<FlowView>>, Problem> {
    let seen = seen(&app, &caller).await?;
    Ok(Json(page.page(seen.into_iter(), |flow| flow.name.clone())?))
}

/// Shows a workflow: its text, without values; what is wrong with it, its parameters and its steps.
#[utoipa::path(
    get, path = "/workflows/{name}", tag = "workflows",
    params(("name" = String, Path, description = "The name, its `/` as `%2F`")),
    responses(
        (status = 200, description = "What it says", body = FlowDetail),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<Json<FlowDetail>, Problem> {
    let flow = find(&app, &caller, name).await?;
    Ok(Json(FlowDetail::of(&flow)))
}

/// Shows the workflow that is called as the route is.
#[utoipa::path(
    get, path = "/workflows/validate", tag = "workflows",
    responses(
        (status = 200, description = "What it says", body = FlowDetail),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn show_validate(app: State<App>, caller: Caller) -> Result<Json<FlowDetail>, Problem> {
    show(app, caller, Named("validate".to_owned())).await
}

/// A text that could be a workflow.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// The text of the file.
    #[schema(example = "steps: [{run: echo hello}]")]
    text: String,
    /// What the file would be called.
    #[serde(default)]
    name: Option<String>,
}

/// What is wrong with a text.
#[derive(Serialize, ToSchema)]
struct Checked {
    /// Whether it can be used.
    valid: bool,
    /// What is wrong, or worth a warning.
    problems: Vec<ProblemView>,
}

/// Checks a text; nothing of it is kept, nothing is asked or run.
#[utoipa::path(
    post, path = "/workflows/validate", tag = "workflows", request_body = Text,
    responses(
        (status = 200, description = "What is wrong with it", body = Checked),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn check(
    State(app): State<App>,
    caller: Caller,
    Body(Text { text, name }): Body<Text>,
) -> Result<Json<Checked>, Problem> {
    caller.check(Action::SeeSelf, None)?;
    let name = name.unwrap_or_else(|| "workflow.yaml".to_owned());
    let checked = app.blocking(move |app| check_text(&name, &text, app.settings.kinds));
    let (valid, problems) = checked.await?;
    Ok(Json(Checked { valid, problems }))
}

/// What is explained.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct About {
    /// The variables of this step; without it, those that every step has.
    step: Option<String>,
    /// The environment of the registry, in place of what files say.
    environment: Option<String>,
}

/// Where variables come from.
#[derive(Serialize, ToSchema)]
struct Variables {
    /// Each variable; never its value.
    items: Vec<VariableView>,
}

/// Tells where each variable of a step comes from; nothing is resolved or run.
#[utoipa::path(
    get, path = "/workflows/{name}/explain", tag = "workflows",
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), About),
    responses(
        (status = 200, description = "Its variables", body = Variables),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn explain(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(About { step, environment }): Asked<About>,
) -> Result<Json<Variables>, Problem> {
    let flow = find(&app, &caller, name).await?;
    let given = Given { environment, ..Given::default() };
    match ask(&app, &caller, &flow, StartKind::Explain { step }, given).await? {
        Started::Explained(items) => Ok(Json(Variables { items })),
        Started::Run { .. } | Started::Plan(_) | Started::Not { .. } => Err(garbled()),
    }
}

/// What a run is given.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    /// Parameters by name.
    #[serde(default)]
    pub(crate) params: BTreeMap<String, String>,
    /// Positional parameters.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// The environment of the registry, in place of what files say.
    #[serde(default)]
    pub(crate) environment: Option<String>,
}

/// A run that was started.
#[derive(Serialize, ToSchema)]
pub(crate) struct StartedView {
    /// Its id.
    #[schema(example = "20261122T153205-k3v9x2")]
    pub(crate) id: String,
}

impl StartedView {
    /// Says where it is found.
    pub(crate) fn respond(self) -> Response {
        let place = HeaderValue::from_str(&format!("/api/v1/runs/{}", self.id));
        let mut response = (StatusCode::ACCEPTED, Json(self)).into_response();
        if let Ok(place) = place {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }
}

/// Starts a run; the answer comes once it is recorded.
#[utoipa::path(
    post, path = "/workflows/{name}/runs", tag = "workflows", request_body = Given,
    params(("name" = String, Path, description = "The name, its `/` as `%2F`")),
    responses(
        (status = 202, description = "It runs", body = StartedView,
         headers(("Location" = String, description = "Where the run is shown"))),
        (status = "default", description = "Refused; `problems` tells what is wrong with the \
         workflow or its parameters, `run` names the record of secrets that were not found",
         body = Problem, content_type = "application/problem+json"),
    )
)]
async fn start(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Body(given): Body<Given>,
) -> Result<Response, Problem> {
    let flow = find(&app, &caller, name).await?;
    let id = begin(&app, &caller, &flow, StartKind::Run, given).await?;
    Ok(StartedView { id }.respond())
}

/// Resolves what a run would need, and runs nothing.
#[utoipa::path(
    post, path = "/workflows/{name}/dry", tag = "workflows", request_body = Given,
    params(("name" = String, Path, description = "The name, its `/` as `%2F`")),
    responses(
        (status = 200, description = "What a run would have", body = PlanView),
        (status = "default", description = "Refused; `problems` tells what is wrong",
         body = Problem, content_type = "application/problem+json"),
    )
)]
async fn dry(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Body(given): Body<Given>,
) -> Result<Json<PlanView>, Problem> {
    let flow = find(&app, &caller, name).await?;
    plan(&app, &caller, &flow, given).await.map(Json)
}

/// What a run would have.
pub(crate) async fn plan(
    app: &App,
    caller: &Caller,
    flow: &Flow,
    given: Given,
) -> Result<PlanView, Problem> {
    match ask(app, caller, flow, StartKind::Dry, given).await? {
        Started::Plan(plan) => Ok(plan),
        Started::Run { .. } | Started::Explained(_) | Started::Not { .. } => Err(garbled()),
    }
}

/// Starts a run, or a retry of one, and gives its id.
pub(crate) async fn begin(
    app: &App,
    caller: &Caller,
    flow: &Flow,
    kind: StartKind,
    given: Given,
) -> Result<String, Problem> {
    match ask(app, caller, flow, kind, given).await? {
        Started::Run { run } => Ok(run),
        Started::Plan(_) | Started::Explained(_) | Started::Not { .. } => Err(garbled()),
    }
}

fn garbled() -> Problem {
    Problem::broken("the runner answered what was not asked")
}

/// Asks the runner for something with a workflow that the caller sees.
async fn ask(
    app: &App,
    caller: &Caller,
    flow: &Flow,
    kind: StartKind,
    given: Given,
) -> Result<Started, Problem> {
    let action = match &kind {
        StartKind::Run | StartKind::Dry => Action::StartRuns,
        StartKind::Retry { .. } => Action::SteerRuns,
        StartKind::Explain { .. } => Action::SeeWorkflows,
    };
    caller.decide_at(action, &flow.placed).check()?;
    let (Some(_), Placed::In(workspace)) = (&flow.workflow, &flow.placed) else {
        return Err(wrong(flow.problems.clone(), None));
    };
    let named = given.params.into_iter().map(|(name, value)| Param { name: Some(name), value });
    let rest = given.args.into_iter().map(|value| Param { name: None, value });
    let params: Vec<Param> = named.chain(rest).collect();
    let sealed = match params.is_empty() {
        true => None,
        false => {
            let bytes = serde_json::to_vec(&params).map(zeroize::Zeroizing::new);
            let bytes = bytes.map_err(|_| Problem::invalid("the parameters cannot be sent"))?;
            Some(app.runner.seal(&bytes)?)
        }
    };
    let asked = StartRun {
        file: flow.file.clone(),
        workspace: workspace.as_ref().map(ToString::to_string),
        environment: given.environment,
        params: sealed,
        kind,
    };
    let started = app.runner.ask(caller.by(workspace.as_ref()), asked).await?;
    app.runs.look_again();
    match started {
        Started::Not { run, problems } => Err(wrong(problems, run)),
        started => Ok(started),
    }
}

/// Why nothing was started.
fn wrong(problems: Vec<ProblemView>, run: Option<String>) -> Problem {
    let first = problems.iter().find(|problem| problem.severity == "error");
    let message = first.map_or("it cannot be used", |problem| problem.message.as_str());
    let said = format!("nothing was started: {message}");
    Problem::invalid(said).about(problems, run)
}
