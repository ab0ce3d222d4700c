use axum::http::StatusCode;
use subrosa_registry::WorkspaceName;

use super::{Listed, Wanted, select, sorted};
use crate::access::{Grant, Place, Rights, Role};
use crate::channel::secrets::SecretView;
use crate::people::Caller;
use crate::respond::PageQuery;

fn view(reference: &str, workspace: Option<&str>, environment: Option<&str>) -> SecretView {
    SecretView {
        reference: reference.to_owned(),
        workspace: workspace.map(str::to_owned),
        environment: environment.map(str::to_owned),
        state: if reference.ends_with("-off") { "disabled" } else { "active" }.to_owned(),
        version: Some(1),
        description: String::new(),
        created: "2026-11-22T00:00:00Z".to_owned(),
        updated: "2026-11-22T00:00:00Z".to_owned(),
        expires: reference.strip_prefix("till/").map(|day| format!("2027-01-{day}T00:00:00Z")),
        max_age_s: None,
        keep: None,
        versions: Vec::new(),
        last_used: None,
    }
}

fn list() -> Vec<Listed> {
    sorted(vec![
        view("prod/db", None, None),
        view("prod/db", Some("pay"), None),
        view("prod/db", Some("pay"), Some("live")),
        view("prod/db-off", Some("other"), None),
        view("prod/d", Some("pay"), None),
        view("prod-2/db", None, None),
        view("till/01", None, None),
        view("till/30", None, None),
    ])
}

fn caller(rights: Rights) -> Caller {
    Caller::of_rights("ada", rights)
}

fn keys(rights: Rights, wanted: &Wanted) -> Vec<String> {
    let (list, page) = (list(), PageQuery::default());
    let found = select(&list, &caller(rights), wanted, &page).unwrap();
    assert_eq!(found.next, None);
    found.items.iter().map(|one| one.key.trim_end().to_owned()).collect()
}

fn check(wanted: Wanted, expected: &[&str]) {
    assert_eq!(keys(Rights::admin(), &wanted), expected, "{wanted:?}");
}

#[test]
fn what_is_wanted_is_found_in_the_order_of_refs_and_scopes() {
    check(
        Wanted::default(),
        &[
            "prod-2/db",
            "prod/d pay",
            "prod/db",
            "prod/db pay",
            "prod/db pay live",
            "prod/db-off other",
            "till/01",
            "till/30",
        ],
    );
    let prefix = |prefix: &str| Wanted { prefix: prefix.to_owned(), ..Wanted::default() };
    check(
        prefix("prod/d"),
        &["prod/d pay", "prod/db", "prod/db pay", "prod/db pay live", "prod/db-off other"],
    );
    check(prefix("prod-"), &["prod-2/db"]);
    check(prefix("zz"), &[]);
    let workspace = |name: &str| Wanted { workspace: Some(name.to_owned()), ..prefix("prod") };
    check(workspace(""), &["prod-2/db", "prod/db"]);
    check(workspace("pay"), &["prod/d pay", "prod/db pay", "prod/db pay live"]);
    let environment =
        |name: &str| Wanted { environment: Some(name.to_owned()), ..prefix("prod/db") };
    check(environment("live"), &["prod/db pay live"]);
    check(environment(""), &["prod/db", "prod/db pay", "prod/db-off other"]);
    check(Wanted { state: Some("disabled"), ..Wanted::default() }, &["prod/db-off other"]);
    let by = |day: &str| Wanted {
        expires_by: Some(format!("2027-01-{day}T00:00:00Z")),
        ..Wanted::default()
    };
    check(by("01"), &["till/01"]);
    check(by("31"), &["till/01", "till/30"]);
}

#[test]
fn what_may_not_be_seen_is_not_there() {
    let grant =
        |workspace| Rights { admin: false, grants: vec![Grant { workspace, role: Role::Viewer }] };
    let pay = Place::Workspace(WorkspaceName::parse("pay").unwrap());
    let seen = keys(grant(pay), &Wanted::default());
    assert_eq!(seen, ["prod/d pay", "prod/db pay", "prod/db pay live"]);
    let seen = keys(grant(Place::Global), &Wanted::default());
    assert_eq!(seen, ["prod-2/db", "prod/db", "till/01", "till/30"]);
    assert_eq!(keys(Rights::default(), &Wanted::default()), [""; 0]);
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    let page = PageQuery { limit: None, cursor: Some("%".to_owned()) };
    let list = list();
    let refused = select(&list, &caller(Rights::admin()), &Wanted::default(), &page);
    assert_eq!(
        refused.err().map(|problem| problem.status()),
        Some(StatusCode::UNPROCESSABLE_ENTITY)
    );
}
