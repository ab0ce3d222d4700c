//! Google's Secret Manager, played by a server after its public reference: none can be had to try with.
//!
//! <https://cloud.google.com/secret-manager/docs/reference/rest>. `gcp_key.pem` was made for these tests and
//! opens nothing.

use std::fs;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use futures_util::future::join_all;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use subrosa_engine::provider::{
    Checked, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};

use crate::conformance::{context, noon};
use crate::peer::{Peer, Received, Reply};
use crate::remote::{self, Remote, clean, fetch, open, request};

const NAME: &str = "gcp-secret-manager";
const KEY: &str = include_str!("gcp_key.pem");

/// A metadata service that gives a token to everybody.
static METADATA: LazyLock<Peer> = LazyLock::new(|| {
    Peer::plain(|received| {
        let is_asked = received.path
            == "/computeMetadata/v1/instance/service-accounts/default/token"
            && received.header("metadata-flavor") == Some("Google");
        match is_asked {
            true => Reply::json(200, r#"{"access_token":"canary-token","expires_in":3599}"#),
            false => Reply::json(403, "canary"),
        }
    })
});

fn around(address: &str, variables: &[(&str, &str)]) -> ResolveContext {
    let host = format!("127.0.0.1:{}", METADATA.port());
    let own = [
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", address),
        ("GOOGLE_CLOUD_PROJECT", "shop"),
        ("GCE_METADATA_HOST", host.as_str()),
    ];
    let all: Vec<(&str, &[u8])> =
        own.iter().chain(variables).map(|(name, value)| (*name, value.as_bytes())).collect();
    context(&[], &all, &[])
}

/// The checksum, from its definition: the remainder of a division without carries.
fn checksum(bytes: &[u8]) -> u32 {
    let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1)));
    let step = |crc: u32, bit: u32| {
        if crc & 1 == bit { crc >> 1 } else { crc >> 1 ^ 0x82f6_3b78 }
    };
    !bits.fold(!0, step)
}

fn payload(value: &[u8]) -> Value {
    json!({ "data": BASE64.encode(value), "dataCrc32c": checksum(value).to_string() })
}

struct Google;

impl Remote for Google {
    const NAME: &'static str = NAME;

    fn request(_: &str) -> SecretRequest {
        request("db", &[])
    }

    fn context(address: &str) -> ResolveContext {
        around(address, &[])
    }

    fn found(value: &str) -> Reply {
        let name = "projects/1/secrets/db/versions/3";
        Reply::json(200, &json!({ "name": name, "payload": payload(value.as_bytes()) }).to_string())
    }

