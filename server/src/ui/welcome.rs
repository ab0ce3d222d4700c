//! Coming in by the link that the server printed, and leaving.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;

use super::{Refused, page};
use crate::app::App;
use crate::extract::Asked;
use crate::people::{Caller, Form, cookie};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/welcome", get(welcome))
        .route("/login", get(login))
        .route("/logout", post(logout))
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    token: String,
}

async fn welcome(
    State(app): State<App>,
    Asked(Shown { token }): Asked<Shown>,
) -> Result<impl IntoResponse, Refused> {
    let entered = app.people.enter_by_link(&token).map_err(|error| {
        crate::log::broken(&app, &error);
        Problem::broken("what the server keeps cannot be written")
    })?;
    let session = entered.ok_or_else(|| {
        Problem::new(axum::http::StatusCode::GONE, "this link was used already, or is none")
            .help("start the server with `--admin-link` for a new one")
    })?;
    let cookie = cookie::set(session.id.text(), app.people.is_secure);
    let cookie = cookie.ok_or_else(|| Problem::broken("no session"))?;
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to("/")))
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login;

async fn login() -> Result<Html<String>, Refused> {
    Ok(page(&Login)?)
}

#[derive(Deserialize)]
struct Nothing {}

async fn logout(
    State(app): State<App>,
    _caller: Caller,
    headers: HeaderMap,
    Form(Nothing {}): Form<Nothing>,
) -> Result<impl IntoResponse, Refused> {
    if let Some(shown) = cookie::shown(&headers, app.people.is_secure) {
        app.people.end_session(shown).map_err(|error| {
            crate::log::broken(&app, &error);
            Problem::broken("what the server keeps cannot be written")
        })?;
    }
    let cookie = cookie::clear(app.people.is_secure);
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Redirect::to("/login")))
}
