//! The kubernetes provider against a server that plays a cluster.

use std::fs;
use std::path::PathBuf;

use futures_util::future::join_all;
use serde_json::{Value, json};
use subrosa_engine::provider::{Checked, ProviderError, ProviderErrorKind, Retry, SecretRequest};

use crate::asking::named;
use crate::conformance::context;
use crate::peer::{Peer, Received, Reply};
use crate::remote::{self, Remote, clean, fetch, open, request, shown};

pub(crate) const TOKEN: &str = "canary-token-7001";

/// Base64, by a program that is not the one under test.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let encode = |piece: &[u8]| {
        let byte = |at: usize| u32::from(piece.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let letter = |at: usize| match at <= piece.len() {
            true => char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]),
            false => '=',
        };
        (0..4).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(encode).collect()
}

/// A Secret with these data.
pub(crate) fn secret(data: &[(&str, &[u8])]) -> Reply {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), json!(base64(value))));
    let data: serde_json::Map<String, Value> = data.collect();
    let body = json!({"kind": "Secret", "apiVersion": "v1", "type": "Opaque",
        "metadata": {"name": "payments", "namespace": "prod"}, "data": data});
    Reply::json(200, &body.to_string())
}

fn status(code: u16, reason: &str) -> Reply {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": format!("{reason}: canary"), "reason": reason, "code": code});
    Reply::json(code, &body.to_string())
}

/// A kubeconfig with one context and this user.
pub(crate) fn kubeconfig(cluster: &Value, user: &Value) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "main",
        "clusters": [{"name": "here", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "main", "context": {"cluster": "here", "user": "me"}}],
    })
    .to_string()
}

/// A kubeconfig for a server, in a file that stays in the folder for such files.
fn file_for(address: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("kube-{}.yaml", address.rsplit(':').next().unwrap()));
    let text = kubeconfig(&json!({"server": address}), &json!({"token": TOKEN}));
    fs::write(&path, text).unwrap();
    path
}

/// A request to a server with our token.
fn at(address: &str, key: &str, options: &[(&str, &str)]) -> SecretRequest {
    let file = file_for(address);
    request(key, &[&[("kubeconfig", file.to_str().unwrap())], options].concat())
}

struct Kubernetes;

impl Remote for Kubernetes {
    const NAME: &'static str = "kubernetes";

    fn request(address: &str) -> SecretRequest {
        at(address, "payments/stripe", &[("namespace", "prod")])
    }

    fn found(value: &str) -> Reply {
        secret(&[("stripe", value.as_bytes())])
    }

    fn absent() -> Reply {
        status(404, "NotFound")
    }

    fn forbidden(_: &Received) -> Reply {
        status(403, "Forbidden")
    }

    fn unauthenticated(_: &Received) -> Reply {
        status(401, "Unauthorized")
    }

    fn limited() -> Reply {
        Reply::Answer(429, vec!["Retry-After: 2".into()], b"canary".to_vec())
    }
}

