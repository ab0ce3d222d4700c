//! Key Vault of Azure, played by a server after its public reference: none can be had to try with.
//!
//! <https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret> and its neighbours, version 7.4.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use subrosa_engine::provider::{
    Checked, ProviderError, ProviderErrorKind, ResolveContext, SecretRequest,
};

use crate::conformance::{context, named, noon};
use crate::peer::{Peer, Received, Reply};
use crate::remote::{self, Remote, clean, fetch, open, request};

pub(crate) const NAME: &str = "azure-key-vault";
const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// What a machine's metadata service is asked.
pub(crate) const METADATA_PATH: &str =
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

/// A metadata service that gives a token to everybody.
static METADATA: LazyLock<Peer> = LazyLock::new(|| {
    Peer::plain(|received| {
        let is_asked =
            received.path == METADATA_PATH && received.header("metadata") == Some("true");
        match is_asked {
            true => Reply::json(200, r#"{"access_token":"canary-token","expires_in":"3599"}"#),
            false => Reply::json(403, "canary"),
        }
    })
});

fn around(address: &str) -> ResolveContext {
    with(address, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &METADATA.url())])
}

/// The environment with the address of a vault.
pub(crate) fn with(address: &str, variables: &[(&str, &str)]) -> ResolveContext {
    let own = [("AZURE_KEYVAULT_URL", address)];
    let all: Vec<(&str, &[u8])> =
        own.iter().chain(variables).map(|(name, value)| (*name, value.as_bytes())).collect();
    context(&[], &all, &[])
}

/// A refusal as vaults write it.
fn refusal(code: &str, inner: &str) -> String {
    json!({ "error": { "code": code, "message": "canary\r\n", "innererror": { "code": inner } } })
        .to_string()
}

pub(crate) struct Azure;

impl Remote for Azure {
    const NAME: &'static str = NAME;

    fn request(_: &str) -> SecretRequest {
        request("db", &[])
    }

    fn context(address: &str) -> ResolveContext {
        around(address)
    }

    fn found(value: &str) -> Reply {
        let id = format!("https://shop.vault.azure.net/secrets/db/{VERSION}");
        let attributes = json!({ "enabled": true, "created": 1, "updated": 1 });
        let body = json!({ "value": value, "id": id, "attributes": attributes, "tags": {} });
        Reply::json(200, &body.to_string())
    }

