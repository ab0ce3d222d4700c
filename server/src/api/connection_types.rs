//! What there is to connect to.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Action;
use crate::app::App;
use crate::channel::connections::{ListTypes, TypeView};
use crate::extract::{Asked, Named};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_types)).routes(routes!(show_type))
}

/// Lists what there is to connect to.
#[utoipa::path(
    operation_id = "list_connection_types",
    get, path = "/connection-types", tag = "connections", params(PageQuery),
    responses(
        (status = 200, description = "A page of the types", body = Page<TypeView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list_types(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<TypeView>>, Problem> {
    let types = types(&app, &caller).await?;
    Ok(Json(page.page(types.into_iter(), |kind| kind.id.clone())?))
}

/// Shows a type with its fields.
#[utoipa::path(
    operation_id = "show_connection_type",
    get, path = "/connection-types/{id}", tag = "connections",
    params(("id" = String, Path, description = "The word that names it")),
    responses(
        (status = 200, description = "The type", body = TypeView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn show_type(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Json<TypeView>, Problem> {
    let types = types(&app, &caller).await?;
    types.into_iter().find(|kind| kind.id == id).map(Json).ok_or_else(Problem::not_found)
}

/// The types, by id.
pub(crate) async fn types(app: &App, caller: &Caller) -> Result<Vec<TypeView>, Problem> {
    caller.check(Action::SeeConnectionTypes, None)?;
    Ok(app.runner.ask(caller.by(None), ListTypes {}).await?)
}