async fn ask(
    key: &str,
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> Result<String, ProviderError> {
    let peer = Peer::plain(answers);
    let wanted = at(&peer.url(), key, &[("namespace", "prod")]);
    fetch("kubernetes", &context(&[], &[], &[]), &wanted).await.map_err(clean)
}

#[tokio::test]
async fn the_suite_for_remote_providers_holds() {
    remote::suite::<Kubernetes>().await;
}

#[tokio::test]
async fn what_is_sent_is_the_place_with_the_token() {
    let peer = Peer::plain(|_| secret(&[("stripe", b"x")]));
    let address = format!("{}/clusters/one/", peer.url());
    let file = file_for(&peer.url());
    fs::write(&file, kubeconfig(&json!({"server": address}), &json!({"token": TOKEN}))).unwrap();
    let wanted = request("payments/stripe", &[("kubeconfig", file.to_str().unwrap())]);
    assert_eq!(fetch("kubernetes", &context(&[], &[], &[]), &wanted).await.unwrap(), "x");
    let received = &peer.received()[0];
    assert_eq!(received.method, "GET");
    assert_eq!(received.path, "/clusters/one/api/v1/namespaces/default/secrets/payments");
    assert_eq!(received.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(received.header("accept"), Some("application/json"));
}

#[tokio::test]
async fn a_secret_is_read_once_for_all_its_keys() {
    let peer = Peer::plain(|_| secret(&[("a", b"1"), ("b", b"2")]));
    let (context, first) = (context(&[], &[], &[]), at(&peer.url(), "payments/a", &[]));
    let client = open("kubernetes", &context, &first).await.unwrap();
    let second = request("b", &[("secret_name", "payments")]);
    let wanted: Vec<_> = (0..20).flat_map(|_| [&first, &second]).collect();
    let all = join_all(wanted.iter().map(|wanted| client.fetch(wanted))).await;
    let all: Vec<String> = all.into_iter().map(|value| shown(value.unwrap())).collect();
    assert_eq!(all, ["1", "2"].repeat(20));
    assert_eq!(peer.received().len(), 1);
    let elsewhere = request("payments/a", &[("namespace", "prod")]);
    client.fetch(&elsewhere).await.unwrap();
    assert_eq!(peer.count("GET", "/api/v1/namespaces/prod/secrets/payments"), 1);
}

#[tokio::test]
async fn what_is_absent_is_told_with_what_is_there() {
    let error = ask("payments/key", |_| status(404, "NotFound")).await.unwrap_err();
    assert_eq!(error.message, "kubernetes secret \"payments\" not found in namespace \"prod\"");
    let error = ask("payments/key", |_| secret(&[("a", b"canary"), ("b.c", b"canary")])).await;
    let error = error.unwrap_err();
    let expected = "key \"key\" not found in kubernetes secret \"payments\" in namespace \"prod\"";
    assert_eq!((error.kind, error.message.as_str()), (ProviderErrorKind::NotFound, expected));
    assert_eq!(error.help.as_deref(), Some("it has: `a`, `b.c`"));
    let echo = |request: &Received| {
        let token = request.header("authorization").unwrap().replace("Bearer ", "");
        secret(&[(&token, b"x")])
    };
    let error = ask("payments/key", echo).await.unwrap_err();
    assert_eq!(error.help.as_deref(), Some("it has no keys"));
}

#[tokio::test]
async fn what_is_denied_comes_with_the_rule_to_grant() {
    let error = ask("payments/key", |_| status(403, "Forbidden")).await.unwrap_err();
    let expected = "permission denied reading kubernetes secret \"payments\" in namespace \"prod\"";
    assert_eq!((error.kind, error.message.as_str()), (ProviderErrorKind::Denied, expected));
    let help = error.help.unwrap();
    assert!(help.contains("resourceNames: [payments], verbs: [get]"), "{help}");
    let error = ask("payments/key", |_| status(401, "Unauthorized")).await.unwrap_err();
    let help = error.help.unwrap();
    assert!(help.starts_with("they come from the token of user `me`"), "{help}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    for code in [429, 503] {
        let busy =
            move |_: &Received| Reply::Answer(code, vec!["Retry-After: 7".into()], Vec::new());
        let error = ask("payments/key", busy).await.unwrap_err();
        let expected = Retry::After(std::time::Duration::from_secs(7));
        assert_eq!((error.kind, error.retry), (ProviderErrorKind::Unavailable, expected));
    }
}

#[tokio::test]
async fn what_no_variable_can_hold_is_refused() {
    let error = ask("payments/key", |_| secret(&[("key", b"can\0ary")])).await.unwrap_err();
    assert!(error.message.ends_with("holds a NUL byte"), "{error}");
    let bad = r#"{"kind":"Secret","data":{"key":"canary!"}}"#;
    let error = ask("payments/key", |_| Reply::json(200, bad)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Malformed);
    let other = r#"{"kind":"SecretList","items":[]}"#;
    let error = ask("payments/key", |_| Reply::json(200, other)).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::Malformed);
}

/// Checks a Secret at a server that answers the review and the request for metadata; no value is read.
async fn check(review: Reply, metadata: Reply) -> Result<Checked, ProviderErrorKind> {
    let replies = std::sync::Mutex::new((Some(review), Some(metadata)));
    let peer = Peer::plain(move |request| {
        let mut replies = replies.lock().unwrap();
        let reply = if request.method == "POST" { replies.0.take() } else { replies.1.take() };
        reply.unwrap()
    });
    let wanted = at(&peer.url(), "payments/stripe", &[]);
    let client = open("kubernetes", &context(&[], &[], &[]), &wanted).await.unwrap();
    let checked = client.check(&wanted).await.map_err(|error| clean(error).kind);
    let received = peer.received();
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!((received[0].method.as_str(), received[0].path.as_str()), ("POST", path));
    let body: Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!(body["spec"]["resourceAttributes"]["name"], "payments");
    if let Some(request) = received.get(1) {
        assert!(request.header("accept").unwrap().contains("as=PartialObjectMetadata;"));
    }
    checked
}

#[tokio::test]
async fn a_check_asks_for_the_right_and_for_metadata() {
    let review = |allowed: bool| {
        Reply::json(201, &json!({"status": {"allowed": allowed, "reason": "canary"}}).to_string())
    };
    let metadata = || Reply::json(200, r#"{"kind":"PartialObjectMetadata","metadata":{}}"#);
    assert_eq!(check(review(true), metadata()).await, Ok(Checked::Likely));
    let absent = check(review(true), status(404, "NotFound")).await;
    assert_eq!(absent, Err(ProviderErrorKind::NotFound));
    assert_eq!(check(review(false), metadata()).await, Err(ProviderErrorKind::Denied));
    assert_eq!(check(status(403, "Forbidden"), metadata()).await, Ok(Checked::Likely));
    let denied = check(status(403, "Forbidden"), status(403, "Forbidden")).await;
    assert_eq!(denied, Err(ProviderErrorKind::Denied));
    let nobody = check(status(401, "Unauthorized"), metadata()).await;
    assert_eq!(nobody, Err(ProviderErrorKind::Unauthenticated));
    let no_object = check(review(true), Reply::json(200, "[]")).await;
    assert_eq!(no_object, Err(ProviderErrorKind::Malformed));
}

#[test]
fn the_place_is_the_secret_in_its_namespace() {
    let provider = named("kubernetes");
    let place = |key, options: &[(&str, &str)]| provider.place(&request(key, options));
    assert_eq!(place("payments/a", &[]), place("payments", &[("field", "b")]));
    assert_ne!(place("payments/a", &[]), place("payments/a", &[("namespace", "prod")]));
    assert_ne!(place("payments/a", &[]), place("other/a", &[]));
}

#[test]
fn what_is_kept_for_later_is_known_by_cluster_login_and_secret() {
    let provider = named("kubernetes");
    let nothing = context(&[], &[], &[]);
    let scope = |address, key, options: &[(&str, &str)]| {
        provider.cache_scope(&nothing, &at(address, key, options))
    };
    let (one, other) = ("http://127.0.0.1:901", "http://127.0.0.1:902");
    let known = scope(one, "payments/a", &[]).unwrap();
    assert_eq!(known, scope(one, "a", &[("name", "payments")]).unwrap());
    assert!(known.contains(&one.to_owned()) && !format!("{known:?}").contains("canary"));
    for different in [
        scope(other, "payments/a", &[]),
        scope(one, "payments/b", &[]),
        scope(one, "payments/a", &[("namespace", "prod")]),
    ] {
        assert!(different.is_some_and(|scope| scope != known));
    }
    // Where no cluster is known, nothing is kept.
    assert_eq!(scope(one, "payments/a", &[("context", "absent")]), None);
    assert_eq!(provider.cache_scope(&nothing, &request("payments/a", &[])), None);
}

#[tokio::test]
async fn a_probe_asks_whether_the_cluster_knows_us() {
    async fn check(reply: fn() -> Reply, expected: Result<(), ProviderErrorKind>) {
        let peer = Peer::plain(move |_| reply());
        let wanted = at(&peer.url(), "payments/stripe", &[]);
        let client = open("kubernetes", &context(&[], &[], &[]), &wanted).await.unwrap();
        assert_eq!(client.probe().await.map_err(|error| clean(error).kind), expected);
        assert!(peer.received().iter().all(|asked| !asked.path.contains("/secrets/")));
    }
    check(|| Reply::json(201, r#"{"status":{"allowed":false}}"#), Ok(())).await;
    check(|| status(403, "Forbidden"), Ok(())).await;
    check(|| status(401, "Unauthorized"), Err(ProviderErrorKind::Unauthenticated)).await;
    check(|| status(503, "ServiceUnavailable"), Err(ProviderErrorKind::Unavailable)).await;
    check(|| Reply::json(404, "[]"), Err(ProviderErrorKind::Malformed)).await;
}
