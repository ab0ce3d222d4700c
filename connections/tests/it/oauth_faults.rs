//! Token endpoints that are wrong, slow, absent or somebody else.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use subrosa_connections::oauth::{Endpoint, ErrorWord, OAuthError};
use subrosa_http::{Fault, Roots, TlsFault};

use crate::oauth_peer::{Peer, Reply, dead_port};
use crate::oauth_setup::{Setup, http, scopes, secret};

async fn refresh(setup: &Setup) -> OAuthError {
    let token = secret("canary-refresh");
    setup.flow().refresh(&token, &scopes(&["x"])).await.unwrap_err()
}

/// What a refresh at `peer` comes to; `expected` is made of the server's name.
async fn check(peer: &Peer, expected: impl Fn(String) -> OAuthError) {
    assert_eq!(refresh(&Setup::of(peer)).await, expected(peer.url()));
}

fn answering(status: u16, headers: &[&str], body: &str) -> Peer {
    let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    let body = body.as_bytes().to_vec();
    Peer::plain(move |_| Reply::Answer(status, headers.clone(), body.clone()))
}

#[tokio::test]
async fn refusals_have_the_standards_words_only() {
    for (status, body, word) in [
        (400, r#"{"error":"invalid_grant"}"#, Some(ErrorWord::InvalidGrant)),
        (401, r#"{"error":"invalid_client"}"#, Some(ErrorWord::InvalidClient)),
        (400, r#"{"error":"invalid_gr\u0061nt"}"#, Some(ErrorWord::InvalidGrant)),
        // Some say it with a good status.
        (200, r#"{"error":"bad_refresh_token"}"#, Some(ErrorWord::InvalidGrant)),
        (200, r#"{"ok":false,"error":"canary"}"#, None),
        (400, r#"{"error":"canary"}"#, None),
        (400, r#"{"error":{"canary":1}}"#, None),
        (403, "<html>canary</html>", None),
        (404, "", None),
    ] {
        let refused = |server| OAuthError::Refused { server, status, word };
        check(&answering(status, &[], body), refused).await;
    }
}

#[tokio::test]
async fn servers_that_cannot_answer_now_may_later() {
    let busy = |status, retry_after| move |server| OAuthError::Busy { server, status, retry_after };
    // Whatever the body says.
    let body = r#"{"error":"invalid_grant"}"#;
    check(&answering(500, &[], body), busy(500, None)).await;
    let after = Some(Duration::from_secs(7));
    check(&answering(503, &["Retry-After: 7"], ""), busy(503, after)).await;
    check(&answering(429, &["Retry-After: soon"], ""), busy(429, None)).await;
}

#[tokio::test]
async fn what_is_no_token_is_said_to_be_none() {
    let malformed = |server| OAuthError::Malformed { server, what: "token" };
    for body in ["<html>canary</html>", "", "{}", "access_token=canary", "[\"canary\"]"] {
        check(&answering(200, &[], body), malformed).await;
    }
    let body = r#"{"access_token":"canary","token_type":"DPoP"}"#;
    check(&answering(200, &[], body), |server| OAuthError::TokenType { server }).await;
}

#[tokio::test]
async fn answers_end() {
    let unanswered = |fault| move |server| OAuthError::Unanswered { server, fault };
    let slow = Peer::plain(|_| Reply::Stall);
    let mut setup = Setup::of(&slow);
    setup.http = http(Roots::None, Duration::from_millis(500));
    assert_eq!(refresh(&setup).await, unanswered(Fault::TimedOut)(slow.url()));
    let garbage = Peer::raw(b"canary canary\r\n\r\n".to_vec());
    check(&garbage, unanswered(Fault::NotHttp)).await;
    check(&Peer::plain(|_| Reply::Raw(Vec::new())), unanswered(Fault::Closed)).await;
    check(&Peer::plain(|_| Reply::Endless), unanswered(Fault::TooLarge)).await;
}

#[tokio::test]
async fn nobody_there_is_worth_another_try() {
    let url = format!("http://127.0.0.1:{}", dead_port());
    let error = refresh(&Setup::at(&url)).await;
    assert_eq!(error, OAuthError::Unanswered { server: url, fault: Fault::Refused });
    assert!(error.is_retryable());
}

#[tokio::test]
async fn credentials_follow_no_redirect() {
    let elsewhere = answering(200, &[], r#"{"access_token":"stolen"}"#);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}/token", elsewhere.url());
        let peer = answering(status, &[&location], "");
        check(&peer, |server| OAuthError::Redirected { server }).await;
    }
    assert!(elsewhere.received().is_empty());
}

/// A server with TLS whose certificate is for `name`, and the file of the authority that signed it.
fn encrypted(name: &str, folder: &std::path::Path) -> (Peer, Roots) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let path = folder.join("ca.pem");
    fs::write(&path, root.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    let peer = Peer::encrypted(config, |_| Reply::json(200, r#"{"access_token":"a"}"#));
    (peer, Roots::File(path))
}

#[tokio::test]
async fn nothing_is_sent_to_who_is_not_who_they_should_be() {
    async fn ask(peer: &Peer, roots: Roots) -> Option<OAuthError> {
        let mut setup = Setup::of(peer);
        setup.http = http(roots, Duration::from_secs(20));
        setup.flow().refresh(&secret("canary-refresh"), &[]).await.err()
    }
    let folder = tempfile::tempdir().unwrap();
    let untrusted = |peer: &Peer, fault| {
        Some(OAuthError::Unanswered { server: peer.url(), fault: Fault::Tls(fault) })
    };
    let (good, roots) = encrypted("127.0.0.1", folder.path());
    assert_eq!(ask(&good, Roots::None).await, untrusted(&good, TlsFault::UnknownIssuer));
    assert!(good.received().is_empty());
    assert_eq!(ask(&good, roots).await, None);
    assert_eq!(good.received().len(), 1);
    let (other, roots) = encrypted("id.example", folder.path());
    let error = ask(&other, roots).await;
    assert_eq!(error, untrusted(&other, TlsFault::WrongHost));
    assert!(!error.unwrap().is_retryable());
    assert!(other.received().is_empty());
}

#[test]
fn no_flow_can_be_told_to_speak_in_the_clear() {
    assert!(Endpoint::parse("http://id.example/token").is_err());
    assert!(Endpoint::parse("https://id.example/token").is_ok());
}
