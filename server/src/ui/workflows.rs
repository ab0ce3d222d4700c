//! Workflows: the list, and one with what is wrong with it beside its lines, and a form to start it.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::runs::given;
use super::{Frame, Refused, page};
use crate::access::Action;
use crate::api::workflows::{begin, find, plan, seen};
use crate::app::App;
use crate::channel::runs::{PlanView, ProblemView, StartKind};
use crate::extract::Named;
use crate::flow::{FlowDetail, FlowView};
use crate::people::{Caller, Form};
use crate::problem::Problem;
use crate::workflows::Flow;

const PART: &str = "/workflows";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workflows", get(list))
        .route("/workflows/{name}", get(show))
        .route("/workflows/{name}/start", post(start))
        .route("/workflows/{name}/dry", post(dry))
}

#[derive(Template)]
#[template(path = "workflows/list.html")]
struct List {
    frame: Frame,
    flows: Vec<FlowView>,
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let flows = seen(&app, &caller).await?;
    Ok(page(&List { frame: Frame::new(&caller, PART), flows })?)
}

/// A line of a file, with what is wrong in it.
struct Line {
    number: usize,
    text: String,
    notes: Vec<Note>,
}

/// What is wrong, beside its place.
struct Note {
    severity: String,
    /// Spaces and carets, which stand below what they are about.
    caret: String,
    label: String,
    message: String,
    help: Option<String>,
}

#[derive(Template)]
#[template(path = "workflows/show.html")]
struct Show {
    frame: Frame,
    flow: FlowDetail,
    lines: Vec<Line>,
    /// What is wrong in no line.
    elsewhere: Vec<ProblemView>,
    may_start: bool,
    is_usable: bool,
    plan: Option<PlanView>,
    /// Why nothing was started, and the run whose record says so.
    refused: Option<(String, Option<String>)>,
}

impl Show {
    fn new(caller: &Caller, flow: &Flow, problems: &[ProblemView]) -> Show {
        let detail = FlowDetail::of(flow);
        let elsewhere = problems.iter().filter(|problem| problem.places.is_empty());
        Show {
            frame: Frame::new(caller, PART),
            lines: lines(flow, &detail.text, problems),
            elsewhere: elsewhere.cloned().collect(),
            may_start: caller.may_at(Action::StartRuns, &flow.placed) && flow.workflow.is_some(),
            is_usable: flow.workflow.is_some(),
            plan: None,
            refused: None,
            flow: detail,
        }
    }
}

/// The lines of a text with problems below those that they are about.
fn lines(flow: &Flow, text: &str, problems: &[ProblemView]) -> Vec<Line> {
    let mut lines: Vec<Line> = text
        .lines()
        .enumerate()
        .map(|(at, text)| Line { number: at + 1, text: text.to_owned(), notes: Vec::new() })
        .collect();
    for problem in problems {
        for (at, place) in problem.places.iter().enumerate() {
            // The end of a file is below its last line.
            let last = lines.len();
            let Some(line) = lines.get_mut(place.line.min(last).saturating_sub(1)) else {
                continue;
            };
            let start = flow.shown_column(place.line, place.column);
            let end = match place.end_line == place.line {
                true => flow.shown_column(place.line, place.end_column),
                false => line.text.chars().count() + 1,
            };
            let caret =
                " ".repeat(start.saturating_sub(1)) + &"^".repeat(end.max(start + 1) - start);
            // The first place is what a problem is about; the others say more of it.
            let is_first = at == 0;
            line.notes.push(Note {
                severity: problem.severity.clone(),
                caret,
                label: place.text.clone(),
                message: if is_first { problem.message.clone() } else { String::new() },
                help: problem.help.clone().filter(|_| is_first),
            });
        }
    }
    lines
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let flow = find(&app, &caller, name).await?;
    Ok(page(&Show::new(&caller, &flow, &flow.problems))?)
}

async fn start(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let flow = find(&app, &caller, name).await?;
    match begin(&app, &caller, &flow, StartKind::Run, given(fields)).await {
        Ok(id) => Ok(Redirect::to(&format!("/runs/{id}?done=started")).into_response()),
        Err(problem) => refused(&caller, &flow, problem),
    }
}

async fn dry(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let flow = find(&app, &caller, name).await?;
    match plan(&app, &caller, &flow, given(fields)).await {
        Ok(plan) => {
            let mut shown = Show::new(&caller, &flow, &flow.problems);
            shown.plan = Some(plan);
            Ok(page(&shown)?.into_response())
        }
        Err(problem) => refused(&caller, &flow, problem),
    }
}

/// The workflow with what was wrong, where that is something of its text.
fn refused(caller: &Caller, flow: &Arc<Flow>, problem: Problem) -> Result<Response, Refused> {
    if problem.problems().is_empty() {
        return Err(problem.into());
    }
    let mut shown = Show::new(caller, flow, problem.problems());
    shown.refused = Some((problem.detail().to_owned(), problem.run().map(str::to_owned)));
    Ok((problem.status(), page(&shown)?).into_response())
}
