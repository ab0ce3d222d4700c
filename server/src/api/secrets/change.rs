//! Changes of a secret that is there, its value aside.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::At;
use super::body::{Prune, Rollback, SecretPatch};
use crate::access::Action;
use crate::app::App;
use crate::channel::secrets::{ChangeSecret, Changed, SecretChange, Written};
use crate::extract::{Asked, Body, Named};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{expected_version, version_tag};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(disable))
        .routes(routes!(enable))
        .routes(routes!(rollback))
        .routes(routes!(prune))
}

/// Has a secret changed.
async fn change(
    app: &App,
    caller: &Caller,
    (reference, at, headers): (String, At, &HeaderMap),
    change: SecretChange,
) -> Result<Changed, Problem> {
    let (scope, address) = at.address(&reference)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeSecrets, workspace)?;
    let expect = expected_version(headers)?;
    let asked = ChangeSecret { reference, scope, expect, change };
    Ok(app.runner.ask(caller.by(workspace), asked).await?)
}

/// Says what a secret is for, when its value expires, and how many versions are kept: all of it or nothing.
#[utoipa::path(
    patch, path = "/secrets/{ref}", tag = "secrets", request_body = SecretPatch,
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At,
           ("If-Match" = Option<String>, Header,
            description = "The version that it was read with, as `ETag` gave it",
            pattern = "^\"[0-9]{1,18}\"$")),
    responses(
        (status = 204, description = "It is changed"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn amend(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
    Body(patch): Body<SecretPatch>,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, (reference, at, &headers), patch.into_change()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a secret with all its versions.
#[utoipa::path(
    delete, path = "/secrets/{ref}", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At,
           ("If-Match" = Option<String>, Header,
            description = "The version that it was read with, as `ETag` gave it",
            pattern = "^\"[0-9]{1,18}\"$")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, (reference, at, &headers), SecretChange::Remove).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forbids runs to use a secret; they look no further for another.
#[utoipa::path(
    post, path = "/secrets/{ref}/disable", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At,
           ("If-Match" = Option<String>, Header,
            description = "The version that it was read with, as `ETag` gave it",
            pattern = "^\"[0-9]{1,18}\"$")),
    responses(
        (status = 204, description = "It is disabled"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn disable(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, (reference, at, &headers), SecretChange::Disable).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets runs use a secret again.
#[utoipa::path(
    post, path = "/secrets/{ref}/enable", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At,
           ("If-Match" = Option<String>, Header,
            description = "The version that it was read with, as `ETag` gave it",
            pattern = "^\"[0-9]{1,18}\"$")),
    responses(
        (status = 204, description = "It is enabled"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn enable(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, (reference, at, &headers), SecretChange::Enable).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes an earlier value the current one, as a new version.
#[utoipa::path(
    post, path = "/secrets/{ref}/rollback", tag = "secrets", request_body = Rollback,
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At,
           ("If-Match" = Option<String>, Header,
            description = "The version that it was read with, as `ETag` gave it",
            pattern = "^\"[0-9]{1,18}\"$")),
    responses(
        (status = 200, description = "The new version", body = Written),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
    Body(Rollback { version }): Body<Rollback>,
) -> Result<impl IntoResponse, Problem> {
    let about = (reference, at, &headers);
    let changed = change(&app, &caller, about, SecretChange::Rollback { version }).await?;
    let written = Written { version: changed.version, lost_expiry: false };
    Ok(([(header::ETAG, version_tag(written.version))], Json(written)))
}

/// What went.
#[derive(Serialize, ToSchema)]
struct Pruned {
    /// How many versions.
    #[schema(minimum = 0)]
    dropped: u64,
}

/// Drops the oldest versions until so many are left, now and from now on.
#[utoipa::path(
    post, path = "/secrets/{ref}/prune", tag = "secrets", request_body = Prune,
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At,
           ("If-Match" = Option<String>, Header,
            description = "The version that it was read with, as `ETag` gave it",
            pattern = "^\"[0-9]{1,18}\"$")),
    responses(
        (status = 200, description = "They are gone", body = Pruned),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn prune(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
    Body(Prune { keep }): Body<Prune>,
) -> Result<Json<Pruned>, Problem> {
    let about = (reference, at, &headers);
    let changed = change(&app, &caller, about, SecretChange::Prune { keep }).await?;
    Ok(Json(Pruned { dropped: changed.dropped }))
}
