//! Settings: oneself, one's password, tokens and sessions.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::grants::{Rows, describe, grants};
use super::{Frame, Refused, page};
use crate::access::{Action, Rights};
use crate::app::App;
use crate::extract::{Asked, Named, Value};
use crate::people::token::{DAYS_DEFAULT, NewToken};
use crate::people::{Caller, Form, change_password, cookie, told, with};
use crate::problem::Problem;

/// The path of this part.
pub(super) const PART: &str = "/settings";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/settings", get(show))
        .route("/settings/password", post(password))
        .route("/settings/tokens", post(make_token))
        .route("/settings/tokens/{id}/revoke", post(revoke_token))
        .route("/settings/sessions/end-others", post(end_others))
        .route("/settings/sessions/{id}/end", post(end_session))
}

/// What was just done, by the word in the address.
#[derive(Deserialize, Default)]
pub(super) struct Done {
    #[serde(default)]
    done: String,
}

impl Done {
    /// What is told of it; other words tell nothing.
    pub(super) fn notice(&self) -> Option<String> {
        let text = match self.done.as_str() {
            "password" => "Your password is changed. All other sessions have ended.",
            "revoked" => "The token is revoked.",
            "ended" => "The session has ended.",
            "ended-others" => "All other sessions have ended.",
            "user-added" => "The user is added.",
            "user-removed" => "The user is removed, with all sessions and tokens.",
            "user-rights" => "What the user may do is changed.",
            "user-password" => "The password is set. All sessions of the user have ended.",
            "user-renamed" => "The user has another name now.",
            "user-disabled" => "The user may not come in any more. All sessions have ended.",
            "user-enabled" => "The user may come in again.",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// What a browser calls itself, in few words; these are names that others have in theirs, too, so the order counts.
fn browser(agent: &str) -> String {
    let find = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let program = find(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "unknown".to_owned(),
    }
}

#[derive(Template)]
#[template(path = "settings/show.html")]
struct Show {
    frame: Frame,
    has_password: bool,
    is_by_provider: bool,
    may_manage_users: bool,
    may_see_key: bool,
    rights: Vec<String>,
    tokens: Vec<TokenRow>,
    sessions: Vec<SessionRow>,
    grants: Rows,
    days: u64,
    /// What shows a token that was just made.
    made: Option<SecretString>,
    refused: Option<String>,
}

struct TokenRow {
    id: String,
    name: String,
    rights: Vec<String>,
    expires: String,
    used: Option<String>,
}

struct SessionRow {
    id: String,
    from: String,
    agent: String,
    begun: String,
    seen: String,
    is_current: bool,
}

impl Show {
    fn new(app: &App, caller: &Caller) -> Show {
        let tokens = app.people.own_tokens(caller).into_iter().map(|token| TokenRow {
            id: token.id,
            name: token.name,
            rights: token
                .limit
                .map_or_else(|| vec!["all that you may do".to_owned()], |limit| describe(&limit)),
            expires: told(token.expires),
            used: token.used.map(|used| told(used - used % 60)),
        });
        let sessions =
            app.people.own_sessions(caller).into_iter().map(|(id, session)| SessionRow {
                is_current: caller.session() == Some(id.as_str()),
                id,
                from: session.from,
                agent: browser(&session.agent),
                begun: told(session.begun),
                seen: told(session.seen),
            });
        Show {
            frame: Frame::new(caller, PART),
            has_password: app.people.has_password(&caller.id),
            is_by_provider: app.people.is_by_provider(&caller.id),
            may_manage_users: caller.may(Action::ManageUsers, None),
            may_see_key: caller.may(Action::SeeKeys, None),
            rights: describe(&caller.rights),
            tokens: tokens.collect(),
            sessions: sessions.collect(),
            grants: Rows::new(&Rights::default()),
            days: DAYS_DEFAULT,
            made: None,
            refused: None,
        }
    }

    /// The text of the token that was just made, which this page alone shows.
    #[expect(clippy::disallowed_methods, reason = "a new token is shown this once")]
    fn made(&self) -> Option<&str> {
        self.made.as_ref().map(|made| made.expose_secret())
    }
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Asked(done): Asked<Done>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    caller.check(Action::ManageSelf, None)?;
    let mut shown = Show::new(&app, &caller);
    shown.frame.notice = done.notice();
    Ok(page(&shown)?)
}

/// The page again, with what was wrong; other refusals have a page of their own.
fn again(app: &App, caller: &Caller, problem: Problem) -> Result<Response, Refused> {
    if !problem.status().is_client_error() {
        return Err(problem.into());
    }
    let mut shown = Show::new(app, caller);
    shown.refused = Some(problem.told());
    Ok((problem.status(), page(&shown)?).into_response())
}

#[derive(Deserialize)]
struct OwnPassword {
    old: Option<Value>,
    new: Value,
    again: Value,
}

#[expect(clippy::disallowed_methods, reason = "two new passwords of one form are compared")]
fn is_same(one: &SecretString, other: &SecretString) -> bool {
    crate::people::is_same(one.expose_secret(), other.expose_secret())
}

async fn password(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Form(form): Form<OwnPassword>,
) -> Result<Response, Refused> {
    let caller = caller?;
    caller.check(Action::ManageSelf, None)?;
    let OwnPassword { old, new: Value(new), again: Value(repeated) } = form;
    if !is_same(&new, &repeated) {
        let differ = Problem::invalid("the new password was typed in two ways");
        return again(&app, &caller, differ);
    }
    let changed = change_password(&app, &caller, old.map(|Value(old)| old), new).await;
    let renewed = match changed {
        Ok(renewed) => renewed,
        Err(problem) => return again(&app, &caller, problem),
    };
    let cookie = renewed.and_then(|id| cookie::set(id.text(), app.people.is_secure));
    let cookie: Vec<_> = cookie.map(|cookie| (header::SET_COOKIE, cookie)).into_iter().collect();
    Ok((AppendHeaders(cookie), Redirect::to("/settings?done=password")).into_response())
}

async fn make_token(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let caller = caller?;
    caller.check(Action::ManageSelf, None)?;
    let field = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.trim()).to_owned()
    };
    let limit = match field("limit").as_str() {
        "some" => match grants(&fields) {
            Ok(grants) => Some(Rights { admin: false, grants }),
            Err(problem) => return again(&app, &caller, problem),
        },
        _ => None,
    };
    let new = NewToken { name: field("name"), limit, days: field("days").parse().unwrap_or(0) };
    let maker = caller.clone();
    match with(&app, move |people| people.make_token(&maker, new)).await {
        Ok((_, shown)) => {
            let mut page_ = Show::new(&app, &caller);
            page_.made = Some(SecretString::from(shown.text()));
            Ok(page(&page_)?.into_response())
        }
        Err(problem) => again(&app, &caller, problem),
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn revoke_token(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(id): Named<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    let caller = caller?;
    caller.check(Action::ManageSelf, None)?;
    with(&app, move |people| people.revoke_token(&caller, &id)).await?;
    Ok(Redirect::to("/settings?done=revoked"))
}

async fn end_others(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    let caller = caller?;
    caller.check(Action::ManageSelf, None)?;
    with(&app, move |people| people.end_sessions(&caller.id, caller.session())).await?;
    Ok(Redirect::to("/settings?done=ended-others"))
}

async fn end_session(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(id): Named<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Redirect, Refused> {
    let caller = caller?;
    caller.check(Action::ManageSelf, None)?;
    with(&app, move |people| people.end_session(&caller.id, &id)).await?;
    Ok(Redirect::to("/settings?done=ended"))
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_told_in_few_words() {
        let check = |agent: &str, expected: &str| assert_eq!(browser(agent), expected);
        let linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ";
        check(&format!("{linux}Chrome/156.0.0.0 Safari/537.36"), "Chrome on Linux");
        check(&format!("{linux}Chrome/156.0 Safari/537.36 Edg/156.0"), "Edge on Linux");
        check(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:150.0) Firefox/150.0",
            "Firefox on macOS",
        );
        check("curl/8.0", "curl");
        check("<script>", "unknown");
        check("", "unknown");
    }
}
