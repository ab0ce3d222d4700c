//! Secrets: listed, stored and changed. No route gives a value.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_registry::{Address, WorkspaceName};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Action;
use crate::app::App;
use crate::channel::ScopeName;
use crate::channel::secrets::{
    ChangeSecret, SecretChange, SecretView, SetSecret, Standing, Written,
};
use crate::extract::{Asked, Body, Named, Value};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery, expected_version, version_tag};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, remove))
        .routes(routes!(rotate))
        .routes(routes!(disable))
        .routes(routes!(enable))
        .routes(routes!(rollback))
}

/// Which secrets are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Of this workspace; `*` or nothing: of all that the caller sees; empty: of the global scope.
    workspace: Option<String>,
    /// Those whose ref begins so.
    prefix: Option<String>,
}

/// In which scope a secret is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct At {
    /// The workspace; without it, the global scope.
    workspace: Option<String>,
    /// The environment; without it, the value that holds in any.
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
    get, path = "/secrets", tag = "secrets", params(Wanted, PageQuery),
    responses(
        (status = 200, description = "A page of what the caller sees", body = Page<SecretView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<Box<RawValue>>>, Problem> {
    let secrets = app.overview.secrets(&app.runner).await?;
    let prefix = wanted.prefix.unwrap_or_default();
    let place = wanted.workspace.filter(|name| name != "*");
    let is_wanted = |at: Option<&WorkspaceName>| {
        place.as_ref().is_none_or(|name| at.map_or("", |at| at.as_str()) == name)
    };
    let mut sees = Seen::default();
    let found = secrets.iter().filter(|secret| {
        let at = secret.workspace.as_ref();
        secret.view.reference.starts_with(&prefix) && is_wanted(at) && sees.sees(&caller, at)
    });
    let found = page.page(found, |secret| secret.key.clone())?;
    let items = found.items.into_iter().map(|secret| secret.json.clone()).collect();
    Ok(Json(Page { items, next: found.next }))
}

/// Remembers the last decision: neighbours in a list are mostly in the same workspace.
#[derive(Default)]
struct Seen {
    last: Option<(Option<WorkspaceName>, bool)>,
}

impl Seen {
    fn sees(&mut self, caller: &Caller, at: Option<&WorkspaceName>) -> bool {
        if let Some((known, sees)) = &self.last
            && known.as_ref() == at
        {
            return *sees;
        }
        let sees = caller.may(Action::SeeSecrets, at);
        self.last = Some((at.cloned(), sees));
        sees
    }
}

/// A new secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSecret {
    /// Its ref.
    #[serde(rename = "ref")]
    #[schema(example = "prod/db-password")]
    reference: String,
    /// Its workspace; without it, the global scope.
    workspace: Option<String>,
    /// Its environment; without it, the value holds in any.
    environment: Option<String>,
    #[serde(flatten)]
    value: NewValue,
    /// What it is for.
    description: Option<String>,
    /// How many versions to keep.
    #[schema(minimum = 1)]
    keep: Option<u32>,
}

/// A value and how long it holds.
#[derive(Deserialize, ToSchema)]
struct NewValue {
    /// The value: 1 byte to 64 KiB; write-only.
    #[schema(value_type = Option<String>, write_only)]
    value: Option<Value>,
    /// When it expires, RFC 3339.
    #[schema(example = "2027-01-31T00:00:00Z")]
    expires: Option<String>,
    /// The age at which it and each later one expires, in seconds.
    max_age_s: Option<u64>,
    /// For how long the former value may still be in use and is masked, in seconds.
    overlap_s: Option<u64>,
}

impl NewValue {
    #[expect(clippy::disallowed_methods, reason = "sealed to the runner as soon as it is here")]
    fn into_set(self, app: &App, place: Placed, must_be: Standing) -> Result<SetSecret, Problem> {
        let seal = |value: Value| app.runner.seal(value.0.expose_secret().as_bytes());
        Ok(SetSecret {
            reference: place.reference,
            scope: place.scope,
            value: self.value.map(seal).transpose()?,
            must_be,
            description: place.description,
            expires: self.expires,
            max_age_s: self.max_age_s,
            overlap_s: self.overlap_s,
            keep: place.keep,
        })
    }
}

/// Where a value goes.
struct Placed {
    reference: String,
    scope: ScopeName,
    description: Option<String>,
    keep: Option<u32>,
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
) -> Result<Response, Problem> {
    let scope = ScopeName { workspace: new.workspace, environment: new.environment };
    let address = scope
        .address(&new.reference)
        .map_err(|why| Problem::invalid(format!("a name breaks the grammar: {why}")))?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeSecrets, workspace)?;
    let place =
        Placed { reference: new.reference, scope, description: new.description, keep: new.keep };
    let set = new.value.into_set(&app, place, Standing::New)?;
    let written = app.runner.ask(caller.by(workspace), set).await?;
    let tag = [(header::ETAG, version_tag(written.version))];
    Ok((StatusCode::CREATED, tag, Json(written)).into_response())
}

