//! The form of a connection, made from its type.
//!
//! A secret has a place to be typed and is never shown again: not what is sealed, and not what was typed into
//! a form that is shown once more because something in it cannot be used.

mod fields;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

use self::fields::{Control, Input, Sent, answers, inputs};
use super::super::{Frame, Refused, page};
use super::{PART, path, query, with};
use crate::access::Action;
use crate::api::connection_types::types;
use crate::api::connections::{At, one, seal};
use crate::app::App;
use crate::channel::ScopeName;
use crate::channel::connections::{ConnectionView, Put, PutConnection, TypeView};
use crate::extract::{Asked, Named, Value};
use crate::people::{Caller, Form};
use crate::problem::Problem;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/connection-types/{id}/new", get(new).post(create))
        .route("/connections/{name}/edit", get(edit).post(store_edit))
        .route("/connections/{name}/rotate", get(rotate).post(store_rotate))
}

#[derive(Template)]
#[template(path = "connections/form.html")]
struct Page {
    frame: Frame,
    title: String,
    summary: String,
    docs: Option<String>,
    error: Option<String>,
    help: Option<String>,
    action: String,
    back: String,
    verb: &'static str,
    is_new: bool,
    version: Option<u64>,
    name: String,
    workspace: String,
    environment: String,
    inputs: Vec<Input>,
    description: String,
    expires: String,
    overlap: String,
}

/// The parts that every form has, as they were sent.
fn put(
    app: &App,
    put: Put,
    answers: Vec<(String, Option<Value>)>,
    sent: &Sent,
) -> Result<PutConnection, Problem> {
    let overlap_s = match sent.optional("overlap").map(|hours| hours.parse::<u64>()) {
        None => None,
        Some(Ok(hours)) => Some(hours.saturating_mul(3600)),
        Some(Err(_)) => return Err(Problem::invalid("the hours of masking are no number")),
    };
    Ok(PutConnection {
        name: String::new(),
        scope: ScopeName::default(),
        put,
        answers: seal(app, answers)?,
        description: Some(sent.text("description")),
        expires: sent.optional("expires").map(|day| format!("{day}T00:00:00Z")),
        max_age_s: None,
        overlap_s,
    })
}

/// Adds what was refused to a form that is shown once more.
fn again(mut form: Page, sent: &Sent, problem: &Problem) -> Result<Response, Refused> {
    // Who may not do it, or whose session is over, gets no form.
    let status = problem.status();
    if matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED) {
        return Err(Refused(problem.clone()));
    }
    form.error = Some(problem.detail().to_owned());
    form.help = problem.remedy().map(str::to_owned);
    form.description = sent.text("description");
    (form.expires, form.overlap) = (sent.text("expires"), sent.text("overlap"));
    Ok((status, page(&form)?).into_response())
}

async fn kind(app: &App, caller: &Caller, id: &str) -> Result<TypeView, Problem> {
    let types = types(app, caller).await?;
    types.into_iter().find(|kind| kind.id == id).ok_or_else(Problem::not_found)
}

fn new_form(caller: &Caller, kind: &TypeView, sent: Option<&Sent>) -> Page {
    let typed = |name: &str| sent.map(|sent| sent.text(name)).filter(|text| !text.is_empty());
    Page {
        frame: Frame::new(caller, PART),
        title: format!("New connection: {}", kind.label),
        summary: kind.summary.clone(),
        docs: kind.docs.clone(),
        error: None,
        help: None,
        action: format!("/connection-types/{}/new", kind.id),
        back: "/connection-types".to_owned(),
        verb: "Add",
        is_new: true,
        version: None,
        name: typed("name").unwrap_or_else(|| kind.id.replace('_', "-")),
        workspace: typed("workspace").unwrap_or_default(),
        environment: typed("environment").unwrap_or_default(),
        inputs: inputs(kind, None, typed, |_| true),
        description: String::new(),
        expires: String::new(),
        overlap: String::new(),
    }
}

async fn new(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(id): Named<String>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    if !super::may_add(&caller) {
        return Err(Problem::forbidden().into());
    }
    let kind = kind(&app, &caller, &id).await?;
    Ok(page(&new_form(&caller, &kind, None))?)
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
    Form(sent): Form<Sent>,
) -> Result<Response, Refused> {
    let kind = kind(&app, &caller, &id).await?;
    match store_new(&app, &caller, &kind, &sent).await {
        Ok(to) => Ok(Redirect::to(&to).into_response()),
        Err(problem) => again(new_form(&caller, &kind, Some(&sent)), &sent, &problem),
    }
}

