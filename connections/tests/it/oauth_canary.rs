//! A server that says everything back that it was told: nothing of it is in any error.

use subrosa_connections::oauth::{OAuthError, Redirect, ServiceAccount, Tokens};

use crate::oauth_peer::{Peer, Received, Reply};
use crate::oauth_setup::{Page, Setup, Watcher, scopes, secret};

const KEY: &str = include_str!("../../../providers/tests/it/gcp_key.pem");

/// A place in an answer, and a server that puts everything there.
type Echo = (&'static str, fn(&Received) -> Reply);

/// Answers that hold the whole request, in every place that a client might take a text from.
fn echoes() -> Vec<Echo> {
    fn said(request: &Received) -> String {
        serde_json::to_string(&request.text()).unwrap()
    }
    fn header(request: &Received) -> String {
        format!(
            "{}-{}",
            String::from_utf8_lossy(&request.body),
            request.header("authorization").unwrap_or("-")
        )
    }
    vec![
        ("error", |request| {
            let said = said(request);
            let body =
                format!(r#"{{"error":{said},"error_description":{said},"error_uri":{said}}}"#);
            Reply::json(400, &body)
        }),
        ("description", |request| {
            let body =
                format!(r#"{{"error":"invalid_grant","error_description":{}}}"#, said(request));
            Reply::json(400, &body)
        }),
        ("text", |request| Reply::json(500, &request.text())),
        ("good text", |request| Reply::json(200, &request.text())),
        ("wrong type", |request| {
            let said = said(request);
            let body = format!(r#"{{"access_token":"x","token_type":{said},"scope":{said}}}"#);
            Reply::json(200, &body)
        }),
        ("no string", |request| {
            Reply::json(200, &format!(r#"{{"access_token":[{}]}}"#, said(request)))
        }),
        ("redirect", |request| {
            let location = format!("Location: https://evil.example/?{}", header(request));
            Reply::Answer(302, vec![location], Vec::new())
        }),
        ("header", |request| {
            let headers = vec![format!("Retry-After: {}", header(request))];
            Reply::Answer(429, headers, Vec::new())
        }),
        ("no HTTP", |request| Reply::Raw(request.text().into_bytes())),
        ("status", |request| {
            Reply::Raw(format!("HTTP/1.1 400 {}\r\n\r\n", header(request)).into_bytes())
        }),
    ]
}

/// Everything that an error can be made to say.
fn everything(error: &OAuthError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error} {error:?} {error:#?} {:?} {source:?}", error.help())
}

fn has_none<T>(what: &str, outcome: &Result<T, OAuthError>, secrets: &[&str]) {
    let Err(error) = outcome else { panic!("{what}: an echo grants nothing") };
    let text = everything(error);
    for secret in secrets {
        assert!(!text.contains(secret), "{what}: {text}");
    }
}

async fn authorize(setup: &Setup) -> (Result<Tokens, OAuthError>, String, String) {
    let (watcher, mut shown) = Watcher::new();
    let (flow, redirect) = (setup.flow(), Redirect::default());
    let browse = async {
        let page = Page::shown(&mut shown).await;
        (page.grant("canary-code").await.unwrap(), page.state())
    };
    let (outcome, (answer, state)) = tokio::join!(flow.authorize(&[], &redirect, &watcher), browse);
    (outcome, answer, state)
}

#[tokio::test]
async fn no_error_holds_what_was_sent() {
    for (what, echo) in echoes() {
        let peer = Peer::plain(echo);
        let setup = Setup::of(&peer);
        let flow = setup.flow();
        let basic = "Y2xpZW50LTE6Y2FuYXJ5LWNsaWVudC1zZWNyZXQ";
        let hidden = ["canary", basic, "assertion", "refresh_token="];
        let token = secret("canary-refresh");
        has_none(what, &flow.refresh(&token, &scopes(&["x"])).await, &hidden);
        has_none(what, &flow.client_credentials(&[]).await, &hidden);
        if what != "good text" && what != "wrong type" && what != "no string" {
            has_none(what, &flow.revoke(Some(&token), Some(&secret("canary-a"))).await, &hidden);
        }
        let (watcher, _shown) = Watcher::new();
        has_none(what, &flow.device(&[], &watcher).await, &hidden);
        let account = ServiceAccount {
            email: "robot@project.example".to_owned(),
            key_id: None,
            key: secret(KEY),
            subject: None,
        };
        has_none(what, &flow.service_account(&account, &[]).await, &["ey", "assertion", "MII"]);
        let (outcome, answer, state) = authorize(&setup).await;
        has_none(what, &outcome, &hidden);
        has_none(what, &outcome, &[&state]);
        assert!(!answer.contains("canary") && !answer.contains(&state), "{what}: {answer}");
        // The echo did hear the secrets: otherwise there was nothing to find.
        let heard: String = peer.received().iter().map(Received::text).collect();
        for sent in ["canary-refresh", "canary-code", basic, "assertion=ey", "code_verifier="] {
            assert!(heard.contains(sent), "{what}: {sent}");
        }
    }
}
