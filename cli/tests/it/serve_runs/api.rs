//! Workflows and runs over the API and the pages.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::server::Server;
use crate::program::Place;

const SECRET: &str = "hunter2-in-the-registry";

fn place() -> Place {
    let place = Place::new();
    place.write(
        "flows/team/greet.yaml",
        "description: says hello\nparams:\n- {name: WHO, default: nobody}\n\
         steps:\n- {name: hello, run: echo hello $WHO}\n- {name: call, call: inner, depends: [hello]}\n\
         ---\nname: inner\nsteps: [{name: deep, run: echo from below}]\n",
    );
    place.write(
        "flows/slow.yaml",
        "steps: [{name: wait, run: exec sleep 300}]\nhandler_on: {exit: {run: echo cleaned}}\n",
    );
    place.write("flows/broken.yaml", "steps:\n- name: a\n  run: x\n  depends: [b]\n");
    place.write(
        "flows/unresolved.yaml",
        "secrets:\n- {name: TOKEN, provider: env, key: NOT_SET}\nsteps: [{run: 'true'}]\n",
    );
    place.write("outside.yaml", "steps: [{run: 'true'}]\n");
    symlink(place.path().join("outside.yaml"), place.path().join("flows/link.yaml")).unwrap();
    place
}

fn names(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn workflows_are_listed_shown_and_checked() {
    let place = place();
    let server = Server::start(&place, &[]);
    let list = server.get("/api/v1/workflows").json();
    assert_eq!(names(&list, "name"), ["broken", "slow", "team/greet", "unresolved"]);
    assert_eq!(list["items"][0]["errors"], 1);
    let greet = server.get("/api/v1/workflows/team%2Fgreet").json();
    assert_eq!(greet["params"][0]["name"], "WHO");
    assert_eq!(greet["steps"][1]["depends"], json!(["hello"]));
    let broken = server.get("/api/v1/workflows/broken").json();
    assert_eq!(broken["problems"][0]["places"][0]["line"], 4, "{broken}");
    let checked = server.post("/api/v1/workflows/validate", &json!({"text": "steps: []\nx: 1\n"}));
    let checked = checked.json();
    assert_eq!(
        (&checked["valid"], &checked["problems"][0]["severity"]),
        (&json!(false), &json!("error"))
    );
    let explained = server.get("/api/v1/workflows/team%2Fgreet/explain?step=hello").json();
    let who = explained["items"].as_array().unwrap().iter().find(|one| one["name"] == "WHO");
    assert_eq!(who.unwrap()["layer"], "params");
}

#[test]
fn names_mean_files_of_the_folder_and_nothing_else() {
    let place = place();
    let server = Server::start(&place, &[]);
    let outside = place.path().join("outside").display().to_string().replace('/', "%2F");
    for name in [
        "..%2Foutside",
        "link",
        "team%2F..%2Fslow",
        &outside,
        "%2e%2e%2foutside",
        "none",
        "slow%00",
    ] {
        for reply in [
            server.get(&format!("/api/v1/workflows/{name}")),
            server.post(&format!("/api/v1/workflows/{name}/runs"), &json!({})),
            server.get(&format!("/workflows/{name}")),
            server.get(&format!("/api/v1/runs/{name}")),
        ] {
            assert_eq!(reply.status, 404, "{name}: {reply:?}");
        }
    }
    let run = server.begin("team%2Fgreet");
    server.wait(&run, "succeeded");
    for step in ["..%2F..%2Fstatus.json", "hello%2F..", "%2Fetc%2Fpasswd", "none"] {
        let reply = server.get(&format!("/api/v1/runs/{run}/steps/{step}/log"));
        assert_eq!(reply.status, 404, "{step}: {reply:?}");
    }
}

#[test]
fn a_run_is_started_listed_shown_and_its_log_read_in_parts() {
    let place = place();
    let server = Server::start(&place, &[]);
    let given = json!({"params": {"WHO": "ada"}});
    let reply = server.post("/api/v1/workflows/team%2Fgreet/runs", &given);
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(format!("/api/v1/runs/{id}").as_str()));
    server.wait(&id, "succeeded");
    let run = server.get(&format!("/api/v1/runs/{id}")).json();
    assert_eq!((&run["workflow"], &run["by"]), (&json!("team/greet"), &json!("admin")));
    let steps: Vec<&str> = run["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["hello", "call", "call/deep"]);
    let log = server.get(&format!("/api/v1/runs/{id}/steps/hello/log?offset=6&limit=3"));
    assert_eq!((log.body.as_str(), log.header("x-log-next")), ("ada", Some("9")));
    let beyond = format!("/api/v1/runs/{id}/steps/hello/log?offset=");
    let last = server.get(&format!("{beyond}9007199254740991"));
    assert_eq!(
        (last.status, last.body.as_str(), last.header("x-log-length")),
        (200, "", Some("10"))
    );
    assert_eq!(server.get(&format!("{beyond}9007199254740992")).status, 422);
    let deep = server.get(&format!("/api/v1/runs/{id}/steps/call%2Fdeep/log")).body;
    assert_eq!(deep, "from below\n");
    let other = server.begin("team%2Fgreet");
    server.wait(&other, "succeeded");
    let page = server.get("/api/v1/runs?workflow=team/greet&limit=1").json();
    let rest = format!("/api/v1/runs?limit=5&cursor={}", page["next"].as_str().unwrap());
    let mut seen = names(&page, "id");
    seen.extend(names(&server.get(&rest).json(), "id"));
    let mut expected = [id, other];
    expected.sort_by(|a, b| b.cmp(a));
    assert_eq!(seen, expected);
    for (query, count) in
        [("status=failed", 0), ("status=succeeded", 2), ("since=2020-01-01T00:00:00Z", 2)]
    {
        let found = server.get(&format!("/api/v1/runs?{query}")).json();
        assert_eq!(names(&found, "id").len(), count, "{query}");
    }
    assert_eq!(server.get("/api/v1/runs?since=yesterday").status, 422);
    assert_eq!(server.get("/api/v1/runs?status=odd").status, 422);
}

#[test]
fn what_cannot_be_started_says_why_and_a_dry_run_starts_nothing() {
    let place = place();
    let server = Server::start(&place, &[]);
    let reply = server.post("/api/v1/workflows/broken/runs", &json!({}));
    assert_eq!((reply.status, &reply.json()["problems"][0]["places"][0]["line"]), (422, &json!(4)));
    let reply = server.post("/api/v1/workflows/unresolved/runs", &json!({}));
    let told = reply.json();
    assert_eq!(
        (reply.status, &told["problems"][0]["places"][0]["line"]),
        (422, &json!(2)),
        "{told}"
    );
    assert_eq!(server.status_of(told["run"].as_str().unwrap()), "failed");
    let plan = server.post("/api/v1/workflows/team%2Fgreet/dry", &json!({}));
    assert_eq!((plan.status, &plan.json()["secrets"]), (200, &json!([])));
    assert_eq!(server.post("/api/v1/workflows/unresolved/dry", &json!({})).status, 422);
    let wrong = server.post("/api/v1/workflows/team%2Fgreet/runs", &json!({"parms": {}}));
    assert_eq!(wrong.status, 422);
    assert_eq!(names(&server.get("/api/v1/runs").json(), "status"), ["failed"]);
}

#[test]
fn a_run_is_stopped_and_tried_again() {
    let place = place();
    let server = Server::start(&place, &[]);
    let run = server.begin("slow");
    let path = |verb: &str| format!("/api/v1/runs/{run}/{verb}");
    assert_eq!(server.post(&path("retry"), &json!({})).status, 409);
    assert_eq!(server.post(&path("stop"), &json!({"how": "graceful"})).status, 202);
    server.wait(&run, "aborted");
    assert_eq!(server.post(&path("stop"), &json!({})).status, 409);
    place.write("flows/slow.yaml", "steps: [{name: wait, run: 'true'}]\n");
    let reply = server.post(&path("retry"), &json!({}));
    let again = reply.json()["id"].as_str().expect("a run").to_owned();
    server.wait(&again, "succeeded");
    assert_eq!(server.get(&format!("/api/v1/runs/{again}")).json()["retry_of"], run.as_str());
}

#[test]
fn a_secret_that_a_step_prints_is_nowhere() {
    let place = place();
    place.write(
        "flows/leaky.yaml",
        "secrets:\n- {name: TOKEN, ref: prod/token}\nparams: [{name: P, default: ''}]\n\
         steps: [{name: leak, run: 'echo \"<b>$TOKEN</b>\"; echo $TOKEN >&2'}]\n",
    );
    let server = Server::start(&place, &[]);
    let secret = json!({"ref": "prod/token", "value": SECRET});
    assert_eq!(server.post("/api/v1/secrets", &secret).status, 201);
    let started =
        server.post("/api/v1/workflows/leaky/runs", &json!({"params": {"P": SECRET}})).json();
    let run = started["id"].as_str().unwrap().to_owned();
    server.wait(&run, "succeeded");
    let paths = [
        format!("/api/v1/runs/{run}"),
        format!("/api/v1/runs/{run}/events"),
        format!("/api/v1/runs/{run}/steps/leak/log"),
        format!("/api/v1/runs/{run}/steps/leak/log?stream=stderr"),
        format!("/runs/{run}"),
        format!("/runs/{run}/log?step=leak&stream=stdout&attempt=1"),
        "/runs".to_owned(),
        "/workflows".to_owned(),
        "/workflows/leaky".to_owned(),
    ];
    for path in paths {
        let reply = server.get(&path);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert!(!reply.body.contains(SECRET), "{path}: {}", reply.body);
        assert!(path.starts_with("/api") || !reply.body.contains("<b>*"), "{path} is escaped");
    }
    let log = server.get(&format!("/api/v1/runs/{run}/steps/leak/log?stream=stderr")).body;
    assert_eq!(log, "*******\n");
}

#[test]
fn pages_show_runs_and_workflows_and_start_stop_and_retry() {
    let place = place();
    let server = Server::start(&place, &[]);
    assert!(server.get("/runs").body.contains("No run yet"));
    let page = server.get("/workflows/broken").body;
    let caret = page.split_once("id=\"L4\"").unwrap().1;
    assert!(caret.contains("<code>            ^ "), "{caret}");
    assert!(caret.contains("<strong>error</strong>"));
    assert!(!page.contains("/workflows/broken/start"), "what is broken cannot be started");
    let page = server.get("/workflows/team%2Fgreet").body;
    assert!(page.contains("name=\"param.WHO\"") && page.contains("placeholder=\""));
    let reply =
        server.submit("/workflows/team%2Fgreet/start", "param.WHO=ada+%3Cb%3E&environment=");
    assert_eq!(reply.status, 303, "{reply:?}");
    let place_of_run = reply.header("location").unwrap().to_owned();
    let run = place_of_run.trim_start_matches("/runs/").trim_end_matches("?done=started");
    server.wait(run, "succeeded");
    let page = server.get(&place_of_run).body;
    assert!(page.contains("The run was started.") && page.contains("call/deep"));
    assert!(page.contains("ada &#60;b&#62;"), "{page}");
    let refused = server.submit("/workflows/unresolved/start", "");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("the record of it") && refused.body.contains("NOT_SET"));
    assert!(server.submit("/workflows/team%2Fgreet/dry", "").body.contains("It needs no secret"));
    let slow = server.begin("slow");
    assert!(server.get(&format!("/runs/{slow}")).body.contains("data-live=\"true\""));
    assert_eq!(server.submit(&format!("/runs/{slow}/stop"), "how=kill").status, 303);
    server.wait(&slow, "aborted");
    assert!(server.get("/runs?status=aborted").body.contains(&slow));
    assert_eq!(server.submit(&format!("/runs/{slow}/retry"), "").status, 303);
    assert!(server.get("/assets/live.js").body.contains("EventSource"));
}
