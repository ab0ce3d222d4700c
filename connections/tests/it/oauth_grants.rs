//! The grants that need nobody: what is asked, and what is made of the answer.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use subrosa_connections::kind::ClientAuth;
use subrosa_connections::oauth::{ErrorWord, OAuthError, Revoked, ServiceAccount};

use crate::oauth_peer::{Peer, Received, Reply};
use crate::oauth_setup::{NOW, Setup, scopes, secret, text};

/// The key that the tests of Google's provider use, too.
const KEY: &str = include_str!("../../../providers/tests/it/gcp_key.pem");

fn granting(body: &'static str) -> Peer {
    Peer::plain(move |_| Reply::json(200, body))
}

/// The one request: its path, its header `Authorization`, its body.
fn only(peer: &Peer) -> (String, Option<String>, String) {
    let received = peer.received();
    let [request] = &received[..] else { panic!("{} requests", received.len()) };
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let body = String::from_utf8(request.body.clone()).unwrap();
    (request.path.clone(), request.header("authorization").map(str::to_owned), body)
}

#[tokio::test]
async fn the_client_says_who_it_is_as_its_type_wants() {
    async fn check(
        secret_text: Option<&str>,
        auth: ClientAuth,
        header: Option<&str>,
        in_body: &str,
    ) {
        let peer = granting(r#"{"access_token":"a"}"#);
        let mut setup = Setup::of(&peer);
        setup.client.id = "id:1".to_owned();
        (setup.client.secret, setup.client.auth) = (secret_text.map(secret), auth);
        setup.flow().client_credentials(&[]).await.unwrap();
        let (_, authorization, body) = only(&peer);
        assert_eq!(authorization.as_deref(), header);
        assert_eq!(body, format!("grant_type=client_credentials{in_body}"));
    }
    // `id%3A1:a%20b`, in base64.
    let header = "Basic aWQlM0ExOmElMjBi";
    check(Some("a b"), ClientAuth::Basic, Some(header), "").await;
    check(Some("a b"), ClientAuth::Body, None, "&client_id=id%3A1&client_secret=a%20b").await;
    check(None, ClientAuth::Basic, None, "&client_id=id%3A1").await;
    check(None, ClientAuth::Body, None, "&client_id=id%3A1").await;
}

#[tokio::test]
async fn client_credentials_ask_for_scopes_and_the_types_own_parts() {
    let peer = granting(r#"{"access_token":"canary-a","expires_in":60,"scope":"a"}"#);
    let mut setup = Setup::of(&peer);
    setup.endpoints.scope_separator = ",".to_owned();
    setup.endpoints.extra.insert("audience".to_owned(), "https://api".to_owned());
    let tokens = setup.flow().client_credentials(&scopes(&["a", "b"])).await.unwrap();
    let (path, _, body) = only(&peer);
    assert_eq!(path, "/token");
    let expected = "grant_type=client_credentials&scope=a%2Cb&audience=https%3A%2F%2Fapi";
    assert_eq!(body, expected);
    assert_eq!(text(&tokens.access), "canary-a");
    assert!(tokens.refresh.is_none());
    assert_eq!(tokens.expires, Some(NOW + Duration::from_secs(60)));
    assert_eq!(tokens.scopes, ["a"]);
}

#[tokio::test]
async fn a_refresh_token_is_replaced_or_stays() {
    let rotated = granting(r#"{"access_token":"a2","refresh_token":"r2","expires_in":60}"#);
    let setup = Setup::of(&rotated);
    let held = scopes(&["x"]);
    let tokens = setup.flow().refresh(&secret("r+1"), &held).await.unwrap();
    assert_eq!(only(&rotated).2, "grant_type=refresh_token&refresh_token=r%2B1");
    assert_eq!((text(&tokens.access).as_str(), tokens.scopes), ("a2", held.clone()));
    assert_eq!(text(&tokens.refresh.unwrap()), "r2");

    let unchanged = granting(r#"{"access_token":"a2","scope":"x y"}"#);
    let mut setup = Setup::of(&unchanged);
    setup.endpoints.expires_in = Some(Duration::from_secs(7200));
    let tokens = setup.flow().refresh(&secret("r1"), &held).await.unwrap();
    assert!(tokens.refresh.is_none());
    assert_eq!(tokens.scopes, ["x", "y"]);
    assert_eq!(tokens.expires, Some(NOW + Duration::from_secs(7200)));
}

/// An endpoint that answers by the kind of token that is revoked.
fn revoking(
    refresh: (u16, &'static str),
    access: (u16, &'static str),
) -> impl Fn(&Received) -> Reply {
    move |request| {
        let is_refresh = request.text().contains("token_type_hint=refresh_token");
        let (status, body) = if is_refresh { refresh } else { access };
        Reply::json(status, body)
    }
}

#[tokio::test]
async fn both_tokens_are_given_back() {
    async fn check(
        refresh: (u16, &'static str),
        access: (u16, &'static str),
        expected: Result<Revoked, Option<ErrorWord>>,
    ) {
        let peer = Peer::plain(revoking(refresh, access));
        let setup = Setup::of(&peer);
        let flow = setup.flow();
        let outcome = flow.revoke(Some(&secret("r1")), Some(&secret("a1"))).await;
        assert_eq!(outcome.map_err(|error| error.word()), expected);
        let bodies: Vec<_> =
            peer.received().into_iter().map(|got| String::from_utf8(got.body).unwrap()).collect();
        let sent =
            ["token=r1&token_type_hint=refresh_token", "token=a1&token_type_hint=access_token"];
        assert_eq!(bodies, sent);
        assert!(peer.received().iter().all(|request| request.path == "/revoke"));
    }
    let gone = (400, r#"{"error":"invalid_token"}"#);
    let kept = (400, r#"{"error":"unsupported_token_type"}"#);
    let both = |refresh, access| Ok(Revoked { refresh, access });
    check((200, ""), (200, ""), both(true, true)).await;
    check((200, ""), kept, both(true, false)).await;
    check((200, "<html>"), gone, both(true, true)).await;
    let client = (401, r#"{"error":"invalid_client"}"#);
    check(client, (200, ""), Err(Some(ErrorWord::InvalidClient))).await;
    check((200, ""), client, Err(Some(ErrorWord::InvalidClient))).await;
    check((503, ""), (200, ""), Err(None)).await;
    check((200, r#"{"ok":false,"error":"canary"}"#), (200, ""), Err(None)).await;
}

#[tokio::test]
async fn what_is_not_there_is_not_given_back() {
    let peer = granting("");
    let mut setup = Setup::of(&peer);
    let outcome = setup.flow().revoke(None, Some(&secret("a1"))).await;
    assert_eq!(outcome, Ok(Revoked { refresh: false, access: true }));
    assert_eq!(only(&peer).2, "token=a1&token_type_hint=access_token");
    setup.endpoints.revoke = None;
    let outcome = setup.flow().revoke(None, Some(&secret("a1"))).await;
    assert_eq!(outcome, Err(OAuthError::NoEndpoint("revoke_url")));
}

#[tokio::test]
async fn a_service_account_signs_for_itself() {
    let peer = granting(r#"{"access_token":"a","expires_in":3599,"token_type":"Bearer"}"#);
    let setup = Setup::of(&peer);
    let account = ServiceAccount {
        email: "robot@project.example".to_owned(),
        key_id: Some("k1".to_owned()),
        key: secret(KEY),
        subject: Some("person@example".to_owned()),
    };
    let tokens = setup.flow().service_account(&account, &scopes(&["s1", "s2"])).await.unwrap();
    assert_eq!(tokens.expires, Some(NOW + Duration::from_secs(3599)));
    let (path, authorization, body) = only(&peer);
    // The client of the flow has no part in it.
    assert_eq!((path.as_str(), authorization), ("/token", None));
    let prefix = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let assertion = body.strip_prefix(prefix).unwrap();
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    let part = |text: &str| -> serde_json::Value {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
    };
    let (header, claims) = signed.split_once('.').unwrap();
    let expected = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" });
    assert_eq!(part(header), expected);
    let expected = serde_json::json!({
        "iss": "robot@project.example", "sub": "person@example", "scope": "s1 s2",
        "aud": format!("{}/token", peer.url()), "iat": 0, "exp": 3600,
    });
    assert_eq!(part(claims), expected);
}

#[tokio::test]
async fn what_is_no_key_signs_nothing() {
    let peer = granting("{}");
    let setup = Setup::of(&peer);
    let ec = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for key in ["", "canary", &ec, &KEY.replace('M', "!")] {
        let account = ServiceAccount {
            email: "robot@project.example".to_owned(),
            key_id: None,
            key: secret(key),
            subject: None,
        };
        let error = setup.flow().service_account(&account, &[]).await.unwrap_err();
        assert_eq!(error, OAuthError::Key);
    }
    assert!(peer.received().is_empty());
}
