//! Who sees and steers what: a workflow and its runs are in the workspace of its label.

use serde_json::{Value, json};

use super::server::Server;
use crate::program::Place;

fn place() -> Place {
    let place = Place::new();
    let steps = "steps: [{name: s, run: echo hello}]\n";
    place.write("flows/open.yaml", steps);
    place.write("flows/pay.yaml", &format!("labels: [workspace=pay]\n{steps}"));
    place.write("flows/other.yaml", &format!("labels: [workspace=other]\n{steps}"));
    place.write("flows/unclear.yaml", "labels: [workspace=pay\n");
    place
}

fn names(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// Runs of all three workflows, by their names.
fn runs(server: &Server) -> [String; 3] {
    ["open", "pay", "other"].map(|name| {
        let run = server.begin(name);
        server.wait(&run, "succeeded");
        run
    })
}

fn rights(workspace: &str, role: &str) -> Value {
    json!({"admin": false, "grants": [{"workspace": workspace, "role": role}]})
}

#[test]
fn what_is_in_another_workspace_is_not_there() {
    let place = place();
    let server = Server::start(&place, &[]);
    let all = names(&server.get("/api/v1/workflows").json(), "name");
    assert_eq!(all, ["open", "other", "pay", "unclear"]);
    let [open, pay, other] = runs(&server);
    let server = server.again_with(&place, &rights("pay", "viewer"));
    assert_eq!(names(&server.get("/api/v1/workflows").json(), "name"), ["pay"]);
    assert_eq!(names(&server.get("/api/v1/runs").json(), "id"), std::slice::from_ref(&pay));
    for run in [&open, &other] {
        for path in ["", "/events", "/steps/s/log"] {
            let reply = server.get(&format!("/api/v1/runs/{run}{path}"));
            assert_eq!(reply.status, 404, "{path}: {reply:?}");
        }
        for verb in ["stop", "retry"] {
            let reply = server.post(&format!("/api/v1/runs/{run}/{verb}"), &json!({}));
            assert_eq!(reply.status, 404, "{verb}: {reply:?}");
        }
        assert_eq!(server.get(&format!("/runs/{run}")).status, 404);
        assert_eq!(
            server.get(&format!("/runs/{run}/log?step=s&stream=stdout&attempt=1")).status,
            404
        );
        assert!(!server.get("/runs").body.contains(run.as_str()));
    }
    for name in ["open", "other", "unclear"] {
        let path = format!("/api/v1/workflows/{name}");
        assert_eq!(server.get(&path).status, 404);
        assert_eq!(server.get(&format!("{path}/explain")).status, 404);
        assert_eq!(server.post(&format!("{path}/runs"), &json!({})).status, 404);
        assert_eq!(server.post(&format!("{path}/dry"), &json!({})).status, 404);
        assert_eq!(server.get(&format!("/workflows/{name}")).status, 404);
    }
}

#[test]
fn a_viewer_looks_an_operator_steers_and_a_change_of_the_label_counts_at_once() {
    let place = place();
    let server = Server::start(&place, &[]);
    let [_, run, _] = runs(&server);
    let server = server.again_with(&place, &rights("pay", "viewer"));
    for path in ["", "/events", "/steps/s/log"] {
        assert_eq!(server.get(&format!("/api/v1/runs/{run}{path}")).status, 200, "{path}");
    }
    for path in ["workflows/pay/runs", "workflows/pay/dry", &format!("runs/{run}/retry")] {
        let reply = server.post(&format!("/api/v1/{path}"), &json!({}));
        assert_eq!(reply.status, 403, "{path}: {reply:?}");
    }
    assert_eq!(server.submit("/workflows/pay/start", "").status, 403);
    assert!(!server.get("/workflows/pay").body.contains("/workflows/pay/start"));
    assert!(!server.get(&format!("/runs/{run}")).body.contains("/retry"));
    let server = server.again_with(&place, &rights("pay", "operator"));
    assert!(server.get("/workflows/pay").body.contains("/workflows/pay/start"));
    let again = server.begin("pay");
    server.wait(&again, "succeeded");
    place.write("flows/pay.yaml", "labels: [workspace=other]\nsteps: [{name: s, run: 'true'}]\n");
    assert_eq!(server.post("/api/v1/workflows/pay/runs", &json!({})).status, 404);
    let retry = server.post(&format!("/api/v1/runs/{run}/retry"), &json!({}));
    assert_eq!(retry.status, 404, "the workflow is elsewhere now: {retry:?}");
    assert_eq!(server.get(&format!("/api/v1/runs/{run}")).status, 200, "the run is where it was");
}

#[test]
fn who_sends_no_cookie_or_no_form_token_does_nothing() {
    let place = place();
    let mut server = Server::start(&place, &[]);
    let [run, ..] = runs(&server);
    let csrf = std::mem::take(&mut server.csrf);
    for path in ["/api/v1/workflows/open/runs", &format!("/api/v1/runs/{run}/retry")] {
        assert_eq!(server.post(path, &json!({})).status, 403, "{path}");
    }
    assert_eq!(server.submit("/workflows/open/start", "").status, 403);
    (server.csrf, server.cookie) = (csrf, String::new());
    for path in ["/api/v1/runs", "/api/v1/workflows", &format!("/api/v1/runs/{run}/events")] {
        assert_eq!(server.get(path).status, 401, "{path}");
    }
    assert_eq!(server.get("/runs").status, 303);
    assert_eq!(server.post("/api/v1/workflows/open/runs", &json!({})).status, 401);
}
