//! Oneself: who one is, the password, tokens and sessions.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Action, Grant, Rights};
use crate::app::App;
use crate::extract::{Asked, Body, Named, Value};
use crate::people::session::Session;
use crate::people::token::{ApiToken, DAYS_DEFAULT, NewToken};
use crate::people::{Caller, Via, change_password, cookie, told, with};
use crate::problem::Problem;
use crate::respond::{Page, PageQuery};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(me))
        .routes(routes!(password))
        .routes(routes!(tokens, make_token))
        .routes(routes!(revoke_token))
        .routes(routes!(sessions, end_others))
        .routes(routes!(end_session))
}

/// Who asks, and what they may do.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The name.
    #[schema(example = "ada")]
    name: String,
    /// Whether everything is allowed.
    admin: bool,
    /// The roles of who is no admin.
    grants: Vec<Grant>,
    /// How it was shown.
    via: ViaView,
    /// What the token leaves of these rights; null: all, or there is no token.
    limit: Option<Rights>,
}

/// How somebody showed who they are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ViaView {
    /// By the cookie of a session.
    Session,
    /// By a personal token.
    Token,
}

/// Shows who asks.
#[utoipa::path(
    get, path = "/me", tag = "me",
    responses(
        (status = 200, description = "The caller", body = Me),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn me(caller: Caller) -> Result<Json<Me>, Problem> {
    caller.check(Action::SeeSelf, None)?;
    let (via, limit) = match caller.via {
        Via::Session { .. } => (ViaView::Session, None),
        Via::Token { limit, .. } => (ViaView::Token, limit),
    };
    let Rights { admin, grants } = caller.rights;
    Ok(Json(Me { name: caller.name, admin, grants, via, limit }))
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OwnPassword {
    /// The one that is there; a user who has none leaves it out.
    #[schema(value_type = Option<String>, write_only)]
    old: Option<Value>,
    /// The new one.
    #[schema(value_type = String, write_only, min_length = 12, max_length = 1024)]
    new: Value,
}

/// Changes the caller's password. Other sessions end, and this one gets a new id.
#[utoipa::path(
    post, path = "/me/password", tag = "me", request_body = OwnPassword,
    responses(
        (status = 204, description = "It is changed"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn password(
    State(app): State<App>,
    caller: Caller,
    Body(OwnPassword { old, new }): Body<OwnPassword>,
) -> Result<Response, Problem> {
    caller.check(Action::ManageSelf, None)?;
    let renewed = change_password(&app, &caller, old.map(|Value(old)| old), new.0).await?;
    let cookie = renewed.and_then(|id| cookie::set(id.text(), app.people.is_secure));
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookie.into_iter().collect::<Vec<_>>()))
        .into_response())
}

/// A token, without what shows it.
#[derive(Serialize, ToSchema)]
struct TokenView {
    /// What names it.
    id: String,
    /// What it is for.
    name: String,
    /// What it leaves of its user's rights; null: all.
    limit: Option<Rights>,
    /// When it was made, RFC 3339.
    #[schema(format = DateTime)]
    created: String,
    /// When it expires, RFC 3339.
    #[schema(format = DateTime)]
    expires: String,
    /// When it was last used, to the minute; null: never.
    #[schema(format = DateTime)]
    last_used: Option<String>,
}

impl TokenView {
    fn new(token: ApiToken) -> TokenView {
        TokenView {
            id: token.id,
            name: token.name,
            limit: token.limit,
            created: told(token.created),
            expires: told(token.expires),
            last_used: token.used.map(|used| told(used - used % 60)),
        }
    }
}

/// Lists the caller's tokens.
#[utoipa::path(
    get, path = "/me/tokens", tag = "me", params(PageQuery),
    responses(
        (status = 200, description = "A page of them", body = Page<TokenView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn tokens(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<TokenView>>, Problem> {
    caller.check(Action::ManageSelf, None)?;
    let mut all = app.people.own_tokens(&caller);
    all.sort_by(|a, b| a.id.cmp(&b.id));
    page.page(all.into_iter().map(TokenView::new), |token| token.id.clone()).map(Json)
}

/// A token to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    /// What it is for.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$",
        example = "ci"
    )]
    name: String,
    /// How many days it holds: 1 to 366, 90 if nothing is said.
    #[schema(minimum = 1, maximum = 366)]
    days: Option<u64>,
    /// What it may do, nothing of which its user may not do; without it, all of that.
    limit: Option<Rights>,
}

/// A new token: what shows it is told this once.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    /// What to show: `Authorization: Bearer sr_...`. It is not kept and never told again.
    #[schema(pattern = "^sr_[A-Za-z0-9_-]{48}$")]
    token: String,
    /// The rest.
    #[serde(flatten)]
    view: TokenView,
}

