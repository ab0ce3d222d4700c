//! Environments: listed, protected, removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Action;
use crate::app::App;
use crate::channel::environments::{
    ChangeEnvironment, EnvironmentChange, EnvironmentView, ListEnvironments,
};
use crate::extract::{Asked, Named};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(remove))
        .routes(routes!(protect))
        .routes(routes!(unprotect))
}

/// Lists environments.
#[utoipa::path(
    get, path = "/environments", tag = "environments", params(PageQuery),
    responses(
        (status = 200, description = "A page of them, by name", body = Page<EnvironmentView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<EnvironmentView>>, Problem> {
    caller.check(Action::SeeEnvironments, None)?;
    let all = app.runner.ask(caller.by(None), ListEnvironments {}).await?;
    Ok(Json(page.page(all.into_iter(), |one| one.name.clone())?))
}

async fn change(
    app: &App,
    caller: &Caller,
    name: String,
    change: EnvironmentChange,
) -> Result<StatusCode, Problem> {
    caller.check(Action::ChangeEnvironments, None)?;
    app.runner.ask(caller.by(None), ChangeEnvironment { name, change }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes an environment take the role of a manager to be used or changed; makes it if it is new.
#[utoipa::path(
    post, path = "/environments/{name}/protect", tag = "environments",
    params(("name" = String, Path, description = "The name",
            pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")),
    responses(
        (status = 204, description = "It is protected"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn protect(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, name, EnvironmentChange::Protect).await
}

/// Takes the protection off an environment again.
#[utoipa::path(
    post, path = "/environments/{name}/unprotect", tag = "environments",
    params(("name" = String, Path, description = "The name",
            pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")),
    responses(
        (status = 204, description = "It is not protected"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn unprotect(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, name, EnvironmentChange::Unprotect).await
}

/// Removes an environment in which no secret is left.
#[utoipa::path(
    delete, path = "/environments/{name}", tag = "environments",
    params(("name" = String, Path, description = "The name",
            pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, name, EnvironmentChange::Remove).await
}
