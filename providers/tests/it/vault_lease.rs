//! What vault gives for a run: kept and given back, whatever becomes of the single renewal.

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use serde_json::{Value, json};
use subrosa_engine::provider::{Client, ProviderErrorKind};

use crate::conformance::context;
use crate::peer::{Peer, Received, Reply};
use crate::remote::{clean, open, request};

/// A lease of a second for each path below `creds/`.
fn granted(request: &Received) -> Option<Reply> {
    let path = request.path.strip_prefix("/v1/creds/")?;
    let answer = json!({
        "lease_id": format!("creds/{path}/1"), "lease_duration": 1, "renewable": true,
        "data": { "user": "canary" },
    });
    Some(Reply::json(200, &answer.to_string()))
}

fn lease_id(request: &Received) -> String {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    body["lease_id"].as_str().unwrap_or_default().to_owned()
}

fn count(peer: &Peer, path: &str, lease: &str) -> usize {
    let is_it = |it: &&Received| it.path == path && lease_id(it) == lease;
    peer.received().iter().filter(is_it).count()
}

async fn with_users(peer: &Peer, names: &[&str]) -> Box<dyn Client> {
    let url = peer.url();
    let options = [("vault_address", url.as_str()), ("vault_token", "canary")];
    let wanted = |name: &&str| request(&format!("creds/{name}/user"), &options);
    let client = open("vault", &context(&[], &[], &[]), &wanted(&"first")).await.unwrap();
    for name in names {
        client.fetch(&wanted(name)).await.unwrap();
    }
    client
}

const RENEW: &str = "/v1/sys/leases/renew";
const REVOKE: &str = "/v1/sys/leases/revoke";

#[tokio::test]
async fn nothing_to_keep_is_done_at_once() {
    let peer = Peer::plain(|_| Reply::json(200, r#"{"data":{"user":"x"},"lease_duration":9}"#));
    let client = with_users(&peer, &["a"]).await;
    client.keep().await.unwrap();
    client.close().await.unwrap();
    assert_eq!(peer.received().len(), 1);
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_does_not_end_the_others() {
    let peer = Peer::plain(|request| match request.path.as_str() {
        RENEW if lease_id(request) == "creds/a/1" => Reply::json(400, r#"{"errors":["canary"]}"#),
        RENEW => Reply::json(200, r#"{"lease_id":"x","lease_duration":1,"renewable":true}"#),
        REVOKE => Reply::json(204, ""),
        _ => granted(request).unwrap(),
    });
    let client = with_users(&peer, &["a", "b"]).await;
    let renewed = async {
        while count(&peer, RENEW, "creds/b/1") < 3 {
            tokio::task::yield_now().await;
        }
    };
    match select(client.keep(), Box::pin(renewed)).await {
        Either::Left((kept, _)) => panic!("it ended: {kept:?}"),
        Either::Right(_) => {}
    }
    assert_eq!(count(&peer, RENEW, "creds/a/1"), 1);
    client.close().await.unwrap();
    for lease in ["creds/a/1", "creds/b/1"] {
        assert_eq!(count(&peer, REVOKE, lease), 1, "{lease}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_is_told_when_nothing_is_left() {
    let peer = Peer::plain(|request| match request.path.as_str() {
        RENEW => Reply::json(403, r#"{"errors":["canary"]}"#),
        _ => granted(request).unwrap(),
    });
    let client = with_users(&peer, &["a", "b"]).await;
    let error = clean(client.keep().await.unwrap_err());
    for path in ["creds/a", "creds/b"] {
        let expected = format!("the lease of `{path}` cannot be renewed any more: ");
        assert!(error.message.contains(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_lease_that_comes_later_is_kept_too() {
    let peer = Peer::plain(|request| match request.path.as_str() {
        RENEW => Reply::json(200, r#"{"lease_id":"x","lease_duration":1,"renewable":true}"#),
        _ => granted(request).unwrap(),
    });
    let client = with_users(&peer, &["a"]).await;
    let later = async {
        while count(&peer, RENEW, "creds/a/1") < 1 {
            tokio::task::yield_now().await;
        }
        let url = peer.url();
        let options = [("vault_address", url.as_str()), ("vault_token", "canary")];
        client.fetch(&request("creds/b/user", &options)).await.unwrap();
        while count(&peer, RENEW, "creds/b/1") < 1 {
            tokio::task::yield_now().await;
        }
    };
    assert!(matches!(select(client.keep(), Box::pin(later)).await, Either::Right(_)));
}

#[tokio::test]
async fn giving_back_is_tried_again_and_told_if_it_fails() {
    let peer = Peer::plain(|request| match (request.path.as_str(), lease_id(request).as_str()) {
        (REVOKE, "creds/a/1") => Reply::json(500, r#"{"errors":["canary"]}"#),
        (REVOKE, _) => Reply::json(204, ""),
        _ => granted(request).unwrap(),
    });
    let client = with_users(&peer, &["a", "b"]).await;
    let error = clean(client.close().await.unwrap_err());
    assert_eq!(error.kind, ProviderErrorKind::Unavailable);
    assert!(
        error.message.starts_with("not given back to vault: the lease of `creds/a`: "),
        "{error}"
    );
    assert_eq!(count(&peer, REVOKE, "creds/a/1"), 3);
    assert_eq!(count(&peer, REVOKE, "creds/b/1"), 1);
}

#[tokio::test]
async fn times_that_no_clock_counts_are_no_trouble() {
    let most = u64::MAX;
    let peer = Peer::plain(move |request| match request.path.as_str() {
        REVOKE => Reply::Answer(429, vec![format!("Retry-After: {most}")], Vec::new()),
        _ => Reply::json(
            200,
            &format!(
                r#"{{"lease_id":"x","lease_duration":{most},"renewable":true,"data":{{"user":"x"}}}}"#
            ),
        ),
    });
    let client = with_users(&peer, &["a"]).await;
    assert!(client.keep().now_or_never().is_none());
    let error = clean(client.close().await.unwrap_err());
    assert!(error.message.ends_with("gets too many requests (429)"), "{error}");
}
