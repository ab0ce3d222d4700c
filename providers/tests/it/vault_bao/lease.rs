//! Users that a real OpenBao makes for a run: kept as long as it lasts, and taken away after it.

use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use serde_json::json;
use subrosa_engine::provider::Client;

use super::with_logins;
use crate::bao::Bao;
use crate::conformance::context;
use crate::peer::{Peer, Received, Reply};
use crate::remote::{clean, open, request, shown};

/// A RabbitMQ as far as OpenBao makes users of it, and takes them away.
fn rabbit() -> Peer {
    Peer::plain(|request| match request.method.as_str() {
        "PUT" => Reply::json(201, ""),
        _ => Reply::json(204, ""),
    })
}

/// A server that makes users of a RabbitMQ, for so long.
fn with_users(rabbit: &Peer, ttl: &str, max_ttl: &str) -> Bao {
    let bao = with_logins();
    bao.write("sys/mounts/rabbitmq", &json!({"type": "rabbitmq"}));
    let connection = json!({
        "connection_uri": rabbit.url(), "username": "a", "password": "b", "verify_connection": false,
    });
    bao.write("rabbitmq/config/connection", &connection);
    bao.write("rabbitmq/config/lease", &json!({"ttl": ttl, "max_ttl": max_ttl}));
    bao.write("rabbitmq/roles/app", &json!({"tags": "monitoring"}));
    bao
}

/// Two fields of one user.
async fn user(bao: &Bao, token: &str) -> (Box<dyn Client>, String) {
    let url = bao.url();
    let options = [("vault_address", url.as_str()), ("vault_token", token)];
    let [name, password] = ["username", "password"]
        .map(|field| request(&format!("rabbitmq/creds/app/{field}"), &options));
    let client = open("vault", &context(&[], &[], &[]), &name).await.unwrap();
    let (first, second) = tokio::join!(client.fetch(&name), client.fetch(&password));
    assert!(!shown(second.unwrap()).is_empty());
    let name = shown(first.unwrap());
    (client, name)
}

const USERS: &str = r#"
    path "rabbitmq/creds/app" { capabilities = ["read"] }
    path "sys/leases/revoke" { capabilities = ["update"] }
"#;

fn users(rabbit: &Peer, method: &str) -> Vec<String> {
    let made = rabbit.received().into_iter().filter(|it| it.method == method);
    let path = |request: Received| Some(request.path.strip_prefix("/api/users/")?.to_owned());
    made.filter_map(path).collect()
}

#[tokio::test]
async fn a_user_that_is_made_for_the_run_is_taken_away_after_it() {
    let rabbit = rabbit();
    let bao = with_users(&rabbit, "1h", "2h");
    let token = bao.token("users", USERS, &json!({}));
    let (client, name) = user(&bao, &token).await;
    assert_eq!(users(&rabbit, "PUT"), [name.as_str()]);
    assert!(users(&rabbit, "DELETE").is_empty());
    client.close().await.unwrap();
    assert_eq!(users(&rabbit, "DELETE"), [name.as_str()]);
    // The token was given: it lives on.
    user(&bao, &token).await;
}

#[tokio::test]
async fn what_may_not_be_given_back_is_told() {
    let rabbit = rabbit();
    let bao = with_users(&rabbit, "1h", "2h");
    let policy = r#"path "rabbitmq/creds/app" { capabilities = ["read"] }"#;
    let token = bao.token("users", policy, &json!({}));
    let (client, _) = user(&bao, &token).await;
    let error = clean(client.close().await.unwrap_err());
    assert!(
        error.message.starts_with("not given back to vault: the lease of `rabbitmq/creds/app`: ")
    );
    assert!(error.help.unwrap().contains("`sys/leases/revoke`"));
}

#[tokio::test]
async fn a_lease_is_renewed_until_its_longest_time() {
    let rabbit = rabbit();
    let bao = with_users(&rabbit, "4s", "6s");
    let token = bao.token("users", USERS, &json!({}));
    let begun = Instant::now();
    let (client, name) = user(&bao, &token).await;
    let error = clean(client.keep().await.unwrap_err());
    // Without renewal it would have ended; it is told before it does.
    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(users(&rabbit, "DELETE").is_empty());
    assert_eq!(
        error.message,
        "the lease of `rabbitmq/creds/app` cannot be renewed any more: its longest time is reached"
    );
    assert!(client.keep().await.is_ok());
    client.close().await.unwrap();
    assert_eq!(users(&rabbit, "DELETE"), [name]);
}

#[tokio::test]
async fn the_token_of_a_login_is_renewed_and_takes_its_leases_with_it() {
    let rabbit = rabbit();
    let bao = with_users(&rabbit, "1h", "2h");
    bao.write("sys/policies/acl/users", &json!({ "policy": USERS }));
    let role = json!({"token_policies": "users", "token_ttl": "2s", "token_max_ttl": "1h"});
    bao.write("auth/approle/role/app", &role);
    let id = bao.good("GET", "auth/approle/role/app/role-id", &json!({}));
    let secret = bao.write("auth/approle/role/app/secret-id", &json!({}));
    let url = bao.url();
    let options = [
        ("vault_address", url.as_str()),
        ("auth", "approle"),
        ("role_id", id["data"]["role_id"].as_str().unwrap()),
        ("secret_id", secret["data"]["secret_id"].as_str().unwrap()),
    ];
    let wanted = request("rabbitmq/creds/app/username", &options);
    let client = open("vault", &context(&[], &[], &[]), &wanted).await.unwrap();
    let name = shown(client.fetch(&wanted).await.unwrap());
    let long_enough = Box::pin(tokio::time::sleep(Duration::from_secs(3)));
    // It goes on as long as the run.
    match select(client.keep(), long_enough).await {
        Either::Left((kept, _)) => panic!("it ended: {kept:?}"),
        Either::Right(_) => {}
    }
    assert!(users(&rabbit, "DELETE").is_empty());
    client.close().await.unwrap();
    while users(&rabbit, "DELETE").is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(users(&rabbit, "DELETE"), [name]);
}
