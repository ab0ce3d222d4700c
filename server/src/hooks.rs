//! `POST /hooks/NAME`: a service calls, and a workflow that declares the hook starts.
//!
//! Whether the caller is let in is judged by the runner, which can read what they have to show; here a call
//! is bounded, sealed and handed on. A user's token, where a hook asks for one besides, is looked at here.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use subrosa_registry::WorkspaceName;
use zeroize::Zeroizing;

use crate::access::{Action, Placed, Verdict};
use crate::app::App;
use crate::channel::By;
use crate::channel::hooks::{Deliver, HEADERS, Parcel};
use crate::extract::{Named, unread};
use crate::people::openid::{Shown, shows_token};
use crate::problem::Problem;

/// No hook takes more: a body becomes a variable.
const BODY_LEN_MAX: usize = 96 * 1024;
/// The header in which the token of a user is shown, beside what the hook itself asks for.
const USER_TOKEN: &str = "x-user-token";

/// The route.
pub(crate) fn routes() -> Router<App> {
    let limit = DefaultBodyLimit::max(BODY_LEN_MAX);
    Router::new().route("/hooks/{name}", post(deliver).layer(limit))
}

/// The workflow that declares a hook.
struct Declared {
    file: String,
    workspace: Option<WorkspaceName>,
}

/// Looks for the workflow; several that declare the same hook are as good as none.
fn declared(app: &App, hook: &str) -> Result<Declared, Problem> {
    let flows = app.flows.all();
    let mut found = flows.values().filter_map(|flow| {
        let trigger = flow.workflow.as_ref()?.trigger.as_ref()?;
        let Placed::In(workspace) = &flow.placed else { return None };
        let declared = Declared { file: flow.file.clone(), workspace: workspace.clone() };
        (trigger.name == hook).then_some(declared)
    });
    match (found.next(), found.next()) {
        (Some(declared), None) => Ok(declared),
        (None, _) => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such hook")),
        (Some(_), Some(_)) => {
            Err(Problem::new(StatusCode::CONFLICT, "several workflows declare this hook")
                .help("give each a name of its own"))
        }
    }
}

async fn deliver(
    State(app): State<App>,
    Named(hook): Named<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(unread)?;
    let wanted = hook.clone();
    let Declared { file, workspace } = app.blocking(move |app| declared(app, &wanted)).await??;
    let user = user(&app, &headers, workspace.as_ref()).await;
    let parcel = parcel(&headers, &body).pack();
    let by = By {
        user: match &user {
            Some(user) => format!("{} by hook {hook}", user.name),
            None => format!("hook {hook}"),
        },
        allow_protected: user.as_ref().is_some_and(|user| user.uses_protected),
    };
    let asked = Deliver {
        file,
        workspace: workspace.map(|name| name.to_string()),
        hook,
        has_user: user.is_some(),
        parcel: app.runner.seal(&parcel)?,
    };
    let delivered = app.runner.ask(by, asked).await?;
    app.runs.look_again();
    let place = [(header::LOCATION, format!("/api/v1/runs/{}", delivered.run))];
    let told = json!({ "run": delivered.run, "repeated": delivered.is_repeated });
    Ok((StatusCode::ACCEPTED, place, Json(told)).into_response())
}

/// A user who may start runs there.
struct Starter {
    name: String,
    uses_protected: bool,
}

/// Who shows a token, one of ours or one of the OpenID provider, and may start runs there.
async fn user(
    app: &App,
    headers: &HeaderMap,
    workspace: Option<&WorkspaceName>,
) -> Option<Starter> {
    let mut all = headers.get_all(USER_TOKEN).iter();
    let (Some(shown), None) = (all.next(), all.next()) else { return None };
    let shown = shown.to_str().ok()?.trim();
    if let Some((caller, _)) = app.people.token(shown) {
        let uses_protected = caller.may(Action::UseProtected, workspace);
        let may_start = caller.may(Action::StartRuns, workspace);
        return may_start.then_some(Starter { name: caller.name, uses_protected });
    }
    let Shown { name, rights } = shows_token(app, shown).await?;
    let may = |action| rights.decide(action, workspace) == Verdict::Allowed;
    let uses_protected = may(Action::UseProtected);
    may(Action::StartRuns).then_some(Starter { name, uses_protected })
}

/// What of a call the runner looks at. A header that is there twice is not.
fn parcel(headers: &HeaderMap, body: &[u8]) -> Parcel {
    let shown = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        Some((name.to_owned(), Zeroizing::new(value.to_str().ok()?.to_owned())))
    };
    Parcel {
        headers: HEADERS.iter().filter_map(|name| shown(name)).collect(),
        body: Zeroizing::new(body.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::parcel;

    #[test]
    fn what_a_call_may_show_is_taken_along_and_nothing_else() {
        let mut headers = HeaderMap::new();
        headers.insert("Authorization", "Bearer shh".parse().unwrap());
        headers.insert("Cookie", "subrosa=1".parse().unwrap());
        headers.append("X-Gitlab-Token", "one".parse().unwrap());
        headers.append("X-Gitlab-Token", "two".parse().unwrap());
        let parcel = parcel(&headers, b"{}");
        let names: Vec<&str> = parcel.headers.keys().map(String::as_str).collect();
        assert_eq!(names, ["authorization"]);
        assert_eq!(parcel.body.as_slice(), b"{}");
    }
}
