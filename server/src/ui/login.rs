//! Coming in, by password or by the link that the server printed, and leaving.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::{Refused, page};
use crate::app::App;
use crate::extract::{Asked, Value};
use crate::people::openid::{Provider, RETURN_PATH, Returned, enter_by_openid};
use crate::people::{Arrival, Caller, Entry, Form, SessionId, cookie, enter_by_password, with};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/welcome", get(welcome))
        .route("/login", get(show).post(enter))
        .route("/login/openid", get(lead))
        .route(RETURN_PATH, get(back))
        .route("/logout", post(leave))
}

/// Leads somebody on who has just come in.
pub(super) fn enter_with(app: &App, session: &SessionId) -> Result<Response, Refused> {
    let cookie = cookie::set(session.text(), app.people.is_secure);
    let cookie = cookie.ok_or_else(|| Problem::broken("no session"))?;
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to("/")).into_response())
}

/// The session that a request shows; it ends when another begins.
pub(super) fn former(app: &App, headers: &HeaderMap) -> Option<String> {
    cookie::shown(headers, app.people.is_secure).map(str::to_owned)
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    token: String,
}

async fn welcome(
    State(app): State<App>,
    headers: HeaderMap,
    arrival: Arrival,
    Asked(Shown { token }): Asked<Shown>,
) -> Result<Response, Refused> {
    let former = former(&app, &headers);
    let enter = move |people: &crate::people::People| {
        people.enter_by_link(&token, &arrival, former.as_deref())
    };
    let session = with(&app, enter).await?.ok_or_else(|| {
        Problem::new(
            StatusCode::GONE,
            "this link was used already, is older than a day, or is none",
        )
        .help("start the server with `--admin-link` for a new one")
    })?;
    enter_with(&app, &session)
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    csrf: String,
    name: String,
    /// What the button of the OpenID provider says, if there is one.
    openid: Option<String>,
    /// Whether somebody has a password.
    has_passwords: bool,
    refused: Option<String>,
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    match caller {
        Ok(_) => Ok(Redirect::to("/").into_response()),
        Err(_) => form(&app, &headers, String::new(), None),
    }
}

fn form(
    app: &App,
    headers: &HeaderMap,
    name: String,
    refused: Option<String>,
) -> Result<Response, Refused> {
    let (csrf, fresh) = app.people.entry_form(headers).map_err(|error| error.problem(app))?;
    let has_passwords = app.people.has_passwords();
    let openid = app.openid.as_ref().map(Provider::label);
    let html = page(&Login { csrf, name, openid, has_passwords, refused })?;
    let mut response = html.into_response();
    if let Some(cookie) = fresh {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    name: String,
    password: Value,
}

async fn enter(
    State(app): State<App>,
    headers: HeaderMap,
    arrival: Arrival,
    Entry(Credentials { name, password: Value(password) }): Entry<Credentials>,
) -> Result<Response, Refused> {
    let former = former(&app, &headers);
    match enter_by_password(&app, &name, password, arrival, former).await {
        Ok(session) => enter_with(&app, &session),
        Err(problem) if problem.status().is_client_error() => {
            let shown = form(&app, &headers, name, Some(problem.told()))?;
            let mut response = problem.into_response();
            let (parts, body) = shown.into_parts();
            // Status and pause of the refusal, around the page.
            response.headers_mut().extend(parts.headers);
            *response.body_mut() = body;
            Ok(response)
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Leads to the OpenID provider. It is a link and no form: forms of ours may send to us only.
async fn lead(State(app): State<App>, headers: HeaderMap) -> Result<Response, Refused> {
    let provider = app.openid.as_ref().ok_or_else(Problem::not_found)?;
    let (browser, fresh) = app.people.entry_form(&headers).map_err(|error| error.problem(&app))?;
    let address = provider.begin(&browser).await.map_err(|error| error.problem(&app))?;
    let mut response = Redirect::to(&address).into_response();
    if let Some(cookie) = fresh {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Lets somebody in whom the OpenID provider sends back.
async fn back(
    State(app): State<App>,
    headers: HeaderMap,
    arrival: Arrival,
    Asked(returned): Asked<Returned>,
) -> Result<Response, Refused> {
    let former = former(&app, &headers);
    let browser = app.people.entry_shown(&headers);
    let entered = enter_by_openid(&app, returned, browser.as_deref(), arrival, former).await;
    match entered {
        Ok(session) => enter_with(&app, &session),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => Err(problem.into()),
        Err(problem) => {
            let mut shown = form(&app, &headers, String::new(), Some(problem.told()))?;
            *shown.status_mut() = problem.status();
            Ok(shown)
        }
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn leave(
    State(app): State<App>,
    _caller: Caller,
    headers: HeaderMap,
    Form(Nothing {}): Form<Nothing>,
) -> Result<impl IntoResponse, Refused> {
    if let Some(shown) = former(&app, &headers) {
        with(&app, move |people| people.leave(&shown)).await?;
    }
    let cookie = cookie::clear(app.people.is_secure);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to("/login")))
}
