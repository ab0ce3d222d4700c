//! Role x route x workspace: who gets what of every operation that is described.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use subrosa_registry::WorkspaceName;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::token::NewToken;
use super::user::NewUser;
use super::{Arrival, People};
use crate::access::{Grant, Place, Rights, Role, Verdict};
use crate::app::{App, openapi, router};
use crate::channel::connections::ConnectionsCall;
use crate::channel::secrets::{SecretView, SecretsCall};
use crate::channel::{Call, Refusal, RefusalKind};
use crate::role_table::{Finds, RUN, Row, TABLE};
use crate::runner::Runner;
use crate::settings::{Limits, Settings};

/// A server whose runner has two secrets, and changes nothing.
pub(super) fn app(home: &TempDir) -> App {
    let limits = Limits { per_second: 1_000_000, ..Limits::default() };
    let settings = Settings { limits, ..Settings::for_test(home.path()) };
    workflows(home.path());
    let people = People::open(&settings).unwrap();
    let runner = Runner::answering(|call| match call {
        Call::Secrets(SecretsCall::ListSecrets(_)) => {
            Ok(json!([view("prod/db", Some("payments")), view("other/db", None),]))
        }
        Call::Connections(ConnectionsCall::ListTypes(_)) => Ok(json!([github()])),
        Call::Connections(ConnectionsCall::ListConnections(_)) => Ok(json!([connection()])),
        Call::Connections(ConnectionsCall::LookAtGrant(_) | ConnectionsCall::CancelGrant(_)) => {
            Err(Refusal {
                kind: RefusalKind::NotFound,
                message: "there is no such grant".to_owned(),
                help: None,
            })
        }
        _ => Err(Refusal {
            kind: RefusalKind::Unavailable,
            message: "nothing is changed here".to_owned(),
            help: None,
        }),
    });
    App::for_test(settings, people, runner)
}

fn view(reference: &str, workspace: Option<&str>) -> SecretView {
    let view = json!({
        "ref": reference, "workspace": workspace, "state": "active", "version": 1,
        "description": "", "created": "", "updated": "", "versions": [],
    });
    serde_json::from_value(view).unwrap()
}

/// Two workflows, and a run of one of them that has ended.
fn workflows(home: &std::path::Path) {
    let steps = "steps: [{name: one, run: echo}]\n";
    let pay = home.join("pay.yaml");
    fs::write(&pay, format!("labels: {{workspace: payments}}\n{steps}")).unwrap();
    fs::write(home.join("free.yaml"), steps).unwrap();
    let run = home.join("runs/pay").join(RUN);
    fs::create_dir_all(run.join("steps")).unwrap();
    fs::write(run.join("steps/one.out"), "hello\n").unwrap();
    fs::write(run.join("events.jsonl"), "").unwrap();
    let record = json!({
        "format": 1, "run": RUN, "retry_of": null, "workflow": "pay", "file": pay,
        "workspace": "payments", "by": "admin", "environment": null, "status": "succeeded",
        "reason": null, "started": "2026-11-23T00:00:00.000Z",
        "finished": "2026-11-23T00:00:01.000Z", "pid": 1, "params": [], "secrets": [],
        "steps": [{
            "name": "one", "status": "succeeded", "attempts": 1,
            "started": "2026-11-23T00:00:00.000Z", "finished": "2026-11-23T00:00:01.000Z",
            "exit_code": 0, "signal": null, "message": null, "stdout": "steps/one.out",
            "stderr": null, "outputs": [], "called": [],
        }],
    });
    fs::write(run.join("status.json"), record.to_string()).unwrap();
}

fn github() -> Value {
    json!({
        "id": "github", "label": "GitHub", "summary": "", "docs": null, "authenticates_with": "",
        "needs_grant": false, "has_device_flow": false, "can_be_tested": true, "fields": [],
    })
}

fn connection() -> Value {
    json!({
        "name": "jira", "workspace": "payments", "environment": null, "type": "github",
        "state": "ready", "status": "", "needs_somebody": false, "missing": [], "version": 1,
        "description": "", "created": "", "updated": "", "fields": {}, "secrets": {},
        "tokens": null, "versions": [],
    })
}

/// Somebody, by what they may do.
pub(super) struct Person {
    name: String,
    rights: Rights,
    /// What a token of theirs leaves; `None`: they come with a session.
    limit: Option<Rights>,
    headers: Vec<(&'static str, String)>,
}

impl Person {
    /// The id of the session, for who comes with one.
    pub(super) fn session_id(&self) -> &str {
        self.headers[0].1.strip_prefix("subrosa=").unwrap()
    }

    /// What a program shows.
    pub(super) fn token(&self) -> &str {
        self.headers[0].1.strip_prefix("Bearer ").unwrap()
    }

