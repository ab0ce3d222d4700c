//! The users of this server and what they may do: for admins, and to others not there.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Action, Grant, Rights};
use crate::app::App;
use crate::extract::{Asked, Body, Named, Value};
use crate::people::admin::UserChange;
use crate::people::user::NewUser;
use crate::people::{Caller, PeopleError, User, with};
use crate::problem::Problem;
use crate::respond::{Page, PageQuery, expected_version, version_tag};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, remove))
        .routes(routes!(set_rights))
        .routes(routes!(set_password))
        .routes(routes!(rename))
        .routes(routes!(disable))
        .routes(routes!(enable))
}

/// A user.
#[derive(Serialize, ToSchema)]
struct UserView {
    /// The name.
    #[schema(example = "ada")]
    name: String,
    /// Whether everything is allowed.
    admin: bool,
    /// The roles of who is no admin.
    grants: Vec<Grant>,
    /// Whether the user may not come in.
    is_disabled: bool,
    /// Whether the user has a password.
    has_password: bool,
    /// The OpenID provider that the user comes from; null: none.
    openid_issuer: Option<String>,
    /// When it was made, RFC 3339.
    #[schema(format = DateTime)]
    created: String,
    /// One more with each change; `ETag` is the same.
    version: u64,
}

impl UserView {
    fn new(user: User) -> UserView {
        UserView {
            name: user.name,
            admin: user.rights.admin,
            grants: user.rights.grants,
            is_disabled: user.is_disabled,
            has_password: user.password.is_some(),
            openid_issuer: user.openid.map(|openid| openid.issuer),
            created: user.created,
            version: user.version,
        }
    }
}

fn tagged(user: User) -> impl IntoResponse {
    let tag = version_tag(Some(user.version));
    ([(header::ETAG, tag)], Json(UserView::new(user)))
}

/// Lists users.
#[utoipa::path(
    get, path = "/users", tag = "users", params(PageQuery),
    responses(
        (status = 200, description = "A page of them, by name", body = Page<UserView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<UserView>>, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let all = app.people.all_users();
    page.page(all.into_iter().map(UserView::new), |user| user.name.clone()).map(Json)
}

/// A user to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserBody {
    /// The name, which nobody else has.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9._@-]*$",
        example = "ada"
    )]
    name: String,
    /// A password; without one the user cannot come in until one is set.
    #[schema(value_type = Option<String>, write_only, min_length = 12, max_length = 1024)]
    password: Option<Value>,
    /// Whether everything is allowed.
    #[serde(default)]
    admin: bool,
    /// The roles of who is no admin.
    #[serde(default)]
    grants: Vec<Grant>,
}

/// Adds a user.
#[utoipa::path(
    post, path = "/users", tag = "users", request_body = UserBody,
    responses(
        (status = 201, description = "The user is there", body = UserView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(UserBody { name, password, admin, grants }): Body<UserBody>,
) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let password = match password {
        Some(Value(password)) => Some(made(&app, password).await?),
        None => None,
    };
    let new = NewUser { name, password, openid: None, rights: Rights { admin, grants } };
    let user = with(&app, move |people| people.add_user(new)).await?;
    Ok((StatusCode::CREATED, tagged(user)))
}

async fn made(
    app: &App,
    password: secrecy::SecretString,
) -> Result<crate::people::password::Kept, Problem> {
    let made = app.people.passwords.make(&password).await;
    made.map_err(|error| error.problem(app))
}

/// Shows a user.
#[utoipa::path(
    get, path = "/users/{name}", tag = "users",
    params(("name" = String, Path, description = "The name")),
    responses(
        (status = 200, description = "The user; `ETag` is the version", body = UserView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::ManageUsers, None)?;
    app.people.user(&name).map(tagged).ok_or_else(Problem::not_found)
}

/// Takes a user away, with sessions and tokens.
#[utoipa::path(
    delete, path = "/users/{name}", tag = "users",
    params(("name" = String, Path, description = "The name")),
    responses(
        (status = 204, description = "The user is gone"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let expected = expected_version(&headers)?;
    with(&app, move |people| people.remove_user(&name, expected)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes something of a user.
async fn change(
    app: &App,
    name: String,
    headers: &HeaderMap,
    change: UserChange,
) -> Result<impl IntoResponse + use<>, Problem> {
    let expected = expected_version(headers)?;
    let changed = move |people: &crate::people::People| -> Result<User, PeopleError> {
        people.change_user(&name, expected, change)
    };
    Ok(tagged(with(app, changed).await?))
}

/// Says what a user may do: it takes the place of all that the user may do now.
#[utoipa::path(
    put, path = "/users/{name}/rights", tag = "users", request_body = Rights,
    params(("name" = String, Path, description = "The name")),
    responses(
        (status = 200, description = "The user as it is now", body = UserView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn set_rights(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    headers: HeaderMap,
    Body(rights): Body<Rights>,
) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let what = UserChange { rights: Some(rights), ..UserChange::default() };
    change(&app, name, &headers, what).await
}

/// A password for somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    /// The password.
    #[schema(value_type = String, write_only, min_length = 12, max_length = 1024)]
    password: Value,
}

/// Sets a user's password; all of the user's sessions end.
#[utoipa::path(
    post, path = "/users/{name}/password", tag = "users", request_body = PasswordBody,
    params(("name" = String, Path, description = "The name")),
    responses(
        (status = 200, description = "The user as it is now", body = UserView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn set_password(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    headers: HeaderMap,
    Body(PasswordBody { password: Value(password) }): Body<PasswordBody>,
) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let password = Some(made(&app, password).await?);
    change(&app, name, &headers, UserChange { password, ..UserChange::default() }).await
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RenameBody {
    /// The name.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9._@-]*$")]
    name: String,
}

/// Gives a user another name; what is in the audit log keeps the former.
#[utoipa::path(
    post, path = "/users/{name}/rename", tag = "users", request_body = RenameBody,
    params(("name" = String, Path, description = "The name")),
    responses(
        (status = 200, description = "The user as it is now", body = UserView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn rename(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    headers: HeaderMap,
    Body(RenameBody { name: wanted }): Body<RenameBody>,
) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let what = UserChange { name: Some(wanted), ..UserChange::default() };
    change(&app, name, &headers, what).await
}

/// Lets a user come in no more: sessions end, tokens are no good until the user is enabled.
#[utoipa::path(
    post, path = "/users/{name}/disable", tag = "users",
    params(("name" = String, Path, description = "The name")),
    responses(
        (status = 200, description = "The user as it is now", body = UserView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn disable(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let what = UserChange { is_disabled: Some(true), ..UserChange::default() };
    change(&app, name, &headers, what).await
}

/// Lets a user come in again.
#[utoipa::path(
    post, path = "/users/{name}/enable", tag = "users",
    params(("name" = String, Path, description = "The name")),
    responses(
        (status = 200, description = "The user as it is now", body = UserView),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn enable(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    caller.check(Action::ManageUsers, None)?;
    let what = UserChange { is_disabled: Some(false), ..UserChange::default() };
    change(&app, name, &headers, what).await
}
