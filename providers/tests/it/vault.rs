//! The vault provider against a server that plays Vault.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use subrosa_engine::provider::{Checked, ProviderError, ProviderErrorKind, Retry, SecretRequest};

use crate::conformance::{context, named};
use crate::peer::{Peer, Received, Reply};
use crate::remote::{self, Remote, clean, fetch, open, request, shown};

const TOKEN: &str = "hvs.canary-token";

struct Vault;

impl Remote for Vault {
    const NAME: &'static str = "vault";

    fn request(address: &str) -> SecretRequest {
        at(address, "kv/data/prod/api/key", &[])
    }

    fn found(value: &str) -> Reply {
        let value = serde_json::to_string(value).unwrap();
        Reply::json(
            200,
            &format!(
                r#"{{"lease_id":"","data":{{"data":{{"key":{value}}},"metadata":{{"version":3}}}}}}"#
            ),
        )
    }

    fn absent() -> Reply {
        Reply::json(404, r#"{"errors":[]}"#)
    }

    fn forbidden(request: &Received) -> Reply {
        match request.path.as_str() {
            "/v1/auth/token/lookup-self" => Reply::json(200, r#"{"data":{}}"#),
            _ => Reply::json(403, r#"{"errors":["permission denied, canary"]}"#),
        }
    }

    fn unauthenticated(_: &Received) -> Reply {
        Reply::json(403, r#"{"errors":["permission denied"]}"#)
    }

    fn limited() -> Reply {
        Reply::Answer(429, vec!["Retry-After: 2".into()], br#"{"errors":["canary"]}"#.to_vec())
    }
}

/// A request to a server with our token.
fn at(address: &str, key: &str, options: &[(&str, &str)]) -> SecretRequest {
    let own = [("vault_address", address), ("vault_token", TOKEN)];
    request(key, &[&own, options].concat())
}

async fn ask(
    key: &str,
    options: &[(&str, &str)],
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> Result<String, ProviderError> {
    let peer = Peer::plain(answers);
    fetch("vault", &context(&[], &[], &[]), &at(&peer.url(), key, options)).await.map_err(clean)
}

#[tokio::test]
async fn the_suite_for_remote_providers_holds() {
    remote::suite::<Vault>().await;
}

#[tokio::test]
async fn what_is_sent_is_the_path_as_written_with_token_and_namespace() {
    let peer = Peer::plain(|_| Reply::json(200, r#"{"data":{"key":"x"}}"#));
    let address = format!("{}/base/", peer.url());
    let options = [("namespace", "team/a"), ("version", "3"), ("data.ttl", "1 h")];
    let wanted = at(&address, "kv/data/a b?/key", &options);
    let asked = fetch("vault", &context(&[], &[], &[]), &wanted).await;
    assert_eq!(asked.unwrap_err().message, "`kv/data/a b?` has no versions");
    let received = peer.received();
    assert_eq!(received[0].method, "GET");
    assert_eq!(received[0].path, "/base/v1/kv/data/a%20b%3F?version=3&ttl=1+h");
    assert_eq!(received[0].header("x-vault-token"), Some(TOKEN));
    assert_eq!(received[0].header("x-vault-namespace"), Some("team/a"));
    assert_eq!(received[0].header("x-vault-request"), Some("true"));
}

#[tokio::test]
async fn a_field_that_is_missing_is_told_with_those_that_are_there() {
    let answers = |_: &Received| {
        Reply::json(
            200,
            r#"{"data":{"data":{"Nope":"canary","other":"canary","hvs.canary-token":"x","a\nb":"x"}}}"#,
        )
    };
    let error = ask("kv/data/prod/api/nope", &[], answers).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
    assert_eq!(
        error.message,
        "field \"nope\" not found in vault secret \"kv/data/prod/api\" (available fields: Nope, other)"
    );
    assert_eq!(error.help.as_deref(), Some("did you mean `Nope`?"));
}

#[tokio::test]
async fn a_path_that_is_written_for_the_other_version_gets_a_hint() {
    fn check_mount(request: &Received, version: &str) -> Reply {
        if !request.path.starts_with("/v1/sys/internal/ui/mounts/kv/") {
            return Reply::json(404, r#"{"errors":[]}"#);
        }
        let options = format!(r#"{{"version":"{version}"}}"#);
        Reply::json(200, &format!(r#"{{"data":{{"path":"kv/","type":"kv","options":{options}}}}}"#))
    }
    let error = ask("kv/prod/key", &[], |request| check_mount(request, "2")).await.unwrap_err();
    assert_eq!(error.message, "secret not found at path \"kv/prod\"");
    assert_eq!(error.help.as_deref(), Some("this is KV version 2: write `kv/data/prod`"));
    let error =
        ask("kv/data/prod/key", &[], |request| check_mount(request, "1")).await.unwrap_err();
    assert_eq!(error.help.as_deref(), Some("this is KV version 1: write `kv/prod`"));
    let error = ask("kv/prod/key", &[], |_| Vault::absent()).await.unwrap_err();
    assert_eq!(error.help.as_deref(), Some("for KV version 2, the path must include `/data/`"));
    let error = ask("kv/data/prod/key", &[], |_| Vault::absent()).await.unwrap_err();
    assert_eq!(error.help, None);
}

#[tokio::test]
async fn a_server_that_cannot_answer_is_told_by_its_state() {
    async fn check(status: u16, body: &'static str, message: &str, retry: Retry) {
        let error = ask("kv/a/b", &[], move |_| Reply::json(status, body)).await.unwrap_err();
        assert_eq!((error.kind, error.retry), (ProviderErrorKind::Unavailable, retry), "{error}");
        let (_, said) = error.message.rsplit_once("` ").unwrap();
        assert_eq!(said, message);
    }
    check(503, r#"{"errors":["Vault is sealed"]}"#, "is sealed", Retry::Never).await;
    check(
        503,
        r#"{"errors":["node is standby"]}"#,
        "is a standby node without an active one",
        Retry::Later,
    )
    .await;
    check(503, "<html>", "cannot answer now (503)", Retry::Later).await;
    check(473, "", "is a standby node that answers nothing", Retry::Later).await;
    check(412, "", "is behind the other nodes (412)", Retry::Later).await;
    check(429, "", "gets too many requests (429)", Retry::Later).await;
    check(307, "", "sends elsewhere, and tokens do not follow", Retry::Never).await;
}

#[tokio::test]
async fn a_denied_path_is_told_with_the_policy_to_grant() {
    let error = ask("kv/data/prod/api/key", &[], Vault::forbidden).await.unwrap_err();
    assert!(error.message.ends_with("denies access to `kv/data/prod/api` (403)"), "{error}");
    let policy = r#"let a policy grant it: path "kv/data/prod/api" { capabilities = ["read"] }"#;
    assert_eq!(error.help.as_deref(), Some(policy));
}

#[tokio::test]
async fn a_removed_version_is_told() {
    let removed = |destroyed: bool| {
        let metadata = format!(r#"{{"version":2,"destroyed":{destroyed},"deletion_time":"x"}}"#);
        format!(r#"{{"data":{{"data":null,"metadata":{metadata}}}}}"#)
    };
    for (destroyed, how) in [(false, "deleted"), (true, "destroyed")] {
        let body = removed(destroyed);
        let error = ask("kv/data/a/b", &[], move |_| Reply::json(404, &body)).await.unwrap_err();
        let message = format!("secret not found at path \"kv/data/a\": version 2 is {how}");
        assert_eq!((error.kind, error.message), (ProviderErrorKind::NotFound, message));
    }
}

#[tokio::test]
async fn one_read_serves_all_fields_of_a_version() {
    let peer = Peer::plain(|request| {
        let version = if request.path.ends_with("version=1") { 1 } else { 2 };
        Reply::json(
            200,
            &format!(
                r#"{{"data":{{"data":{{"a":"x{version}","b":8080}},"metadata":{{"version":{version}}}}}}}"#
            ),
        )
    });
    let url = peer.url();
    let a = at(&url, "kv/data/s/a", &[]);
    let b = at(&url, "kv/data/s", &[("field", "b")]);
    let old = at(&url, "kv/data/s/a", &[("version", "1")]);
    let client = open("vault", &context(&[], &[], &[]), &a).await.unwrap();
    let all = join_all([&a, &b, &old, &a, &b].map(|request| client.fetch(request))).await;
    let all: Vec<String> = all.into_iter().map(|value| shown(value.unwrap())).collect();
    assert_eq!(all, ["x2", "8080", "x1", "x2", "8080"]);
    assert_eq!(shown(client.fetch(&b).await.unwrap()), "8080");
    assert_eq!(peer.received().len(), 2);
}

#[tokio::test]
async fn a_failure_is_asked_again() {
    let tries = AtomicUsize::new(0);
    let peer = Peer::plain(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::json(500, ""),
        _ => Reply::json(200, r#"{"data":{"b":"x"}}"#),
    });
    let wanted = at(&peer.url(), "kv/a/b", &[]);
    let client = open("vault", &context(&[], &[], &[]), &wanted).await.unwrap();
    assert_eq!(client.fetch(&wanted).await.unwrap_err().retry, Retry::Later);
    assert_eq!(shown(client.fetch(&wanted).await.unwrap()), "x");
}

#[tokio::test]
async fn writing_sends_the_data_that_is_given() {
    let peer = Peer::plain(|_| Reply::json(200, r#"{"data":{"private_key":"x\ny\n"}}"#));
    let options = [("method", "write"), ("data.common_name", "a.example"), ("data.ttl", "1h")];
    let wanted = at(&peer.url(), "pki/issue/web/private_key", &options);
    assert_eq!(fetch("vault", &context(&[], &[], &[]), &wanted).await.unwrap(), "x\ny\n");
    let received = &peer.received()[0];
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/v1/pki/issue/web"));
    assert_eq!(received.body, br#"{"common_name":"a.example","ttl":"1h"}"#);
}

#[tokio::test]
async fn a_nul_byte_and_half_a_character_are_no_values() {
    let nul = |_: &Received| Reply::json(200, r#"{"data":{"b":"can\u0000ary"}}"#);
    let error = ask("kv/a/b", &[], nul).await.unwrap_err();
    assert_eq!(error.message, "field \"b\" of vault secret \"kv/a\" holds a NUL byte");
    let half = |_: &Received| Reply::json(200, r#"{"data":{"b":"\ud800"}}"#);
    let error = ask("kv/a/b", &[], half).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Malformed);
}

#[tokio::test]
async fn a_check_reads_nothing() {
    async fn check(subkeys: u16, metadata: u16, expected: Result<Checked, ProviderErrorKind>) {
        let peer = Peer::plain(move |request| {
            let path = request.path.split('?').next().unwrap();
            match path {
                "/v1/sys/capabilities-self" => {
                    Reply::json(200, r#"{"data":{"capabilities":["read"]}}"#)
                }
                "/v1/sys/internal/ui/mounts/kv/data/s" => Reply::json(
                    200,
                    r#"{"data":{"path":"kv/","type":"kv","options":{"version":"2"}}}"#,
                ),
                "/v1/kv/subkeys/s" => Reply::json(subkeys, r#"{"data":{"subkeys":{"a":null}}}"#),
                "/v1/kv/metadata/s" => Reply::json(metadata, r#"{"data":{}}"#),
                _ => panic!("{path} is asked for"),
            }
        });
        let wanted = at(&peer.url(), "kv/data/s/a", &[]);
        let client = open("vault", &context(&[], &[], &[]), &wanted).await.unwrap();
        let found = client.check(&wanted).await.map_err(|error| clean(error).kind);
        assert_eq!(found, expected, "{subkeys} {metadata}");
        assert_eq!(peer.count("GET", "/v1/kv/data/s"), 0);
    }
    check(200, 200, Ok(Checked::Readable)).await;
    check(403, 200, Ok(Checked::Likely)).await;
    check(403, 403, Ok(Checked::Likely)).await;
    check(404, 200, Err(ProviderErrorKind::NotFound)).await;
    check(403, 404, Err(ProviderErrorKind::NotFound)).await;
}

#[tokio::test]
async fn a_check_says_what_is_denied_and_what_cannot_be_told() {
    async fn check(status: u16, body: &'static str, expected: Result<Checked, ProviderErrorKind>) {
        let peer = Peer::plain(move |request| match request.path.as_str() {
            "/v1/sys/capabilities-self" => Reply::json(status, body),
            "/v1/auth/token/lookup-self" => Reply::json(200, "{}"),
            _ => Reply::json(404, ""),
        });
        let wanted = at(&peer.url(), "kv/s/a", &[]);
        let client = open("vault", &context(&[], &[], &[]), &wanted).await.unwrap();
        assert_eq!(client.check(&wanted).await.map_err(|error| error.kind), expected, "{body}");
    }
    let deny = r#"{"data":{"capabilities":["deny"]}}"#;
    check(200, deny, Err(ProviderErrorKind::Denied)).await;
    check(200, r#"{"data":{"capabilities":["root"]}}"#, Ok(Checked::Likely)).await;
    check(403, r#"{"errors":["permission denied"]}"#, Ok(Checked::WouldRead)).await;
    let invalid = r#"{"errors":["permission denied, invalid token"]}"#;
    check(403, invalid, Err(ProviderErrorKind::Unauthenticated)).await;
}

#[test]
fn the_identity_is_what_the_login_depends_on() {
    let provider = named("vault");
    let identity = |options: &[(&str, &str)]| provider.identity(&at("http://a", "kv/a/b", options));
    let plain = identity(&[]);
    assert!(plain == identity(&[("field", "b"), ("version", "1"), ("data.ttl", "1h")]));
    for option in [("namespace", "x"), ("auth", "approle"), ("role", "x"), ("ca_cert", "x")] {
        assert!(plain != identity(&[option]), "{option:?}");
    }
}

#[test]
fn the_place_is_what_one_read_answers() {
    let provider = named("vault");
    let place = |key, options: &[(&str, &str)]| provider.place(&at("http://a", key, options));
    assert_eq!(place("kv/data/a/x", &[]), place("kv/data/a", &[("field", "y")]));
    assert_ne!(place("kv/data/a/x", &[]), place("kv/data/a/x", &[("version", "1")]));
    assert_ne!(place("kv/data/a/x", &[]), place("kv/data/b/x", &[]));
}

#[test]
fn what_is_kept_for_later_is_known_by_its_server_and_place() {
    let provider = named("vault");
    let process = [("VAULT_NAMESPACE", b"team".as_slice())];
    let scope = |key, options: &[(&str, &str)]| {
        provider.cache_scope(&context(&[], &process, &[]), &at("http://127.0.0.1:1/", key, options))
    };
    let known = scope("kv/data/a/x", &[]).unwrap();
    assert_eq!((known[0].as_str(), known[1].as_str()), ("http://127.0.0.1:1", "team"));
    for other in
        [("field", "y"), ("version", "1"), ("namespace", "b"), ("vault_address", "http://[::1]")]
    {
        assert_ne!(scope("kv/data/a/x", &[other]), Some(known.clone()), "{other:?}");
    }
    // It may be lent.
    assert_eq!(scope("database/creds/a/x", &[]), None);
    assert_eq!(scope("kv/data/a/x", &[("method", "write")]), None);
}

#[tokio::test]
async fn a_probe_asks_whether_the_token_is_known() {
    async fn check(status: u16, expected: Result<(), ProviderErrorKind>) {
        let peer = Peer::plain(move |_| Reply::json(status, r#"{"errors":["Vault is sealed"]}"#));
        let wanted = at(&peer.url(), "kv/a/b", &[]);
        let client = open("vault", &context(&[], &[], &[]), &wanted).await.unwrap();
        assert_eq!(client.probe().await.map_err(|error| clean(error).kind), expected, "{status}");
    }
    check(200, Ok(())).await;
    check(403, Err(ProviderErrorKind::Unauthenticated)).await;
    check(503, Err(ProviderErrorKind::Unavailable)).await;
}
