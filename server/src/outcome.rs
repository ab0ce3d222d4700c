//! What came of a request, in one form: a panic is a refusal like others, and what a library refused by
//! itself is told as we tell it, as a page where there are pages and as a [`Problem`] elsewhere.

use std::panic::AssertUnwindSafe;
use std::time::SystemTime;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use crate::log;
use crate::problem::Problem;
use crate::ui::Refused;

/// What is for programs; all else is for browsers.
const FOR_PROGRAMS: [&str; 5] = ["/api", "/hooks", "/health", "/metrics", "/assets"];

/// Whether a path is one of the pages.
pub(crate) fn is_page(path: &str) -> bool {
    let is_below = |start: &&str| {
        path.strip_prefix(*start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    !FOR_PROGRAMS.iter().any(is_below)
}

/// Passes a request on, and sees to the form of the answer.
pub(crate) async fn settle(
    State(clock): State<fn() -> SystemTime>,
    request: Request,
    next: Next,
) -> Response {
    let is_page = is_page(request.uri().path());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("(none)", MatchedPath::as_str).to_owned();
    // What is shared is behind locks that survive a panic.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answer.unwrap_or_else(|_| {
        log::panicked(clock(), &route);
        Problem::broken("the server made a mistake; its log tells where").into_response()
    });
    uniform(response, is_page)
}

fn uniform(response: Response, is_page: bool) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions().get::<Problem>().cloned();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    let is_ours = matches!(kind, "application/problem+json" | "application/json" | "text/html");
    let problem = match problem {
        // Some pages tell it in their own way, such as that for signing in.
        Some(problem) if is_page && kind != "text/html" => problem,
        _ if is_ours => return response,
        _ => Problem::new(status, words(status)),
    };
    let mut made = if is_page { Refused(problem).into_response() } else { problem.into_response() };
    // `Allow` and `Retry-After` go with it; what tells of the former body does not.
    let (mut parts, _) = response.into_parts();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::WWW_AUTHENTICATE] {
        parts.headers.remove(name);
    }
    made.extensions_mut().extend(parts.extensions);
    for (name, value) in parts.headers.iter() {
        made.headers_mut().append(name, value.clone());
    }
    made
}

/// What a library refused, in our words.
fn words(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "there is no such thing, or you may not see it",
        StatusCode::METHOD_NOT_ALLOWED => "this method is none of those that `Allow` names",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than is allowed",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body is of a type that is not known here",
        status if status.is_client_error() => "the request is not understood",
        _ => "the server made a mistake",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, HttpBody as _};
    use axum::http::{Response, StatusCode, header};
    use axum::response::{Html, IntoResponse as _};

    use super::{is_page, uniform};
    use crate::problem::Problem;

    fn kind(response: &Response<Body>) -> &str {
        response.headers().get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap())
    }

    #[test]
    fn what_is_for_programs_is_no_page() {
        for (path, expected) in [
            ("/api", false),
            ("/api/v1/secrets", false),
            ("/hooks/deploy", false),
            ("/health", false),
            ("/", true),
            ("/apis", true),
            ("/secrets", true),
            ("", true),
        ] {
            assert_eq!(is_page(path), expected, "{path:?}");
        }
    }

    #[test]
    fn a_refusal_has_our_form_and_keeps_what_helps() {
        let check = |response: Response<Body>, is_page, expected: (u16, &str, Option<&str>)| {
            let response = uniform(response, is_page);
            let allow = response.headers().get(header::ALLOW).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), kind(&response), allow), expected);
        };
        let bare = || (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")]).into_response();
        let (json, html) = ("application/problem+json", "text/html; charset=utf-8");
        check(bare(), false, (405, json, Some("GET")));
        check(bare(), true, (405, html, Some("GET")));
        check(Problem::not_found().into_response(), false, (404, json, None));
        check(Problem::not_found().into_response(), true, (404, html, None));
        // Who has to sign in is led there.
        check(Problem::unauthenticated().into_response(), true, (303, "", None));
        let mut own = Html("a form, and what was wrong").into_response();
        *own.status_mut() = StatusCode::FORBIDDEN;
        own.extensions_mut().insert(Problem::forbidden());
        let told = uniform(own, true);
        assert_eq!(told.body().size_hint().exact(), Some(26));
        let raw = || (StatusCode::BAD_REQUEST, "Invalid URL: of a library").into_response();
        check(raw(), false, (400, json, None));
        check("fine".into_response(), false, (200, "text/plain; charset=utf-8", None));
    }
}
