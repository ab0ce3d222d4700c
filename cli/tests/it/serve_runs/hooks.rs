//! Calls of services: who is let in, what they start, and what they give it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::server::{Reply, Server};
use crate::program::Place;

/// The example of GitHub's documentation: its secret, its body and the signature.
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &str = "Hello, World!";
const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

const STEPS: &str = "steps: [{name: show, run: 'echo \"got $WEBHOOK_PAYLOAD $BRANCH\"'}]\n";

fn place() -> Place {
    let place = Place::new();
    let flow = |name: &str, http: &str| {
        place.write(
            &format!("flows/{name}.yaml"),
            &format!("labels: {{workspace: pay}}\ntrigger: {{http: {{{http}}}}}\n{STEPS}"),
        );
    };
    flow("signed", "signature: {scheme: github, ref: hooks/github}");
    flow("guarded", "credentials_path: hook.json, params: {BRANCH: /ref}");
    flow("with-user", "credentials_path: hook.json, user: required");
    flow("silent", "");
    flow("free", "anonymous: true, max_body: 20");
    credentials(&place, "flows/hook.json", r#"{"bearer_auth": "shh-first"}"#);
    let set = ["secret", "set", "hooks/github", "--workspace", "pay"];
    assert_eq!(place.feed(&set, SECRET.as_bytes()).code, 0);
    place
}

fn credentials(place: &Place, name: &str, content: &str) {
    let path = place.write(name, content);
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A service calls.
fn call(server: &Server, hook: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    server.strange("POST", &format!("/hooks/{hook}"), &head, body)
}

/// The run that a call started, once it has succeeded.
fn started(server: &Server, reply: &Reply) -> String {
    assert_eq!(reply.status, 202, "{reply:?}");
    let run = reply.json()["run"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(format!("/api/v1/runs/{run}").as_str()));
    server.wait(&run, "succeeded");
    run
}

fn log(server: &Server, run: &str) -> String {
    server.get(&format!("/api/v1/runs/{run}/steps/show/log")).body
}

#[test]
fn who_signs_is_let_in_once_for_each_call() {
    let place = place();
    let server = Server::start(&place, &[]);
    let signed =
        |signature, body| call(&server, "signed", &[("X-Hub-Signature-256", signature)], body);
    let first = signed(SIGNATURE, BODY);
    let run = started(&server, &first);
    assert!(log(&server, &run).contains("got Hello, World!"));
    let record = server.get(&format!("/api/v1/runs/{run}")).json();
    assert_eq!(record["by"], "hook signed", "{record}");
    let again = signed(SIGNATURE, BODY).json();
    assert_eq!((&again["run"], &again["repeated"]), (&json!(run), &json!(true)));
    for (signature, body) in [
        (SIGNATURE, "Hello, World?"),
        ("sha256=00", BODY),
        ("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", BODY),
    ] {
        assert_eq!(signed(signature, body).status, 401, "{signature} {body}");
    }
    let unsigned = call(&server, "signed", &[("Authorization", "Bearer x")], BODY);
    assert_eq!(unsigned.status, 401);
    assert_eq!(unsigned.header("content-type"), Some("application/problem+json"));
    assert_eq!(server.get("/api/v1/runs").json()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn who_shows_the_token_of_the_file_is_let_in_and_a_new_file_counts_at_once() {
    let place = place();
    let server = Server::start(&place, &[]);
    let shown = |token: &str, body| {
        let token = format!("Bearer {token}");
        call(&server, "guarded", &[("Authorization", token.as_str())], body)
    };
    let run = started(&server, &shown("shh-first", r#"{"ref": "main"}"#));
    assert!(log(&server, &run).contains("main"));
    assert_eq!(shown("shh-second", r#"{"ref": "main"}"#).status, 401);
    assert_eq!(call(&server, "guarded", &[], "{}").status, 401);
    credentials(&place, "flows/hook.json", r#"{"bearer_auth": "shh-second"}"#);
    assert_eq!(shown("shh-first", r#"{"ref": "main"}"#).status, 401);
    started(&server, &shown("shh-second", r#"{"ref": "main"}"#));
    let lacking = shown("shh-second", r#"{"other": 1}"#);
    assert_eq!(
        (lacking.status, lacking.json()["detail"].as_str()),
        (422, Some("the body has nothing at `/ref`, for `BRANCH`"))
    );
    assert_eq!(shown("shh-second", "no json").status, 422);
    for line in [shown("wrong", "{}").body, call(&server, "guarded", &[], "").body] {
        assert!(!line.contains("shh-"), "{line}");
    }
}

#[test]
fn a_user_and_the_shared_token_both_have_to_pass() {
    let place = place();
    let server = Server::start(&place, &[]);
    let token = server.post("/api/v1/me/tokens", &json!({"name": "ci"})).json();
    let token = token["token"].as_str().unwrap().to_owned();
    let viewer =
        json!({"name": "look", "limit": {"grants": [{"workspace": "pay", "role": "viewer"}]}});
    let viewer = server.post("/api/v1/me/tokens", &viewer).json();
    let viewer = viewer["token"].as_str().unwrap().to_owned();
    let both = [("Authorization", "Bearer shh-first"), ("X-User-Token", token.as_str())];
    let run = started(&server, &call(&server, "with-user", &both, "x"));
    let record = server.get(&format!("/api/v1/runs/{run}")).json();
    assert_eq!(record["by"], "admin by hook with-user");
    for headers in [
        &both[..1],
        &both[1..],
        &[("Authorization", "Bearer shh-first"), ("X-User-Token", viewer.as_str())],
        &[("Authorization", "Bearer shh-first"), ("X-User-Token", "sr_none")],
        &[("Authorization", "Bearer wrong"), ("X-User-Token", token.as_str())],
    ] {
        assert_eq!(call(&server, "with-user", headers, "x").status, 401, "{headers:?}");
    }
}

#[test]
fn what_asks_for_nothing_takes_what_the_server_asks_for() {
    let place = place();
    let server = Server::start(&place, &[]);
    assert_eq!(
        call(&server, "silent", &[("Authorization", "Basic b3BzOm9wZW4=")], "x").status,
        401
    );
    started(&server, &call(&server, "free", &[], "x"));
    drop(server);
    let content = r#"{"basic_auth": {"username": "ops", "password": "open"}}"#;
    credentials(&place, "default.json", content);
    let server = Server::start(&place, &["--hook-credentials", "default.json"]);
    started(&server, &call(&server, "silent", &[("Authorization", "Basic b3BzOm9wZW4=")], "x"));
    assert_eq!(call(&server, "silent", &[], "x").status, 401);
    // Its own file counts, and so does its saying that anybody may.
    assert_eq!(
        call(&server, "guarded", &[("Authorization", "Basic b3BzOm9wZW4=")], "{}").status,
        401
    );
    started(&server, &call(&server, "free", &[], "x"));
}

#[test]
fn what_is_too_large_or_not_there_is_told() {
    let place = place();
    let server = Server::start(&place, &[]);
    assert_eq!(call(&server, "free", &[], "twenty-one characters").status, 413);
    assert_eq!(call(&server, "free", &[], &"x".repeat(100_000)).status, 413);
    assert_eq!(call(&server, "none", &[], "x").status, 404);
    assert_eq!(server.get("/hooks/free").status, 405);
    place.write(
        "flows/twin.yaml",
        &format!("trigger: {{http: {{name: free, anonymous: true}}}}\n{STEPS}"),
    );
    crate::program::eventually("the twin is seen", || {
        call(&server, "free", &[], "x").status == 409
    });
}