/// Shows a secret, without its values.
#[utoipa::path(
    get, path = "/secrets/{ref}", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`"), At),
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
    let (scope, address) = at.address(&reference)?;
    caller.check(Action::SeeSecrets, address.scope.workspace.as_ref())?;
    let secrets = app.overview.secrets(&app.runner).await?;
    let found = secrets
        .iter()
        .find(|secret| secret.view.reference == reference && secret.view.scope() == scope)
        .ok_or_else(Problem::not_found)?;
    let tag: HeaderValue = version_tag(found.view.version);
    Ok(([(header::ETAG, tag)], Json(found.json.clone())))
}

/// Stores a new value of a secret that is there.
#[utoipa::path(
    post, path = "/secrets/{ref}/rotate", tag = "secrets", request_body = NewValue,
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`"), At),
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
    let standing = Standing::Present(expected_version(&headers)?);
    let place = Placed { reference, scope, description: None, keep: None };
    let set = value.into_set(&app, place, standing)?;
    if set.value.is_none() {
        return Err(Problem::invalid("there is no `value`"));
    }
    let written = app.runner.ask(caller.by(workspace), set).await?;
    Ok(([(header::ETAG, version_tag(written.version))], Json(written)))
}

async fn change(
    app: &App,
    caller: &Caller,
    about: (String, At, &HeaderMap),
    change: SecretChange,
) -> Result<StatusCode, Problem> {
    let (reference, at, headers) = about;
    let (scope, address) = at.address(&reference)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeSecrets, workspace)?;
    let expect = expected_version(headers)?;
    let asked = ChangeSecret { reference, scope, expect, change };
    app.runner.ask(caller.by(workspace), asked).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a secret with all its versions.
#[utoipa::path(
    delete, path = "/secrets/{ref}", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`"), At),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Named(reference): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    change(&app, &caller, (reference, at, &headers), SecretChange::Remove).await
}

/// Forbids runs to use a secret; they look no further for another.
#[utoipa::path(
    post, path = "/secrets/{ref}/disable", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`"), At),
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
    change(&app, &caller, (reference, at, &headers), SecretChange::Disable).await
}

/// Lets runs use a secret again.
#[utoipa::path(
    post, path = "/secrets/{ref}/enable", tag = "secrets",
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`"), At),
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
    change(&app, &caller, (reference, at, &headers), SecretChange::Enable).await
}

/// Which version is brought back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rollback {
    /// Its number.
    version: u64,
}

/// Makes an earlier value the current one, as a new version.
#[utoipa::path(
    post, path = "/secrets/{ref}/rollback", tag = "secrets", request_body = Rollback,
    params(("ref" = String, Path, description = "The ref, its `/` as `%2F`"), At),
    responses(
        (status = 204, description = "It is the current one"),
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
) -> Result<StatusCode, Problem> {
    let change_ = SecretChange::Rollback { version };
    change(&app, &caller, (reference, at, &headers), change_).await
}