    fn verdict(&self, row: &Row, at: Option<&WorkspaceName>) -> Verdict {
        match &self.limit {
            None => self.rights.decide(row.action, at),
            limit => self.rights.decide_by_token(limit.as_ref(), row.action, at),
        }
    }
}

fn rights(place: Place, role: Role) -> Rights {
    Rights { admin: false, grants: vec![Grant { workspace: place, role }] }
}

fn workspace(name: &str) -> WorkspaceName {
    WorkspaceName::parse(name).unwrap()
}

fn user(app: &App, name: &str, rights: Rights) -> super::User {
    let name = name.to_owned();
    app.people.add_user(NewUser { name, password: None, openid: None, rights }).unwrap()
}

pub(super) fn with_session(app: &App, name: &str, rights: Rights) -> Person {
    let user = user(app, name, rights.clone());
    let arrival = Arrival { address: IpAddr::V4(Ipv4Addr::LOCALHOST), agent: String::new() };
    let id = app.people.begin_session(&user.id, &arrival, None).unwrap();
    let (caller, ..) = app.people.session(id.text()).unwrap();
    let headers = vec![
        ("cookie", format!("subrosa={}", id.text())),
        ("x-csrf-token", caller.form_token().to_owned()),
    ];
    Person { name: user.name, rights, limit: None, headers }
}

pub(super) fn with_token(app: &App, name: &str, rights: Rights, limit: Rights) -> Person {
    let mut person = with_session(app, name, rights);
    let (caller, ..) = app.people.session(person.session_id()).unwrap();
    let new = NewToken { name: "t".to_owned(), limit: Some(limit.clone()), days: 1 };
    let (_, shown) = app.people.make_token(&caller, new).unwrap();
    person.headers = vec![("authorization", format!("Bearer {}", shown.text()))];
    person.limit = Some(limit);
    person
}

fn everybody(app: &App) -> Vec<Person> {
    let mut all = vec![
        with_session(app, "admin", Rights::admin()),
        with_session(app, "nobody", Rights::default()),
        with_token(app, "token-of-admin", Rights::admin(), Rights::admin()),
        with_token(app, "token-of-nothing", Rights::admin(), Rights::default()),
    ];
    for (title, role) in crate::ui::grants::ROLES {
        for (where_, place) in [
            ("everywhere", Place::Everywhere),
            ("global", Place::Global),
            ("payments", Place::Workspace(workspace("payments"))),
            ("other", Place::Workspace(workspace("other"))),
        ] {
            let rights = rights(place, role);
            all.push(with_session(app, &format!("{title}-{where_}"), rights.clone()));
            all.push(with_token(app, &format!("token-{title}-{where_}"), Rights::admin(), rights));
        }
    }
    all
}

async fn ask(app: &App, row: &Row, headers: &[(&str, String)]) -> (StatusCode, String) {
    let mut request = Request::builder()
        .header("host", "localhost")
        .method(row.method)
        .uri(format!("/api/v1{}", row.target));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    if !row.body.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Body::from(row.body)).unwrap();
    let response = router(app.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn check(person: &Person, row: &Row, (status, body): (StatusCode, String)) {
    let at = row.at.map(workspace);
    let verdict = person.verdict(row, at.as_ref());
    let told = format!("{} {} {}: {status} {body}", person.name, row.method, row.target);
    if let Finds::List(text) = row.finds {
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(body.contains(text), verdict == Verdict::Allowed, "{told}");
        return;
    }
    match verdict {
        Verdict::Hidden => assert_eq!(status, StatusCode::NOT_FOUND, "{told}"),
        Verdict::Forbidden => assert_eq!(status, StatusCode::FORBIDDEN, "{told}"),
        Verdict::Allowed => {
            let is_missing = status == StatusCode::NOT_FOUND;
            assert_eq!(is_missing, row.finds == Finds::Nothing, "{told}");
            let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert!(!is_refused && status != StatusCode::INTERNAL_SERVER_ERROR, "{told}");
        }
    }
}

#[tokio::test]
async fn everybody_gets_what_the_table_says_and_no_more() {
    let home = TempDir::new().unwrap();
    let app = app(&home);
    user(&app, "target", Rights::default());
    for person in everybody(&app) {
        for row in TABLE {
            check(&person, row, ask(&app, row, &person.headers).await);
        }
    }
}

#[tokio::test]
async fn who_is_not_in_gets_nothing() {
    let home = TempDir::new().unwrap();
    let app = app(&home);
    for row in TABLE {
        for headers in [
            vec![],
            vec![("cookie", "subrosa=none.none".to_owned())],
            vec![("authorization", "Bearer sr_none".to_owned())],
        ] {
            let (status, body) = ask(&app, row, &headers).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {body}", row.target);
        }
    }
}

#[test]
fn the_table_has_every_operation_that_is_described_and_no_other() {
    let described = serde_json::to_value(openapi()).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            let methods = methods.filter(|key| !matches!(key.as_str(), "parameters" | "summary"));
            methods.map(|method| {
                let path = path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
                (method.to_uppercase(), path)
            })
        })
        .collect();
    let tabled: BTreeSet<(String, String)> =
        TABLE.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    let missing: Vec<_> = described.difference(&tabled).collect();
    assert!(missing.is_empty(), "give these a row in `server/src/role_table.rs`: {missing:?}");
    let gone: Vec<_> = tabled.difference(&described).collect();
    assert!(gone.is_empty(), "these are described no more: {gone:?}");
}
