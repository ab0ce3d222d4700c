//! Logging in to a real OpenBao, which leaves no token behind.

use std::collections::BTreeSet;

use serde_json::json;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};

use super::{MINE, ask, with_logins};
use crate::bao::Bao;
use crate::conformance::context;
use crate::peer::{Peer, Reply};
use crate::remote::{clean, fetch, open, request, shown};
use crate::vault_tls::Authority;

const PUBLIC_KEY: &str = include_str!("../../../../testdata/vault/jwt-public.pem");
const JWT: &str = include_str!("../../../../testdata/vault/not-secret.jwt");

/// All tokens, by what they may be named by.
fn tokens(bao: &Bao) -> BTreeSet<String> {
    let listed = bao.good("LIST", "auth/token/accessors", &json!({}));
    let names = listed["data"]["keys"].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Reads by a login, which leaves no token behind.
async fn log_in(bao: &Bao, options: &[(&str, &str)]) -> Result<(), ProviderError> {
    let before = tokens(bao);
    let url = bao.url();
    let all = [&[("vault_address", url.as_str())], options].concat();
    let wanted = request("secret/data/mine/key", &all);
    let client = open("vault", &context(&[], &[], &[]), &wanted).await.map_err(clean)?;
    assert_eq!(shown(client.fetch(&wanted).await.map_err(clean)?), "canary");
    assert_eq!(tokens(bao).difference(&before).count(), 1);
    client.close().await?;
    assert_eq!(tokens(bao).difference(&before).count(), 0);
    Ok(())
}

#[tokio::test]
async fn an_app_role_logs_in_by_a_secret_id_that_may_be_wrapped() {
    let bao = with_logins();
    bao.write("auth/approle/role/app", &json!({"token_policies": "mine"}));
    let role = bao.good("GET", "auth/approle/role/app/role-id", &json!({}));
    let role = role["data"]["role_id"].as_str().unwrap();
    let secret = bao.write("auth/approle/role/app/secret-id", &json!({}));
    let secret = secret["data"]["secret_id"].as_str().unwrap();
    let app = [("auth", "approle"), ("role_id", role)];
    log_in(&bao, &[&app[..], &[("secret_id", secret)]].concat()).await.unwrap();
    let error = log_in(&bao, &[&app[..], &[("secret_id", "canary")]].concat()).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    let wrapped = bao.wrapped("auth/approle/role/app/secret-id", &json!({}));
    let with_wrapped = [&app[..], &[("wrapped_secret_id", &wrapped)]].concat();
    log_in(&bao, &with_wrapped).await.unwrap();
    let error = log_in(&bao, &with_wrapped).await.unwrap_err();
    assert_eq!(
        error.message,
        format!("vault at `{}` does not unwrap `wrapped_secret_id`", bao.url())
    );
}

#[tokio::test]
async fn a_password_and_a_signed_token_log_in() {
    let bao = with_logins();
    bao.write("auth/userpass/users/ann", &json!({"password": "canary", "token_policies": "mine"}));
    let ann = [("auth", "userpass"), ("username", "ann"), ("password", "canary")];
    log_in(&bao, &ann).await.unwrap();
    let error = log_in(&bao, &[ann[0], ann[1], ("password", "canary-2")]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    bao.write("auth/jwt/config", &json!({"jwt_validation_pubkeys": [PUBLIC_KEY]}));
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["subrosa"],
        "token_policies": "mine",
    });
    bao.write("auth/jwt/role/app", &role);
    log_in(&bao, &[("auth", "jwt"), ("role", "app"), ("jwt", JWT)]).await.unwrap();
    let error = log_in(&bao, &[("auth", "jwt"), ("role", "no"), ("jwt", JWT)]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_service_account_logs_in() {
    let bao = with_logins();
    // The part of Kubernetes that OpenBao asks whether the token is good.
    let kubernetes = Peer::plain(|_| {
        let user = json!({"username": "system:serviceaccount:default:app", "uid": "u-1"});
        let status = json!({"authenticated": true, "audiences": ["subrosa"], "user": user});
        let kind = "TokenReview";
        let review =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": kind, "status": status});
        let json = vec!["Content-Type: application/json".to_owned()];
        Reply::Answer(201, json, review.to_string().into_bytes())
    });
    let config = json!({
        "kubernetes_host": kubernetes.url(), "disable_local_ca_jwt": true,
        "kubernetes_ca_cert": Authority::new().pem(),
    });
    bao.write("auth/kubernetes/config", &config);
    let role = json!({
        "bound_service_account_names": "app", "bound_service_account_namespaces": "default",
        "token_policies": "mine",
    });
    bao.write("auth/kubernetes/role/app", &role);
    let jwt = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/vault/not-secret.jwt");
    let account = [("auth", "kubernetes"), ("role", "app"), ("jwt_file", jwt)];
    log_in(&bao, &account).await.unwrap();
    assert_eq!(kubernetes.count("POST", "/apis/authentication.k8s.io/v1/tokenreviews"), 1);
    let error = log_in(&bao, &[account[0], ("role", "no"), account[2]]).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
}

#[tokio::test]
async fn a_wrapped_token_opens_once_and_is_revoked() {
    let bao = with_logins();
    let wrapped = bao.wrapped("auth/token/create", &json!({"policies": ["mine"]}));
    let read = async |wrapped: &str| {
        let url = bao.url();
        let options = [("vault_address", url.as_str()), ("wrapped_token", wrapped)];
        let wanted = request("secret/data/mine/key", &options);
        fetch("vault", &context(&[], &[], &[]), &wanted).await.map_err(clean)
    };
    let before = tokens(&bao);
    assert_eq!(read(&wrapped).await.unwrap(), "canary");
    // The wrapping, and what was in it.
    assert_eq!(before.difference(&tokens(&bao)).count(), 2);
    let error = read(&wrapped).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
    // A token that somebody had before stays theirs.
    let token = bao.token("mine", MINE, &json!({}));
    let wrapped = bao.wrapped("sys/wrapping/wrap", &json!({ "token": token }));
    assert_eq!(read(&wrapped).await.unwrap(), "canary");
    assert_eq!(ask(&bao, &token, "secret/data/mine/key", &[]).await.unwrap(), "canary");
}
