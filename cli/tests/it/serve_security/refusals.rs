//! Every answer guards browsers, and every refusal has one form.

use crate::serve_site::{Answer, Server, operations, pages};

/// What each answer has.
const GUARDS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'"),
];

fn guarded(what: &str, answer: &Answer) {
    for (name, start) in GUARDS {
        let found = answer.header(name).unwrap_or_default();
        assert!(found.starts_with(start), "{what}: {name}: {found:?}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{what}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}: {policy}");
    assert!(answer.header("cache-control").is_some(), "{what}");
    for telltale in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert_eq!(answer.header(telltale), None, "{what}");
    }
    let has_body = !answer.body.is_empty();
    assert_eq!(answer.header("content-type").is_some(), has_body, "{what}: {answer:?}");
}

#[test]
fn every_answer_tells_browsers_to_be_careful() {
    let server = Server::stocked();
    for page in pages(&server) {
        guarded(&page.target, &page.answer);
    }
    for operation in operations(&server) {
        let (method, target) = (&operation.method, operation.target("nothing"));
        guarded(&target, &server.plain(method, &target, &[], ""));
        guarded(&target, &server.send("BREW", &target, ""));
    }
    for (method, target) in [
        ("GET", "/nothing"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/api"),
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("GET", "/welcome?token=x"),
        ("GET", "/hooks/nothing"),
        ("GET", "/%ff"),
        ("GET", "/api/v1/secrets/%ff"),
        ("OPTIONS", "*"),
        ("OPTIONS", "/secrets"),
        ("TRACE", "/"),
        ("DELETE", "/secrets"),
        ("HEAD", "/secrets"),
        ("POST", "/logout"),
    ] {
        guarded(target, &server.get(target));
        let answer = server.plain(method, target, &[], "");
        assert!(answer.status < 500 && answer.status > 0, "{method} {target}: {answer:?}");
        if method != "HEAD" {
            guarded(target, &answer);
        }
    }
    let foreign = server.plain("GET", "/", &[("host", "evil.example")], "");
    assert_eq!(foreign.status, 421);
    guarded("a foreign host", &foreign);
}

#[test]
fn what_is_for_programs_refuses_with_problems() {
    let server = Server::stocked();
    let large = "x".repeat((1 << 20) + 1);
    let cookie = [("cookie", server.cookie.as_str()), ("x-csrf-token", &server.csrf)];
    let json = [&cookie[..], &[("content-type", "application/json")]].concat();
    let text = [&cookie[..], &[("content-type", "text/plain")]].concat();
    for (method, target, headers, body, status) in [
        ("GET", "/api", &cookie[..], "", 404),
        ("GET", "/api/v2/secrets", &cookie, "", 404),
        ("GET", "/api/v1/secrets/%ff", &cookie, "", 404),
        ("GET", "/api/v1/secrets?limit=x", &cookie, "", 422),
        ("GET", "/api/v1/secrets?limit=0", &cookie, "", 422),
        ("GET", "/api/v1/secrets?cursor=%00", &cookie, "", 422),
        ("GET", "/api/v1/secrets", &[], "", 401),
        ("GET", "/metrics", &[], "", 401),
        ("POST", "/health", &[], "", 405),
        ("POST", "/api/v1/openapi.json", &cookie, "", 405),
        ("PATCH", "/api/v1/secrets", &json, "{}", 405),
        ("POST", "/api/v1/secrets", &json, "", 400),
        ("POST", "/api/v1/secrets", &json, "{", 400),
        ("POST", "/api/v1/secrets", &json, "{}", 422),
        ("POST", "/api/v1/secrets", &json, &"[".repeat(10_000), 422),
        ("POST", "/api/v1/secrets", &text, "{}", 415),
        ("POST", "/api/v1/secrets", &cookie, "{}", 415),
        ("POST", "/api/v1/secrets", &json, &large, 413),
        ("GET", "/api/v1/secrets", &[("host", "evil.example")], "", 421),
    ] {
        let answer = server.plain(method, target, headers, body);
        assert_eq!(answer.status, status, "{method} {target} {answer:?}");
        assert!(answer.is_problem(), "{method} {target} {answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {target}");
    }
    // Pages refuse with pages.
    for (method, target, status) in [("GET", "/nothing", 404), ("DELETE", "/secrets", 405)] {
        let answer = server.send(method, target, "");
        assert_eq!(answer.status, status);
        assert!(answer.body.contains("<h1>"), "{answer:?}");
    }
}

#[test]
fn what_is_open_to_all_is_a_short_list() {
    let server = Server::stocked();
    let open = ["/", "/login", "/health", "/api/v1/openapi.json", "/assets/style.css"];
    for page in pages(&server).iter().filter(|page| !open.contains(&page.target.as_str())) {
        let answer = server.plain("GET", &page.target, &[], "");
        let is_led = answer.status == 303 && answer.header("location") == Some("/login");
        assert!(is_led || answer.status == 401, "{}: {answer:?}", page.target);
    }
    for operation in operations(&server) {
        let target = operation.target("prod%2Fdb-password");
        let body = operation.body(&|_| "x".to_owned());
        let headers = [("content-type", "application/json")];
        let answer = server.plain(&operation.method, &target, &headers, &body);
        let refused = [401, 404].contains(&answer.status) && answer.is_problem();
        assert!(refused, "{} {target}: {answer:?}", operation.method);
    }
}
