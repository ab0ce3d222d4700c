//! The pages: forms made from types, and what of them is shown again.

use super::server::Server;
use crate::program::Place;

const CANARY: &str = "canary-password-7f3a";

const FIELDS: [(&str, &str); 5] = [
    ("name", "web"),
    ("field-base_url", "https://web.example"),
    ("field-username", "<b>me</b>"),
    ("field-password", CANARY),
    ("field-test_path", "/me"),
];

fn started() -> (Place, Server) {
    let place = Place::new();
    let server = Server::start(&place, &[]);
    (place, server)
}

#[test]
fn a_connection_is_added_edited_and_deleted_with_forms() {
    let (_place, server) = started();
    assert!(server.get("/connections").ok().body.contains("No connection yet"));
    assert!(
        server.get("/connection-types?q=github").ok().body.contains("/connection-types/github/new")
    );
    let new = "/connection-types/http_basic/new";
    let form = server.get(new).ok().body;
    assert!(form.contains("type=\"password\"") && form.contains("The only server that gets"));
    let made = server.submit(new, &FIELDS);
    assert_eq!((made.status, made.header("location")), (303, Some("/connections/web?done=stored")));
    let shown = server.get("/connections/web?done=stored").ok().body;
    assert!(shown.contains("It is stored.") && shown.contains("sealed (version 1"), "{shown}");
    assert!(shown.contains("&#60;b&#62;me") && !shown.contains("<b>me"), "{shown}");
    assert!(server.get("/connections").ok().body.contains("href=\"/connections/web\""));
    let form = server.get("/connections/web/edit").ok().body;
    assert!(form.contains("Sealed, version 1") && form.contains("https://web.example"));
    // What is left empty of secrets stays; what is left empty of the others goes.
    let edit = [
        ("version", "1"),
        ("field-base_url", "https://web.example"),
        ("field-username", "you"),
        ("field-password", ""),
        ("field-test_path", ""),
    ];
    assert_eq!(server.submit("/connections/web/edit", &edit).status, 303);
    let shown = server.get("/connections/web").ok().body;
    assert!(shown.contains("sealed (version 1") && shown.contains("/ (default)"), "{shown}");
    assert_eq!(server.submit("/connections/web/edit", &edit).status, 412);
    let rotated = [("version", "2"), ("field-password", CANARY), ("overlap", "1")];
    assert_eq!(server.submit("/connections/web/rotate", &rotated).status, 303);
    for word in ["disable", "enable"] {
        assert_eq!(server.submit(&format!("/connections/web/{word}"), &[]).status, 303);
    }
    assert!(server.get("/connections/web/delete").ok().body.contains("Delete web?"));
    let deleted = server.submit("/connections/web/delete", &[]);
    assert_eq!(deleted.header("location"), Some("/connections?done=deleted"));
    assert_eq!(server.get("/connections/web").status, 404);
    assert!(!server.heard().contains("canary"));
}

#[test]
fn a_form_that_cannot_be_used_comes_back_without_its_secrets() {
    let (_place, server) = started();
    let new = "/connection-types/http_basic/new";
    let mut fields = FIELDS;
    fields[1].1 = "no address";
    let refused = server.submit(new, &fields);
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("`base_url` cannot be used"), "{}", refused.body);
    assert!(
        refused.body.contains("value=\"no address\"") && refused.body.contains("&#60;b&#62;me")
    );
    fields[0].1 = "No Name";
    assert_eq!(server.submit(new, &fields).status, 422);
    assert!(!server.heard().contains("canary"));
}

#[test]
fn a_form_without_the_token_of_its_session_changes_nothing() {
    let (_place, server) = started();
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (headers, body) in [
        (kind.to_owned(), "name=web"),
        (kind.to_owned(), "csrf=nothing&name=web"),
        (format!("{kind}Sec-Fetch-Site: cross-site\r\n"), "name=web"),
    ] {
        let refused = server.send("POST", "/connection-types/http_basic/new", &headers, body);
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    for path in ["/connections", "/connection-types", "/connections/web/edit", "/grants/0"] {
        let refused = server.send_bare("GET", path, "", "");
        assert_eq!(refused.header("location"), Some("/login"), "{path} {refused:?}");
    }
}

#[test]
fn what_came_of_a_test_is_shown() {
    let (_place, server) = started();
    let mut fields = FIELDS;
    fields[1].1 = "http://127.0.0.1:9";
    server.submit("/connection-types/http_basic/new", &fields).ok();
    let tested = server.submit("/connections/web/test", &[]).ok().body;
    assert!(tested.contains("The service cannot be reached."), "{tested}");
    assert!(tested.contains("is at an address that is not public"), "{tested}");
    assert!(!server.heard().contains("canary"));
}
