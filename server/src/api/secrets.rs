//! Secrets: listed, stored and changed. No route gives a value.

mod body;
mod change;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use subrosa_registry::Address;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::{NewSecret, NewValue};
use self::change::{__path_amend, __path_remove, amend, remove};
use crate::access::Action;
use crate::app::App;
use crate::channel::secrets::{SecretView, ShowSecret, VersionView, Written};
use crate::channel::{ScopeName, stamp};
use crate::extract::{Asked, Body, Named};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery, expected_version, is_known, version_tag};
use crate::secrets::{self, Listed, Wanted};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, amend, remove))
        .routes(routes!(versions))
        .routes(routes!(rotate))
        .merge(change::routes())
}

/// A hundred years.
const EXPIRES_WITHIN_S_MAX: u64 = 100 * 366 * 24 * 3600;

/// Which secrets are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Of this workspace; `*` or nothing: of all that the caller sees; empty: of the global scope.
    workspace: Option<String>,
    /// Of this environment; `*` or nothing: of all; empty: those that hold in any.
    environment: Option<String>,
    /// Those whose ref begins so.
    prefix: Option<String>,
    /// In this state.
    #[param(inline)]
    state: Option<StateName>,
    /// Those whose value expires within so many seconds, or is expired.
    #[param(minimum = 0, maximum = 3_162_240_000_u64)]
    expires_within_s: Option<u64>,
}

/// Whether runs may use a secret.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StateName {
    /// They may.
    Active,
    /// They may not.
    Disabled,
}

impl ListQuery {
    fn into_wanted(self, app: &App) -> Result<Wanted, Problem> {
        let by = |seconds| match seconds {
            0..=EXPIRES_WITHIN_S_MAX => {
                Ok(stamp((app.settings.clock)() + Duration::from_secs(seconds)))
            }
            _ => Err(Problem::invalid("`expires_within_s` is more than a hundred years")),
        };
        Ok(Wanted {
            prefix: self.prefix.unwrap_or_default(),
            workspace: self.workspace.filter(|name| name != "*"),
            environment: self.environment.filter(|name| name != "*"),
            state: self.state.map(|state| match state {
                StateName::Active => "active",
                StateName::Disabled => "disabled",
            }),
            expires_by: self.expires_within_s.map(by).transpose()?,
        })
    }
}

/// In which scope a secret is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct At {
    /// The workspace; without it, the global scope.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    workspace: Option<String>,
    /// The environment; without it, the value that holds in any.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    environment: Option<String>,
}

impl At {
    fn address(self, reference: &str) -> Result<(ScopeName, Address), Problem> {
        let scope = ScopeName { workspace: self.workspace, environment: self.environment };
        let address = scope.address(reference).map_err(|_| Problem::not_found())?;
        Ok((scope, address))
    }
}

/// Lists secrets.
#[utoipa::path(
    get, path = "/secrets", tag = "secrets",
    params(ListQuery, PageQuery,
           ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what the caller has")),
    responses(
        (status = 200, description = "A page of what the caller sees", body = Page<SecretView>),
        (status = 304, description = "It is what the caller has"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(wanted): Asked<ListQuery>,
    Asked(page): Asked<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let all = app.overview.secrets(&app.runner).await?;
    let wanted = wanted.into_wanted(&app)?;
    let found = secrets::select(&all, &caller, &wanted, &page)?;
    let tag = list_tag(&found);
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let items: Vec<&RawValue> = found.items.iter().map(|one| &*one.json).collect();
    let page = Page { items, next: found.next };
    Ok(([(header::ETAG, tag)], Json(page)).into_response())
}

/// The tag of a page: another one if anything of it is another.
fn list_tag(page: &Page<&Listed>) -> HeaderValue {
    let mut digest = Sha256::new();
    page.items.iter().for_each(|one| digest.update(one.digest));
    digest.update(page.next.as_deref().unwrap_or_default());
    let text = data_encoding::BASE64URL_NOPAD.encode(&digest.finalize()[..18]);
    HeaderValue::from_str(&format!("\"{text}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Stores a new secret; without a value, it is declared.
#[utoipa::path(
    post, path = "/secrets", tag = "secrets", request_body = NewSecret,
    responses(
        (status = 201, description = "It is stored", body = Written),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewSecret>,
) -> Result<impl IntoResponse, Problem> {
    let (reference, scope) = new.place();
    let address = scope
        .address(reference)
        .map_err(|why| Problem::invalid(format!("a name breaks the grammar: {why}")))?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeSecrets, workspace)?;
    let written = app.runner.ask(caller.by(workspace), new.into_set(&app)?).await?;
    let tag = [(header::ETAG, version_tag(written.version))];
    Ok((StatusCode::CREATED, tag, Json(written)))
}

/// What is known of a secret, as new as it is.
async fn look(
    app: &App,
    caller: &Caller,
    reference: String,
    at: At,
) -> Result<SecretView, Problem> {
    let (scope, address) = at.address(&reference)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::SeeSecrets, workspace)?;
    Ok(app.runner.ask(caller.by(workspace), ShowSecret { reference, scope }).await?)
}

/// Shows a secret, without its values.
#[utoipa::path(
    get, path = "/secrets/{ref}", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At),
    responses(
        (status = 200, description = "What is told of it; `ETag` is its version", body = SecretView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
) -> Result<impl IntoResponse, Problem> {
    let found = look(&app, &caller, reference, at).await?;
    Ok(([(header::ETAG, version_tag(found.version))], Json(found)))
}

/// Lists the versions of a secret that are kept, the oldest first, without their values.
#[utoipa::path(
    get, path = "/secrets/{ref}/versions", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At),
    responses(
        (status = 200, description = "All of them; `ETag` is the current one",
         body = Page<VersionView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn versions(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
) -> Result<impl IntoResponse, Problem> {
    let found = look(&app, &caller, reference, at).await?;
    let page = Page { items: found.versions, next: None };
    Ok(([(header::ETAG, version_tag(found.version))], Json(page)))
}

/// Stores a new value of a secret that is there.
#[utoipa::path(
    post, path = "/secrets/{ref}/rotate", tag = "secrets", request_body = NewValue,
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`",
            pattern = "^[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,7}$"), At,
           ("If-Match" = Option<String>, Header,
            description = "The version that it was read with, as `ETag` gave it",
            pattern = "^\"[0-9]{1,18}\"$")),
    responses(
        (status = 200, description = "It is stored", body = Written),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
    Body(value): Body<NewValue>,
) -> Result<impl IntoResponse, Problem> {
    let (scope, address) = at.address(&reference)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeSecrets, workspace)?;
    let set = value.into_set(&app, (reference, scope), expected_version(&headers)?)?;
    let written = app.runner.ask(caller.by(workspace), set).await?;
    Ok(([(header::ETAG, version_tag(written.version))], Json(written)))
}
