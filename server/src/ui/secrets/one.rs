//! The page of a secret, and the one that asks whether it is to be removed.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use subrosa_registry::{Address, WorkspaceName};

use super::{Expires, PART, change, minute};
use crate::access::Action;
use crate::app::App;
use crate::channel::ScopeName;
use crate::channel::secrets::{SecretView, ShowSecret};
use crate::extract::Asked;
use crate::people::Caller;
use crate::problem::Problem;
use crate::ui::{Frame, Refused, page};

/// Which secret is meant.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its ref.
    pub(super) reference: String,
    /// Its scope.
    pub(super) scope: ScopeName,
    address: Address,
}

/// The same as the query has it.
#[derive(Debug, Deserialize)]
pub(super) struct TargetQuery {
    #[serde(rename = "ref", default)]
    reference: String,
    workspace: Option<String>,
    environment: Option<String>,
    done: Option<String>,
}

/// The page of a secret.
pub(super) fn link(reference: &str, scope: &ScopeName, done: Option<&str>) -> String {
    crate::ui::link(
        "/secrets/one",
        &[
            ("ref", Some(reference)),
            ("workspace", scope.workspace.as_deref()),
            ("environment", scope.environment.as_deref()),
            ("done", done),
        ],
    )
}

impl Target {
    /// What names no secret names nothing that is there.
    pub(super) fn new(reference: String, scope: ScopeName) -> Result<Target, Problem> {
        let address = scope.address(&reference).map_err(|_| Problem::not_found())?;
        Ok(Target { reference, scope, address })
    }

    /// Its workspace.
    pub(super) fn workspace(&self) -> Option<&WorkspaceName> {
        self.address.scope.workspace.as_ref()
    }

    /// Its page.
    pub(super) fn link(&self, done: Option<&str>) -> String {
        link(&self.reference, &self.scope, done)
    }

    /// What is told of it.
    pub(super) async fn look(&self, app: &App, caller: &Caller) -> Result<SecretView, Problem> {
        caller.check(Action::SeeSecrets, self.workspace())?;
        let (reference, scope) = (self.reference.clone(), self.scope.clone());
        let by = caller.by(self.workspace());
        Ok(app.runner.ask(by, ShowSecret { reference, scope }).await?)
    }
}

/// A version, as the page shows it.
struct Version {
    number: u64,
    created: String,
    minute: String,
    by: String,
    in_use_until: Option<String>,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "secrets/one.html")]
struct One {
    frame: Frame,
    refused: Option<String>,
    secret: SecretView,
    place: String,
    expected: u64,
    is_disabled: bool,
    expires: Option<Expires>,
    max_age_days: Option<u64>,
    last_used: Option<String>,
    updated: String,
    versions: Vec<Version>,
    audit: Option<String>,
    may_change: bool,
    delete: String,
}

/// A scope in words.
fn place(scope: &ScopeName) -> String {
    let workspace = match &scope.workspace {
        Some(name) => format!("workspace {name}"),
        None => "global scope".to_owned(),
    };
    match &scope.environment {
        Some(name) => format!("{workspace}, environment {name}"),
        None => format!("{workspace}, any environment"),
    }
}

/// The page of a secret, with what was refused of it if anything was.
pub(super) async fn shown(
    app: &App,
    caller: &Caller,
    target: &Target,
    told: Result<Option<&'static str>, &Problem>,
) -> Result<Response, Refused> {
    let secret = target.look(app, caller).await?;
    let versions = secret.versions.iter().rev().map(|version| Version {
        number: version.number,
        created: version.created.clone(),
        minute: minute(&version.created),
        by: version.by.clone(),
        in_use_until: version.in_use_until.as_deref().map(minute),
        is_current: secret.version == Some(version.number),
    });
    let mut frame = Frame::new(caller, PART);
    frame.notice = told.unwrap_or_default().map(str::to_owned);
    let audit = caller.may(Action::SeeAudit, target.workspace()).then(|| {
        let about = [
            ("ref", Some(secret.reference.as_str())),
            ("workspace", secret.workspace.as_deref()),
            ("environment", secret.environment.as_deref()),
        ];
        crate::ui::link("/audit", &about)
    });
    let html = page(&One {
        frame,
        refused: told.err().map(change::told),
        place: place(&target.scope),
        expected: secret.version.unwrap_or(0),
        is_disabled: secret.state == "disabled",
        expires: Expires::of(app, &secret),
        max_age_days: secret.max_age_s.map(|seconds| seconds.div_ceil(24 * 3600)),
        last_used: secret.last_used.as_deref().map(minute),
        updated: minute(&secret.updated),
        versions: versions.collect(),
        audit,
        may_change: caller.may(Action::ChangeSecrets, target.workspace()),
        delete: target.link(None).replace("/secrets/one?", "/secrets/one/delete?"),
        secret,
    })?;
    let status = told.err().map_or(StatusCode::OK, Problem::status);
    Ok((status, html).into_response())
}

pub(super) async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    query: Result<Asked<TargetQuery>, Problem>,
) -> Result<Response, Refused> {
    let caller = caller?;
    let Asked(query) = query?;
    let notice = query.done.as_deref().and_then(change::notice);
    let target = query.into_target()?;
    shown(&app, &caller, &target, Ok(notice)).await
}

impl TargetQuery {
    fn into_target(self) -> Result<Target, Problem> {
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        let (workspace, environment) = (named(self.workspace), named(self.environment));
        Target::new(self.reference, ScopeName { workspace, environment })
    }
}

#[derive(Template)]
#[template(path = "secrets/delete.html")]
struct Delete {
    frame: Frame,
    secret: SecretView,
    place: String,
    expected: u64,
    back: String,
}

pub(super) async fn confirm(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    query: Result<Asked<TargetQuery>, Problem>,
) -> Result<Response, Refused> {
    let caller = caller?;
    let Asked(query) = query?;
    let target = query.into_target()?;
    caller.check(Action::ChangeSecrets, target.workspace())?;
    let secret = target.look(&app, &caller).await?;
    Ok(page(&Delete {
        frame: Frame::new(&caller, PART),
        place: place(&target.scope),
        expected: secret.version.unwrap_or(0),
        back: target.link(None),
        secret,
    })?
    .into_response())
}
