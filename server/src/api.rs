//! The REST API, a file for each kind of thing.

pub(crate) mod connection_types;
pub(crate) mod connection_use;
pub(crate) mod connections;
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
        .merge(connection_types::routes())
        .merge(connections::routes())
        .merge(connection_use::routes())
        .route("/openapi.json", axum::routing::get(described))
}

/// The description of the API, for anybody: it tells nothing of this server.
async fn described() -> impl IntoResponse {
    Json(openapi())
}
