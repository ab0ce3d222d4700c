//! What was done with secrets, with filters; and whether the log of it is what was written.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use serde::Deserialize;

use super::{Frame, Refused, page};
use crate::access::Action;
use crate::api::audit::{EventQuery, before, events};
use crate::app::App;
use crate::channel::audit::{AuditReport, EventView, VerifyAudit};
use crate::extract::Asked;
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::PageQuery;

/// The part of the site.
const PART: &str = "/audit";
/// Events of a page.
const LIMIT: usize = 100;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/audit", get(list)).route("/audit/verify", get(verify))
}

/// What is looked for, as the form has it: what is empty is not looked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Looked {
    #[serde(rename = "ref")]
    reference: String,
    workspace: String,
    environment: String,
    run: String,
    action: String,
    outcome: String,
    since: String,
    cursor: Option<String>,
}

impl Looked {
    fn query(&self) -> EventQuery {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        EventQuery {
            reference: given(&self.reference),
            workspace: given(&self.workspace),
            environment: given(&self.environment),
            run: given(&self.run),
            action: given(&self.action),
            outcome: given(&self.outcome),
            // A day as browsers write it.
            since: given(&self.since).map(|text| match text.len() {
                10 => format!("{text}T00:00:00Z"),
                _ => text,
            }),
        }
    }

    /// The same from a cursor on.
    fn link(&self, cursor: Option<&str>) -> String {
        fn given(text: &str) -> Option<&str> {
            Some(text).filter(|text| !text.is_empty())
        }
        super::link(
            PART,
            &[
                ("ref", given(&self.reference)),
                ("workspace", given(&self.workspace)),
                ("environment", given(&self.environment)),
                ("run", given(&self.run)),
                ("action", given(&self.action)),
                ("outcome", given(&self.outcome)),
                ("since", given(&self.since)),
                ("cursor", cursor),
            ],
        )
    }
}

/// A row of the list.
struct Row {
    time: String,
    shown: String,
    outcome: String,
    is_ok: bool,
    action: String,
    about: String,
    place: String,
    version: Option<u64>,
    user: String,
    by: String,
}

impl Row {
    fn of(event: &EventView) -> Row {
        let mut by = event.command.clone();
        for (word, text) in
            [("run", &event.run), ("workflow", &event.workflow), ("step", &event.step)]
        {
            if let Some(text) = text {
                by.push_str(&format!(", {word} {text}"));
            }
        }
        let place: Vec<&str> = [&event.workspace, &event.environment]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        Row {
            time: event.time.clone(),
            shown: event.time.replace('T', " ").trim_end_matches('Z').to_owned(),
            outcome: event.outcome.clone(),
            is_ok: event.outcome == "ok",
            action: event.action.clone(),
            about: event.reference.clone().unwrap_or_default(),
            place: place.join(", "),
            version: event.version,
            user: event.user.clone(),
            by,
        }
    }
}

#[derive(Template)]
#[template(path = "audit/list.html")]
struct List {
    frame: Frame,
    refused: Option<String>,
    rows: Vec<Row>,
    looked: Looked,
    is_filtered: bool,
    may_verify: bool,
    broken: u64,
    first: Option<String>,
    next: Option<String>,
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    looked: Result<Asked<Looked>, Problem>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let Asked(looked) = looked?;
    let may_verify = caller.may(Action::VerifyAudit, None);
    let query = PageQuery { limit: None, cursor: looked.cursor.clone() };
    let found = events(&app, &caller, looked.query(), (before(&query)?, LIMIT)).await;
    // What was typed into the filters may be no name; everything else is a refusal of the page.
    let (found, refused) = match found {
        Ok(found) => (Some(found), None),
        Err(problem) if problem.status().as_u16() == 422 => (None, Some(problem)),
        Err(problem) => return Err(problem.into()),
    };
    let items = found.as_ref().map_or(&[][..], |found| &found.items);
    let last = items.last().filter(|_| found.as_ref().is_some_and(|found| found.has_more));
    Ok(page(&List {
        frame: Frame::new(&caller, PART),
        refused: refused.map(|problem| problem.detail().to_owned()),
        rows: items.iter().map(Row::of).collect(),
        is_filtered: looked.link(None) != PART,
        may_verify,
        broken: found.as_ref().map_or(0, |found| found.broken),
        first: looked.cursor.as_ref().map(|_| looked.link(None)),
        next: last.map(|event| looked.link(Some(&event.seq.to_string()))),
        looked,
    })?)
}

#[derive(Template)]
#[template(path = "audit/verify.html")]
struct Verify {
    frame: Frame,
    report: AuditReport,
}

async fn verify(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    caller.check(Action::VerifyAudit, None)?;
    let report = app.runner.ask(caller.by(None), VerifyAudit {}).await?;
    Ok(page(&Verify { frame: Frame::new(&caller, PART), report })?)
}
