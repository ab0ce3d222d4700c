//! Whose a request is, found out once and for all before any route.
//!
//! A browser shows the cookie of a session, and with everything that changes something the form token of
//! that session, in a field of the form or a header: another site can make a browser send the cookie, and
//! has no way to the token. Programs show a bearer token of their own; then no cookie counts.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use subrosa_registry::WorkspaceName;

use super::watch::watch;
use super::{Arrival, People, User, cookie, is_same, token, with};
use crate::access::{Action, Placed, Rights, Verdict};
use crate::app::App;
use crate::channel::By;
use crate::channel::audit::Within;
use crate::listen::Peer;
use crate::problem::Problem;

/// The header that scripts show the form token in.
const FORM_HEADER: &str = "x-csrf-token";

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The user's id.
    pub(crate) id: String,
    /// The user's name.
    pub(crate) name: String,
    pub(crate) rights: Rights,
    /// How it was shown.
    pub(crate) via: Via,
    /// Whether the user can come in again by themselves: with a password, or by a provider.
    pub(crate) can_return: bool,
}

/// How a request showed whose it is.
#[derive(Clone, Debug)]
pub(crate) enum Via {
    /// The cookie of a session, whose forms show this token.
    Session {
        /// What names the session.
        key: String,
        /// What its forms show.
        form_token: String,
    },
    /// A personal token.
    Token {
        /// What names the token.
        id: String,
        /// What it leaves of the rights; `None`: all.
        limit: Option<Rights>,
    },
}

impl Caller {
    /// A user who showed it this way.
    pub(super) fn new(user: User, via: Via) -> Caller {
        let can_return = user.password.is_some() || user.openid.is_some();
        Caller { id: user.id, name: user.name, rights: user.rights, via, can_return }
    }

    /// Somebody with these rights.
    #[cfg(test)]
    pub(crate) fn of_rights(name: &str, rights: Rights) -> Caller {
        let via = Via::Session { key: "key".to_owned(), form_token: "form".to_owned() };
        let (id, name) = (name.to_owned(), name.to_owned());
        Caller { id, name, rights, via, can_return: true }
    }

    /// Whether something may be done where the thing is that it is about.
    pub(crate) fn decide(&self, action: Action, workspace: Option<&WorkspaceName>) -> Verdict {
        match &self.via {
            Via::Session { .. } => self.rights.decide(action, workspace),
            Via::Token { limit, .. } => {
                self.rights.decide_by_token(limit.as_ref(), action, workspace)
            }
        }
    }

    /// Goes on if something may be done.
    pub(crate) fn check(
        &self,
        action: Action,
        workspace: Option<&WorkspaceName>,
    ) -> Result<(), Problem> {
        self.decide(action, workspace).check()
    }

    /// As [`Caller::decide`], for a thing whose place may not be known.
    pub(crate) fn decide_at(&self, action: Action, placed: &Placed) -> Verdict {
        let verdict = self.rights.decide_at(action, placed);
        let limit = match &self.via {
            Via::Session { .. } => return verdict,
            Via::Token { limit, .. } => limit.as_ref(),
        };
        limit.map_or(verdict, |limit| verdict.and(limit.decide_at(action, placed)))
    }

    /// Whether something may be done.
    pub(crate) fn may(&self, action: Action, workspace: Option<&WorkspaceName>) -> bool {
        self.decide(action, workspace) == Verdict::Allowed
    }

    /// Whether there is a place where something may be done: what is shown then leads to a check.
    pub(crate) fn may_anywhere(&self, action: Action) -> bool {
        let limit = match &self.via {
            Via::Session { .. } => None,
            Via::Token { limit, .. } => limit.as_ref(),
        };
        self.rights.may_anywhere(action) && limit.is_none_or(|limit| limit.may_anywhere(action))
    }

    /// Whether something may be done with a thing whose place may not be known.
    pub(crate) fn may_at(&self, action: Action, placed: &Placed) -> bool {
        self.decide_at(action, placed) == Verdict::Allowed
    }

    /// In which scopes an action may be done.
    pub(crate) fn within(&self, action: Action) -> Within {
        let within = self.rights.within(action);
        match &self.via {
            Via::Session { .. } | Via::Token { limit: None, .. } => within,
            Via::Token { limit: Some(limit), .. } => within.and(&limit.within(action)),
        }
    }

    /// On whose behalf the runner acts, for something in a workspace.
    pub(crate) fn by(&self, workspace: Option<&WorkspaceName>) -> By {
        By { user: self.name.clone(), allow_protected: self.may(Action::UseProtected, workspace) }
    }

    /// What tells this session from others, for what belongs to it alone; of a program, whose it is.
    pub(crate) fn mark(&self) -> String {
        match self.session() {
            None => format!("programs of {}", self.id),
            Some(session) => format!("session {session}"),
        }
    }

