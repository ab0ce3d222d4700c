//! The REST API, a file for each kind of thing.

mod people;
mod secrets;

use axum::Json;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, openapi};

/// Everything below `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(secrets::routes())
        .merge(people::routes())
        .route("/openapi.json", axum::routing::get(described))
}

/// The description of the API, for anybody: it tells nothing of this server.
async fn described() -> impl IntoResponse {
    Json(openapi())
}
