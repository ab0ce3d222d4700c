//! The secrets: a list, for now.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;

use super::{Frame, Refused, page};
use crate::access::Action;
use crate::app::App;
use crate::channel::secrets::SecretView;
use crate::people::Caller;
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/secrets", get(list))
}

#[derive(Template)]
#[template(path = "secrets.html")]
struct List {
    frame: Frame,
    secrets: Vec<SecretView>,
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let all = app.overview.secrets(&app.runner).await?;
    let seen = all.iter().filter(|one| caller.may(Action::SeeSecrets, one.workspace.as_ref()));
    let secrets = seen.map(|one| one.view.clone()).collect();
    Ok(page(&List { frame: Frame::new(&caller, "/secrets"), secrets })?)
}