    fn absent() -> Reply {
        Reply::json(404, r#"{"error":{"code":404,"message":"canary","status":"NOT_FOUND"}}"#)
    }

    fn forbidden(_: &Received) -> Reply {
        Reply::json(403, r#"{"error":{"code":403,"message":"canary"}}"#)
    }

    fn unauthenticated(_: &Received) -> Reply {
        Reply::json(401, r#"{"error":{"code":401,"message":"canary"}}"#)
    }

    fn limited() -> Reply {
        Reply::Answer(429, vec!["Retry-After: 2".into()], b"canary".to_vec())
    }
}

#[tokio::test]
async fn the_suite_for_remote_providers_holds() {
    remote::suite::<Google>().await;
}

async fn ask(
    wanted: &SecretRequest,
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> (Result<String, ProviderError>, Vec<Received>) {
    let peer = Peer::plain(answers);
    let fetched = fetch(NAME, &around(&peer.url(), &[]), wanted).await.map_err(clean);
    (fetched, peer.received())
}

#[tokio::test]
async fn what_is_sent_names_the_version_and_shows_the_token() {
    let answer = |_: &Received| Google::found(r#"{"a":{"b":"x"}}"#);
    let wanted = request("db", &[("version", "3"), ("project", "other"), ("field", "a.b")]);
    let (fetched, received) = ask(&wanted, answer).await;
    assert_eq!(fetched.unwrap(), "x");
    assert_eq!(received[0].path, "/v1/projects/other/secrets/db/versions/3:access");
    assert_eq!(received[0].header("authorization"), Some("Bearer canary-token"));
    let (_, received) = ask(&request("db", &[]), answer).await;
    assert_eq!(received[0].path, "/v1/projects/shop/secrets/db/versions/latest:access");
}

#[tokio::test]
async fn a_value_that_was_damaged_is_refused() {
    let mut damaged = payload(b"canary");
    damaged["data"] = json!(BASE64.encode(b"canarx"));
    let without = json!({ "data": BASE64.encode(b"canary") });
    for (payload, says) in [(damaged, "damaged"), (without, "no answer"), (payload(b"a\0b"), "NUL")]
    {
        let body = json!({ "payload": payload }).to_string();
        let answer = move |_: &Received| Reply::json(200, &body);
        let error = ask(&request("db", &[]), answer).await.0.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Malformed);
        assert!(error.message.contains(says), "{error}");
    }
    let empty = |_: &Received| Reply::json(200, r#"{"payload":{"dataCrc32c":"0"}}"#);
    assert_eq!(ask(&request("db", &[]), empty).await.0.unwrap(), "");
}

#[tokio::test]
async fn checks_read_no_value() {
    async fn check(status: u16, body: &'static str) -> Result<Checked, ProviderErrorKind> {
        let peer = Peer::plain(move |_| Reply::json(status, body));
        let wanted = request("db", &[]);
        let client = open(NAME, &around(&peer.url(), &[]), &wanted).await.unwrap();
        let checked = client.check(&wanted).await.map_err(|error| clean(error).kind);
        assert_eq!(peer.count("GET", "/v1/projects/shop/secrets/db/versions/latest"), 1);
        checked
    }
    assert_eq!(check(200, r#"{"state":"ENABLED"}"#).await, Ok(Checked::Likely));
    assert_eq!(check(200, r#"{"state":"DESTROYED"}"#).await, Err(ProviderErrorKind::NotFound));
    assert_eq!(check(403, "{}").await, Ok(Checked::WouldRead));
    assert_eq!(check(404, "{}").await, Err(ProviderErrorKind::NotFound));
}

/// Logs in with a file, at a server that gives tokens; what it was sent, and what came of it.
async fn log_in(
    file: &Value,
    grant: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> (Result<String, ProviderError>, Vec<Received>) {
    let peer = Peer::plain(move |received| match received.path.as_str() {
        "/token" => grant(received),
        _ => Google::found("x"),
    });
    let mut file = file.clone();
    if file["token_uri"].is_null() {
        file["token_uri"] = json!(format!("{}/token", peer.url()));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    fs::write(&path, file.to_string()).unwrap();
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())];
    let fetched = fetch(NAME, &around(&peer.url(), &variables), &request("db", &[])).await;
    (fetched.map_err(clean), peer.received())
}

fn grant(_: &Received) -> Reply {
    Reply::json(200, r#"{"access_token":"canary-granted"}"#)
}

fn account() -> Value {
    json!({ "type": "service_account", "client_email": "a@b", "private_key_id": "k", "private_key": KEY })
}

fn user() -> Value {
    json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "canary-s",
        "refresh_token": "canary/r",
    })
}

#[tokio::test]
async fn service_accounts_sign_who_they_are() {
    let (fetched, received) = log_in(&account(), grant).await;
    assert_eq!(fetched.unwrap(), "x");
    assert_eq!(received[1].header("authorization"), Some("Bearer canary-granted"));
    let body = String::from_utf8(received[0].body.clone()).unwrap();
    let prefix = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let (signed, signature) = body.strip_prefix(prefix).unwrap().rsplit_once('.').unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    let parts = signed.split('.').map(|part| {
        let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    });
    let [header, claims] = parts.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k" }));
    assert_eq!(
        (&claims["iss"], &claims["scope"]),
        (&json!("a@b"), &json!("https://www.googleapis.com/auth/cloud-platform"),)
    );
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
}

static NOW: AtomicU64 = AtomicU64::new(0);

#[tokio::test]
async fn tokens_are_asked_for_again_before_they_end_and_by_one_for_all() {
    let peer = Peer::plain(|received| match received.path.as_str() {
        "/token" => Reply::json(200, r#"{"access_token":"canary","expires_in":3600}"#),
        _ => Google::found("x"),
    });
    let mut file = user();
    file["token_uri"] = json!(format!("{}/token", peer.url()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    fs::write(&path, file.to_string()).unwrap();
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())];
    let mut around = around(&peer.url(), &variables);
    around.clock = || noon() + Duration::from_secs(NOW.load(Ordering::SeqCst));
    let client = open(NAME, &around, &request("db", &[])).await.unwrap();
    for (now, logins) in [(0, 1), (3000, 1), (3500, 2), (6000, 2), (90_000, 3)] {
        NOW.store(now, Ordering::SeqCst);
        let wanted: Vec<_> =
            (0..8).map(|number| request(&format!("db-{now}-{number}"), &[])).collect();
        let fetched = join_all(wanted.iter().map(|wanted| client.fetch(wanted))).await;
        assert!(fetched.iter().all(Result::is_ok));
        assert_eq!(peer.count("POST", "/token"), logins, "{now}");
    }
}

#[tokio::test]
async fn users_show_their_refresh_token() {
    let (fetched, received) = log_in(&user(), grant).await;
    assert_eq!(fetched.unwrap(), "x");
    let body = String::from_utf8(received[0].body.clone()).unwrap();
    let expected =
        "grant_type=refresh_token&client_id=id&client_secret=canary-s&refresh_token=canary%2Fr";
    assert_eq!(body, expected);
}

#[tokio::test]
async fn logins_that_fail_say_why_and_nothing_else() {
    use ProviderErrorKind::{InvalidRequest, Malformed, Unauthenticated, Unavailable};
    for (status, kind) in [
        (200, Malformed),
        (302, Unauthenticated),
        (400, Unauthenticated),
        (401, Unauthenticated),
        (503, Unavailable),
    ] {
        let echo =
            move |got: &Received| Reply::json(status, &json!({ "error": got.text() }).to_string());
        for file in [account(), user()] {
            let (fetched, received) = log_in(&file, echo).await;
            assert_eq!(fetched.unwrap_err().kind, kind, "{status}");
            assert_eq!(received.len(), 1);
        }
    }
    for file in [
        json!({}),
        json!({ "type": "external_account", "audience": "canary" }),
        json!({ "type": "service_account", "client_email": "a", "private_key": "canary" }),
        json!({ "type": "authorized_user", "client_id": "canary" }),
    ] {
        let (fetched, received) = log_in(&file, grant).await;
        assert_eq!(fetched.unwrap_err().kind, Unauthenticated);
        assert!(received.is_empty());
    }
    for elsewhere in ["https://evil.example/token", "http://192.0.2.1/token", "canary"] {
        let mut file = user();
        file["token_uri"] = json!(elsewhere);
        assert_eq!(log_in(&file, grant).await.0.unwrap_err().kind, InvalidRequest);
    }
    for host in ["192.0.2.1", "127.0.0.1@192.0.2.1", "127.0.0.1/canary?"] {
        let around = around("http://127.0.0.1:1", &[("GCE_METADATA_HOST", host)]);
        let fetched = fetch(NAME, &around, &request("db", &[])).await;
        assert_eq!(clean(fetched.unwrap_err()).kind, InvalidRequest, "{host}");
    }
}
