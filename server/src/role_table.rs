//! Every operation of the API, with what it takes and where: the table that the test of roles goes through.
//!
//! An operation that is described and not here fails the test, and so does a row that is described no more. A
//! row names the action that the operation checks, a request that reaches something, and where that is.

use crate::access::Action;

/// An operation and a request for it.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    /// The path as it is described, without `/api/v1`.
    pub(crate) path: &'static str,
    pub(crate) action: Action,
    /// What is asked for, without `/api/v1`.
    pub(crate) target: &'static str,
    /// The workspace of what it is about; `None`: the global scope.
    pub(crate) at: Option<&'static str>,
    /// A body of JSON, if it takes one.
    pub(crate) body: &'static str,
    pub(crate) finds: Finds,
}

/// What the request reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finds {
    /// Something that is there: who may, is not told that it is not.
    Thing,
    /// Nothing: who may is told the same as who may not see it.
    Nothing,
    /// A list, for everybody who is in; what is in it beside others is this text, for who may.
    List(&'static str),
}

const fn row(
    (method, path): (&'static str, &'static str),
    action: Action,
    target: &'static str,
    at: Option<&'static str>,
    body: &'static str,
) -> Row {
    Row { method, path, action, target, at, body, finds: Finds::Thing }
}

impl Row {
    const fn finding(mut self, finds: Finds) -> Row {
        self.finds = finds;
        self
    }
}

const PAYMENTS: Option<&str> = Some("payments");
/// A password that is refused for its length, so that nothing is changed.
const SHORT: &str = r#"{"password": "short"}"#;

/// The run of the test.
pub(crate) const RUN: &str = "20261123t000000-abcd";

