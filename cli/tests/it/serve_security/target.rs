//! For whom a request is meant and whom it comes from: a foreign name, a proxy's word, a line that is none.

use crate::program::Place;
use crate::serve_site::{Server, operations, pages};

#[test]
fn a_foreign_name_is_refused_everywhere() {
    let server = Server::stocked();
    let cookie = ("cookie", server.cookie.as_str());
    for page in pages(&server) {
        let answer = server.plain("GET", &page.target, &[cookie, ("host", "evil.example")], "");
        assert_eq!(answer.status, 421, "{}", page.target);
        assert!(!answer.text().contains("evil.example"), "{answer:?}");
    }
    let local = [cookie, ("host", "localhost:1")];
    assert_eq!(server.plain("GET", "/secrets", &local, "").status, 200);
    let absolute = format!("http://{}/secrets", server.address);
    assert_eq!(server.get(&absolute).status, 200);
    assert_eq!(server.get("http://evil.example/secrets").status, 421);
}

#[test]
fn the_public_name_is_ours_and_no_answer_is_built_from_host() {
    let server = Server::start_behind(Place::new(), "http://flows.example.com");
    for host in ["flows.example.com", "localhost", "127.0.0.1"] {
        let answer = server.plain("GET", "/", &[("host", host)], "");
        let location = answer.header("location").unwrap();
        let is_path = location.starts_with('/') && !location.starts_with("//");
        assert!(answer.status == 303 && is_path, "{host}: {answer:?}");
    }
    assert_eq!(server.plain("GET", "/", &[("host", "example.com")], "").status, 421);
}

#[test]
fn a_proxy_is_believed_if_that_was_said() {
    for (words, expected) in [(&[][..], "127.0.0.1"), (&["--trust-proxy"], "203.0.113.7")] {
        let server = Server::start(Place::new(), words);
        let told = ("x-forwarded-for", "198.51.100.1, 203.0.113.7");
        assert_eq!(server.plain("GET", "/health", &[told], "").status, 200);
        let said = server.stop();
        assert!(said.contains(&format!("\"from\":\"{expected}\"")), "{said}");
        assert!(!said.contains("198.51.100.1"), "{said}");
    }
}

/// A line end that is smuggled into what an answer repeats would begin a header of its own.
#[test]
fn no_header_is_brought_in() {
    let server = Server::stocked();
    let injected =
        ["%0d%0aX-Injected:%201", "%0aX-Injected:%201", "%E5%98%8D%E5%98%8AX-Injected:1"];
    let mut targets = Vec::new();
    for page in pages(&server) {
        let path = page.target.split('?').next().unwrap().to_owned();
        let fields = page.forms().into_iter().flat_map(|form| form.fields);
        let fields = fields.chain(["done", "next", "to", "cursor"].map(str::to_owned));
        targets.extend(fields.map(|field| format!("{path}?{field}=INJECTED")));
        targets.push(format!("{path}/INJECTED"));
    }
    for operation in operations(&server).iter().filter(|operation| !operation.changes()) {
        targets.push(operation.target("INJECTED"));
        let query = operation.query.iter();
        targets.extend(query.map(|name| format!("{}?{name}=INJECTED", operation.target("x"))));
    }
    targets.sort();
    targets.dedup();
    assert!(targets.len() > 10, "{targets:?}");
    for target in targets {
        for injected in injected {
            let answer = server.get(&target.replace("INJECTED", injected));
            assert!(answer.status > 0 && answer.status < 500, "{target} {answer:?}");
            assert_eq!(answer.header("x-injected"), None, "{target} {answer:?}");
        }
    }
    for operation in operations(&server).iter().filter(|operation| operation.changes()) {
        let body = operation.body(&|_| "a\r\nX-Injected: 1".to_owned());
        let answer = server.send(&operation.method, &operation.target("%0d%0aX-Injected:1"), &body);
        assert!(answer.status > 0 && answer.status < 500, "{} {answer:?}", operation.path);
        assert_eq!(answer.header("x-injected"), None, "{}", operation.path);
    }
}

#[test]
fn a_public_address_that_is_none_is_refused_at_once() {
    let place = Place::new();
    for url in [
        "https://a.example\r\nX-Injected: 1",
        "https://a.example/path",
        "https://user@a.example",
        "https://a.example?x",
        "javascript:alert(1)",
        "ftp://a.example",
        "a.example",
        "//a.example",
        "",
    ] {
        let ended = place.run(&["serve", ".", "--bind", "127.0.0.1:0", "--public-url", url]);
        assert_eq!(ended.code, 2, "{url:?} {ended:?}");
    }
}
