//! Who is answered what by the routes about secrets, environments, the key and the audit log.
//!
//! There is no runner behind these: whoever may do it is told that (503), and everybody else is told what
//! they are to be told before it would have been asked.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use subrosa_registry::WorkspaceName;
use tower::ServiceExt as _;

use crate::access::{Grant, Place, Rights, Role};
use crate::app::App;
use crate::people::{Caller, People};
use crate::settings::Settings;

fn app(home: &std::path::Path) -> App {
    let settings = Settings::for_test(home);
    let people = People::open(&settings).unwrap();
    let (runner, _) = crate::runner::runner(&settings);
    App::for_test(settings, people, runner)
}

/// What somebody with these rights is answered.
fn status(app: &App, rights: &Rights, route: &str, body: &str) -> u16 {
    let (method, target) = route.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::CONTENT_TYPE, "application/json")
        .extension(Caller::of_rights("ada", rights.clone()))
        .body(Body::from(body.to_owned()))
        .unwrap();
    let (router, _) = super::routes().split_for_parts();
    let answered = router.with_state(app.clone()).oneshot(request);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(answered).unwrap().status().as_u16()
}

/// What a role in the workspace `pay` gets to do, and what is hidden from it.
#[test]
fn each_route_answers_by_the_role_of_the_caller() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path());
    let pay = || Place::Workspace(WorkspaceName::parse("pay").unwrap());
    let grant = |workspace, role| Rights { admin: false, grants: vec![Grant { workspace, role }] };
    let callers = [
        Rights::default(),
        grant(Place::Global, Role::Manager),
        grant(pay(), Role::Viewer),
        grant(pay(), Role::Operator),
        grant(pay(), Role::Manager),
        Rights::admin(),
    ];
    // In this order: nobody, a manager elsewhere, viewer, operator, manager, admin.
    let see = [404, 404, 503, 503, 503, 503];
    let change = [404, 404, 403, 403, 503, 503];
    let admin = [404, 404, 404, 404, 404, 503];
    let one = "/secrets/prod%2Fdb?workspace=pay";
    let verb = |verb: &str| format!("POST /secrets/prod%2Fdb/{verb}?workspace=pay");
    let text = |text: &str| text.to_owned();
    for (route, body, expected) in [
        (format!("GET {one}"), "", see),
        (text("GET /secrets/prod%2Fdb/versions?workspace=pay"), "", see),
        (text("POST /secrets"), r#"{"ref": "a", "workspace": "pay", "value": "x"}"#, change),
        (verb("rotate"), r#"{"value": "x"}"#, change),
        (verb("rollback"), r#"{"version": 1}"#, change),
        (verb("prune"), r#"{"keep": 1}"#, change),
        (verb("enable"), "", change),
        (verb("disable"), "", change),
        (format!("PATCH {one}"), r#"{"description": "x"}"#, change),
        (format!("DELETE {one}"), "", change),
        (text("GET /audit?workspace=pay"), "", change),
        (text("GET /audit"), "", [403, 503, 403, 403, 503, 503]),
        (text("GET /audit/verify"), "", admin),
        (text("GET /keys/status"), "", admin),
        (text("GET /environments"), "", [503; 6]),
        (text("POST /environments/live/protect"), "", admin),
        (text("POST /environments/live/unprotect"), "", admin),
        (text("DELETE /environments/live"), "", admin),
    ] {
        let found = callers.each_ref().map(|rights| status(&app, rights, &route, body));
        assert_eq!(found, expected, "{route}");
    }
}
