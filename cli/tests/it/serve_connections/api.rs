//! The API: forms are filled in, changed and shown, and no answer holds what is sealed.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::server::{Answer, Server};
use crate::peer::{Peer, Received, Reply};
use crate::program::Place;

const CANARY: &str = "canary-password-7f3a";

fn basic(url: &str) -> Value {
    json!({
        "name": "team/web", "type": "http_basic", "description": "the web",
        "fields": {"base_url": url, "username": "me", "password": CANARY},
    })
}

fn started(words: &[&str]) -> (Place, Server) {
    let place = Place::new();
    let server = Server::start(&place, words);
    (place, server)
}

fn problem(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(part), "{part}: {detail}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
}

#[test]
fn a_connection_is_made_shown_changed_and_removed() {
    let (_place, server) = started(&[]);
    let at = "/connections/team%2Fweb";
    let made = server.call("POST", "/connections", &basic("https://web.example"), None);
    assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")), "{made:?}");
    problem(&server.call("POST", "/connections", &basic("https://web.example"), None), 409, "web");
    let shown = server.call("GET", at, &Value::Null, None).json();
    assert_eq!(shown["state"], "ready");
    assert_eq!(shown["fields"], json!({"base_url": "https://web.example", "username": "me"}));
    assert_eq!(shown["secrets"]["password"]["version"], 1);
    let list = server.call("GET", "/connections?type=http_basic", &Value::Null, None).json();
    assert_eq!(list["items"], json!([shown]));
    // A sealed field that is not sent stays.
    let edit = json!({"fields": {"username": "you"}});
    problem(&server.call("PATCH", at, &edit, Some("\"7\"")), 412, "version");
    assert_eq!(server.call("PATCH", at, &edit, Some("\"1\"")).json()["version"], 2);
    let shown = server.call("GET", at, &Value::Null, None).json();
    assert_eq!((&shown["fields"]["username"], &shown["state"]), (&json!("you"), &json!("ready")));
    assert_eq!(shown["secrets"]["password"]["version"], 1);
    let rotated = json!({"fields": {"password": CANARY}, "overlap_s": 60});
    assert_eq!(server.call("POST", &format!("{at}/rotate"), &rotated, None).json()["version"], 3);
    for (verb, state) in [("disable", "disabled"), ("enable", "ready")] {
        let changed = server.call("POST", &format!("{at}/{verb}"), &Value::Null, None);
        assert_eq!(changed.status, 204, "{changed:?}");
        assert_eq!(server.call("GET", at, &Value::Null, None).json()["state"], state);
    }
    problem(&server.call("DELETE", at, &Value::Null, Some("\"1\"")), 412, "version");
    assert_eq!(server.call("DELETE", at, &Value::Null, Some("\"3\"")).status, 204);
    problem(&server.call("GET", at, &Value::Null, None), 404, "no such");
    assert!(!server.heard().contains("canary"));
}

#[test]
fn what_cannot_be_meant_is_refused_and_not_repeated() {
    let (_place, server) = started(&[]);
    let check = |change: fn(&mut Value), status: u16, part: &str| {
        let mut body = basic("https://web.example");
        change(&mut body);
        problem(&server.call("POST", "/connections", &body, None), status, part);
    };
    check(|body| body["fields"]["base_url"] = json!("canary"), 422, "`base_url` cannot be used");
    check(|body| body["fields"]["password"] = json!(""), 422, "`password` cannot be used");
    check(|body| body["fields"]["canary"] = json!("x"), 422, "no such field");
    check(|body| body["type"] = json!("canary"), 422, "no type of that name");
    check(|body| body["name"] = json!("No Name"), 422, "grammar");
    check(|body| body["canary"] = json!(1), 422, "unknown");
    check(|body| body["expires"] = json!("2020-01-01T00:00:00Z"), 422, "past");
    check(|body| body["fields"] = json!({"username": "me"}), 422, "no value for `base_url`");
    server.call("POST", "/connections", &basic("https://web.example"), None).ok();
    let at = "/connections/team%2Fweb";
    let moved = json!({"fields": {"base_url": "https://other.example"}});
    problem(&server.call("PATCH", at, &moved, None), 422, "decides where the credential goes");
    let taken = json!({"fields": {"password": null}});
    problem(&server.call("PATCH", at, &taken, None), 422, "no value for `password`");
    problem(&server.call("PATCH", at, &json!({}), None), 422, "nothing was given");
    let public = json!({"fields": {"username": "you"}});
    problem(&server.call("POST", &format!("{at}/rotate"), &public, None), 422, "is public");
    assert_eq!(server.call("GET", at, &Value::Null, None).json()["version"], 1);
    assert!(!server.heard().contains("canary"));
}

#[test]
fn types_say_what_they_ask_for() {
    let (_place, server) = started(&[]);
    let types = server.call("GET", "/connection-types?limit=1000", &Value::Null, None).json();
    let types = types["items"].as_array().unwrap();
    assert!(types.len() > 30, "{}", types.len());
    let github = server.call("GET", "/connection-types/github", &Value::Null, None).json();
    assert!(types.contains(&github));
    problem(&server.call("GET", "/connection-types/nothing", &Value::Null, None), 404, "no such");
}

fn greets() -> Peer {
    Peer::plain(|_: &Received| Reply::text(200, "{}"))
}

#[test]
fn a_test_asks_no_private_address_unless_that_was_opened() {
    let peer = greets();
    let outcome = |words: &[&str], url: &str| {
        let (_place, server) = started(words);
        server.call("POST", "/connections", &basic(url), None).ok();
        let tested = server.call("POST", "/connections/team%2Fweb/test", &Value::Null, None).ok();
        assert!(!server.heard().contains("canary"));
        tested.json()
    };
    let port = peer.url().rsplit_once(':').unwrap().1.to_owned();
    for url in [peer.url(), format!("http://localhost:{port}")] {
        let refused = outcome(&[], &url);
        assert_eq!(refused["outcome"], "unavailable", "{refused}");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("is at an address that is not public"), "{message}");
    }
    assert!(peer.received().is_empty());
    let opened = outcome(&["--allow-private-hosts", "127.0.0.0/8"], &peer.url());
    assert_ne!(opened["outcome"], "unavailable", "{opened}");
    assert!(!peer.received().is_empty());
}

#[test]
fn databases_and_brokers_at_private_addresses_are_not_asked_either() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let (_place, server) = started(&[]);
    let message = |name: &str, kind: &str, fields: &Value| {
        let body = json!({ "name": name, "type": kind, "fields": fields });
        server.call("POST", "/connections", &body, None).ok();
        let path = format!("/connections/{name}/test");
        let tested = server.call("POST", &path, &Value::Null, None).ok().json();
        assert_eq!(tested["outcome"], "unavailable", "{tested}");
        tested["message"].as_str().unwrap().to_owned()
    };
    let login = json!({"database": "d", "username": "u", "password": CANARY});
    for (kind, more) in [
        ("postgres", &login),
        ("mysql", &login),
        ("redis", &json!({"password": CANARY})),
        ("nats", &json!({"username": "u", "password": CANARY})),
    ] {
        for (number, host) in
            ["127.0.0.1", "localhost", "169.254.169.254", "::ffff:169.254.169.254", "10.0.0.1"]
                .into_iter()
                .enumerate()
        {
            let mut fields = json!({ "host": host, "port": port });
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let message = message(&format!("{kind}-{number}"), kind, &fields);
            assert!(message.contains("not public"), "{kind} {host}: {message}");
        }
    }
    // Nobody knocked.
    assert!(listener.accept().is_err());
    assert!(!server.heard().contains("canary"));
}
