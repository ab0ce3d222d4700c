//! Where the key of the registry is and whether it is the right one; never the key.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Action;
use crate::app::App;
use crate::channel::keys::{KeyStatus, KeyView};
use crate::people::Caller;
use crate::problem::Problem;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Tells where the key is, for admins.
#[utoipa::path(
    get, path = "/keys/status", tag = "keys",
    responses(
        (status = 200, description = "What is known of it", body = KeyView),
        (status = "default", description = "Refused; 404 if there is no registry yet",
         body = Problem, content_type = "application/problem+json"),
    )
)]
async fn status(State(app): State<App>, caller: Caller) -> Result<Json<KeyView>, Problem> {
    caller.check(Action::SeeKeys, None)?;
    Ok(Json(app.runner.ask(caller.by(None), KeyStatus {}).await?))
}