    fn absent() -> Reply {
        Reply::json(404, r#"{"error":{"code":"SecretNotFound","message":"canary"}}"#)
    }

    fn forbidden(_: &Received) -> Reply {
        Reply::json(403, &refusal("Forbidden", "ForbiddenByRbac"))
    }

    fn unauthenticated(_: &Received) -> Reply {
        Reply::json(401, r#"{"error":{"code":"Unauthorized","message":"canary"}}"#)
    }

    fn limited() -> Reply {
        Reply::Answer(429, vec!["Retry-After: 2".into()], b"canary".to_vec())
    }
}

#[tokio::test]
async fn the_suite_for_remote_providers_holds() {
    remote::suite::<Azure>().await;
}

async fn ask(
    wanted: &SecretRequest,
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> (Result<String, ProviderError>, Vec<Received>) {
    let peer = Peer::plain(answers);
    let fetched = fetch(NAME, &around(&peer.url()), wanted).await.map_err(clean);
    (fetched, peer.received())
}

#[tokio::test]
async fn what_is_sent_names_the_version_and_shows_the_token() {
    let answer = |_: &Received| Azure::found(r#"{"a":{"b":"x"}}"#);
    let wanted = request("db", &[("version", VERSION), ("field", "a.b")]);
    let (fetched, received) = ask(&wanted, answer).await;
    assert_eq!(fetched.unwrap(), "x");
    assert_eq!(received[0].path, format!("/secrets/db/{VERSION}?api-version=7.4"));
    assert_eq!(received[0].header("authorization"), Some("Bearer canary-token"));
    let (_, received) = ask(&request("db", &[]), answer).await;
    assert_eq!(received[0].path, "/secrets/db?api-version=7.4");
}

#[tokio::test]
async fn a_version_is_read_once_for_all_its_fields() {
    let peer = Peer::plain(|_| Azure::found(r#"{"a":"x","b":"y"}"#));
    let wanted = ["a", "b"].map(|field| request("db", &[("field", field)]));
    let client = open(NAME, &around(&peer.url()), &wanted[0]).await.unwrap();
    let fetched = join_all(wanted.iter().map(|wanted| client.fetch(wanted))).await;
    assert_eq!(
        fetched.into_iter().map(|value| remote::shown(value.unwrap())).collect::<Vec<_>>(),
        ["x", "y"]
    );
    assert_eq!(peer.received().len(), 1);
}

#[tokio::test]
async fn values_that_are_no_texts_are_refused() {
    for body in [
        r#"{"value":null}"#,
        r#"{"value":{"canary":1}}"#,
        r#"{"value":7}"#,
        r#"{"value":"a\u0000b"}"#,
    ] {
        let answer = move |_: &Received| Reply::json(200, body);
        let error = ask(&request("db", &[]), answer).await.0.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn refusals_are_known_by_their_codes() {
    use ProviderErrorKind::{Denied, NotFound};
    for (inner, kind, says, cure) in [
        ("ForbiddenByRbac", Denied, "denies", "Key Vault Secrets User"),
        ("ForbiddenByPolicy", Denied, "access policy", "access policies"),
        ("AccessDenied", Denied, "access policy", "access policies"),
        ("ForbiddenByFirewall", Denied, "firewall", "networking"),
        ("ForbiddenByConnection", Denied, "firewall", "networking"),
        ("canary", Denied, "denies", "Key Vault Secrets User"),
        ("SecretDisabled", NotFound, "disabled", "--enabled true"),
    ] {
        let answer = move |_: &Received| Reply::json(403, &refusal("Forbidden", inner));
        let error = ask(&request("db", &[]), answer).await.0.unwrap_err();
        assert_eq!(error.kind, kind, "{inner}");
        assert!(error.message.contains(says) && error.message.contains("db"), "{error}");
        assert!(error.help.unwrap().contains(cure), "{inner}");
    }
}

#[tokio::test]
async fn a_login_to_the_wrong_tenant_is_told_the_right_one() {
    let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    for (at, expected) in [
        (format!("https://login.windows.net/{tenant}"), true),
        (format!("https://login.windows.net/{tenant}/x"), true),
        ("https://login.windows.net/canary".to_owned(), false),
        (format!("https://login.windows.net/{tenant}canary"), false),
        (String::new(), false),
    ] {
        let header = format!(r#"WWW-Authenticate: Bearer authorization="{at}", resource="canary""#);
        let answer = move |_: &Received| Reply::Answer(401, vec![header.clone()], b"canary".into());
        let error = ask(&request("db", &[]), answer).await.0.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Unauthenticated);
        assert_eq!(error.help.unwrap().contains(tenant), expected, "{at}");
    }
}

/// A page of versions, the newest last; those that are true are enabled.
fn page(versions: &[(&str, bool)], next: Option<&str>) -> String {
    let version = |(created, (name, enabled)): (usize, &(&str, bool))| {
        let id = format!("https://shop.vault.azure.net/secrets/db/{name}");
        json!({ "id": id, "attributes": { "enabled": enabled, "created": created } })
    };
    let value: Vec<_> = versions.iter().enumerate().map(version).collect();
    json!({ "value": value, "nextLink": next }).to_string()
}

#[tokio::test]
async fn checks_read_no_value() {
    async fn check(
        options: &[(&str, &str)],
        status: u16,
        body: String,
    ) -> Result<Checked, ProviderErrorKind> {
        let peer = Peer::plain(move |_| Reply::json(status, &body));
        let wanted = request("db", options);
        let client = open(NAME, &around(&peer.url()), &wanted).await.unwrap();
        let checked = client.check(&wanted).await.map_err(|error| clean(error).kind);
        let asked = peer.count("GET", "/secrets/db/versions?api-version=7.4&maxresults=25");
        assert_eq!((asked, peer.received().len()), (1, 1));
        checked
    }
    let (old, this) = ("00000000000000000000000000000000", [("version", VERSION)]);
    let absent = Err(ProviderErrorKind::NotFound);
    let more = Some("https://evil.example/canary");
    for (versions, next, current, exact) in [
        (vec![(old, true), (VERSION, true)], None, Ok(Checked::Likely), Ok(Checked::Likely)),
        (vec![(old, true), (VERSION, false)], None, absent, absent),
        (vec![(VERSION, false), (old, true)], None, Ok(Checked::Likely), absent),
        (vec![(old, true)], None, Ok(Checked::Likely), absent),
        (vec![(old, false)], more, Ok(Checked::Likely), Ok(Checked::Likely)),
        (vec![], None, absent, absent),
        (vec![], more, Ok(Checked::Likely), Ok(Checked::Likely)),
    ] {
        assert_eq!(check(&[], 200, page(&versions, next)).await, current, "{versions:?}");
        assert_eq!(check(&this, 200, page(&versions, next)).await, exact, "{versions:?}");
    }
    assert_eq!(
        check(&[], 403, refusal("Forbidden", "ForbiddenByRbac")).await,
        Ok(Checked::WouldRead)
    );
    assert_eq!(check(&[], 404, "{}".to_owned()).await, absent);
    assert_eq!(check(&[], 200, "{}".to_owned()).await, Err(ProviderErrorKind::Malformed));
}

#[tokio::test]
async fn who_knows_us_need_not_let_us_list() {
    for (status, inner, expected) in [
        (200, "", None),
        (403, "ForbiddenByRbac", None),
        (403, "ForbiddenByFirewall", Some(ProviderErrorKind::Denied)),
        (401, "", Some(ProviderErrorKind::Unauthenticated)),
    ] {
        let peer = Peer::plain(move |_| Reply::json(status, &refusal("Forbidden", inner)));
        let client = open(NAME, &around(&peer.url()), &request("db", &[])).await.unwrap();
        let probed = client.probe().await.map_err(clean);
        assert_eq!(probed.err().map(|error| error.kind), expected, "{status} {inner}");
        assert_eq!(peer.count("GET", "/secrets?api-version=7.4&maxresults=1"), 1);
    }
}

static NOW: AtomicU64 = AtomicU64::new(0);

#[tokio::test]
async fn tokens_are_asked_for_again_before_they_end_and_by_one_for_all() {
    let peer = Peer::plain(|received| match received.path.as_str() {
        METADATA_PATH => {
            let ends = noon() + Duration::from_secs(NOW.load(Ordering::SeqCst) + 3600);
            let ends = ends.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let body = json!({ "access_token": "canary", "expires_on": ends.to_string() });
            Reply::json(200, &body.to_string())
        }
        _ => Azure::found("x"),
    });
    let mut around = with(&peer.url(), &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &peer.url())]);
    around.clock = || noon() + Duration::from_secs(NOW.load(Ordering::SeqCst));
    let client = open(NAME, &around, &request("db", &[])).await.unwrap();
    for (now, logins) in [(0, 1), (3000, 1), (3500, 2), (6000, 2), (90_000, 3)] {
        NOW.store(now, Ordering::SeqCst);
        let wanted: Vec<_> =
            (0..8).map(|number| request(&format!("db-{now}-{number}"), &[])).collect();
        let fetched = join_all(wanted.iter().map(|wanted| client.fetch(wanted))).await;
        assert!(fetched.iter().all(Result::is_ok));
        assert_eq!(peer.count("GET", METADATA_PATH), logins, "{now}");
    }
}

#[tokio::test]
async fn a_workflow_leads_no_token_elsewhere() {
    let peer = Peer::plain(|_| Azure::found("x"));
    for vault in ["https://evil.example", "https://shop.vault.azure.net.evil.example", &peer.url()]
    {
        let wanted = request("db", &[("vault", vault)]);
        let error = fetch(NAME, &around(&peer.url()), &wanted).await.map_err(clean).unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::InvalidRequest, "{vault}");
    }
    let error = fetch(NAME, &with("", &[]), &request("db", &[])).await.unwrap_err();
    assert_eq!(error.kind, ProviderErrorKind::InvalidRequest);
    assert!(error.help.unwrap().contains("AZURE_KEYVAULT_URL"));
    assert!(peer.received().is_empty());
}

#[test]
fn values_are_kept_by_vault_name_and_version() {
    let scope = |key: &str, options: &[(&str, &str)]| {
        named(NAME).cache_scope(&with("http://127.0.0.1:1", &[]), &request(key, options))
    };
    let expected = ["https://shop.vault.azure.net", "db", "", ""].map(str::to_owned).to_vec();
    assert_eq!(scope("db", &[("vault", "shop")]), Some(expected.clone()));
    assert_eq!(scope("https://shop.vault.azure.net/secrets/db", &[]), Some(expected.clone()));
    assert_ne!(scope("db", &[]), Some(expected.clone()));
    assert_ne!(scope("db", &[("vault", "shop"), ("field", "a")]), Some(expected));
    assert_eq!(scope("d/b", &[]), None);
}
