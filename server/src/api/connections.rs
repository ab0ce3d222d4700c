//! Connections: list and form. No route gives what is sealed.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use subrosa_registry::{Address, WorkspaceName};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Action;
use crate::app::App;
use crate::channel::connections::{
    ChangeConnection, ConnectionChange, ConnectionView, ConnectionWritten, ListConnections, Put,
    PutConnection,
};
use crate::channel::secrets::Standing;
use crate::channel::{ScopeName, Sealed};
use crate::extract::{Asked, Body, Named, Value, seconds};
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::{Page, PageQuery, expected_version, version_tag};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, edit, remove))
        .routes(routes!(rotate))
        .routes(routes!(disable))
        .routes(routes!(enable))
}

/// In which scope a connection is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct At {
    /// The workspace; without it, the global scope.
    pub(crate) workspace: Option<String>,
    /// The environment; without it, the connection that holds in any.
    pub(crate) environment: Option<String>,
}

impl At {
    /// The connection of this name there; what cannot be a name names nothing.
    pub(crate) fn find(self, name: &str) -> Result<(ScopeName, Address), Problem> {
        let scope = ScopeName { workspace: self.workspace, environment: self.environment };
        let address = scope.address(name).map_err(|_| Problem::not_found())?;
        Ok((scope, address))
    }
}

/// Which connections are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Of this workspace; `*` or nothing: of all that the caller sees; empty: of the global scope.
    workspace: Option<String>,
    /// Of this type.
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Lists connections.
#[utoipa::path(
    operation_id = "list_connections",
    get, path = "/connections", tag = "connections", params(Wanted, PageQuery),
    responses(
        (status = 200, description = "A page of what the caller sees", body = Page<ConnectionView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<ConnectionView>>, Problem> {
    let seen = seen(&app, &caller).await?;
    let place = wanted.workspace.filter(|name| name != "*");
    let is_wanted = |one: &ConnectionView| {
        let at = one.workspace.as_deref().unwrap_or_default();
        place.as_deref().is_none_or(|name| name == at)
            && wanted.kind.as_ref().is_none_or(|kind| one.kind == *kind)
    };
    Ok(Json(page.page(seen.into_iter().filter(is_wanted), key)?))
}

/// What sorts connections and tells them apart; names have no spaces.
fn key(one: &ConnectionView) -> String {
    let (workspace, environment) = (one.workspace.as_deref(), one.environment.as_deref());
    format!("{} {} {}", one.name, workspace.unwrap_or_default(), environment.unwrap_or_default())
}

/// The connections that the caller sees, sorted.
pub(crate) async fn seen(app: &App, caller: &Caller) -> Result<Vec<ConnectionView>, Problem> {
    let mut all = app.runner.ask(caller.by(None), ListConnections { only: None }).await?;
    all.retain(|one| {
        // A workspace that cannot be one is nobody's.
        let at = one.workspace.as_deref().map(WorkspaceName::parse).transpose();
        at.is_ok_and(|at| caller.may(Action::SeeConnections, at.as_ref()))
    });
    all.sort_by_cached_key(key);
    Ok(all)
}

/// One connection that the caller sees.
pub(crate) async fn one(
    app: &App,
    caller: &Caller,
    (scope, address): &(ScopeName, Address),
) -> Result<ConnectionView, Problem> {
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::SeeConnections, workspace)?;
    let only = Some((address.reference.to_string(), scope.clone()));
    let found = app.runner.ask(caller.by(workspace), ListConnections { only }).await?;
    found.into_iter().next().ok_or_else(Problem::not_found)
}

/// A new connection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConnection {
    /// Its name.
    #[schema(example = "jira-prod")]
    name: String,
    /// The id of its type.
    #[serde(rename = "type")]
    #[schema(example = "jira")]
    kind: String,
    /// Its workspace; without it, the global scope.
    workspace: Option<String>,
    /// Its environment; without it, it holds in any.
    environment: Option<String>,
    /// The fields of its type, public and secret ones alike; the secret ones are write-only.
    #[schema(value_type = BTreeMap<String, String>, write_only)]
    fields: BTreeMap<String, Value>,
    /// What it is for.
    description: Option<String>,
    /// When it expires, RFC 3339.
    #[schema(example = "2027-01-31T00:00:00Z")]
    expires: Option<String>,
    /// The age at which it and each later version expires, in seconds.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(minimum = 1, maximum = 3_155_760_000_i64)]
    max_age_s: Option<u64>,
}

/// Other answers to the form of a connection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Answers {
    /// The fields that change: what is not named stays, and null takes a value away. The secret ones are
    /// write-only.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Option<String>>, write_only)]
    fields: BTreeMap<String, Option<Value>>,
    /// What it is for.
    description: Option<String>,
    /// When it expires, RFC 3339.
    #[schema(example = "2027-01-31T00:00:00Z")]
    expires: Option<String>,
    /// The age at which it and each later version expires, in seconds.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(minimum = 1, maximum = 3_155_760_000_i64)]
    max_age_s: Option<u64>,
    /// For how long former values may still be in use and are masked, in seconds.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(minimum = 0, maximum = 3_155_760_000_i64)]
    overlap_s: Option<u64>,
}

