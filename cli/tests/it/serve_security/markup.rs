//! Texts of users on pages: they are text, whatever they look like.

use crate::serve_site::{Answer, Server, XSS, operations, pages};

/// Pieces of [`XSS`] that are markup as soon as they are there as they were sent.
const MARKUP: [&str; 5] =
    ["<script>alert", "<img src=x", "href=\"javascript:", "'><", "src=\"javascript:"];

fn is_harmless(what: &str, answer: &Answer) {
    if !answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        // Nothing else may be taken for a page.
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        return;
    }
    for piece in MARKUP {
        assert!(!answer.body.contains(piece), "{what}: {piece}: {}", answer.body);
    }
    for handler in [" onclick=", " onerror=\"", " onload=", " style=\"", "<style", "<script>"] {
        assert!(!answer.body.contains(handler), "{what}: {handler}: {}", answer.body);
    }
}

/// Sends [`XSS`] in every text that the API takes: alone, with good names, and with all others good.
fn fill(server: &Server) {
    for operation in operations(server).iter().filter(|operation| operation.changes()) {
        if operation.method == "DELETE" || operation.ends_session() {
            continue;
        }
        let name = |field: &str| match field {
            "ref" | "name" | "user" => Some("xss-name".to_owned()),
            "environment" | "workspace" => Some("xss".to_owned()),
            "password" => Some("a-long-password-of-somebody".to_owned()),
            "expires" | "at" => Some("2031-01-31T00:00:00Z".to_owned()),
            "email" => Some(format!("\"{XSS}\"@a.example")),
            "url" | "base_url" | "site_url" => Some("javascript:alert(1)".to_owned()),
            _ => None,
        };
        for body in [
            operation.body(&|field| name(field).unwrap_or_else(|| XSS.to_owned())),
            operation.body(&|_| XSS.to_owned()),
            operation.body(&|_| "javascript:alert(1)".to_owned()),
        ] {
            for target in ["xss-name", "prod%2Fdb-password", "shop", "hostile"] {
                let answer = server.send(&operation.method, &operation.target(target), &body);
                assert!(answer.status > 0 && answer.status < 500, "{} {answer:?}", operation.path);
                is_harmless(&operation.path, &answer);
            }
        }
    }
}

#[test]
fn no_text_of_a_user_is_markup_on_any_page() {
    let server = Server::stocked();
    fill(&server);
    // Whoever is out sees nothing.
    assert_eq!(server.get("/secrets").status, 200);
    let mut seen = 0;
    for page in pages(&server) {
        is_harmless(&page.target, &page.answer);
        let path = page.target.split('?').next().unwrap();
        let fields = page.forms().into_iter().flat_map(|form| form.fields);
        let fields = fields.chain(["done", "q", "prefix", "error", "cursor"].map(str::to_owned));
        for field in fields {
            for text in ["%22%27%3E%3Cscript%3Ealert(1)%3C/script%3E", "javascript:alert(1)"] {
                let target = format!("{path}?{field}={text}");
                is_harmless(&target, &server.get(&target));
            }
        }
        seen += 1;
    }
    assert!(seen >= 3);
    for target in ["/%3Cscript%3Ealert(1)%3C/script%3E", "/welcome?token=%22%3E%3Cscript%3Ealert"] {
        is_harmless(target, &server.get(target));
    }
}