    /// Whether a browser asks that is signed in.
    pub(crate) fn has_session(&self) -> bool {
        self.session().is_some()
    }

    /// What the forms of a page show; empty for programs, which send none.
    pub(crate) fn form_token(&self) -> &str {
        match &self.via {
            Via::Session { form_token, .. } => form_token,
            Via::Token { .. } => "",
        }
    }

    /// What names the session, if it is one.
    pub(crate) fn session(&self) -> Option<&str> {
        match &self.via {
            Via::Session { key, .. } => Some(key),
            Via::Token { .. } => None,
        }
    }
}

/// A token was shown that does not hold.
#[derive(Clone, Copy)]
struct BadToken;

/// What a request shows.
enum Found {
    Nobody,
    BadToken,
    Somebody {
        caller: Caller,
        /// Whether the session's id is to be replaced.
        is_due: bool,
        /// Whether it is time to write when sessions and tokens were used.
        is_writing: bool,
    },
}

/// Finds out whose a request is and keeps it for the routes. What changes something is refused if it
/// comes from another site, or shows no form token where its route has no form to show one.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (caller, is_due, is_writing) = match find(&app.people, request.headers()) {
        Found::Nobody => return next.run(request).await,
        Found::BadToken => {
            request.extensions_mut().insert(BadToken);
            return next.run(request).await;
        }
        Found::Somebody { caller, is_due, is_writing } => (caller, is_due, is_writing),
    };
    if let Via::Session { form_token, .. } = &caller.via
        && let Err(problem) = guard(&app.people, &request, form_token)
    {
        return problem.into_response();
    }
    if is_writing {
        // What cannot be written stands in the log, and the request goes on.
        with(&app, People::write_seen).await.ok();
    }
    let id = cookie::shown(request.headers(), app.people.is_secure).map(str::to_owned);
    let renewed = match id.filter(|_| is_due) {
        Some(id) => with(&app, move |people| people.rotate(&id)).await.ok().flatten(),
        None => None,
    };
    request.extensions_mut().insert(caller.clone());
    let mut response = watch(&app, &caller, next.run(request).await);
    let headers = response.headers_mut();
    // A route that set the cookie itself knows better.
    if let Some(id) = renewed
        && !headers.contains_key(header::SET_COOKIE)
        && let Some(cookie) = cookie::set(id.text(), app.people.is_secure)
    {
        headers.append(header::SET_COOKIE, cookie);
    }
    // For the log.
    response.extensions_mut().insert(caller);
    response
}

/// Refuses what another site made a browser send.
fn guard(people: &People, request: &Request, form_token: &str) -> Result<(), Problem> {
    let headers = request.headers();
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    if people.is_foreign(headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "sent from another site"));
    }
    // Forms of pages show the token in a field, which `Form` checks.
    let shown = headers.get(FORM_HEADER).and_then(|shown| shown.to_str().ok());
    let in_header = shown.is_some_and(|shown| is_same(shown, form_token));
    if !in_header && request.uri().path().starts_with("/api/") {
        return Err(Problem::new(StatusCode::FORBIDDEN, "no `X-CSRF-Token`")
            .help("programs use a token in `Authorization` instead of the session's cookie"));
    }
    Ok(())
}

fn find(people: &People, headers: &HeaderMap) -> Found {
    if let Some(shown) = bearer(headers) {
        return match people.token(shown) {
            Some((caller, is_writing)) => Found::Somebody { caller, is_due: false, is_writing },
            None => Found::BadToken,
        };
    }
    let found = cookie::shown(headers, people.is_secure).and_then(|id| people.session(id));
    match found {
        Some((caller, is_due, is_writing)) => Found::Somebody { caller, is_due, is_writing },
        None => Found::Nobody,
    }
}

/// What a program shows as its token; that of a webhook is another matter.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, shown) = shown.split_once(' ')?;
    let shown = shown.trim();
    (scheme.eq_ignore_ascii_case("bearer") && shown.starts_with(token::PREFIX)).then_some(shown)
}

impl People {
    /// Whether a browser says that another site made it send this. Old ones say where a form came from only.
    pub(super) fn is_foreign(&self, headers: &HeaderMap) -> bool {
        if let Some(site) = headers.get("sec-fetch-site") {
            return !matches!(site.as_bytes(), b"same-origin" | b"none");
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return false };
        let Ok(origin) = origin.to_str() else { return true };
        if self.public_origin.as_deref() == Some(origin) {
            return false;
        }
        let scheme = if self.is_secure { "https://" } else { "http://" };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        host.is_none() || origin.strip_prefix(scheme) != host
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(caller.clone());
        }
        Err(match parts.extensions.get::<BadToken>() {
            Some(BadToken) => Problem::bad_token(),
            None => Problem::unauthenticated(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Arrival {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Arrival, std::convert::Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.address);
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Arrival {
            address: peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            agent: agent.unwrap_or_default().to_owned(),
        })
    }
}
