//! One connection: how it stands, what was filled in, what can be done with it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use serde::Deserialize;

use super::super::{Frame, Refused, page};
use super::{PART, done, label, path, query, scope, short, tone, workspace};
use crate::access::Action;
use crate::api::connection_types::types;
use crate::api::connection_use::{CALLBACK, use_it};
use crate::api::connections::{At, one};
use crate::app::App;
use crate::channel::connections::{ConnectionTask, ConnectionView, OutcomeView, TypeView};
use crate::extract::{Asked, Named};
use crate::people::{Caller, Form};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/connections/{name}", get(show))
        .route("/connections/{name}/test", post(test))
}

/// Which connection, and what was just done with it.
#[derive(Deserialize)]
struct Wanted {
    workspace: Option<String>,
    environment: Option<String>,
    done: Option<String>,
}

/// What came of a test.
struct Outcome {
    tone: &'static str,
    text: &'static str,
    shows: Option<String>,
    message: Option<String>,
    help: Option<String>,
}

/// How a field stands.
struct Fact {
    label: String,
    text: String,
    /// Whether it is told about the value, and not the value.
    quiet: bool,
}

#[derive(Template)]
#[template(path = "connections/show.html")]
struct Show {
    frame: Frame,
    view: ConnectionView,
    outcome: Option<Outcome>,
    advice: Option<String>,
    facts: Vec<Fact>,
    label: String,
    scope: String,
    tone: &'static str,
    path: String,
    query: String,
    may_test: bool,
    may_change: bool,
    can_be_tested: bool,
    needs_grant: bool,
    has_device_flow: bool,
    /// What has to be registered at the service.
    callback: String,
    has_secrets: bool,
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let at = At { workspace: wanted.workspace, environment: wanted.environment };
    let notice = done(wanted.done.as_deref());
    Ok(shown(&app, &caller, (name, at), (notice, None)).await?)
}

#[derive(Deserialize)]
struct Nothing {}

/// Asks the service, and shows what came of it: nothing is changed, so a page that is loaded again asks again.
async fn test(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Html<String>, Refused> {
    let again = At { workspace: at.workspace.clone(), environment: at.environment.clone() };
    let tested = use_it((&app, &caller), (name.clone(), at), ConnectionTask::Test).await?;
    Ok(shown(&app, &caller, (name, again), (None, Some(outcome(tested)))).await?)
}

fn outcome(tested: OutcomeView) -> Outcome {
    let (tone, text) = match tested.outcome.as_str() {
        "works" => ("good", "It works."),
        "not_tested" => ("warn", "It was not tested."),
        "refused" => ("bad", "The service refuses it."),
        "unavailable" => ("bad", "The service cannot be reached."),
        "unusable" => ("bad", "It cannot be used."),
        _ => ("bad", "It could not be tested."),
    };
    let OutcomeView { shows, message, help, .. } = tested;
    Outcome { tone, text, shows, message, help }
}

async fn shown(
    app: &App,
    caller: &Caller,
    (name, at): (String, At),
    (notice, outcome): (Option<String>, Option<Outcome>),
) -> Result<Html<String>, Problem> {
    let at_workspace = workspace(&at);
    let may = |action| caller.may(action, at_workspace.as_ref());
    let (may_test, may_change) = (may(Action::TestConnections), may(Action::ChangeConnections));
    let view = one(app, caller, &at.find(&name)?).await?;
    let types = types(app, caller).await?;
    let kind = types.iter().find(|kind| kind.id == view.kind);
    let (place, environment) = (view.workspace.as_deref(), view.environment.as_deref());
    page(&Show {
        frame: Frame { notice, ..Frame::new(caller, PART) },
        outcome,
        advice: advice(&view),
        facts: facts(&view, kind),
        label: label(&view.kind, &types),
        scope: scope(place, environment),
        tone: tone(&view.state),
        path: path(&view.name),
        query: query(place, environment),
        may_test,
        may_change,
        can_be_tested: kind.is_some_and(|kind| kind.can_be_tested),
        needs_grant: kind.is_some_and(|kind| kind.needs_grant),
        callback: format!("{}{CALLBACK}", app.base),
        has_device_flow: kind.is_some_and(|kind| kind.has_device_flow),
        has_secrets: kind.is_some_and(|kind| kind.fields.iter().any(|field| field.secret)),
        view,
    })
}

/// What somebody has to do about it.
fn advice(view: &ConnectionView) -> Option<String> {
    Some(match view.state.as_str() {
        "incomplete" => format!("It has no value for {}: edit it.", view.missing.join(", ")),
        "not_authorized" => "Nobody has granted access yet: authorize it.".to_owned(),
        "refused" => "The service refuses to refresh its tokens: authorize it again.".to_owned(),
        "expired" | "expires_soon" if view.tokens.is_some() => {
            "Its grant or its date comes to an end: authorize it again, or give it another date."
                .to_owned()
        }
        "expired" | "expires_soon" => {
            "It comes to its end: rotate its secrets, or give it another date.".to_owned()
        }
        "unknown_type" => "Nobody declares its type here.".to_owned(),
        _ => return None,
    })
}

/// The fields in the order of the form, then what the type does not declare.
fn facts(view: &ConnectionView, kind: Option<&TypeView>) -> Vec<Fact> {
    let fields = kind.map(|kind| kind.fields.as_slice()).unwrap_or_default();
    let sealed = |name: &str| {
        let part = view.secrets.get(name)?;
        Some(format!("sealed (version {}, {})", part.version, short(&part.created)))
    };
    let mut facts: Vec<Fact> = fields
        .iter()
        .map(|field| {
            let default = field.default.as_ref().map(|text| format!("{text} (default)"));
            let (text, quiet) = match (sealed(&field.name), view.fields.get(&field.name), default) {
                (Some(text), _, _) => (text, true),
                (None, Some(text), _) => (text.clone(), false),
                (None, None, Some(text)) => (text, true),
                (None, None, None) => ("not set".to_owned(), true),
            };
            Fact { label: field.label.clone(), text, quiet }
        })
        .collect();
    let is_other = |name: &&String| !fields.iter().any(|field| field.name == **name);
    for name in view.fields.keys().filter(is_other) {
        let text = view.fields.get(name).cloned().unwrap_or_default();
        facts.push(Fact { label: name.clone(), text, quiet: false });
    }
    for name in view.secrets.keys().filter(is_other) {
        let text = sealed(name).unwrap_or_default();
        facts.push(Fact { label: name.clone(), text, quiet: true });
    }
    facts
}
