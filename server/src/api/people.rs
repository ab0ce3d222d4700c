//! People: oneself, with tokens and sessions; and the users of this server, for admins.

mod own;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    own::routes().merge(users::routes())
}
