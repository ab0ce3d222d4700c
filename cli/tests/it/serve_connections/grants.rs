//! Grants: the browser goes to the service and comes back to the server, once, in the session that began it.

use serde_json::{Value, json};

use super::server::{Answer, Server};
use crate::connection_oauth::service::Service;
use crate::program::{Place, eventually};

fn started(service: &Service) -> (Place, Server) {
    let place = service.place();
    let server = Server::start(&place, &["--allow-private-hosts", "127.0.0.1"]);
    (place, server)
}

/// A grant that was begun.
struct Begun {
    id: String,
    url: String,
}

impl Begun {
    fn part(&self, name: &str) -> String {
        let (_, query) = self.url.split_once('?').unwrap();
        let mut parts = query.split('&').filter_map(|part| part.split_once('='));
        parts.find(|(found, _)| *found == name).unwrap().1.to_owned()
    }

    fn stands(&self, server: &Server) -> Value {
        server.call("GET", &format!("/grants/{}", self.id), &Value::Null, None).json()
    }
}

fn begin(server: &Server) -> Begun {
    let begun = server.call("POST", "/connections/m/authorize", &json!({"flow": "browser"}), None);
    assert_eq!(begun.status, 201, "{begun:?}");
    let begun = begun.json();
    let text = |name: &str| begun[name].as_str().unwrap().to_owned();
    Begun { id: text("id"), url: text("url") }
}

/// Comes back as a browser does.
fn back(server: &Server, query: &str) -> Answer {
    server.get(&format!("/oauth/callback?{query}"))
}

fn is_lost(answer: &Answer) -> bool {
    answer.header("location") == Some("/connections?done=lost")
}

fn state(server: &Server) -> Value {
    server.call("GET", "/connections/m", &Value::Null, None).json()["state"].clone()
}