/// The table. The workflow `pay` and its run are in `payments`, the workflow `free` in the global scope. The runner of the test has the secret `prod/db` in the workspace `payments` and `other/db` in
/// the global scope, a connection `jira` in `payments`, and changes nothing; there is a user `target`.
pub(crate) const TABLE: &[Row] = &[
    row(("GET", "/secrets"), Action::SeeSecrets, "/secrets", PAYMENTS, "")
        .finding(Finds::List("prod/db")),
    row(("GET", "/secrets"), Action::SeeSecrets, "/secrets", None, "")
        .finding(Finds::List("other/db")),
    row(
        ("POST", "/secrets"),
        Action::ChangeSecrets,
        "/secrets",
        PAYMENTS,
        r#"{"ref": "new", "workspace": "payments"}"#,
    ),
    row(("POST", "/secrets"), Action::ChangeSecrets, "/secrets", None, r#"{"ref": "new"}"#),
    row(
        ("GET", "/secrets/{ref}"),
        Action::SeeSecrets,
        "/secrets/prod%2Fdb?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(("GET", "/secrets/{ref}"), Action::SeeSecrets, "/secrets/other%2Fdb", None, ""),
    row(
        ("DELETE", "/secrets/{ref}"),
        Action::ChangeSecrets,
        "/secrets/prod%2Fdb?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/secrets/{ref}/rotate"),
        Action::ChangeSecrets,
        "/secrets/prod%2Fdb/rotate?workspace=payments",
        PAYMENTS,
        r#"{"value": "v"}"#,
    ),
    row(
        ("POST", "/secrets/{ref}/disable"),
        Action::ChangeSecrets,
        "/secrets/prod%2Fdb/disable?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/secrets/{ref}/enable"),
        Action::ChangeSecrets,
        "/secrets/prod%2Fdb/enable?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/secrets/{ref}/rollback"),
        Action::ChangeSecrets,
        "/secrets/other%2Fdb/rollback",
        None,
        r#"{"version": 1}"#,
    ),
    row(
        ("PATCH", "/secrets/{ref}"),
        Action::ChangeSecrets,
        "/secrets/prod%2Fdb?workspace=payments",
        PAYMENTS,
        r#"{"description": "d"}"#,
    ),
    row(
        ("GET", "/secrets/{ref}/versions"),
        Action::SeeSecrets,
        "/secrets/prod%2Fdb/versions?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/secrets/{ref}/prune"),
        Action::ChangeSecrets,
        "/secrets/prod%2Fdb/prune?workspace=payments",
        PAYMENTS,
        r#"{"keep": 1}"#,
    ),
    row(("GET", "/environments"), Action::SeeEnvironments, "/environments", None, ""),
    row(
        ("POST", "/environments/{name}/protect"),
        Action::ChangeEnvironments,
        "/environments/prod/protect",
        None,
        "",
    ),
    row(
        ("POST", "/environments/{name}/unprotect"),
        Action::ChangeEnvironments,
        "/environments/prod/unprotect",
        None,
        "",
    ),
    row(
        ("DELETE", "/environments/{name}"),
        Action::ChangeEnvironments,
        "/environments/prod",
        None,
        "",
    ),
    row(("GET", "/audit"), Action::SeeAudit, "/audit?workspace=payments", PAYMENTS, ""),
    row(("GET", "/audit/verify"), Action::VerifyAudit, "/audit/verify", None, ""),
    row(("GET", "/keys/status"), Action::SeeKeys, "/keys/status", None, ""),
    row(("GET", "/workflows"), Action::SeeWorkflows, "/workflows", PAYMENTS, "")
        .finding(Finds::List("\"pay\"")),
    row(("GET", "/workflows"), Action::SeeWorkflows, "/workflows", None, "")
        .finding(Finds::List("\"free\"")),
    row(("GET", "/workflows/{name}"), Action::SeeWorkflows, "/workflows/pay", PAYMENTS, ""),
    row(("GET", "/workflows/{name}"), Action::SeeWorkflows, "/workflows/free", None, ""),
    row(
        ("GET", "/workflows/{name}/explain"),
        Action::SeeWorkflows,
        "/workflows/pay/explain",
        PAYMENTS,
        "",
    ),
    // A workflow may be called so; in the test, none is.
    row(
        ("GET", "/workflows/validate"),
        Action::SeeWorkflows,
        "/workflows/validate",
        Some("nowhere"),
        "",
    )
    .finding(Finds::Nothing),
    row(
        ("POST", "/workflows/validate"),
        Action::SeeSelf,
        "/workflows/validate",
        None,
        r#"{"text": "steps: []"}"#,
    ),
    row(
        ("POST", "/workflows/{name}/runs"),
        Action::StartRuns,
        "/workflows/pay/runs",
        PAYMENTS,
        "{}",
    ),
    row(("POST", "/workflows/{name}/dry"), Action::StartRuns, "/workflows/pay/dry", PAYMENTS, "{}"),
    row(("GET", "/runs"), Action::SeeRuns, "/runs", PAYMENTS, "").finding(Finds::List(RUN)),
    row(("GET", "/runs/{id}"), Action::SeeRuns, "/runs/20261123t000000-abcd", PAYMENTS, ""),
    row(
        ("GET", "/runs/{id}/events"),
        Action::SeeRuns,
        "/runs/20261123t000000-abcd/events",
        PAYMENTS,
        "",
    ),
    row(
        ("GET", "/runs/{id}/steps/{step}/log"),
        Action::SeeRuns,
        "/runs/20261123t000000-abcd/steps/one/log",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/runs/{id}/stop"),
        Action::SteerRuns,
        "/runs/20261123t000000-abcd/stop",
        PAYMENTS,
        "{}",
    ),
    row(
        ("POST", "/runs/{id}/retry"),
        Action::SteerRuns,
        "/runs/20261123t000000-abcd/retry",
        PAYMENTS,
        "{}",
    ),
    row(("GET", "/connection-types"), Action::SeeConnectionTypes, "/connection-types", None, "")
        .finding(Finds::List("github")),
    row(
        ("GET", "/connection-types/{id}"),
        Action::SeeConnectionTypes,
        "/connection-types/github",
        None,
        "",
    ),
    row(("GET", "/connections"), Action::SeeConnections, "/connections", PAYMENTS, "")
        .finding(Finds::List("jira")),
    row(
        ("POST", "/connections"),
        Action::ChangeConnections,
        "/connections",
        PAYMENTS,
        r#"{"name": "new", "workspace": "payments", "type": "github", "fields": {}}"#,
    ),
    row(
        ("GET", "/connections/{name}"),
        Action::SeeConnections,
        "/connections/jira?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("PATCH", "/connections/{name}"),
        Action::ChangeConnections,
        "/connections/jira?workspace=payments",
        PAYMENTS,
        r#"{"fields": {"token": "t"}}"#,
    ),
    row(
        ("DELETE", "/connections/{name}"),
        Action::ChangeConnections,
        "/connections/jira?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/connections/{name}/rotate"),
        Action::ChangeConnections,
        "/connections/jira/rotate?workspace=payments",
        PAYMENTS,
        r#"{"fields": {"token": "t"}}"#,
    ),
    row(
        ("POST", "/connections/{name}/disable"),
        Action::ChangeConnections,
        "/connections/jira/disable?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/connections/{name}/enable"),
        Action::ChangeConnections,
        "/connections/jira/enable?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/connections/{name}/test"),
        Action::TestConnections,
        "/connections/jira/test?workspace=payments",
        PAYMENTS,
        "",
    ),
    row(
        ("POST", "/connections/{name}/refresh"),
        Action::ChangeConnections,
        "/connections/jira/refresh?workspace=payments",
        PAYMENTS,
        "{}",
    ),
    row(
        ("POST", "/connections/{name}/revoke"),
        Action::ChangeConnections,
        "/connections/jira/revoke?workspace=payments",
        PAYMENTS,
        "{}",
    ),
    row(
        ("POST", "/connections/{name}/authorize"),
        Action::ChangeConnections,
        "/connections/jira/authorize?workspace=payments",
        PAYMENTS,
        r#"{"flow": "device"}"#,
    ),
    // Whoever began a grant sees it, and nobody else.
    row(("GET", "/grants/{id}"), Action::SeeConnectionTypes, "/grants/none", None, "")
        .finding(Finds::Nothing),
    row(("DELETE", "/grants/{id}"), Action::SeeConnectionTypes, "/grants/none", None, "")
        .finding(Finds::Nothing),
    row(("GET", "/me"), Action::SeeSelf, "/me", None, ""),
    row(("POST", "/me/password"), Action::ManageSelf, "/me/password", None, r#"{"new": "short"}"#),
    row(("GET", "/me/tokens"), Action::ManageSelf, "/me/tokens", None, ""),
    row(("POST", "/me/tokens"), Action::ManageSelf, "/me/tokens", None, r#"{"name": "ci"}"#),
    row(("DELETE", "/me/tokens/{id}"), Action::ManageSelf, "/me/tokens/none", None, "")
        .finding(Finds::Nothing),
    row(("GET", "/me/sessions"), Action::ManageSelf, "/me/sessions", None, ""),
    row(("DELETE", "/me/sessions"), Action::ManageSelf, "/me/sessions", None, ""),
    row(("DELETE", "/me/sessions/{id}"), Action::ManageSelf, "/me/sessions/none", None, "")
        .finding(Finds::Nothing),
    row(("GET", "/users"), Action::ManageUsers, "/users", None, ""),
    row(("POST", "/users"), Action::ManageUsers, "/users", None, r#"{"name": "No Name"}"#),
    row(("GET", "/users/{name}"), Action::ManageUsers, "/users/target", None, ""),
    row(("DELETE", "/users/{name}"), Action::ManageUsers, "/users/gone", None, "")
        .finding(Finds::Nothing),
    row(
        ("PUT", "/users/{name}/rights"),
        Action::ManageUsers,
        "/users/target/rights",
        None,
        r#"{"grants": [{"workspace": "payments", "role": "viewer"}]}"#,
    ),
    row(
        ("POST", "/users/{name}/password"),
        Action::ManageUsers,
        "/users/target/password",
        None,
        SHORT,
    ),
    row(
        ("POST", "/users/{name}/rename"),
        Action::ManageUsers,
        "/users/target/rename",
        None,
        r#"{"name": "target"}"#,
    ),
    row(("POST", "/users/{name}/disable"), Action::ManageUsers, "/users/target/disable", None, ""),
    row(("POST", "/users/{name}/enable"), Action::ManageUsers, "/users/target/enable", None, ""),
];
