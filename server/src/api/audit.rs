//! What was done with secrets: read, changed, refused; and whether the log of it is what was written.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use subrosa_registry::WorkspaceName;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Action;
use crate::app::App;
use crate::channel::audit::{AuditReport, EventView, Events, ListEvents, VerifyAudit};
use crate::extract::Asked;
use crate::people::Caller;
use crate::problem::Problem;
use crate::respond::PageQuery;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

/// Which events are listed: those that meet all that is given.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// About this ref; of a connection: `connection:NAME`.
    #[serde(rename = "ref")]
    #[param(rename = "ref")]
    pub(crate) reference: Option<String>,
    /// About this workspace.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    pub(crate) workspace: Option<String>,
    /// About this environment.
    #[param(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    pub(crate) environment: Option<String>,
    /// Of this run.
    pub(crate) run: Option<String>,
    /// Of this kind: `read`, `set`, `rotate` ...
    #[param(example = "rotate")]
    pub(crate) action: Option<String>,
    /// With this outcome: `ok`, or the kind of refusal.
    pub(crate) outcome: Option<String>,
    /// At this moment or later, RFC 3339.
    #[param(format = DateTime)]
    pub(crate) since: Option<String>,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
struct EventPage {
    /// The events, the newest first.
    items: Vec<EventView>,
    /// The `cursor` of the next page, of older events; null: this is the last.
    next: Option<String>,
    /// Lines of the log that do not hold, or cannot be understood; only an admin is told.
    #[schema(minimum = 0)]
    broken: Option<u64>,
}

/// Asks for events that the caller may see; `before` is the number that the page before ended with.
pub(crate) async fn events(
    app: &App,
    caller: &Caller,
    query: EventQuery,
    (before, limit): (Option<u64>, usize),
) -> Result<Events, Problem> {
    let within = caller.within(Action::SeeAudit);
    if let Some(name) = &query.workspace {
        let name = WorkspaceName::parse(name).map_err(|_| Problem::not_found())?;
        caller.check(Action::SeeAudit, Some(&name))?;
    }
    if within.is_nowhere() {
        return Err(Problem::forbidden());
    }
    let asked = ListEvents {
        within,
        reference: query.reference,
        workspace: query.workspace,
        environment: query.environment,
        run: query.run,
        action: query.action,
        outcome: query.outcome,
        since: query.since,
        before,
        limit,
    };
    Ok(app.runner.ask(caller.by(None), asked).await?)
}

/// The number that a cursor of this list names.
pub(crate) fn before(page: &PageQuery) -> Result<Option<u64>, Problem> {
    let number = |text: &String| text.parse().ok();
    page.cursor
        .as_ref()
        .map(|text| {
            number(text)
                .ok_or_else(|| Problem::invalid("`cursor` is not one that a page gave as `next`"))
        })
        .transpose()
}

/// Lists what was done, the newest first.
#[utoipa::path(
    get, path = "/audit", tag = "audit", params(EventQuery, PageQuery),
    responses(
        (status = 200, description = "A page of what the caller may see", body = EventPage),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<EventQuery>,
    Asked(page): Asked<PageQuery>,
) -> Result<Json<EventPage>, Problem> {
    let found = events(&app, &caller, query, (before(&page)?, page.limit()?)).await?;
    let last = found.items.last().filter(|_| found.has_more);
    let next = last.map(|event| event.seq.to_string());
    let broken = caller.may(Action::VerifyAudit, None).then_some(found.broken);
    Ok(Json(EventPage { items: found.items, next, broken }))
}

/// Goes over the whole log and says whether it is what was written, for admins.
#[utoipa::path(
    get, path = "/audit/verify", tag = "audit",
    responses(
        (status = 200, description = "What it looks like; `whole` says it in a word",
         body = AuditReport),
        (status = "default", description = "Refused; 404 if there is no registry yet",
         body = Problem, content_type = "application/problem+json"),
    )
)]
async fn verify(State(app): State<App>, caller: Caller) -> Result<Json<AuditReport>, Problem> {
    caller.check(Action::VerifyAudit, None)?;
    Ok(Json(app.runner.ask(caller.by(None), VerifyAudit {}).await?))
}
