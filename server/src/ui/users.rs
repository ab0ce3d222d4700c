//! Users, for admins: a list, and a page for each.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use secrecy::SecretString;
use serde::Deserialize;

use super::grants::{Rows, describe, grants};
use super::settings::{Done, PART};
use super::{Frame, Refused, page};
use crate::access::{Action, Rights};
use crate::app::App;
use crate::extract::{Asked, Named, Value};
use crate::people::admin::UserChange;
use crate::people::password::Kept;
use crate::people::user::NewUser;
use crate::people::{Caller, Form, User, with};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/users", get(list).post(add))
        .route("/users/{name}", get(show))
        .route("/users/{name}/rights", post(set_rights))
        .route("/users/{name}/password", post(set_password))
        .route("/users/{name}/rename", post(rename))
        .route("/users/{name}/disable", post(disable))
        .route("/users/{name}/enable", post(enable))
        .route("/users/{name}/remove", post(remove))
}

/// An admin; to others, there is no such page.
fn admin(caller: Result<Caller, Problem>) -> Result<Caller, Refused> {
    let caller = caller?;
    caller.check(Action::ManageUsers, None)?;
    Ok(caller)
}

#[derive(Template)]
#[template(path = "settings/users.html")]
struct List {
    frame: Frame,
    users: Vec<Row>,
    grants: Rows,
    /// What was typed as the name, if the form comes again.
    name: String,
    refused: Option<String>,
}

struct Row {
    name: String,
    rights: Vec<String>,
    is_disabled: bool,
    comes_by: &'static str,
}

impl Row {
    fn new(user: &User) -> Row {
        Row {
            name: user.name.clone(),
            rights: describe(&user.rights),
            is_disabled: user.is_disabled,
            comes_by: match (&user.password, &user.openid) {
                (Some(_), None) => "password",
                (Some(_), Some(_)) => "password or provider",
                (None, Some(_)) => "provider",
                (None, None) => "nothing yet",
            },
        }
    }
}

impl List {
    fn new(app: &App, caller: &Caller) -> List {
        List {
            frame: Frame::new(caller, PART),
            users: app.people.all_users().iter().map(Row::new).collect(),
            grants: Rows::new(&Rights::default()),
            name: String::new(),
            refused: None,
        }
    }
}

async fn list(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Asked(done): Asked<Done>,
) -> Result<Html<String>, Refused> {
    let caller = admin(caller)?;
    let mut shown = List::new(&app, &caller);
    shown.frame.notice = done.notice();
    Ok(page(&shown)?)
}

/// The fields of a form about rights.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn text(&self, wanted: &str) -> &str {
        let found = self.0.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn rights(&self) -> Result<Rights, Problem> {
        Ok(Rights { admin: self.text("admin") == "yes", grants: grants(&self.0)? })
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            zeroize::Zeroize::zeroize(value);
        }
    }
}

async fn kept(app: &App, password: &SecretString) -> Result<Kept, Problem> {
    app.people.passwords.make(password).await.map_err(|error| error.problem(app))
}

async fn added(app: &App, fields: &Fields) -> Result<User, Problem> {
    let rights = fields.rights()?;
    let password = match fields.text("password") {
        "" => None,
        text => Some(kept(app, &SecretString::from(text)).await?),
    };
    let name = fields.text("name").trim().to_owned();
    let new = NewUser { name, password, openid: None, rights };
    with(app, move |people| people.add_user(new)).await
}

async fn add(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let caller = admin(caller)?;
    let fields = Fields(fields);
    match added(&app, &fields).await {
        Ok(_) => Ok(Redirect::to("/users?done=user-added").into_response()),
        Err(problem) if problem.status().is_client_error() => {
            let mut shown = List::new(&app, &caller);
            shown.refused = Some(problem.told());
            fields.text("name").clone_into(&mut shown.name);
            if let Ok(rights) = fields.rights() {
                shown.grants = Rows::new(&rights);
            }
            Ok((problem.status(), page(&shown)?).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

#[derive(Template)]
#[template(path = "settings/user.html")]
struct Show {
    frame: Frame,
    user: User,
    grants: Rows,
    is_self: bool,
    refused: Option<String>,
}

impl Show {
    fn new(app: &App, caller: &Caller, name: &str) -> Result<Show, Problem> {
        let user = app.people.user(name).ok_or_else(Problem::not_found)?;
        let grants = Rows::new(&user.rights);
        let is_self = user.id == caller.id;
        Ok(Show { frame: Frame::new(caller, PART), user, grants, is_self, refused: None })
    }
}

async fn show(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Asked(done): Asked<Done>,
) -> Result<Html<String>, Refused> {
    let caller = admin(caller)?;
    let mut shown = Show::new(&app, &caller, &name)?;
    shown.frame.notice = done.notice();
    Ok(page(&shown)?)
}

/// Changes a user, and says so on the user's page.
async fn change(
    app: &App,
    caller: &Caller,
    name: String,
    change: Result<UserChange, Problem>,
    done: &'static str,
) -> Result<Response, Refused> {
    let changed = match change {
        Ok(change) => {
            let name = name.clone();
            with(app, move |people| people.change_user(&name, None, change)).await
        }
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(user) => {
            let address = format!("/users/{}?done={done}", user.name);
            Ok(Redirect::to(&address).into_response())
        }
        Err(problem) if problem.status().is_client_error() => {
            let mut shown = Show::new(app, caller, &name)?;
            shown.refused = Some(problem.told());
            Ok((problem.status(), page(&shown)?).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn set_rights(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Refused> {
    let caller = admin(caller)?;
    let rights = Fields(fields).rights();
    let what = rights.map(|rights| UserChange { rights: Some(rights), ..UserChange::default() });
    change(&app, &caller, name, what, "user-rights").await
}

#[derive(Deserialize)]
struct PasswordForm {
    password: Value,
}

async fn set_password(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Form(PasswordForm { password: Value(password) }): Form<PasswordForm>,
) -> Result<Response, Refused> {
    let caller = admin(caller)?;
    let made = kept(&app, &password).await;
    let what = made.map(|kept| UserChange { password: Some(kept), ..UserChange::default() });
    change(&app, &caller, name, what, "user-password").await
}

#[derive(Deserialize)]
struct RenameForm {
    wanted: String,
}

async fn rename(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Form(RenameForm { wanted }): Form<RenameForm>,
) -> Result<Response, Refused> {
    let caller = admin(caller)?;
    let wanted = Some(wanted.trim().to_owned());
    let what = UserChange { name: wanted, ..UserChange::default() };
    change(&app, &caller, name, Ok(what), "user-renamed").await
}

#[derive(Deserialize)]
struct Nothing {}

async fn disable(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, Refused> {
    let caller = admin(caller)?;
    let what = UserChange { is_disabled: Some(true), ..UserChange::default() };
    change(&app, &caller, name, Ok(what), "user-disabled").await
}

async fn enable(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, Refused> {
    let caller = admin(caller)?;
    let what = UserChange { is_disabled: Some(false), ..UserChange::default() };
    change(&app, &caller, name, Ok(what), "user-enabled").await
}

async fn remove(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, Refused> {
    let caller = admin(caller)?;
    let gone = name.clone();
    match with(&app, move |people| people.remove_user(&gone, None)).await {
        Ok(()) => Ok(Redirect::to("/users?done=user-removed").into_response()),
        Err(problem) => change(&app, &caller, name, Err(problem), "").await,
    }
}
