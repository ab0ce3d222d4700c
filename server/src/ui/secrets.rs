//! Secrets: the list, a form for a new one, and a page for each. No page holds a value, and a field for one
//! is empty whenever it is shown.

mod change;
mod fields;
mod new;
mod one;

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use serde::Deserialize;

use super::{Frame, Refused, page};
use crate::access::Action;
use crate::app::App;
use crate::channel::secrets::SecretView;
use crate::channel::stamp;
use crate::extract::Asked;
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::PageQuery;
use crate::secrets::{Listed, Wanted, select};

/// The part of the site.
pub(super) const PART: &str = "/secrets";
/// What expires within so many days is told to do so soon.
const SOON_DAYS: u64 = 30;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/secrets", get(list))
        .route("/secrets/new", get(new::form).post(new::create))
        .route("/secrets/one", get(one::show))
        .route("/secrets/one/rotate", post(change::rotate))
        .route("/secrets/one/describe", post(change::describe))
        .route("/secrets/one/expire", post(change::expire))
        .route("/secrets/one/enable", post(change::enable))
        .route("/secrets/one/disable", post(change::disable))
        .route("/secrets/one/rollback", post(change::rollback))
        .route("/secrets/one/prune", post(change::prune))
        .route("/secrets/one/delete", get(one::confirm).post(change::remove))
}

/// What is looked for, as the query has it.
#[derive(Clone, Debug, Default, Deserialize)]
struct Looked {
    workspace: Option<String>,
    environment: Option<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    state: String,
    cursor: Option<String>,
    done: Option<String>,
}

/// One of the values that a filter can have.
struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

/// A row of the list.
struct Row {
    reference: String,
    link: String,
    workspace: String,
    environment: String,
    is_disabled: bool,
    version: Option<u64>,
    expires: Option<Expires>,
    description: String,
}

/// When something expires, and how near that is.
struct Expires {
    at: String,
    minute: String,
    word: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "secrets/list.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    workspaces: Vec<Choice>,
    environments: Vec<Choice>,
    states: Vec<Choice>,
    prefix: String,
    may_add: bool,
    is_filtered: bool,
    first: Option<String>,
    next: Option<String>,
}

/// What is told of a moment: to the minute.
fn minute(at: &str) -> String {
    let text = at.get(..16).unwrap_or(at);
    format!("{} UTC", text.replace('T', " "))
}

impl Expires {
    fn of(app: &App, view: &SecretView) -> Option<Expires> {
        let at = view.expires.clone()?;
        let now = (app.settings.clock)();
        let soon = now + Duration::from_secs(SOON_DAYS * 24 * 3600);
        // All of them are written alike, so their order is that of the moments.
        let word = match () {
            () if at <= stamp(now) => Some("expired"),
            () if at <= stamp(soon) => Some("soon"),
            () => None,
        };
        Some(Expires { minute: minute(&at), at, word })
    }
}

impl Row {
    fn of(app: &App, view: &SecretView) -> Row {
        Row {
            reference: view.reference.clone(),
            link: one::link(&view.reference, &view.scope(), None),
            workspace: view.workspace.clone().unwrap_or("global".to_owned()),
            environment: view.environment.clone().unwrap_or("any".to_owned()),
            is_disabled: view.state == "disabled",
            version: view.version,
            expires: Expires::of(app, view),
            description: view.description.clone(),
        }
    }
}

/// The values of a filter: all, none, and the names there are.
fn choices(
    names: impl Iterator<Item = String>,
    (all, none): (&str, &str),
    chosen: Option<&str>,
) -> Vec<Choice> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    let named = names.into_iter().map(|name| (name.clone(), name));
    let fixed = [("*".to_owned(), all.to_owned()), (String::new(), none.to_owned())];
    let chosen = chosen.unwrap_or("*");
    let choice = |(value, label): (String, String)| {
        let is_chosen = value == chosen;
        Choice { value, label, is_chosen }
    };
    fixed.into_iter().chain(named).map(choice).collect()
}

impl Looked {
    fn wanted(&self) -> Wanted {
        let named = |name: &Option<String>| name.clone().filter(|name| name != "*");
        let state = match self.state.as_str() {
            "active" => Some("active"),
            "disabled" => Some("disabled"),
            _ => None,
        };
        Wanted {
            prefix: self.prefix.trim().to_owned(),
            workspace: named(&self.workspace),
            environment: named(&self.environment),
            state,
            expires_by: None,
        }
    }

    /// The same list from a cursor on.
    fn link(&self, cursor: Option<&str>) -> String {
        let pairs = [
            ("workspace", self.workspace.as_deref().filter(|name| *name != "*")),
            ("environment", self.environment.as_deref().filter(|name| *name != "*")),
            ("prefix", Some(self.prefix.as_str()).filter(|text| !text.is_empty())),
            ("state", Some(self.state.as_str()).filter(|text| !text.is_empty())),
            ("cursor", cursor),
        ];
        super::link(PART, &pairs)
    }
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    looked: Result<Asked<Looked>, Problem>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let Asked(looked) = looked?;
    let all = app.overview.secrets(&app.runner).await?;
    let mut wanted = looked.wanted();
    if looked.state == "expiring" {
        let soon = Duration::from_secs(SOON_DAYS * 24 * 3600);
        wanted.expires_by = Some(stamp((app.settings.clock)() + soon));
    }
    let query = PageQuery { limit: None, cursor: looked.cursor.clone() };
    let found = select(&all, &caller, &wanted, &query)?;
    let seen: Vec<&Listed> =
        all.iter().filter(|one| caller.may(Action::SeeSecrets, one.workspace.as_ref())).collect();
    let state = |value: &str, label: &str| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen: looked.state == value,
    };
    let is_filtered = looked.link(None) != PART;
    let mut frame = Frame::new(&caller, PART);
    frame.notice = looked.done.as_deref().and_then(change::notice).map(str::to_owned);
    Ok(page(&List {
        frame,
        rows: found.items.iter().map(|one| Row::of(&app, &one.view)).collect(),
        workspaces: choices(
            seen.iter().filter_map(|one| one.view.workspace.clone()),
            ("All workspaces", "Global"),
            looked.workspace.as_deref(),
        ),
        environments: choices(
            seen.iter().filter_map(|one| one.view.environment.clone()),
            ("All environments", "In any"),
            looked.environment.as_deref(),
        ),
        states: vec![
            state("", "Any state"),
            state("active", "Active"),
            state("disabled", "Disabled"),
            state("expiring", "Expired or soon"),
        ],
        prefix: looked.prefix.clone(),
        may_add: !caller.within(Action::ChangeSecrets).is_nowhere(),
        is_filtered,
        first: looked.cursor.as_ref().map(|_| looked.link(None)),
        next: found.next.as_deref().map(|cursor| looked.link(Some(cursor))),
    })?)
}
