//! Secrets, environments, the key and the audit log by the server: over its API and its pages.

mod leaks;
mod once;
mod pages;
mod site;

use serde_json::{Value, json};

use crate::program::Place;
use site::Site;

/// The value that a run gets for a ref.
fn value_of(place: &Place, reference: &str) -> String {
    let text =
        format!("secrets: [{{name: A, ref: {reference}}}]\nsteps: ['printf %s \"$A\" > got']\n");
    place.write("w.yaml", &text);
    let ended = place.run(&["run", "w.yaml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    std::fs::read_to_string(place.path().join("got")).unwrap()
}

fn refs(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["ref"].as_str().unwrap()).collect()
}

#[test]
fn a_secret_lives_its_life_over_the_api() {
    let site = Site::start(Place::new());
    assert_eq!(site.get("/api/v1/secrets").json(), json!({"items": [], "next": null}));
    assert_eq!(site.get("/api/v1/keys/status").status, 404);
    let new = r#"{"ref": "prod/db", "value": "one", "description": "the database", "keep": 3}"#;
    let created = site.write("POST", "/api/v1/secrets", &[], new);
    assert_eq!((created.status, created.header("etag")), (201, Some("\"1\"")), "{created:?}");
    assert_eq!(site.write("POST", "/api/v1/secrets", &[], new).status, 409);
    let one = "/api/v1/secrets/prod%2Fdb";
    let shown = site.get(one);
    assert_eq!((shown.status, shown.header("etag")), (200, Some("\"1\"")));
    assert_eq!(shown.json()["description"], "the database");
    let rotated = site.write("POST", &format!("{one}/rotate"), &[], r#"{"value": "two"}"#);
    assert_eq!(rotated.json(), json!({"version": 2, "lost_expiry": false}));
    assert_eq!(value_of(&site.place, "prod/db"), "two");
    let bytes =
        site.write("POST", &format!("{one}/rotate"), &[], r#"{"value_base64": "dGhyZWU="}"#);
    assert_eq!(bytes.header("etag"), Some("\"3\""));
    assert_eq!(value_of(&site.place, "prod/db"), "three");
    let versions = site.get(&format!("{one}/versions")).json();
    let numbers: Vec<u64> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    let back = site.write("POST", &format!("{one}/rollback"), &[], r#"{"version": 2}"#);
    assert_eq!((back.status, back.header("etag")), (200, Some("\"4\"")), "{back:?}");
    assert_eq!(value_of(&site.place, "prod/db"), "two");
    let pruned = site.write("POST", &format!("{one}/prune"), &[], r#"{"keep": 1}"#);
    assert_eq!(pruned.json(), json!({"dropped": 2}));
    assert_eq!(site.write("POST", &format!("{one}/disable"), &[], "").status, 204);
    assert_eq!(site.get(one).json()["state"], "disabled");
    assert_eq!(site.write("POST", &format!("{one}/enable"), &[], "").status, 204);
    let patch = r#"{"description": "moved", "expires": "2100-01-31T00:00:00Z", "keep": 2}"#;
    assert_eq!(site.write("PATCH", one, &[], patch).status, 204);
    let patched = site.get(one).json();
    assert_eq!(patched["expires"], "2100-01-31T00:00:00Z");
    assert_eq!((&patched["description"], &patched["keep"]), (&json!("moved"), &json!(2)));
    assert_eq!(site.write("PATCH", one, &[], r#"{"expires": null}"#).status, 204);
    assert_eq!(site.get(one).json()["expires"], Value::Null);
    assert_eq!(site.get(one).json()["description"], "moved");
    assert_eq!(site.write("DELETE", one, &[], "").status, 204);
    assert_eq!(site.get(one).status, 404);
    assert_eq!(site.write("DELETE", one, &[], "").status, 404);
}

#[test]
fn a_change_of_another_version_is_refused() {
    let site = Site::start(Place::new());
    let new = r#"{"ref": "prod/db", "value": "one"}"#;
    assert_eq!(site.write("POST", "/api/v1/secrets", &[], new).status, 201);
    let one = "/api/v1/secrets/prod%2Fdb";
    for (method, path, body) in [
        ("POST", "/rotate", r#"{"value": "two"}"#),
        ("POST", "/rollback", r#"{"version": 1}"#),
        ("POST", "/prune", r#"{"keep": 1}"#),
        ("POST", "/disable", ""),
        ("POST", "/enable", ""),
        ("PATCH", "", r#"{"description": "x"}"#),
        ("DELETE", "", ""),
    ] {
        let target = format!("{one}{path}");
        let refused = site.write(method, &target, &[("if-match", "\"7\"")], body);
        assert_eq!(refused.status, 412, "{method} {path} {refused:?}");
        let garbled = site.write(method, &target, &[("if-match", "7")], body);
        assert_eq!(garbled.status, 422, "{method} {path} {garbled:?}");
    }
    assert_eq!(site.get(one).json()["version"], 1);
    let changed = site.write("POST", &format!("{one}/disable"), &[("if-match", "\"1\"")], "");
    assert_eq!(changed.status, 204);
}

#[test]
fn what_makes_no_sense_is_refused_and_repeated_nowhere() {
    let site = Site::start(Place::new());
    for body in [
        r#"{"ref": "Prod", "value": "canary-x"}"#,
        r#"{"ref": "prod", "value": "canary-x", "value_base64": "eA=="}"#,
        r#"{"ref": "prod", "value_base64": "canary-x"}"#,
        r#"{"ref": "prod", "value": ""}"#,
        r#"{"ref": "prod", "value": "canary-x", "keep": 0}"#,
        r#"{"ref": "prod", "value": "canary-x", "expires": "canary-x"}"#,
        r#"{"ref": "prod", "value": "canary-x", "expires": "2001-01-01T00:00:00Z"}"#,
        r#"{"ref": "prod", "value": "canary-x", "expires": "2101-01-01T00:00:00Z", "max_age_s": 1}"#,
        r#"{"ref": "prod", "value": "canary-x", "max_age_s": 0}"#,
        r#"{"ref": "prod", "value": "canary-x", "max_age_s": 3155760001}"#,
        r#"{"ref": "prod", "value": "canary-x", "keep": 2147483648}"#,
        r#"{"ref": "prod", "value": "canary-x", "canary-x": 1}"#,
        r#"{"ref": "prod", "value": {"canary-x": 1}}"#,
    ] {
        let refused = site.write("POST", "/api/v1/secrets", &[], body);
        assert_eq!(refused.status, 422, "{body} {refused:?}");
        assert!(!refused.body.contains("canary-x"), "{refused:?}");
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(site.get("/api/v1/secrets").json()["items"], json!([]));
    let declared =
        site.write("POST", "/api/v1/secrets", &[], r#"{"ref": "prod", "description": "x"}"#);
    assert_eq!(declared.json()["version"], Value::Null, "{declared:?}");
    let shown = site.get("/api/v1/secrets/prod").json();
    assert_eq!((&shown["version"], &shown["description"]), (&Value::Null, &json!("x")));
    // A moment may be told in any zone.
    let patch = r#"{"expires": "2101-01-01T01:30:00+01:30"}"#;
    let dated = site.write("PATCH", "/api/v1/secrets/prod", &[], patch);
    assert!(dated.status < 300, "{dated:?}");
    assert_eq!(site.get("/api/v1/secrets/prod").json()["expires"], "2101-01-01T00:00:00Z");
    assert_eq!(site.get("/api/v1/audit?since=2100-01-01T00:00:00%2B00:00").status, 200);
    let nothing = site.write("POST", "/api/v1/secrets/prod/rotate", &[], "{}");
    assert_eq!(nothing.status, 422);
}

#[test]
fn a_list_is_filtered_paged_and_known() {
    let place = Place::new();
    for (reference, words) in [
        ("a/one", &["--workspace", "pay"][..]),
        ("a/two", &[]),
        ("b/one", &["--env", "live"]),
        ("b/two", &["--expires", "2100-01-31"]),
    ] {
        let words = [&["secret", "set", reference], words].concat();
        assert_eq!(place.feed(&words, b"value").code, 0, "{words:?}");
    }
    let site = Site::start(place);
    assert_eq!(site.write("POST", "/api/v1/secrets/a%2Ftwo/disable", &[], "").status, 204);
    let check = |query: &str, expected: &[&str]| {
        let page = site.get(&format!("/api/v1/secrets?{query}"));
        assert_eq!(refs(&page.json()), expected, "{query}");
    };
    check("", &["a/one", "a/two", "b/one", "b/two"]);
    check("workspace=*&environment=*", &["a/one", "a/two", "b/one", "b/two"]);
    check("prefix=a%2F", &["a/one", "a/two"]);
    check("workspace=pay", &["a/one"]);
    check("workspace=", &["a/two", "b/one", "b/two"]);
    check("environment=live", &["b/one"]);
    check("environment=&workspace=", &["a/two", "b/two"]);
    check("state=disabled", &["a/two"]);
    check("expires_within_s=60", &[]);
    check("expires_within_s=3000000000", &["b/two"]);
    for query in [
        "state=x",
        "limit=0",
        "limit=x",
        "cursor=%25",
        "expires_within_s=-1",
        "expires_within_s=3162240001",
    ] {
        assert_eq!(site.get(&format!("/api/v1/secrets?{query}")).status, 422, "{query}");
    }
    let first = site.get("/api/v1/secrets?limit=3").json();
    assert_eq!(refs(&first), ["a/one", "a/two", "b/one"]);
    let next = first["next"].as_str().unwrap();
    check(&format!("limit=3&cursor={next}"), &["b/two"]);
    let tag = site.get("/api/v1/secrets").header("etag").unwrap().to_owned();
    let again = || site.ask("GET", "/api/v1/secrets", &[("if-none-match", &tag)], b"");
    assert_eq!((again().status, again().body.as_str()), (304, ""));
    // A change by the command line is seen as well.
    assert_eq!(site.place.run(&["secret", "disable", "b/two"]).code, 0);
    assert_eq!(again().status, 200);
    check("state=disabled", &["a/two", "b/two"]);
}

#[test]
fn environments_are_protected_and_removed() {
    let site = Site::start(Place::new());
    let names = || {
        let items = site.get("/api/v1/environments").json()["items"].clone();
        let items = items.as_array().unwrap().clone();
        items
            .iter()
            .map(|one| (one["name"].as_str().unwrap().to_owned(), one["protected"] == true))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), []);
    let post =
        |path: &str| site.write("POST", &format!("/api/v1/environments/{path}"), &[], "").status;
    let delete =
        |name: &str| site.write("DELETE", &format!("/api/v1/environments/{name}"), &[], "").status;
    assert_eq!((post("live/unprotect"), delete("live")), (404, 404));
    assert_eq!(post("live/protect"), 204);
    assert_eq!(names(), [("live".to_owned(), true)]);
    let new = r#"{"ref": "prod/db", "environment": "live", "value": "one"}"#;
    assert_eq!(site.write("POST", "/api/v1/secrets", &[], new).status, 201);
    assert_eq!(delete("live"), 409);
    assert_eq!(post("live/unprotect"), 204);
    assert_eq!(names(), [("live".to_owned(), false)]);
    let one = "/api/v1/secrets/prod%2Fdb?environment=live";
    assert_eq!(site.write("DELETE", one, &[], "").status, 204);
    assert_eq!(delete("live"), 204);
    assert_eq!(names(), []);
    assert_eq!(post("li.ve/protect"), 422);
}

#[test]
fn the_key_is_told_of_and_not_shown() {
    let place = Place::new();
    assert_eq!(place.feed(&["secret", "set", "prod/db"], b"value").code, 0);
    let known: Value =
        serde_json::from_str(&place.run(&["key", "status", "--json"]).stdout).unwrap();
    let site = Site::start(place);
    let told = site.get("/api/v1/keys/status").json();
    for field in ["store", "place", "chosen_by", "key", "wanted", "state", "rotation"] {
        assert_eq!(told[field], known[field], "{field}");
    }
    assert_eq!(told["state"], "in-use");
    let before = told["generation"].as_u64().unwrap();
    assert_eq!(site.write("POST", "/api/v1/secrets/prod%2Fdb/disable", &[], "").status, 204);
    assert!(site.get("/api/v1/keys/status").json()["generation"].as_u64().unwrap() > before);
}

#[test]
fn what_was_done_is_listed_the_newest_first_and_verified() {
    let place = Place::new();
    assert_eq!(place.feed(&["secret", "set", "prod/db", "--workspace", "pay"], b"value").code, 0);
    let site = Site::start(place);
    let one = "/api/v1/secrets/prod%2Fdb?workspace=pay";
    assert_eq!(site.write("DELETE", one, &[("if-match", "\"9\"")], "").status, 412);
    assert_eq!(site.write("DELETE", one, &[], "").status, 204);
    let list = |query: &str| site.get(&format!("/api/v1/audit?{query}")).json();
    let actions = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                format!(
                    "{} {}",
                    item["action"].as_str().unwrap(),
                    item["outcome"].as_str().unwrap()
                )
            })
            .collect()
    };
    let all = list("");
    assert_eq!(actions(&all)[..3], ["remove ok", "remove changed", "set ok"]);
    assert_eq!(
        (&all["items"][0]["user"], &all["items"][0]["command"]),
        (&json!("admin"), &json!("serve"))
    );
    assert_eq!((&all["next"], &all["broken"]), (&Value::Null, &json!(0)));
    let first = list("limit=1");
    assert_eq!(actions(&first), ["remove ok"]);
    let next = list(&format!("limit=1&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!(actions(&next), ["remove changed"]);
    assert_eq!(actions(&list("outcome=changed")), ["remove changed"]);
    assert_eq!(actions(&list("action=set")), ["set ok"]);
    assert_eq!(actions(&list("ref=prod%2Fdb&workspace=pay")).len(), 3);
    assert_eq!(actions(&list("workspace=other")), [""; 0]);
    assert_eq!(actions(&list("since=2100-01-01T00:00:00Z")), [""; 0]);
    assert_eq!(actions(&list("run=none")), [""; 0]);
    for query in ["action=x", "outcome=x", "since=x", "ref=X", "cursor=x", "limit=0"] {
        assert_eq!(site.get(&format!("/api/v1/audit?{query}")).status, 422, "{query}");
    }
    let report = site.get("/api/v1/audit/verify").json();
    assert_eq!((&report["whole"], &report["problems"]), (&json!(true), &json!([])));
    let log = site.place.home().join("secrets/audit.log");
    let text = std::fs::read_to_string(&log).unwrap().replacen("\"set\"", "\"get\"", 1);
    std::fs::write(&log, text).unwrap();
    assert_eq!(site.get("/api/v1/audit/verify").json()["whole"], false);
    assert!(list("")["broken"].as_u64().unwrap() > 0);
    assert!(site.get("/audit").body.contains("Lines of the log that do not hold"));
    assert!(site.get("/audit/verify").body.contains("is not what was written"));
}
