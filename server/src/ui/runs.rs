//! Runs: the list, one run with its steps and logs, one log.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::Deserialize;

use super::{Frame, Refused, page};
use crate::access::Action;
use crate::api::logs::{Part, StreamName, read_log};
use crate::api::runs::{RunState, Wanted, again, find, halt, read, seen};
use crate::api::workflows::Given;
use crate::app::App;
use crate::channel::runs::StopHow;
use crate::extract::{Asked, Named};
use crate::people::{Caller, Form};
use crate::problem::Problem;
use crate::respond::PageQuery;
use crate::runs::RunView;
use crate::runs::steps::{RunDetail, StepView};

const PART: &str = "/runs";
/// Runs on a page.
const ON_PAGE: usize = 50;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/runs", get(list))
        .route("/runs/{id}", get(show))
        .route("/runs/{id}/log", get(log))
        .route("/runs/{id}/stop", post(stop))
        .route("/runs/{id}/retry", post(retry))
}

/// What the list is narrowed to; an empty field of its form narrows nothing.
#[derive(Deserialize)]
struct Filter {
    #[serde(default)]
    workflow: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "runs/list.html")]
struct List {
    frame: Frame,
    runs: Vec<RunView>,
    next: Option<String>,
    workflow: String,
    status: String,
    is_narrowed: bool,
}

impl List {
    fn states(&self) -> impl Iterator<Item = &'static str> {
        RunState::ALL.into_iter().map(RunState::word)
    }
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Asked(filter): Asked<Filter>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let status = RunState::ALL.into_iter().find(|state| state.word() == filter.status);
    let workflow = Some(filter.workflow.clone()).filter(|name| !name.is_empty());
    let is_narrowed = status.is_some() || workflow.is_some();
    let page_query = PageQuery { limit: Some(ON_PAGE), cursor: filter.cursor };
    let found = seen(&app, &caller, Wanted { workflow, status, since: None }, &page_query).await?;
    Ok(page(&List {
        frame: Frame::new(&caller, PART),
        runs: found.items,
        next: found.next,
        workflow: filter.workflow,
        status: status.map_or_else(String::new, |status| status.word().to_owned()),
        is_narrowed,
    })?)
}

#[derive(Template)]
#[template(path = "runs/show.html")]
struct Show {
    frame: Frame,
    run: RunView,
    detail: RunDetail,
    goes_on: bool,
    may_steer: bool,
}

impl Show {
    /// Steps of called workflows stand further to the right, to a depth that fits.
    fn indent(step: &StepView) -> usize {
        step.depth.min(4)
    }

    fn lost_params(&self) -> impl Iterator<Item = &str> {
        self.detail.params.iter().filter(|param| param.masked).filter_map(|p| p.name.as_deref())
    }
}

/// What was just done.
#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    done: String,
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(id): Named<String>,
    Asked(Done { done }): Asked<Done>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let run = find(&app, &caller, id).await?;
    let detail = read(&app, &run).await?;
    let mut frame = Frame::new(&caller, PART);
    frame.notice = match done.as_str() {
        "started" => Some("The run was started.".to_owned()),
        "stopping" => Some("The run was told to stop.".to_owned()),
        _ => None,
    };
    Ok(page(&Show {
        frame,
        goes_on: run.goes_on(),
        may_steer: caller.may_at(Action::SteerRuns, &run.placed),
        run: run.view.clone(),
        detail,
    })?)
}

/// Which log, and from where on.
#[derive(Deserialize)]
struct Which {
    step: String,
    stream: StreamName,
    attempt: u32,
    #[serde(default)]
    offset: u64,
}

#[derive(Template)]
#[template(path = "runs/log.html")]
struct Log {
    frame: Frame,
    run: String,
    step: String,
    stream: &'static str,
    attempt: u32,
    text: String,
    offset: u64,
    next: u64,
    len: u64,
}

async fn log(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(id): Named<String>,
    Asked(which): Asked<Which>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let run = find(&app, &caller, id).await?;
    let Which { step, stream, attempt, offset } = which;
    let part =
        Part { stream: Some(stream), attempt: Some(attempt), offset: Some(offset), limit: None };
    let (bytes, next, len) = read_log(&app, &run, step.clone(), part).await?;
    let stream = match stream {
        StreamName::Stdout => "stdout",
        StreamName::Stderr => "stderr",
        StreamName::Output => "output",
    };
    Ok(page(&Log {
        frame: Frame::new(&caller, PART),
        run: run.view.id.clone(),
        step,
        stream,
        attempt,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        offset,
        next,
        len,
    })?)
}

#[derive(Deserialize)]
struct Stop {
    #[serde(default)]
    how: StopHow,
}

async fn stop(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
    Form(Stop { how }): Form<Stop>,
) -> Result<Redirect, Refused> {
    let run = find(&app, &caller, id).await?;
    halt(&app, &caller, &run, how).await?;
    Ok(Redirect::to(&format!("/runs/{}?done=stopping", run.view.id)))
}

async fn retry(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect, Refused> {
    let run = find(&app, &caller, id).await?;
    let id = again(&app, &caller, &run, given(fields)).await?;
    Ok(Redirect::to(&format!("/runs/{id}?done=started")))
}

/// What a form gives to a run: fields `param.NAME` and `environment`. An empty field is one that was not filled in.
pub(super) fn given(fields: Vec<(String, String)>) -> Given {
    let mut given = Given::default();
    for (field, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        match field.strip_prefix("param.") {
            Some("") => given.args.push(value),
            Some(name) => {
                given.params.insert(name.to_owned(), value);
            }
            None if field == "environment" => given.environment = Some(value),
            None => {}
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::given;

    #[test]
    fn a_form_gives_what_was_filled_in() {
        let fields = [
            ("csrf", "x"),
            ("param.NAME", "ada"),
            ("param.EMPTY", ""),
            ("param.", "first"),
            ("environment", "prod"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = given(fields.to_vec());
        assert_eq!(given.params.into_iter().collect::<Vec<_>>(), [("NAME".into(), "ada".into())]);
        assert_eq!((given.args, given.environment), (vec!["first".into()], Some("prod".into())));
    }
}