async fn store_new(
    app: &App,
    caller: &Caller,
    kind: &TypeView,
    sent: &Sent,
) -> Result<String, Problem> {
    let (name, workspace) = (sent.text("name"), sent.optional("workspace"));
    let scope = ScopeName { workspace, environment: sent.optional("environment") };
    let address = scope
        .address(&name)
        .map_err(|why| Problem::invalid(format!("a name breaks the grammar: {why}")))?;
    let workspace = address.scope.workspace.as_ref();
    caller.check(Action::ChangeConnections, workspace)?;
    let query = query(scope.workspace.as_deref(), scope.environment.as_deref());
    let to = format!("{}{}", path(&name), with(&query, "done=stored"));
    let put = put(app, Put::New(kind.id.clone()), answers(kind, None, sent), sent)?;
    app.runner.ask(caller.by(workspace), PutConnection { name, scope, ..put }).await?;
    Ok(to)
}

/// What a form of a connection that is there changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Fields,
    Secrets,
}

/// A connection that is there, its type, and where it is.
struct Known {
    name: String,
    at: (Option<String>, Option<String>),
    view: ConnectionView,
    kind: TypeView,
}

async fn known(app: &App, caller: &Caller, name: String, at: At) -> Result<Known, Problem> {
    let place = (at.workspace.clone(), at.environment.clone());
    let found = at.find(&name)?;
    caller.check(Action::ChangeConnections, found.1.scope.workspace.as_ref())?;
    let view = one(app, caller, &found).await?;
    let kind = kind(app, caller, &view.kind)
        .await
        .map_err(|_| Problem::invalid("nobody declares the type of this connection here"))?;
    Ok(Known { name, at: place, view, kind })
}

fn known_form(caller: &Caller, known: &Known, what: What, sent: Option<&Sent>) -> Page {
    let (view, kind) = (&known.view, &known.kind);
    let typed = |name: &str| sent.map(|sent| sent.text(name));
    let (title, word, verb) = match what {
        What::Fields => (format!("Edit {}", view.name), "edit", "Save"),
        What::Secrets => (format!("Rotate secrets of {}", view.name), "rotate", "Rotate"),
    };
    let query = query(known.at.0.as_deref(), known.at.1.as_deref());
    let path = path(&known.name);
    Page {
        frame: Frame::new(caller, PART),
        title,
        summary: kind.summary.clone(),
        docs: kind.docs.clone(),
        error: None,
        help: None,
        action: format!("{path}/{word}{query}"),
        back: format!("{path}{query}"),
        verb,
        is_new: false,
        version: view.version,
        name: String::new(),
        workspace: String::new(),
        environment: String::new(),
        inputs: inputs(kind, Some(view), typed, |field| what == What::Fields || field.secret),
        description: view.description.clone(),
        expires: String::new(),
        overlap: String::new(),
    }
}

async fn edit(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let known = known(&app, &caller, name, at).await?;
    Ok(page(&known_form(&caller, &known, What::Fields, None))?)
}

async fn rotate(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
) -> Result<Html<String>, Refused> {
    let caller = caller?;
    let known = known(&app, &caller, name, at).await?;
    Ok(page(&known_form(&caller, &known, What::Secrets, None))?)
}

async fn store_edit(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(sent): Form<Sent>,
) -> Result<Response, Refused> {
    let known = known(&app, &caller, name, at).await?;
    store(&app, &caller, &known, (What::Fields, &sent)).await
}

async fn store_rotate(
    State(app): State<App>,
    caller: Caller,
    Named(name): Named<String>,
    Asked(at): Asked<At>,
    Form(sent): Form<Sent>,
) -> Result<Response, Refused> {
    let known = known(&app, &caller, name, at).await?;
    store(&app, &caller, &known, (What::Secrets, &sent)).await
}

async fn store(
    app: &App,
    caller: &Caller,
    known: &Known,
    (what, sent): (What, &Sent),
) -> Result<Response, Refused> {
    let query = query(known.at.0.as_deref(), known.at.1.as_deref());
    match store_known(app, caller, known, (what, sent)).await {
        Ok(()) => {
            let to = format!("{}{}", path(&known.name), with(&query, "done=stored"));
            Ok(Redirect::to(&to).into_response())
        }
        Err(problem) => again(known_form(caller, known, what, Some(sent)), sent, &problem),
    }
}

async fn store_known(
    app: &App,
    caller: &Caller,
    known: &Known,
    (what, sent): (What, &Sent),
) -> Result<(), Problem> {
    let expect = sent.text("version").parse().ok();
    let (word, answers) = match what {
        What::Fields => (Put::Edit(expect), answers(&known.kind, Some(&known.view), sent)),
        What::Secrets => (Put::Rotate(expect), answers(&known.kind, None, sent)),
    };
    let scope = ScopeName { workspace: known.at.0.clone(), environment: known.at.1.clone() };
    let address = scope.address(&known.name).map_err(|_| Problem::not_found())?;
    let put = put(app, word, answers, sent)?;
    let put = PutConnection { name: known.name.clone(), scope, ..put };
    app.runner.ask(caller.by(address.scope.workspace.as_ref()), put).await?;
    Ok(())
}