#[test]
fn who_comes_back_with_a_code_has_it_exchanged_once() {
    let service = Service::start();
    let (_place, server) = started(&service);
    let begun = begin(&server);
    let redirect = format!("{}/oauth/callback", server.url());
    assert_eq!(begun.part("redirect_uri").replace("%3A", ":").replace("%2F", "/"), redirect);
    assert_eq!(begun.part("code_challenge_method"), "S256");
    let query = format!("code=code-canary&state={}", begun.part("state"));
    let came = back(&server, &query);
    assert_eq!(came.header("location"), Some(format!("/grants/{}", begun.id).as_str()), "{came:?}");
    assert_eq!(begun.stands(&server)["state"], "granted");
    assert_eq!(state(&server), "ready");
    // The same answer once more is nobody's.
    assert!(is_lost(&back(&server, &query)));
    let exchanges = service.count("/token");
    assert_eq!(exchanges, 1);
    let sent = service.received().iter().find(|sent| sent.line.ends_with("/token")).unwrap().text();
    assert!(sent.contains("code_verifier=") && sent.contains("code-canary"), "{sent}");
    let refresh = server.call("POST", "/connections/m/refresh", &json!({"force": true}), None);
    assert_eq!(refresh.json()["outcome"], "refreshed", "{refresh:?}");
    let revoked = server.call("POST", "/connections/m/revoke", &json!({}), None);
    assert_eq!(revoked.json()["outcome"], "revoked", "{revoked:?}");
    assert_eq!(state(&server), "not_authorized");
    assert!(!server.heard().contains("canary"));
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_exchanged() {
    let service = Service::start();
    let (_place, server) = started(&service);
    let begun = begin(&server);
    let state_ = begun.part("state");
    for query in
        ["", "code=c", "code=c&state=", "code=c&state=other", &format!("code=c&state={state_}x")]
    {
        assert!(is_lost(&back(&server, query)), "{query}");
    }
    // Who is not signed in is led to where one signs in, and spends nothing.
    let query = format!("code=c&state={state_}");
    let bare = server.send_bare("GET", &format!("/oauth/callback?{query}"), "", "");
    assert_eq!(bare.header("location"), Some("/login"));
    assert_eq!(service.count("/token"), 0);
    assert_eq!(begun.stands(&server)["state"], "waiting");
    let cancelled = server.call("DELETE", &format!("/grants/{}", begun.id), &Value::Null, None);
    assert_eq!(cancelled.status, 204, "{cancelled:?}");
    assert_eq!(begun.stands(&server)["state"], "failed");
    assert!(is_lost(&back(&server, &query)));
    assert_eq!(service.count("/token"), 0);
}

#[test]
fn who_says_no_at_the_service_is_told_so() {
    let service = Service::start();
    let (_place, server) = started(&service);
    let begun = begin(&server);
    let query =
        format!("error=access_denied&error_description=canary&state={}", begun.part("state"));
    let came = back(&server, &query);
    assert_eq!(came.header("location"), Some(format!("/grants/{}", begun.id).as_str()));
    let page = server.get(&format!("/grants/{}", begun.id)).ok().body;
    assert!(page.contains("granted no access") && page.contains("access_denied"), "{page}");
    assert_eq!(service.count("/token"), 0);
    assert!(!server.heard().contains("canary"));
}

#[test]
fn a_service_at_a_private_address_is_not_asked() {
    let service = Service::start();
    let place = service.place();
    let server = Server::start(&place, &[]);
    let begun = begin(&server);
    back(&server, &format!("code=c&state={}", begun.part("state")));
    let stands = begun.stands(&server);
    assert_eq!(stands["state"], "failed");
    let message = stands["message"].as_str().unwrap();
    assert!(message.contains("is at an address that is not public"), "{message}");
    let device = server.call("POST", "/connections/m/authorize", &json!({"flow": "device"}), None);
    assert_eq!(device.status, 422, "{device:?}");
    assert!(service.received().is_empty());
}

#[test]
fn a_code_is_shown_and_waited_for() {
    let service = Service::start();
    service.state().device = vec!["authorization_pending"];
    let (_place, server) = started(&service);
    let begun = server.submit("/connections/m/authorize", &[("flow", "device")]);
    let at = begun.header("location").unwrap().to_owned();
    let page = server.get(&at).ok().body;
    assert!(page.contains("WDJB-MJHT") && page.contains("http-equiv=\"refresh\""), "{page}");
    eventually("access is granted", || server.get(&at).ok().body.contains("Access is granted"));
    assert_eq!(state(&server), "ready");
    assert!(!server.heard().contains("canary"));
}

#[test]
fn the_page_leads_to_the_service() {
    let service = Service::start();
    let (_place, server) = started(&service);
    let shown = server.get("/connections/m").ok().body;
    assert!(shown.contains(&format!("<code>{}/oauth/callback</code>", server.url())), "{shown}");
    let begun = server.submit("/connections/m/authorize", &[("flow", "browser")]);
    let at = begun.header("location").unwrap().to_owned();
    assert!(at.ends_with("?go=1"), "{at}");
    let page = server.get(&at).ok().body;
    let address = format!("content=\"0; url={}/authorize?", service.url());
    assert!(page.contains(&address) && page.contains("Continue to 127.0.0.1"), "{page}");
    let (bare, _) = at.split_once('?').unwrap();
    assert!(!server.get(bare).ok().body.contains("http-equiv"));
    let cancelled = server.submit(&format!("{bare}/cancel"), &[]);
    assert_eq!(cancelled.header("location"), Some("/connections/m?done=cancelled"));
}

#[test]
fn nobody_begins_more_than_anybody_needs() {
    let service = Service::start();
    let (_place, server) = started(&service);
    for _ in 0..5 {
        begin(&server);
    }
    let sixth = server.call("POST", "/connections/m/authorize", &json!({"flow": "browser"}), None);
    assert_eq!(sixth.status, 503, "{sixth:?}");
}