/// Seals answers to the runner as soon as they are here.
#[expect(clippy::disallowed_methods, reason = "sealed to the runner as soon as it is here")]
pub(crate) fn seal(
    app: &App,
    answers: impl IntoIterator<Item = (String, Option<Value>)>,
) -> Result<BTreeMap<String, Option<Sealed>>, Problem> {
    let seal = |(name, value): (String, Option<Value>)| {
        let sealed = value.map(|value| app.runner.seal(value.0.expose_secret().as_bytes()));
        Ok((name, sealed.transpose()?))
    };
    answers.into_iter().map(seal).collect()
}

/// Makes a connection.
#[utoipa::path(
    operation_id = "create_connection",
    post, path = "/connections", tag = "connections", request_body = NewConnection,
    responses(
        (status = 201, description = "It is stored", body = ConnectionWritten),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewConnection>,
) -> Result<Response, Problem> {
    let scope = ScopeName { workspace: new.workspace, environment: new.environment };
    let address = scope
        .address(&new.name)
        .map_err(|why| Problem::invalid(format!("a name breaks the grammar: {why}")))?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeConnections, workspace)?;
    let put = PutConnection {
        name: new.name,
        scope,
        put: Put::New(new.kind),
        answers: seal(&app, new.fields.into_iter().map(|(name, value)| (name, Some(value))))?,
        description: new.description,
        expires: new.expires,
        max_age_s: new.max_age_s,
        overlap_s: None,
    };
    let written = app.runner.ask(caller.by(workspace), put).await?;
    let tag = [(header::ETAG, version_tag(Some(written.version)))];
    Ok((StatusCode::CREATED, tag, Json(written)).into_response())
}

/// Shows a connection, without what is sealed in it.
#[utoipa::path(
    operation_id = "show_connection",
    get, path = "/connections/{name}", tag = "connections",
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 200, description = "What is told of it; `ETag` is its version",
         body = ConnectionView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
) -> Result<impl IntoResponse, Problem> {
    let found = one(&app, &caller, &at.find(&name)?).await?;
    Ok(([(header::ETAG, version_tag(found.version))], Json(found)))
}

/// Stores answers on top of what is there.
async fn store(
    (app, caller): (&App, &Caller),
    (name, at): (String, At),
    put: Put,
    answers: Answers,
) -> Result<Response, Problem> {
    let (scope, address) = at.find(&name)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeConnections, workspace)?;
    let has_more =
        answers.description.is_some() || answers.expires.is_some() || answers.max_age_s.is_some();
    if answers.fields.is_empty() && !has_more {
        return Err(Problem::invalid("nothing was given that could change"));
    }
    let put = PutConnection {
        name,
        scope,
        put,
        answers: seal(app, answers.fields)?,
        description: answers.description,
        expires: answers.expires,
        max_age_s: answers.max_age_s,
        overlap_s: answers.overlap_s,
    };
    let written = app.runner.ask(caller.by(workspace), put).await?;
    let tag = [(header::ETAG, version_tag(Some(written.version)))];
    Ok((tag, Json(written)).into_response())
}

/// Changes fields of a connection; those that are not named stay, unopened.
#[utoipa::path(
    operation_id = "edit_connection",
    patch, path = "/connections/{name}", tag = "connections", request_body = Answers,
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 200, description = "It is stored", body = ConnectionWritten),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn edit(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
    Body(answers): Body<Answers>,
) -> Result<Response, Problem> {
    let put = Put::Edit(expected_version(&headers)?);
    store((&app, &caller), (name, at), put, answers).await
}

/// Gives secret fields of a connection new values.
#[utoipa::path(
    operation_id = "rotate_connection",
    post, path = "/connections/{name}/rotate", tag = "connections", request_body = Answers,
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 200, description = "It is stored", body = ConnectionWritten),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
    Body(answers): Body<Answers>,
) -> Result<Response, Problem> {
    let put = Put::Rotate(expected_version(&headers)?);
    store((&app, &caller), (name, at), put, answers).await
}

async fn change(
    (app, caller): (&App, &Caller),
    (name, at, headers): (String, At, &HeaderMap),
    change: ConnectionChange,
) -> Result<StatusCode, Problem> {
    let (scope, address) = at.find(&name)?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeConnections, workspace)?;
    let must_be = Standing::Present(expected_version(headers)?);
    let asked = ChangeConnection { name, scope, must_be, change };
    app.runner.ask(caller.by(workspace), asked).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a connection with all its versions; a grant stays at the service until it is revoked.
#[utoipa::path(
    operation_id = "remove_connection",
    delete, path = "/connections/{name}", tag = "connections",
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
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
    Asked(at): Asked<At>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    change((&app, &caller), (name, at, &headers), ConnectionChange::Remove).await
}

/// Forbids runs to use a connection.
#[utoipa::path(
    operation_id = "disable_connection",
    post, path = "/connections/{name}/disable", tag = "connections",
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 204, description = "It is disabled"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn disable(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    change((&app, &caller), (name, at, &headers), ConnectionChange::Disable).await
}

/// Lets runs use a connection again.
#[utoipa::path(
    operation_id = "enable_connection",
    post, path = "/connections/{name}/enable", tag = "connections",
    params(("name" = String, Path, description = "The name, its `/` as `%2F`"), At),
    responses(
        (status = 204, description = "It is enabled"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn enable(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    change((&app, &caller), (name, at, &headers), ConnectionChange::Enable).await
}
