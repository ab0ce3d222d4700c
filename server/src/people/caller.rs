//! Whose a request is, found out once and for all before any route.
//!
//! A browser shows the cookie of a session, and with everything that changes something the form token of
//! that session, in a field of the form or a header: another site can make a browser send the cookie, and
//! has no way to the token. Programs show a bearer token.

use axum::extract::{FromRequest, FromRequestParts, RawForm, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use subrosa_registry::WorkspaceName;

use super::{User, cookie};
use crate::access::{Action, Rights, Verdict};
use crate::app::App;
use crate::channel::By;
use crate::problem::Problem;

/// The header that scripts show the form token in.
const FORM_HEADER: &str = "x-csrf-token";

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The user's name.
    pub(crate) name: String,
    rights: Rights,
    /// What a token leaves of the rights; `None`: all.
    limit: Option<Rights>,
    /// How it was shown.
    pub(crate) via: Via,
}

/// How a request showed whose it is.
#[derive(Clone, Debug)]
pub(crate) enum Via {
    /// The cookie of a session, whose forms show this token.
    Session {
        /// What its forms show.
        form_token: String,
    },
}

impl Caller {
    /// Who holds a session.
    pub(super) fn of_session(user: User, form_token: String) -> Caller {
        let via = Via::Session { form_token };
        Caller { name: user.name, rights: user.rights, limit: None, via }
    }

    /// Whether something may be done where the thing is that it is about.
    pub(crate) fn decide(&self, action: Action, workspace: Option<&WorkspaceName>) -> Verdict {
        let verdict = self.rights.decide(action, workspace);
        match &self.limit {
            Some(limit) => verdict.and(limit.decide(action, workspace)),
            None => verdict,
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

    /// Whether something may be done.
    pub(crate) fn may(&self, action: Action, workspace: Option<&WorkspaceName>) -> bool {
        self.decide(action, workspace) == Verdict::Allowed
    }

    /// On whose behalf the runner acts, for something in a workspace.
    pub(crate) fn by(&self, workspace: Option<&WorkspaceName>) -> By {
        By { user: self.name.clone(), allow_protected: self.may(Action::UseProtected, workspace) }
    }

    /// What the forms of a page show; empty for programs, which send none.
    pub(crate) fn form_token(&self) -> &str {
        match &self.via {
            Via::Session { form_token } => form_token,
        }
    }
}

/// Finds out whose a request is and keeps it for the routes. What changes something is refused if it
/// comes from another site, or shows no form token where its route has no form to show one.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let caller = find(&app, request.headers());
    if let Some(Caller { via: Via::Session { form_token }, .. }) = &caller
        && changes(request.method())
    {
        if is_foreign(request.headers()) {
            return Problem::new(StatusCode::FORBIDDEN, "sent from another site").into_response();
        }
        // Forms of pages show the token in a field, which `Form` checks.
        let in_header = request.headers().get(FORM_HEADER).is_some_and(|shown| {
            // Both are digests of what a foreign site does not know; time tells nothing of use.
            shown.as_bytes() == form_token.as_bytes()
        });
        if !in_header && request.uri().path().starts_with("/api/") {
            return Problem::new(StatusCode::FORBIDDEN, "no `X-CSRF-Token`")
                .help("programs use a token in `Authorization` instead of the session's cookie")
                .into_response();
        }
    }
    let Some(caller) = caller else { return next.run(request).await };
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    // For the log.
    response.extensions_mut().insert(caller);
    response
}

fn find(app: &App, headers: &HeaderMap) -> Option<Caller> {
    let shown = cookie::shown(headers, app.people.is_secure)?;
    app.people.session(shown)
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a browser says that another site made it send this.
fn is_foreign(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

/// A form of a page: it came with the form token of the session.
pub(crate) struct Form<T>(pub(crate) T);

#[derive(serde::Deserialize)]
struct Guard {
    #[serde(default)]
    csrf: String,
}

impl<T: serde::de::DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Form<T>, Problem> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(Problem::unauthenticated)?;
        let garbled = || Problem::invalid("the form is not understood");
        let RawForm(bytes) = RawForm::from_request(request, app).await.map_err(|_| garbled())?;
        let guard: Guard = serde_urlencoded::from_bytes(&bytes).map_err(|_| garbled())?;
        if guard.csrf.is_empty() || guard.csrf != caller.form_token() {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the form is too old")
                .help("go back, load the page again and send it once more"));
        }
        serde_urlencoded::from_bytes(&bytes).map(Form).map_err(|_| garbled())
    }
}
