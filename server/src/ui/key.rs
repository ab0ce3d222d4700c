//! How the key of the registry stands, for admins; never the key.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;

use super::{Frame, Refused, page};
use crate::access::Action;
use crate::app::App;
use crate::channel::keys::{KeyStatus, KeyView};
use crate::people::Caller;
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/key", get(show))
}

#[derive(Template)]
#[template(path = "settings/key.html")]
struct Show {
    frame: Frame,
    /// Without one, there is no registry yet.
    key: Option<KeyView>,
}

impl Show {
    /// What the state means for whoever reads it.
    fn meaning(key: &KeyView) -> &'static str {
        match key.state.as_str() {
            "in-use" => "The key is where it is looked for, and opens the registry.",
            "missing" => "There is no key where it is looked for: nothing can be read or stored.",
            "wrong" => "Another key is there: it opens nothing of this registry.",
            "failed" => "The key cannot be had from where it is looked for.",
            _ => "Whether the key opens the registry is not known.",
        }
    }

    fn reason(key: &KeyView) -> &'static str {
        match key.chosen_by.as_str() {
            "option" => "by an option at the start",
            "variable" => "by a variable of the environment",
            "settings" => "by the settings",
            _ => "since nothing else was said",
        }
    }
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    caller.check(Action::SeeKeys, None)?;
    let key = match app.runner.ask(caller.by(None), KeyStatus {}).await.map_err(Problem::from) {
        Ok(key) => Some(key),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => None,
        Err(problem) => return Err(problem.into()),
    };
    let frame = Frame::new(&caller, super::settings::PART);
    Ok(page(&Show { frame, key })?)
}
