//! What the forms on the page of a secret do: each changes it and leads back to it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::fields::Fields;
use super::one::{Target, shown};
use crate::access::Action;
use crate::app::App;
use crate::channel::secrets::{ChangeSecret, ExpiryName, SecretChange, SetSecret, Standing};
use crate::people::{Caller, Form};
use crate::problem::Problem;
use crate::ui::Refused;

/// What is told of what was done, by the word that the query has for it.
pub(super) fn notice(done: &str) -> Option<&'static str> {
    Some(match done {
        "created" => "The secret is stored.",
        "rotated" => "The new value is stored, and runs get it from now on.",
        "rotated-no-date" => {
            "The new value is stored. The former one had a date at which it expired; this one has \
             none."
        }
        "described" => "The description is changed.",
        "expiry" => "When the value expires is changed.",
        "enabled" => "Runs may use the secret again.",
        "disabled" => "Runs that need this secret stop from now on.",
        "rolled-back" => "The earlier value is the current one again, as a new version.",
        "pruned" => "The oldest versions are gone.",
        "removed" => "The secret is removed with all its versions.",
        _ => return None,
    })
}

/// A refusal in a sentence or two.
pub(super) fn told(problem: &Problem) -> String {
    match problem.remedy() {
        Some(help) => format!("{}; {help}", problem.detail()),
        None => problem.detail().to_owned(),
    }
}

/// Reads what a form wants changed.
type Read = fn(&Fields) -> Result<SecretChange, Problem>;

/// A form as it came.
type Shown = Result<Form<Fields>, Problem>;

/// What a form is about.
fn target(fields: &Fields) -> Result<Target, Problem> {
    Target::new(fields.word("ref").unwrap_or_default(), fields.scope())
}

/// The version that the page was made from.
fn expected(fields: &Fields) -> Result<Option<u64>, Problem> {
    match fields.number("version")? {
        Some(version) => Ok(Some(version)),
        None => Err(Problem::invalid("the form does not say which version it was made from")),
    }
}

/// Makes a change, and leads to the page of the secret; what was refused is told on it.
async fn answer(
    app: &App,
    caller: Result<Caller, Problem>,
    fields: Shown,
    change: impl AsyncFnOnce(&Caller, &Target, &Fields) -> Result<&'static str, Problem>,
) -> Result<Response, Refused> {
    let caller = caller?;
    let Form(fields) = fields?;
    let target = target(&fields)?;
    caller.check(Action::ChangeSecrets, target.workspace())?;
    match change(&caller, &target, &fields).await {
        Ok("removed") => Ok(Redirect::to("/secrets?done=removed").into_response()),
        Ok(done) => Ok(Redirect::to(&target.link(Some(done))).into_response()),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => Err(problem.into()),
        Err(problem) => shown(app, &caller, &target, Err(&problem)).await,
    }
}

/// The same for a change that takes no value.
async fn answer_change(
    app: App,
    caller: Result<Caller, Problem>,
    fields: Shown,
    (read, done): (Read, &'static str),
) -> Result<Response, Refused> {
    answer(&app, caller, fields, async |caller, target, fields| {
        let asked = ChangeSecret {
            reference: target.reference.clone(),
            scope: target.scope.clone(),
            expect: expected(fields)?,
            change: read(fields)?,
        };
        app.runner.ask(caller.by(target.workspace()), asked).await?;
        Ok(done)
    })
    .await
}

pub(super) async fn rotate(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    answer(&app, caller, fields, async |caller, target, fields| {
        let value = fields.value(&app)?;
        if value.is_none() {
            return Err(Problem::invalid("there is no value"));
        }
        let set = SetSecret {
            reference: target.reference.clone(),
            scope: target.scope.clone(),
            value,
            must_be: Standing::Present(expected(fields)?),
            description: None,
            expiry: fields.expiry()?,
            overlap_s: fields.number::<u32>("overlap_hours")?.map(|hours| u64::from(hours) * 3600),
            keep: None,
        };
        let written = app.runner.ask(caller.by(target.workspace()), set).await?;
        Ok(if written.lost_expiry { "rotated-no-date" } else { "rotated" })
    })
    .await
}

pub(super) async fn describe(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    let read = |fields: &Fields| {
        let description = Some(fields.word("description").unwrap_or_default());
        Ok(SecretChange::Amend { description, expiry: None, keep: None })
    };
    answer_change(app, caller, fields, (read, "described")).await
}

pub(super) async fn expire(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    let read = |fields: &Fields| {
        let expiry = Some(fields.expiry()?.unwrap_or(ExpiryName::Never));
        Ok(SecretChange::Amend { description: None, expiry, keep: None })
    };
    answer_change(app, caller, fields, (read, "expiry")).await
}

pub(super) async fn enable(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    answer_change(app, caller, fields, (|_| Ok(SecretChange::Enable), "enabled")).await
}

pub(super) async fn disable(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    answer_change(app, caller, fields, (|_| Ok(SecretChange::Disable), "disabled")).await
}

pub(super) async fn rollback(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    let read = |fields: &Fields| {
        let version = fields.number("to")?;
        let version = version.ok_or_else(|| Problem::invalid("no version is chosen"))?;
        Ok(SecretChange::Rollback { version })
    };
    answer_change(app, caller, fields, (read, "rolled-back")).await
}

pub(super) async fn prune(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    let read = |fields: &Fields| {
        let keep = fields.number("keep")?;
        let keep = keep.ok_or_else(|| Problem::invalid("how many are kept is not said"))?;
        Ok(SecretChange::Prune { keep })
    };
    answer_change(app, caller, fields, (read, "pruned")).await
}

pub(super) async fn remove(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Shown,
) -> Result<Response, Refused> {
    answer_change(app, caller, fields, (|_| Ok(SecretChange::Remove), "removed")).await
}
