//! The vault provider against a real OpenBao: what it reads, and what it is refused.

mod lease;
mod load;
mod login;

use serde_json::json;
use subrosa_engine::provider::{Checked, ProviderError, ProviderErrorKind, Retry};

use crate::bao::Bao;
use crate::conformance::context;
use crate::remote::{clean, fetch, open, request, shown};
use crate::vault_tls::Authority;

const MINE: &str = r#"path "secret/data/mine" { capabilities = ["read"] }"#;

/// A server with a secret that whoever logs in may read.
fn with_logins() -> Bao {
    let bao = Bao::dev();
    bao.write("secret/data/mine", &json!({"data": {"key": "canary"}}));
    bao.write("sys/policies/acl/mine", &json!({ "policy": MINE }));
    for method in ["approle", "userpass", "jwt", "kubernetes"] {
        bao.write(&format!("sys/auth/{method}"), &json!({ "type": method }));
    }
    bao
}

async fn ask(
    bao: &Bao,
    token: &str,
    key: &str,
    options: &[(&str, &str)],
) -> Result<String, ProviderError> {
    let url = bao.url();
    let own = [("vault_address", url.as_str()), ("vault_token", token)];
    let wanted = request(key, &[&own, options].concat());
    fetch("vault", &context(&[], &[], &[]), &wanted).await.map_err(clean)
}

#[tokio::test]
async fn both_versions_of_kv_are_read() {
    let bao = Bao::dev();
    bao.write("sys/mounts/old", &json!({"type": "kv", "options": {"version": "1"}}));
    bao.write("old/team/api", &json!({"key": "canary-1", "port": 8080, "on": true, "none": null}));
    bao.write("old/app", &json!({"value": "canary-2"}));
    for value in ["canary-a", "canary-b", "canary-c"] {
        bao.write("secret/data/team/api", &json!({"data": {"key": value, "a b/c": "canary-d"}}));
    }
    let ask = async |key: &str, options: &[(&str, &str)]| ask(&bao, "root", key, options).await;
    let field = [("field", "a b/c")];
    assert_eq!(ask("old/team/api/key", &[]).await.unwrap(), "canary-1");
    assert_eq!(ask("old/team/api/port", &[]).await.unwrap(), "8080");
    assert_eq!(ask("old/team/api/on", &[]).await.unwrap(), "true");
    assert_eq!(ask("old/team/api/none", &[]).await.unwrap(), "<nil>");
    assert_eq!(ask("old/app/value", &[]).await.unwrap(), "canary-2");
    assert_eq!(ask("secret/data/team/api/key", &[]).await.unwrap(), "canary-c");
    assert_eq!(ask("secret/data/team/api", &field).await.unwrap(), "canary-d");
    assert_eq!(ask("secret/data/team/api/key", &[("version", "1")]).await.unwrap(), "canary-a");
    let said = async |key: &str, options: &[(&str, &str)]| {
        let error = ask(key, options).await.unwrap_err();
        (error.message, error.help.unwrap_or_default())
    };
    let (message, _) = said("secret/data/team/api/nope", &[]).await;
    let fields = "(available fields: a b/c, key)";
    assert_eq!(
        message,
        format!("field \"nope\" not found in vault secret \"secret/data/team/api\" {fields}")
    );
    let (message, help) = said("secret/team/api/key", &[]).await;
    assert_eq!(message, "secret not found at path \"secret/team/api\"");
    assert_eq!(help, "this is KV version 2: write `secret/data/team/api`");
    let (_, help) = said("old/data/team/api/key", &[]).await;
    assert_eq!(help, "this is KV version 1: write `old/team/api`");
    let (message, _) = said("old/team/api/key", &[("version", "2")]).await;
    assert_eq!(message, "`old/team/api` has no versions");
    let (message, _) = said("secret/data/team/api/key", &[("version", "9")]).await;
    assert_eq!(message, "secret not found at path \"secret/data/team/api\" in version 9");
    let (message, help) = said("nowhere/x/key", &[]).await;
    assert_eq!(message, "secret not found at path \"nowhere/x\"");
    assert_eq!(help, "no secrets engine is mounted there, in this namespace");
    bao.write("secret/delete/team/api", &json!({"versions": [3]}));
    bao.write("secret/destroy/team/api", &json!({"versions": [2]}));
    let (message, _) = said("secret/data/team/api/key", &[]).await;
    assert_eq!(message, "secret not found at path \"secret/data/team/api\": version 3 is deleted");
    let (message, _) = said("secret/data/team/api/key", &[("version", "2")]).await;
    assert_eq!(
        message,
        "secret not found at path \"secret/data/team/api\": version 2 is destroyed"
    );
}

