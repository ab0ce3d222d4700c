//! All routes, and what every request passes before and after them.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa_axum::router::OpenApiRouter;

use crate::idempotency::{self, Idempotency};
use crate::limits::{self, Pace};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::origin::{self, Origin};
use crate::people::openid::Provider;
use crate::people::{People, identify};
use crate::problem::Problem;
use crate::runner::Runner;
use crate::runs::Runs;
use crate::secrets::Overview;
use crate::serve::Stopping;
use crate::settings::Settings;
use crate::workflows::Catalogue;
use crate::{api, health, hooks, log, outcome, respond, ui};

/// What routes share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

/// What is there before the rest.
pub(crate) struct Parts {
    pub(crate) people: People,
    pub(crate) openid: Option<Provider>,
    pub(crate) idempotency: Idempotency,
    pub(crate) runner: Runner,
    /// How the server is reached, without a slash at the end.
    pub(crate) base: String,
    /// Says when it is to stop.
    pub(crate) stop: Stopping,
}

/// The same, behind one pointer.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) origin: Origin,
    /// How the server is reached, without a slash at the end.
    pub(crate) base: String,
    pub(crate) people: People,
    pub(crate) openid: Option<Provider>,
    pub(crate) runner: Runner,
    pub(crate) overview: Overview,
    pub(crate) idempotency: Idempotency,
    pub(crate) metrics: Metrics,
    pub(crate) pace: Arc<Pace>,
    pub(crate) flows: Catalogue,
    pub(crate) runs: Runs,
    pub(crate) live: Live,
}

impl App {
    /// Puts together what a server with these settings needs.
    pub(crate) fn new(settings: Settings, parts: Parts) -> App {
        let Parts { people, openid, idempotency, runner, base, stop } = parts;
        let limits = settings.limits;
        let metrics = Metrics::new();
        App(Arc::new(Shared {
            base,
            origin: Origin::new(&settings),
            people,
            openid,
            idempotency,
            runner,
            overview: Overview::new(&settings.data_dir),
            flows: Catalogue::new(&settings.workflows, settings.kinds),
            runs: Runs::new(&settings.data_dir, &settings.workflows),
            live: Live::new(metrics.streams.clone(), stop),
            metrics,
            pace: Pace::new(limits.per_second, limits.requests_max),
            settings,
        }))
    }

    /// Does what waits for the disk where nobody else waits for it.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&App) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let app = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&app)).await;
        done.map_err(|_| Problem::broken("a bug: the log of the server tells where"))
    }
}

#[cfg(test)]
impl App {
    /// Without an OpenID provider.
    pub(crate) fn for_test(settings: Settings, people: People, runner: Runner) -> App {
        let base = "http://localhost".to_owned();
        let (_, stop) = tokio::sync::watch::channel(crate::serve::Stop::No);
        let idempotency = Idempotency::open(&settings).unwrap();
        App::new(settings, Parts { people, openid: None, idempotency, runner, base, stop })
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

#[derive(OpenApi)]
#[openapi(info(
    title = "subrosa",
    description = "Workflows that need secrets, and their secrets. Values are write-only: no \
                   answer holds one."
))]
struct Api;

fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Api::openapi()).nest("/api/v1", api::routes())
}

/// The description of the API, OpenAPI 3.1.
pub fn openapi() -> Description {
    let mut described = api().split_for_parts().1;
    idempotency::describe(&mut described);
    described
}

/// Every route, with what each request passes. What is added last is passed first.
pub(crate) fn router(app: App) -> Router {
    let (api, _) = api().split_for_parts();
    let limits = app.settings.limits;
    Router::new()
        .merge(api.layer(from_fn_with_state(app.clone(), idempotency::once)))
        .merge(health::routes())
        .merge(hooks::routes())
        .merge(ui::routes())
        .fallback(ui::not_found)
        .layer(from_fn_with_state(app.clone(), identify))
        .layer(DefaultBodyLimit::max(limits.body_len_max))
        .layer(from_fn_with_state((app.pace.clone(), limits.answer), limits::bound))
        .layer(from_fn_with_state(app.clone(), origin::check))
        .layer(from_fn_with_state(app.settings.clock, outcome::settle))
        .layer(from_fn_with_state(app.clone(), respond::guard_browser))
        .layer(from_fn_with_state(app.clone(), log::record))
        .with_state(app)
}
