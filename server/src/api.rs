//! The REST API, a file for each kind of thing.

pub(crate) mod audit;
pub(crate) mod connection_types;
pub(crate) mod connection_use;
pub(crate) mod connections;
mod environments;
mod keys;
pub(crate) mod logs;
mod people;
pub(crate) mod runs;
mod secrets;
#[cfg(test)]
mod tests;
pub(crate) mod workflows;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, openapi};

/// Everything below `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(logs::routes())
        .merge(runs::routes())
        .merge(audit::routes())
        .merge(environments::routes())
        .merge(keys::routes())
        .merge(secrets::routes())
        .merge(people::routes())
        .merge(connection_types::routes())
        .merge(connections::routes())
        .merge(connection_use::routes())
        .merge(workflows::routes())
        .route("/openapi.json", axum::routing::get(described))
}

/// The description as JSON; it takes long to make, and anybody may ask for it.
static DESCRIPTION: LazyLock<Bytes> =
    LazyLock::new(|| serde_json::to_vec(&openapi()).unwrap_or_default().into());

/// The description of the API, for anybody: it tells nothing of this server.
async fn described() -> impl IntoResponse {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], DESCRIPTION.clone())
}
