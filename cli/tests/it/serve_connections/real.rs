//! The same with a certified OpenID provider, and a person in Chromium; `./test` installs both.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::server::Server;
use crate::connection_oauth::real::{Provider, node, scripts};
use crate::program::Place;

/// What a person meets who authorizes the connection `m` on its page.
fn authorize(server: &Server, answer: &str) -> Value {
    let mut command = Command::new(node());
    command.arg(scripts().join("server.js")).current_dir(scripts());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    let (base, cookie) = (server.url(), server.cookie());
    let asked = json!({ "base": base, "cookie": cookie, "name": "m", "answer": answer });
    writeln!(child.stdin.take().unwrap(), "{asked}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

fn started(provider: &Provider) -> (Place, Server) {
    let place = provider.place("grant");
    let server = Server::start(&place, &["--allow-private-hosts", "127.0.0.1"]);
    (place, server)
}

#[test]
fn access_is_granted_on_a_page_and_used() {
    let provider = Provider::start();
    let (_place, server) = started(&provider);
    let shown = authorize(&server, "grant");
    assert!(shown["text"].as_str().unwrap().contains("Access is granted"), "{shown}");
    assert_eq!(shown["state"], "ready", "{shown}");
    // No page of ours was shown at an address with what the service sent.
    let is_ours = |url: &&Value| url.as_str().unwrap().starts_with(&server.url());
    let seen = shown["seen"].as_array().unwrap();
    let is_telling = |url: &Value| {
        let url = url.as_str().unwrap();
        url.contains("code=") || url.contains("state=") || url.contains("callback")
    };
    assert!(!seen.iter().filter(is_ours).any(is_telling), "{shown}");
    let tested = server.call("POST", "/connections/m/test", &Value::Null, None).json();
    assert_eq!((&tested["outcome"], &tested["shows"]), (&json!("works"), &json!("somebody")));
    let revoked = server.call("POST", "/connections/m/revoke", &json!({}), None).json();
    assert_eq!(revoked["outcome"], "revoked");
    assert!(!server.heard().contains("canary"));
}

#[test]
fn a_person_says_no_at_the_service() {
    let provider = Provider::start();
    let (_place, server) = started(&provider);
    let shown = authorize(&server, "deny");
    assert!(shown["text"].as_str().unwrap().contains("access_denied"), "{shown}");
    assert_eq!(shown["state"], "not authorized", "{shown}");
}
