//! A person grants access with a code on another device.

use std::sync::atomic::{AtomicUsize, Ordering};

use subrosa_connections::kind::ClientAuth;
use subrosa_connections::oauth::{ErrorWord, OAuthError};

use crate::oauth_peer::{Peer, Reply};
use crate::oauth_setup::{Setup, Watcher, scopes, text};

const OFFER: &str = r#"{"device_code":"canary-device","user_code":"WDJB-MJHT",
    "verification_uri":"https://id.example/device",
    "verification_uri_complete":"https://id.example/device?user_code=WDJB-MJHT",
    "expires_in":600,"interval":1}"#;

/// A server whose token endpoint answers these, one after the other.
fn answering(offer: (u16, &'static str), answers: Vec<(u16, &'static str)>) -> Peer {
    let asked = AtomicUsize::new(0);
    Peer::plain(move |request| {
        let (status, body) = match request.path.as_str() {
            "/device" => offer,
            _ => answers[asked.fetch_add(1, Ordering::SeqCst)],
        };
        Reply::json(status, body)
    })
}

#[tokio::test]
async fn the_code_is_shown_and_waited_for() {
    let pending = (400, r#"{"error":"authorization_pending"}"#);
    let granted = (200, r#"{"access_token":"canary-a","refresh_token":"canary-r"}"#);
    let peer = answering((200, OFFER), vec![pending, granted]);
    let mut setup = Setup::of(&peer);
    setup.endpoints.extra.insert("audience".to_owned(), "api".to_owned());
    let (watcher, mut shown) = Watcher::new();
    let tokens = setup.flow().device(&scopes(&["x", "y"]), &watcher).await.unwrap();
    assert_eq!(text(&tokens.access), "canary-a");
    assert_eq!(tokens.scopes, ["x", "y"]);
    let (code, page, with_code) = shown.codes.recv().await.unwrap();
    assert_eq!((code.as_str(), page.as_str()), ("WDJB-MJHT", "https://id.example/device"));
    let with_code = with_code.unwrap();
    assert_eq!(with_code.as_str(), "https://id.example/device?user_code=WDJB-MJHT");
    let bodies: Vec<_> =
        peer.received().into_iter().map(|got| String::from_utf8(got.body).unwrap()).collect();
    let poll = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
                &device_code=canary-device";
    let offer = "scope=x%20y&audience=api&client_id=client-1";
    assert_eq!(bodies, [offer, poll, poll]);
    assert!(peer.received().iter().all(|got| got.header("authorization").is_some()));
}

#[tokio::test]
async fn the_client_says_its_id_once() {
    for (has_secret, expected) in [
        (true, "client_id=client-1&client_secret=canary-client-secret"),
        (false, "client_id=client-1"),
    ] {
        let peer = answering((503, ""), Vec::new());
        let mut setup = Setup::of(&peer);
        setup.client.auth = ClientAuth::Body;
        if !has_secret {
            setup.client.secret = None;
        }
        let (watcher, _shown) = Watcher::new();
        setup.flow().device(&[], &watcher).await.unwrap_err();
        let body = String::from_utf8(peer.received()[0].body.clone()).unwrap();
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn a_code_that_is_not_granted_ends_it() {
    async fn check(
        offer: (u16, &'static str),
        answers: Vec<(u16, &'static str)>,
        expected: impl Fn(String) -> OAuthError,
    ) {
        let peer = answering(offer, answers);
        let setup = Setup::of(&peer);
        let (watcher, _shown) = Watcher::new();
        let error = setup.flow().device(&[], &watcher).await.unwrap_err();
        assert_eq!(error, expected(peer.url()));
    }
    let denied = vec![(400, r#"{"error":"access_denied","error_description":"canary"}"#)];
    let word = Some(ErrorWord::AccessDenied);
    let no = |server| OAuthError::Denied { server, word };
    let over = |_| OAuthError::CodeExpired;
    let malformed = |server| OAuthError::Malformed { server, what: "code for a device" };
    let refused = |status, word| move |server| OAuthError::Refused { server, status, word };
    let expired = vec![(400, r#"{"error":"expired_token"}"#)];
    let short = r#"{"device_code":"d","user_code":"A","verification_uri":"https://id.example/",
        "expires_in":1,"interval":1}"#;
    tokio::join!(
        check((200, OFFER), denied, no),
        check((200, OFFER), expired, over),
        // It would be over before the first question.
        check((200, short), Vec::new(), over),
        check((200, "<html>canary</html>"), Vec::new(), malformed),
        check((200, r#"{"error":"device_flow_disabled"}"#), Vec::new(), refused(200, None)),
        check(
            (400, r#"{"error":"unauthorized_client"}"#),
            Vec::new(),
            refused(400, Some(ErrorWord::UnauthorizedClient))
        ),
    );
    let (watcher, _shown) = Watcher::new();
    let mut setup = Setup::at("http://127.0.0.1:1");
    setup.endpoints.device = None;
    let error = setup.flow().device(&[], &watcher).await.unwrap_err();
    assert_eq!(error, OAuthError::NoEndpoint("device_url"));
}

#[tokio::test]
async fn a_server_that_fails_in_between_is_asked_again() {
    let granted = (200, r#"{"access_token":"a"}"#);
    let peer = answering((200, OFFER), vec![(503, ""), granted]);
    let setup = Setup::of(&peer);
    let (watcher, _shown) = Watcher::new();
    assert!(setup.flow().device(&[], &watcher).await.is_ok());
    assert_eq!(peer.received().len(), 3);
}