#[tokio::test]
async fn namespaces_are_apart() {
    let bao = Bao::dev();
    bao.write("sys/namespaces/team", &json!({}));
    bao.write("team/sys/mounts/kv", &json!({"type": "kv"}));
    bao.write("team/kv/app", &json!({"key": "canary"}));
    assert_eq!(ask(&bao, "root", "kv/app/key", &[("namespace", "team")]).await.unwrap(), "canary");
    assert_eq!(ask(&bao, "root", "team/kv/app/key", &[]).await.unwrap(), "canary");
    let error = ask(&bao, "root", "kv/app/key", &[]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::NotFound);
}

#[tokio::test]
async fn what_a_policy_denies_is_told_from_a_bad_token() {
    let bao = Bao::dev();
    bao.write("secret/data/mine", &json!({"data": {"key": "canary"}}));
    let token = bao.token("mine", MINE, &json!({}));
    assert_eq!(ask(&bao, &token, "secret/data/mine/key", &[]).await.unwrap(), "canary");
    let error = ask(&bao, &token, "secret/data/other/key", &[]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Denied);
    let grant = r#"let a policy grant it: path "secret/data/other" { capabilities = ["read"] }"#;
    assert_eq!(error.help.as_deref(), Some(grant));
    let error = ask(&bao, &token, "secret/mine/key", &[]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Denied);
    let error = ask(&bao, "s.canary", "secret/data/mine/key", &[]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    // The policy that is asked for is enough.
    bao.write("secret/data/other", &json!({"data": {"key": "canary"}}));
    let policy = grant.trim_start_matches("let a policy grant it: ");
    let token = bao.token("other", policy, &json!({}));
    assert_eq!(ask(&bao, &token, "secret/data/other/key", &[]).await.unwrap(), "canary");
}

#[tokio::test]
async fn a_check_says_what_can_be_found_out() {
    let bao = Bao::dev();
    bao.write("secret/data/mine", &json!({"data": {"key": "canary"}}));
    let check = async |token: &str, key: &str| {
        let url = bao.url();
        let wanted = request(key, &[("vault_address", &url), ("vault_token", token)]);
        let client = open("vault", &context(&[], &[], &[]), &wanted).await.unwrap();
        client.check(&wanted).await.map_err(|error| clean(error).kind)
    };
    let reads = r#"path "secret/data/*" { capabilities = ["read"] }"#;
    let reader = bao.token("reads", reads, &json!({}));
    assert_eq!(check(&reader, "secret/data/mine/key").await, Ok(Checked::Likely));
    assert_eq!(check(&reader, "secret/data/none/key").await, Ok(Checked::Likely));
    assert_eq!(check(&reader, "other/x/key").await, Err(ProviderErrorKind::Denied));
    let looks = format!(r#"{reads} path "secret/metadata/*" {{ capabilities = ["read"] }}"#);
    let looker = bao.token("looks", &looks, &json!({}));
    assert_eq!(check(&looker, "secret/data/mine/key").await, Ok(Checked::Likely));
    assert_eq!(check(&looker, "secret/data/none/key").await, Err(ProviderErrorKind::NotFound));
    let names = format!(r#"{reads} path "secret/subkeys/*" {{ capabilities = ["read"] }}"#);
    let namer = bao.token("names", &names, &json!({}));
    assert_eq!(check(&namer, "secret/data/mine/key").await, Ok(Checked::Readable));
    assert_eq!(check(&namer, "secret/data/mine/nope").await, Err(ProviderErrorKind::NotFound));
    let blind = bao.token("blind", reads, &json!({"no_default_policy": true}));
    assert_eq!(check(&blind, "secret/data/mine/key").await, Ok(Checked::WouldRead));
    assert_eq!(
        check("s.canary", "secret/data/mine/key").await,
        Err(ProviderErrorKind::Unauthenticated)
    );
}

#[tokio::test]
async fn a_certificate_is_issued_by_writing() {
    let bao = Bao::dev();
    bao.write("sys/mounts/pki", &json!({"type": "pki"}));
    let root = json!({"common_name": "root", "key_type": "ec", "ttl": "1h"});
    bao.write("pki/root/generate/internal", &root);
    let role = json!({"allow_any_name": true, "key_type": "ec", "max_ttl": "10m"});
    bao.write("pki/roles/web", &role);
    let options = [("method", "write"), ("data.common_name", "app.example")];
    let key = ask(&bao, "root", "pki/issue/web/private_key", &options).await.unwrap();
    assert!(key.starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
    let error = ask(&bao, "root", "pki/issue/web/private_key", &options[1..]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::InvalidRequest);
    assert!(error.help.unwrap().contains("`method: write`"));
}

#[tokio::test]
async fn a_limit_on_requests_is_told() {
    let bao = Bao::dev();
    bao.write("sys/quotas/rate-limit/slow", &json!({"path": "secret/", "rate": 0.01}));
    let mut told = None;
    while told.is_none() {
        told = ask(&bao, "root", "secret/data/mine/key", &[])
            .await
            .err()
            .filter(|error| error.kind == ProviderErrorKind::Unavailable);
    }
    assert!(told.unwrap().message.ends_with("gets too many requests (429)"));
}

#[tokio::test]
async fn a_server_that_is_sealed_or_restarted_in_mid_run_is_told_and_used_again() {
    let authority = Authority::new();
    let (mut bao, key) = Bao::production(&authority);
    bao.write("sys/mounts/kv", &json!({"type": "kv"}));
    for name in ["a", "b", "c", "d", "e"] {
        bao.write(&format!("kv/{name}"), &json!({"key": format!("canary-{name}")}));
    }
    let policy = r#"path "kv/*" { capabilities = ["read"] }"#;
    bao.write("sys/policies/acl/mine", &json!({ "policy": policy }));
    bao.write("sys/auth/cert", &json!({"type": "cert"}));
    let [certificate, client_key] = authority.client("client");
    let role = json!({"certificate": authority.pem(), "token_policies": "mine", "token_ttl": "1h"});
    bao.write("auth/cert/certs/app", &role);
    let (url, ca) = (bao.url(), authority.path("ca.pem"));
    let options = [
        ("vault_address", url.as_str()),
        ("ca_cert", &ca),
        ("auth", "cert"),
        ("client_cert", &certificate),
        ("client_key", &client_key),
    ];
    let wanted = |name: &str| request(&format!("kv/{name}/key"), &options);
    let client = open("vault", &context(&[], &[], &[]), &wanted("a")).await.map_err(clean).unwrap();
    let fetch = async |name: &str| client.fetch(&wanted(name)).await.map(shown).map_err(clean);
    assert_eq!(fetch("a").await.unwrap(), "canary-a");
    bao.good("POST", "sys/seal", &json!({}));
    assert_eq!(fetch("b").await.unwrap_err().message, format!("vault at `{url}` is sealed"));
    // What was read is known.
    assert_eq!(fetch("a").await.unwrap(), "canary-a");
    bao.unseal(&key);
    assert_eq!(fetch("b").await.unwrap(), "canary-b");
    bao.kill();
    // The connection that was open ended; then there is nobody to open another one to.
    assert_eq!(fetch("c").await.unwrap_err().retry, Retry::Later);
    let error = fetch("c").await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ProviderErrorKind::Unavailable, Retry::Later));
    assert_eq!(error.message, format!("cannot reach `{url}`: connection refused"));
    bao.start_again();
    assert_eq!(fetch("c").await.unwrap_err().message, format!("vault at `{url}` is sealed"));
    bao.unseal(&key);
    assert_eq!(fetch("c").await.unwrap(), "canary-c");
    client.close().await.unwrap();
    let error = fetch("d").await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
}
