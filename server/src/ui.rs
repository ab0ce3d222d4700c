//! The web UI: pages made here, with little script. Each page is a template below `templates/`, which
//! escapes what it is given.

mod audit;
pub(crate) mod connections;
mod environments;
pub(crate) mod grants;
mod key;
mod login;
mod runs;
mod secrets;
mod settings;
mod users;
mod workflows;

use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::access::Action;
use crate::app::App;
use crate::outcome::is_page;
use crate::people::Caller;
use crate::problem::Problem;

/// Every page, and what pages load.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/runs") }))
        .route("/assets/style.css", get(style))
        .route("/assets/icon.svg", get(icon))
        .merge(login::routes())
        .route("/assets/live.js", get(live_script))
        .merge(runs::routes())
        .merge(workflows::routes())
        .merge(audit::routes())
        .merge(secrets::routes())
        .merge(connections::routes())
        .merge(settings::routes())
        .merge(users::routes())
        .merge(environments::routes())
        .merge(key::routes())
}

async fn style() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("../assets/style.css"))
}

async fn icon() -> impl IntoResponse {
    asset("image/svg+xml", include_str!("../assets/icon.svg"))
}

/// What pages load: the same for everybody, and for a while.
fn asset(kind: &'static str, content: &'static str) -> impl IntoResponse {
    let kind = HeaderValue::from_static(kind);
    let keep = HeaderValue::from_static("public, max-age=3600");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], content)
}

async fn live_script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("../assets/live.js"))
}

/// The parts of the site: the path of each one's first page, and its name.
pub(crate) const PARTS: &[(&str, &str)] = &[
    ("/runs", "Runs"),
    ("/workflows", "Workflows"),
    ("/secrets", "Secrets"),
    ("/connections", "Connections"),
    ("/audit", "Audit"),
    ("/settings", "Settings"),
];

/// What every page of somebody who is in shows around its content.
pub(crate) struct Frame {
    /// The user's name.
    pub(crate) user: String,
    /// What forms show.
    pub(crate) csrf: String,
    /// The part of the site that this is: the path of its first page.
    pub(crate) part: &'static str,
    /// What the user is told of what was just done.
    pub(crate) notice: Option<String>,
    /// Whether the user has no way to come in again, and is told to choose a password.
    pub(crate) has_no_password: bool,
    /// Whether the user may see anything of what was done.
    pub(crate) sees_audit: bool,
}

impl Frame {
    /// For a caller in a part of the site.
    pub(crate) fn new(caller: &Caller, part: &'static str) -> Frame {
        Frame {
            user: caller.name.clone(),
            csrf: caller.form_token().to_owned(),
            part,
            notice: None,
            has_no_password: !caller.can_return,
            sees_audit: !caller.within(Action::SeeAudit).is_nowhere(),
        }
    }
}

/// `2026-11-22 15:32:05` of a moment, UTC; the text itself if it is none.
pub(crate) fn moment(time: &str) -> String {
    match time.split_once('T') {
        Some((day, rest)) => format!("{day} {}", rest.get(..8).unwrap_or(rest)),
        None => time.to_owned(),
    }
}

/// A status as people say it: `partially succeeded`.
pub(crate) fn words(status: &str) -> String {
    status.replace('_', " ")
}

/// A path with a query of what is given.
pub(crate) fn link(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let given: Vec<_> = pairs.iter().filter_map(|(name, text)| Some((*name, (*text)?))).collect();
    match serde_urlencoded::to_string(given) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// A page; a template that fails is a bug.
pub(crate) fn page(template: &impl Template) -> Result<Html<String>, Problem> {
    template.render().map(Html).map_err(|_| Problem::broken("the page cannot be made"))
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    status: u16,
    detail: &'a str,
    help: Option<&'a str>,
}

/// A refusal, as a page; who has to sign in is led there.
pub(crate) struct Refused(pub(crate) Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused(problem)
    }
}

impl From<crate::channel::Refusal> for Refused {
    fn from(refusal: crate::channel::Refusal) -> Refused {
        Refused(refusal.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused(problem) = self;
        let status = problem.status();
        if status == StatusCode::UNAUTHORIZED {
            return Redirect::to("/login").into_response();
        }
        let shown = ProblemPage {
            status: status.as_u16(),
            detail: problem.detail(),
            help: problem.remedy(),
        };
        match page(&shown) {
            Ok(html) => (status, html).into_response(),
            Err(problem) => problem.into_response(),
        }
    }
}

/// What there is no route for.
pub(crate) async fn not_found(request: Request) -> Response {
    let problem = Problem::not_found();
    match is_page(request.uri().path()) {
        true => Refused(problem).into_response(),
        false => problem.into_response(),
    }
}
