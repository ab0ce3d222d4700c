//! What asks the service of a connection: tests, tokens, grants.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connections::At;
use crate::access::Action;
use crate::app::App;
use crate::channel::connections::{
    BeginGrant, CancelGrant, ConnectionTask, GrantView, GrantWay, LookAtGrant, OutcomeView,
    UseConnection,
};
use crate::extract::{Asked, Body, Named};
use crate::people::Caller;
use crate::problem::Problem;

/// Where a browser comes back to from a service.
pub(crate) const CALLBACK: &str = "/oauth/callback";

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(test))
        .routes(routes!(refresh))
        .routes(routes!(revoke))
        .routes(routes!(authorize))
        .routes(routes!(look, cancel))
}

/// Has the service of a connection asked.
pub(crate) async fn use_it(
    (app, caller): (&App, &Caller),
    (name, at): (String, At),
    task: ConnectionTask,
) -> Result<OutcomeView, Problem> {
    let (scope, address) = at.find(&name)?;
    let workspace = address.scope.workspace.as_ref();
    let action = match task {
        ConnectionTask::Test => Action::TestConnections,
        ConnectionTask::Refresh { .. } | ConnectionTask::Revoke { .. } => Action::ChangeConnections,
    };
    caller.check(action, workspace)?;
    Ok(app.runner.ask(caller.by(workspace), UseConnection { name, scope, task }).await?)
}

/// Asks the service whether a connection works.
#[utoipa::path(
    operation_id = "test_connection",
    post, path = "/connections/{name}/test", tag = "connections",
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 200, description = "What came of it, also if it does not work",
         body = OutcomeView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn test(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
) -> Result<Json<OutcomeView>, Problem> {
    use_it((&app, &caller), (name, at), ConnectionTask::Test).await.map(Json)
}

/// How tokens are exchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// Also if those that are there hold for a while.
    #[serde(default)]
    force: bool,
}

/// Has tokens exchanged for new ones.
#[utoipa::path(
    operation_id = "refresh_connection",
    post, path = "/connections/{name}/refresh", tag = "connections", request_body = Refresh,
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 200, description = "There are tokens that hold", body = OutcomeView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn refresh(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Body(Refresh { force }): Body<Refresh>,
) -> Result<Json<OutcomeView>, Problem> {
    use_it((&app, &caller), (name, at), ConnectionTask::Refresh { force }).await.map(Json)
}

/// How a grant is given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Revoke {
    /// Forget the tokens only, and do not ask the service.
    #[serde(default)]
    forget: bool,
}

/// Gives a grant back to the service, and forgets its tokens.
#[utoipa::path(
    operation_id = "revoke_connection",
    post, path = "/connections/{name}/revoke", tag = "connections", request_body = Revoke,
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 200, description = "The tokens are gone", body = OutcomeView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Body(Revoke { forget }): Body<Revoke>,
) -> Result<Json<OutcomeView>, Problem> {
    use_it((&app, &caller), (name, at), ConnectionTask::Revoke { forget }).await.map(Json)
}

/// How a person grants access.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Authorize {
    /// The way.
    flow: GrantFlow,
}

/// The ways in which a person grants access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GrantFlow {
    /// In the browser that is signed in here.
    Browser,
    /// With a code, on any device.
    Device,
}

/// Begins a grant.
pub(crate) async fn begin(
    (app, caller): (&App, &Caller),
    (name, at): (String, At),
    flow: GrantFlow,
) -> Result<GrantView, Problem> {
    let (scope, address) = at.find(&name)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeConnections, workspace)?;
    let way = match flow {
        GrantFlow::Browser if !caller.has_session() => {
            return Err(Problem::invalid("the browser that comes back has to be signed in here")
                .help("use the flow `device`, or the page of the connection"));
        }
        GrantFlow::Browser => GrantWay::Browser(format!("{}{CALLBACK}", app.base)),
        GrantFlow::Device => GrantWay::Device,
    };
    let asked = BeginGrant { name, scope, way, owner: caller.mark() };
    Ok(app.runner.ask(caller.by(workspace), asked).await?)
}

/// Begins a grant: what a person has to open, and the code to type there.
#[utoipa::path(
    operation_id = "authorize_connection",
    post, path = "/connections/{name}/authorize", tag = "connections", request_body = Authorize,
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 201, description = "It waits for the person", body = GrantView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn authorize(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Body(Authorize { flow }): Body<Authorize>,
) -> Result<(StatusCode, Json<GrantView>), Problem> {
    let begun = begin((&app, &caller), (name, at), flow).await?;
    Ok((StatusCode::CREATED, Json(begun)))
}

/// Shows how a grant stands that was begun in this session, or by a program of the same user.
#[utoipa::path(
    operation_id = "show_grant",
    get, path = "/grants/{id}", tag = "connections",
    params(("id" = String, Path, description = "What names it")),
    responses(
        (status = 200, description = "How it stands", body = GrantView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn look(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<GrantView>, Problem> {
    grant(&app, &caller, id).await.map(Json)
}

/// How a grant stands; whose it is not is told that there is none.
pub(crate) async fn grant(app: &App, caller: &Caller, id: String) -> Result<GrantView, Problem> {
    let asked = LookAtGrant { id, owner: caller.mark() };
    Ok(app.runner.ask(caller.by(None), asked).await?)
}

/// Ends a grant that waits for somebody.
#[utoipa::path(
    operation_id = "cancel_grant",
    delete, path = "/grants/{id}", tag = "connections",
    params(("id" = String, Path, description = "What names it")),
    responses(
        (status = 204, description = "Nobody waits any more"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    end(&app, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a grant.
pub(crate) async fn end(app: &App, caller: &Caller, id: String) -> Result<(), Problem> {
    let asked = CancelGrant { id, owner: caller.mark() };
    Ok(app.runner.ask(caller.by(None), asked).await?)
}
