//! Another site makes a browser send something: with the cookie, and without what forms show.

use std::collections::BTreeSet;

use crate::serve_site::{Server, operations, pages};

#[test]
fn nothing_is_changed_from_another_site() {
    let server = Server::stocked();
    let cookie = ("cookie", server.cookie.as_str());
    let (token, json) = (("x-csrf-token", &*server.csrf), ("content-type", "application/json"));
    let before = server.get("/api/v1/secrets").body;
    let mut seen = 0;
    for operation in operations(&server).iter().filter(|operation| operation.changes()) {
        let target = operation.target("prod%2Fdb-password");
        let body = operation.body(&|_| "forged".to_owned());
        let other = "0".repeat(43);
        for headers in [
            &[cookie, json][..],
            &[cookie, json, ("x-csrf-token", "")],
            &[cookie, json, ("x-csrf-token", &other)],
            &[cookie, json, token, ("sec-fetch-site", "cross-site")],
            &[cookie, json, token, ("sec-fetch-site", "same-site")],
            &[cookie, ("content-type", "text/plain")],
            &[cookie, ("content-type", "application/x-www-form-urlencoded")],
        ] {
            let answer = server.plain(&operation.method, &target, headers, &body);
            assert_eq!(answer.status, 403, "{} {target} {headers:?} {answer:?}", operation.method);
            assert!(answer.is_problem(), "{answer:?}");
        }
        seen += 1;
    }
    assert!(seen >= 6);
    assert_eq!(server.get("/api/v1/secrets").body, before);
}

#[test]
fn a_form_without_the_token_of_its_session_does_nothing() {
    let server = Server::stocked();
    let forms: BTreeSet<_> = pages(&server).iter().flat_map(|page| page.forms()).collect();
    let changing: Vec<_> = forms.iter().filter(|form| form.method == "post").collect();
    assert!(!changing.is_empty());
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cookie = ("cookie", server.cookie.as_str());
    let (shown, wrong) = (format!("csrf={}", server.csrf), format!("csrf={}", "0".repeat(43)));
    for to in changing.iter().filter(|to| to.action != "/login") {
        assert!(to.fields.iter().any(|field| field == "csrf"), "{to:?}");
        for body in ["", "csrf=", &wrong, "a=b"] {
            let answer = server.plain("POST", &to.action, &[cookie, form], body);
            assert_eq!(answer.status, 403, "{to:?} {body:?} {answer:?}");
        }
        let foreign = [cookie, form, ("sec-fetch-site", "cross-site")];
        assert_eq!(server.plain("POST", &to.action, &foreign, &shown).status, 403, "{to:?}");
    }
    // Whoever is in is still in.
    assert_eq!(server.get("/secrets").status, 200);
}

#[test]
fn a_page_is_asked_for_and_nothing_else_by_a_link() {
    let server = Server::stocked();
    let before = server.get("/api/v1/secrets").body;
    for page in pages(&server) {
        for form in page.forms().iter().filter(|form| form.method == "post") {
            let answer = server.get(&format!("{}?csrf={}", form.action, server.csrf));
            let is_told = [200, 303].contains(&answer.status) || answer.status / 100 == 4;
            assert!(is_told, "{form:?} {answer:?}");
        }
    }
    assert_eq!(server.get("/api/v1/secrets").body, before);
    assert_eq!(server.get("/secrets").status, 200);
}
