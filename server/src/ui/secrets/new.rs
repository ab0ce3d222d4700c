//! The form for a new secret.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use super::fields::Fields;
use super::{PART, one};
use crate::access::Action;
use crate::app::App;
use crate::channel::secrets::{SetSecret, Standing};
use crate::extract::Asked;
use crate::people::{Caller, Form};
use crate::problem::Problem;
use crate::ui::{Frame, Refused, page};

/// What the form begins with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Begun {
    #[serde(default)]
    workspace: String,
    #[serde(default)]
    environment: String,
}

#[derive(Template)]
#[template(path = "secrets/new.html")]
struct New {
    frame: Frame,
    refused: Option<String>,
    reference: String,
    workspace: String,
    environment: String,
    description: String,
    expires: String,
    max_age_days: String,
    keep: String,
    workspaces: Vec<String>,
    environments: Vec<String>,
}

impl New {
    /// With the names that there are, to choose from.
    async fn new(app: &App, caller: &Caller) -> Result<New, Problem> {
        let all = app.overview.secrets(&app.runner).await?;
        let seen =
            || all.iter().filter(|one| caller.may(Action::ChangeSecrets, one.workspace.as_ref()));
        let names = |found: Vec<String>| {
            let mut found = found;
            found.sort();
            found.dedup();
            found
        };
        Ok(New {
            frame: Frame::new(caller, PART),
            refused: None,
            reference: String::new(),
            workspace: String::new(),
            environment: String::new(),
            description: String::new(),
            expires: String::new(),
            max_age_days: String::new(),
            keep: String::new(),
            workspaces: names(seen().filter_map(|one| one.view.workspace.clone()).collect()),
            environments: names(seen().filter_map(|one| one.view.environment.clone()).collect()),
        })
    }

    /// What was typed, but for the value.
    fn typed(self, fields: &Fields, problem: &Problem) -> New {
        let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
        New {
            refused: Some(super::change::told(problem)),
            reference: text("ref"),
            workspace: text("workspace"),
            environment: text("environment"),
            description: text("description"),
            expires: text("expires"),
            max_age_days: text("max_age_days"),
            keep: text("keep"),
            ..self
        }
    }
}

/// Whoever may add none is told so before anything is typed.
fn check(caller: &Caller) -> Result<(), Problem> {
    match caller.within(Action::ChangeSecrets).is_nowhere() {
        true => Err(Problem::forbidden()),
        false => Ok(()),
    }
}

pub(super) async fn form(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    begun: Result<Asked<Begun>, Problem>,
) -> Result<Response, Refused> {
    let caller = caller?;
    let Asked(Begun { workspace, environment }) = begun?;
    check(&caller)?;
    let form = New { workspace, environment, ..New::new(&app, &caller).await? };
    Ok(page(&form)?.into_response())
}

pub(super) async fn create(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    fields: Result<Form<Fields>, Problem>,
) -> Result<Response, Refused> {
    let caller = caller?;
    let Form(fields) = fields?;
    match store(&app, &caller, &fields).await {
        Ok(link) => Ok(Redirect::to(&link).into_response()),
        Err(problem) => {
            let form = New::new(&app, &caller).await?.typed(&fields, &problem);
            Ok((problem.status(), page(&form)?).into_response())
        }
    }
}

/// Stores it; gives its page.
async fn store(app: &App, caller: &Caller, fields: &Fields) -> Result<String, Problem> {
    let (reference, scope) = (fields.word("ref").unwrap_or_default(), fields.scope());
    let address = scope
        .address(&reference)
        .map_err(|why| Problem::invalid(format!("a name breaks the grammar: {why}")))?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeSecrets, workspace)?;
    let value = fields.value(app)?;
    if value.is_none() && fields.text("declare").is_none() {
        return Err(
            Problem::invalid("there is no value").help("say that it comes later, if that is meant")
        );
    }
    let set = SetSecret {
        reference: reference.clone(),
        scope: scope.clone(),
        value,
        must_be: Standing::New,
        description: fields.word("description"),
        expiry: fields.expiry()?,
        overlap_s: None,
        keep: fields.number("keep")?,
    };
    app.runner.ask(caller.by(workspace), set).await?;
    Ok(one::link(&reference, &scope, Some("created")))
}
