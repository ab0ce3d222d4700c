//! Logging in to vault, and what must not be sent where.

use std::fs;

use subrosa_engine::provider::{ProviderError, ProviderErrorKind};

use crate::conformance::context;
use crate::peer::{Peer, Received, Reply};
use crate::remote::{clean, fetch, open, request};

const GRANTED: &str =
    r#"{"auth":{"client_token":"hvs.canary-own","lease_duration":0,"renewable":false}}"#;

/// Answers every login, and every read with a token of it.
fn vault(request: &Received) -> Reply {
    match (request.path.as_str(), request.header("x-vault-token")) {
        (path, None) if path.ends_with("/login") || path.contains("/login/") => {
            Reply::json(200, GRANTED)
        }
        ("/v1/auth/token/revoke-self", Some(_)) => Reply::json(204, ""),
        (_, Some(_)) => Reply::json(200, r#"{"data":{"b":"x"}}"#),
        (_, None) => Reply::json(403, r#"{"errors":["canary"]}"#),
    }
}

/// The token that reads the secret, by the process environment and the options.
async fn token(
    process: &[(&str, &str)],
    options: &[(&str, &str)],
) -> Result<String, ProviderError> {
    let peer = Peer::plain(vault);
    let address = peer.url();
    let own = [("vault_address", address.as_str())];
    let wanted = request("kv/a/b", &[&own, options].concat());
    let process: Vec<(&str, &[u8])> =
        process.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    fetch("vault", &context(&[], &process, &[]), &wanted).await.map_err(clean)?;
    let received = peer.received();
    let read = received.iter().find(|request| request.path == "/v1/kv/a").unwrap();
    Ok(read.header("x-vault-token").unwrap().to_owned())
}

#[tokio::test]
async fn a_token_is_taken_from_the_nearest_place() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().to_str().unwrap();
    let other = home.path().join("other");
    fs::write(&other, "by-named-file\n").unwrap();
    let (in_home, named) = (("HOME", folder), ("VAULT_TOKEN_FILE", other.to_str().unwrap()));
    let error = token(&[in_home], &[]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    fs::write(home.path().join(".vault-token"), "by-file\n").unwrap();
    assert_eq!(token(&[in_home], &[]).await.unwrap(), "by-file");
    assert_eq!(token(&[in_home, named], &[]).await.unwrap(), "by-named-file");
    let variable = ("VAULT_TOKEN", "by-variable");
    assert_eq!(token(&[in_home, named, variable], &[]).await.unwrap(), "by-variable");
    let all = [in_home, named, variable, ("OTHER", "by-other-variable")];
    let option = [("vault_token_env", "OTHER")];
    assert_eq!(token(&all, &option).await.unwrap(), "by-other-variable");
    let option = [("vault_token_file", other.to_str().unwrap())];
    assert_eq!(token(&all, &option).await.unwrap(), "by-named-file");
    assert_eq!(token(&all, &[("vault_token", "by-option")]).await.unwrap(), "by-option");
}

#[tokio::test]
async fn a_token_of_one_server_does_not_go_to_that_of_the_other() {
    let peer = Peer::plain(vault);
    let address = peer.url();
    let process = [
        ("BAO_ADDR", address.as_bytes()),
        ("VAULT_TOKEN", b"of-vault".as_slice()),
        ("BAO_TOKEN", b"of-bao".as_slice()),
    ];
    fetch("vault", &context(&[], &process, &[]), &request("kv/a/b", &[])).await.unwrap();
    let tokens: Vec<_> = peer
        .received()
        .iter()
        .filter_map(|request| request.header("x-vault-token").map(str::to_owned))
        .collect();
    assert!(!tokens.is_empty() && tokens.iter().all(|token| token == "of-bao"), "{tokens:?}");
}

#[tokio::test]
async fn the_token_of_the_environment_is_for_the_server_of_the_environment() {
    let process = [("VAULT_TOKEN", "canary"), ("VAULT_ADDR", "https://vault.example")];
    let error = token(&process, &[]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    assert!(error.message.contains("is for `VAULT_ADDR`"), "{error}");
    assert_eq!(token(&process, &[("vault_token", "given")]).await.unwrap(), "given");
    let error = token(&process, &[("auth", "kubernetes"), ("role", "app")]).await.unwrap_err();
    assert!(error.message.contains("is for `VAULT_ADDR`"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "a.b.c").unwrap();
    let jwt = ("jwt_file", file.path().to_str().unwrap());
    let given = token(&process, &[("auth", "kubernetes"), ("role", "app"), jwt]).await;
    assert_eq!(given.unwrap(), "hvs.canary-own");
}

#[tokio::test]
async fn the_address_comes_from_the_option_or_from_the_process() {
    let peer = Peer::plain(vault);
    let address = peer.url();
    let process = [("VAULT_ADDR", address.as_bytes()), ("VAULT_TOKEN", b"canary".as_slice())];
    let wanted = request("kv/a/b", &[]);
    assert_eq!(fetch("vault", &context(&[], &process, &[]), &wanted).await.unwrap(), "x");
    let process = [("BAO_ADDR", address.as_bytes()), ("BAO_TOKEN", b"canary".as_slice())];
    assert_eq!(fetch("vault", &context(&[], &process, &[]), &wanted).await.unwrap(), "x");
    // What a dotenv file of the workflow says decides nothing.
    let elsewhere = [("VAULT_ADDR", b"http://127.0.0.1:9".as_slice())];
    assert_eq!(fetch("vault", &context(&elsewhere, &process, &[]), &wanted).await.unwrap(), "x");
}

/// The error of opening; nothing is sent.
async fn refused(process: &[(&str, &str)], options: &[(&str, &str)]) -> ProviderError {
    let process: Vec<(&str, &[u8])> =
        process.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let wanted = request("kv/a/b", options);
    let opened = open("vault", &context(&[], &process, &[]), &wanted).await;
    clean(opened.err().unwrap())
}

#[tokio::test]
async fn what_would_expose_the_token_is_refused() {
    let token = ("vault_token", "canary");
    let error = refused(&[], &[("vault_address", "http://vault.example"), token]).await;
    assert!(error.message.contains("unencrypted"), "{error}");
    let error = refused(&[], &[("vault_address", "https://u:canary@vault.example"), token]).await;
    assert!(error.message.contains("holds a user name or a password"), "{error}");
    let error = refused(&[("VAULT_SKIP_VERIFY", "true")], &[token]).await;
    assert!(error.message.contains("`VAULT_SKIP_VERIFY`"), "{error}");
    // The user may say so.
    let process = [("VAULT_ADDR", b"http://vault.example".as_slice())];
    assert!(
        open("vault", &context(&[], &process, &[]), &request("kv/a/b", &[token])).await.is_ok()
    );
}

#[tokio::test]
async fn options_that_do_not_fit_are_refused() {
    let dead = ("vault_address", "http://127.0.0.1:9");
    for (options, expected) in [
        (&[("vault_token", "canary\u{e4}")][..], "what is given as a token is none"),
        (&[("vault_token", "canary canary")], "what is given as a token is none"),
        (&[("vault_token", "canary"), ("vault_token_env", "X")], "more than one of `vault_token`"),
        (&[("vault_token", "canary"), ("wrapped_token", "canary")], "both `vault_token` and"),
        (&[("vault_token_env", "NOPE")], "variable `NOPE` of option `vault_token_env` is not set"),
        (&[("vault_token_file", "/nope")], "cannot read the file of option `vault_token_file`"),
        (&[("vault_token_file", "/dev/zero")], "cannot read the file of option `vault_token_file`"),
        (&[("auth", "ldap")], "unknown login `ldap`"),
        (&[("auth", "approle")], "`auth: approle` needs `role_id`"),
        (&[("auth", "kubernetes")], "`auth: kubernetes` needs `role`"),
        (&[("auth", "userpass")], "`auth: userpass` needs `username`"),
        (&[("auth", "jwt"), ("role", "r")], "`auth: jwt` needs `jwt`"),
        (&[("auth", "cert")], "`auth: cert` needs `client_cert`"),
        (&[("client_cert", "/nope"), ("vault_token", "canary")], "`client_cert` is given without"),
        (
            &[("ca_cert", "/nope"), ("vault_token", "canary")],
            "cannot read the certificate authority",
        ),
        (&[("ca_path", "/nope"), ("vault_token", "canary")], "cannot read the folder of"),
        (&[("timeout", "soon"), ("vault_token", "canary")], "`soon` is no timeout"),
    ] {
        let error = refused(&[], &[&[dead], options].concat()).await;
        assert!(error.message.starts_with(expected), "{error}");
    }
}

/// What a login sends, and the token that then reads and is revoked.
async fn login(options: &[(&str, &str)], path: &str, body: &str) {
    let peer = Peer::plain(vault);
    let address = peer.url();
    let own = [("vault_address", address.as_str())];
    let wanted = request("kv/a/b", &[&own, options].concat());
    let asked = fetch("vault", &context(&[], &[], &[]), &wanted).await;
    assert_eq!(asked.map_err(clean).unwrap(), "x", "{path}");
    let received = peer.received();
    let paths: Vec<&str> = received.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, [path, "/v1/kv/a", "/v1/auth/token/revoke-self"]);
    assert_eq!(String::from_utf8_lossy(&received[0].body), body);
    assert_eq!(received[0].header("x-vault-token"), None);
    for request in &received[1..] {
        assert_eq!(request.header("x-vault-token"), Some("hvs.canary-own"));
    }
}

#[tokio::test]
async fn each_login_sends_what_its_method_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwt");
    fs::write(&file, "a.b.c\n").unwrap();
    let jwt = ("jwt_file", file.to_str().unwrap());
    login(
        &[("auth", "approle"), ("role_id", "r"), ("secret_id", "canary")],
        "/v1/auth/approle/login",
        r#"{"role_id":"r","secret_id":"canary"}"#,
    )
    .await;
    login(
        &[("auth", "approle"), ("auth_mount", "/team/approle/"), ("role_id", "r")],
        "/v1/auth/team/approle/login",
        r#"{"role_id":"r"}"#,
    )
    .await;
    login(
        &[("auth", "kubernetes"), ("role", "app"), jwt],
        "/v1/auth/kubernetes/login",
        r#"{"role":"app","jwt":"a.b.c"}"#,
    )
    .await;
    login(&[("auth", "jwt"), jwt], "/v1/auth/jwt/login", r#"{"jwt":"a.b.c"}"#).await;
    login(
        &[("auth", "userpass"), ("username", "u"), ("password", "canary\"")],
        "/v1/auth/userpass/login/u",
        r#"{"password":"canary\""}"#,
    )
    .await;
}

#[tokio::test]
async fn a_refused_login_says_which() {
    for (status, body) in [(400, "invalid role or secret ID, canary"), (403, "permission denied")] {
        let body = format!(r#"{{"errors":["{body}"]}}"#);
        let peer = Peer::plain(move |_| Reply::json(status, &body));
        let url = peer.url();
        let options = [("vault_address", url.as_str()), ("auth", "approle"), ("role_id", "canary")];
        let error = refused(&[], &options).await;
        assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
        let expected = "refuses the login by approle at `auth/approle/login`";
        assert!(error.message.ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn wrapped_credentials_are_opened_once() {
    let answers = |granted: &'static str| {
        move |request: &Received| match (request.path.as_str(), request.header("x-vault-token")) {
            ("/v1/sys/wrapping/unwrap", Some("canary-wrap")) => Reply::json(200, granted),
            _ => vault(request),
        }
    };
    let paths = async |peer: Peer, options: &[(&str, &str)]| {
        let url = peer.url();
        let own = [("vault_address", url.as_str())];
        let wanted = request("kv/a/b", &[&own, options].concat());
        fetch("vault", &context(&[], &[], &[]), &wanted).await.map_err(clean).unwrap();
        let received = peer.received();
        let paths =
            received.iter().map(|request| request.path.trim_start_matches("/v1/").to_owned());
        paths.collect::<Vec<String>>()
    };
    let token = [("wrapped_token", "canary-wrap")];
    let found = paths(Peer::plain(answers(GRANTED)), &token).await;
    assert_eq!(found, ["sys/wrapping/unwrap", "kv/a", "auth/token/revoke-self"]);
    // A token that somebody had before is not revoked.
    let bare = r#"{"data":{"token":"hvs.canary-other"}}"#;
    let found = paths(Peer::plain(answers(bare)), &token).await;
    assert_eq!(found, ["sys/wrapping/unwrap", "kv/a"]);
    let role = [("auth", "approle"), ("role_id", "r"), ("wrapped_secret_id", "canary-wrap")];
    let found = paths(Peer::plain(answers(r#"{"data":{"secret_id":"canary"}}"#)), &role).await;
    let expected = ["sys/wrapping/unwrap", "auth/approle/login", "kv/a", "auth/token/revoke-self"];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_wrapped_token_that_was_opened_before_is_an_alarm() {
    let peer = Peer::plain(|_| {
        Reply::json(400, r#"{"errors":["wrapping token is not valid or does not exist"]}"#)
    });
    let url = peer.url();
    let options = [("vault_address", url.as_str()), ("wrapped_token", "canary")];
    let error = refused(&[], &options).await;
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    assert!(error.help.unwrap().contains("somebody else did"));
}
