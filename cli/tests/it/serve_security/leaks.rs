//! Canaries: no answer, no line and no file of the server has a value that was stored or sent.

use crate::serve_site::{CANARIES, Server, operations, pages};

const REF: &str = "prod%2Fdb-password";
const NEW: &str = r#"{"ref":"api/stored","value":"canary-by-api-9e2"}"#;
const ROTATED: &str = r#"{"value":"canary-rotated-7d3"}"#;

fn silent(what: &str, text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{what}: {canary}: {text}");
    }
}

/// Bodies with a value in a place where something is wrong.
fn wrong() -> Vec<String> {
    let canary = CANARIES[1];
    vec![
        format!("{{\"ref\":\"a\",\"value\":\"{canary}"),
        format!("{{\"ref\":\"a\",\"value\":\"{canary}\",}}"),
        format!("{{\"ref\":\"a\",\"value\":[\"{canary}\"]}}"),
        format!("{{\"ref\":\"a\",\"{canary}\":1}}"),
        format!("{{\"ref\":\"{canary} {canary}\",\"value\":\"x\"}}"),
        format!("{{\"ref\":\"a\",\"value\":\"x\",\"expires\":\"{canary}\"}}"),
        format!("{{\"ref\":\"a\",\"value\":\"x\",\"value_base64\":\"{canary}!\"}}"),
        format!("{{\"ref\":\"a\",\"value\":\"{canary}\",\"value\":\"{canary}\"}}"),
        format!("{{\"value\":\"{canary}\\u0000\"}}"),
        format!("{{\"ref\":\"a\",\"value\":\"{}\"}}", canary.repeat(4000)),
        format!("\"{canary}\""),
        canary.to_owned(),
    ]
}

#[test]
fn no_answer_and_no_line_has_a_value() {
    let server = Server::stocked();
    for (method, target, body, status) in [
        ("POST", "/api/v1/secrets".to_owned(), NEW, 201),
        ("POST", format!("/api/v1/secrets/{REF}/rotate"), ROTATED, 200),
        ("POST", "/api/v1/secrets/api%2Fstored/rotate".to_owned(), ROTATED, 200),
    ] {
        let answer = server.send(method, &target, body);
        assert_eq!(answer.status, status, "{answer:?}");
        silent(&target, &answer.text());
    }
    for operation in operations(&server) {
        let target = operation.target(REF);
        if operation.changes() {
            for body in wrong() {
                let answer = server.send(&operation.method, &target, &body);
                assert!(answer.status > 0 && answer.status < 500, "{target} {answer:?}");
                // A ref that breaks the grammar is no value; all else is not repeated.
                silent(&target, &answer.text());
            }
        } else {
            for thing in [REF, "api%2Fstored", "shop", "hostile", "quiet"] {
                let target = operation.target(thing);
                silent(&target, &server.get(&target).text());
            }
        }
    }
    for page in pages(&server) {
        silent(&page.target, &page.answer.text());
    }
    for secret in ["/metrics", "/health", "/api/v1/openapi.json"] {
        silent(secret, &server.get(secret).text());
    }
    let (cookie, csrf) = (server.cookie.clone(), server.csrf.clone());
    let home = server.place.home();
    // A caller's words are no part of a line, either.
    server.plain(CANARIES[1], "/health", &[("user-agent", CANARIES[1])], "");
    server.get(&format!("/secrets?x={}", CANARIES[1]));
    server.get(&format!("/{}", CANARIES[1]));
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    silent("/metrics", &metrics.text());
    for name in ["users.json", "sessions.json"] {
        let kept = std::fs::read_to_string(home.join("server").join(name)).unwrap();
        silent(name, &kept);
        assert!(!kept.contains(cookie.split_once('=').unwrap().1), "{name}");
    }
    let said = server.stop();
    silent("standard error", &said);
    assert!(said.contains("\"route\":\"/api/v1/secrets\""), "{said}");
    assert!(!said.contains(cookie.split_once('=').unwrap().1) && !said.contains(&csrf), "{said}");
    assert!(!said.contains("panic"), "{said}");
}

#[test]
fn where_our_files_are_is_told_to_the_log_alone() {
    let server = Server::stocked();
    let home = server.place.home();
    std::fs::write(home.join("secrets/root"), "damaged\n").unwrap();
    let home = home.display().to_string();
    for target in ["/api/v1/secrets", "/api/v1/connections", "/api/v1/environments", "/secrets"] {
        let answer = server.get(target);
        assert_eq!(answer.status, 500, "{target} {answer:?}");
        assert!(!answer.text().contains(&home), "{target} {answer:?}");
    }
    assert!(server.said().contains(&format!("{home}/secrets")), "{}", server.said());
}
