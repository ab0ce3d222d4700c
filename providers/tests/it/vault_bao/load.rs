//! How often a real OpenBao is asked for many secrets, and how long that takes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use subrosa_engine::provider::SecretRequest;

use super::with_logins;
use crate::bao::{Bao, Line};
use crate::conformance::context;
use crate::peer::{Peer, Reply};
use crate::remote::{fetch, open, request, shown};

/// Passes requests on, each so much later.
fn slowed(line: Line, latency: Duration) -> Peer {
    Peer::plain(move |request| {
        std::thread::sleep(latency);
        let token = request.header("x-vault-token").unwrap_or_default();
        let path = request.path.trim_start_matches("/v1/");
        let (status, body) = line.call(&request.method, path, token, &request.body).unwrap();
        Reply::Answer(status, Vec::new(), body)
    })
}

/// A role that reads everything below `secret/`, as options.
fn app_role(bao: &Bao) -> [(&'static str, String); 3] {
    let policy = r#"path "secret/data/*" { capabilities = ["read"] }"#;
    bao.write("sys/policies/acl/mine", &json!({ "policy": policy }));
    bao.write("auth/approle/role/app", &json!({"token_policies": "mine"}));
    let id = bao.good("GET", "auth/approle/role/app/role-id", &json!({}));
    let secret = bao.write("auth/approle/role/app/secret-id", &json!({}));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    [
        ("auth", "approle".to_owned()),
        ("role_id", text(&id["data"]["role_id"])),
        ("secret_id", text(&secret["data"]["secret_id"])),
    ]
}

#[tokio::test]
async fn five_hundred_fields_of_fifty_paths_are_fifty_reads_and_one_login() {
    let bao = with_logins();
    for place in 0..50 {
        let field = |field| (format!("f{field}"), json!(format!("canary-{place}-{field}")));
        let data: serde_json::Map<_, _> = (0..10).map(field).collect();
        bao.write(&format!("secret/data/p{place}"), &json!({ "data": data }));
    }
    let role = app_role(&bao);
    let peer = slowed(bao.line.clone(), Duration::from_millis(20));
    let url = peer.url();
    let mut options = vec![("vault_address", url.as_str())];
    options.extend(role.each_ref().map(|(name, value)| (*name, value.as_str())));
    let key = |number: usize| format!("secret/data/p{}/f{}", number / 10, number % 10);
    let all: Vec<SecretRequest> = (0..500).map(|number| request(&key(number), &options)).collect();
    let begun = Instant::now();
    fetch("vault", &context(&[], &[], &[]), &all[0]).await.unwrap();
    // Login, read and logout, one after the other.
    let round_trip = begun.elapsed() / 3;
    // The fastest counts: the machine may have other things to do.
    let mut fastest = Duration::MAX;
    for round in 1..=3 {
        let begun = Instant::now();
        let client = open("vault", &context(&[], &[], &[]), &all[0]).await.unwrap();
        let values = join_all(all.iter().map(|request| client.fetch(request))).await;
        fastest = fastest.min(begun.elapsed());
        for (number, value) in values.into_iter().enumerate() {
            let expected = format!("canary-{}-{}", number / 10, number % 10);
            assert_eq!(shown(value.unwrap()), expected);
        }
        assert_eq!(peer.count("POST", "/v1/auth/approle/login"), 1 + round);
        for place in 1..50 {
            assert_eq!(peer.count("GET", &format!("/v1/secret/data/p{place}")), round);
        }
        assert_eq!(peer.received().len(), 3 + 51 * round);
    }
    assert!(fastest <= 8 * round_trip, "{fastest:?} for round trips of {round_trip:?}");
}