/// Makes a token for the caller.
#[utoipa::path(
    post, path = "/me/tokens", tag = "me", request_body = TokenBody,
    responses(
        (status = 201, description = "It is made", body = MadeToken),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn make_token(
    State(app): State<App>,
    caller: Caller,
    Body(TokenBody { name, days, limit }): Body<TokenBody>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    caller.check(Action::ManageSelf, None)?;
    let new = NewToken { name, limit, days: days.unwrap_or(DAYS_DEFAULT) };
    let (token, shown) = with(&app, move |people| people.make_token(&caller, new)).await?;
    let made = MadeToken { token: shown.text().to_owned(), view: TokenView::new(token) };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revokes one of the caller's tokens.
#[utoipa::path(
    delete, path = "/me/tokens/{id}", tag = "me",
    params(("id" = String, Path, description = "What names it")),
    responses(
        (status = 204, description = "It is no good any more"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    caller.check(Action::ManageSelf, None)?;
    with(&app, move |people| people.revoke_token(&caller, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// What names it; it opens nothing.
    id: String,
    /// When it was begun, RFC 3339.
    #[schema(format = DateTime)]
    begun: String,
    /// When it was last used, RFC 3339.
    #[schema(format = DateTime)]
    seen: String,
    /// The address that it was begun from.
    from: String,
    /// What the browser says it is.
    agent: String,
    /// Whether it is the one that asks.
    is_current: bool,
}

impl SessionView {
    fn new(caller: &Caller, (key, session): (String, Session)) -> SessionView {
        SessionView {
            is_current: caller.session() == Some(key.as_str()),
            id: key,
            begun: told(session.begun),
            seen: told(session.seen),
            from: session.from,
            agent: session.agent,
        }
    }
}

/// Lists the caller's sessions.
#[utoipa::path(
    get, path = "/me/sessions", tag = "me", params(PageQuery),
    responses(
        (status = 200, description = "A page of them", body = Page<SessionView>),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn sessions(
    State(app): State<App>,
    caller: Caller,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<Page<SessionView>>, Problem> {
    caller.check(Action::ManageSelf, None)?;
    let mut all = app.people.own_sessions(&caller);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let views = all.into_iter().map(|one| SessionView::new(&caller, one));
    page.page(views, |session| session.id.clone()).map(Json)
}

/// Ends all of the caller's sessions but the one that asks.
#[utoipa::path(
    delete, path = "/me/sessions", tag = "me",
    responses(
        (status = 204, description = "They have ended"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn end_others(State(app): State<App>, caller: Caller) -> Result<StatusCode, Problem> {
    caller.check(Action::ManageSelf, None)?;
    with(&app, move |people| people.end_sessions(&caller.id, caller.session())).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of the caller's sessions.
#[utoipa::path(
    delete, path = "/me/sessions/{id}", tag = "me",
    params(("id" = String, Path, description = "What names it")),
    responses(
        (status = 204, description = "It has ended"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn end_session(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    caller.check(Action::ManageSelf, None)?;
    let is_own = caller.session() == Some(id.as_str());
    with(&app, move |people| people.end_session(&caller.id, &id)).await?;
    let clear = is_own.then(|| (header::SET_COOKIE, cookie::clear(app.people.is_secure)));
    Ok((StatusCode::NO_CONTENT, AppendHeaders(clear.into_iter().collect::<Vec<_>>()))
        .into_response())
}
