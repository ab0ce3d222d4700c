//! Whether the server is well, and its counters: for whoever watches it, not for people.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::json;

use crate::access::Action;
use crate::app::App;
use crate::people::Caller;
use crate::problem::Problem;

/// The routes.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/health", get(health)).route("/metrics", get(metrics))
}

/// Asked by anybody, so it says no more than whether work can be done.
async fn health(State(app): State<App>) -> impl IntoResponse {
    match app.runner.is_ready() {
        true => (StatusCode::OK, Json(json!({ "status": "ok" }))),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "no runner" }))),
    }
}

async fn metrics(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::SeeMetrics, None)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], app.metrics.text()))
}
