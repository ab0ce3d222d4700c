//! Whom the kubernetes provider trusts, who it proves to be, and the service account of a pod.

use std::fs;

use serde_json::{Value, json};
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};

use crate::conformance::context;
use crate::kubernetes::{TOKEN, kubeconfig, secret};
use crate::peer::{Peer, Received, Reply};
use crate::remote::{clean, fetch, request, shown};
use crate::vault_tls::Authority;

fn answers(_: &Received) -> Reply {
    secret(&[("key", b"x")])
}

async fn ask(
    authority: &Authority,
    cluster: &Value,
    user: &Value,
) -> Result<String, ProviderError> {
    let file = authority.path("config");
    fs::write(&file, kubeconfig(cluster, user)).unwrap();
    let wanted = request("payments/key", &[("kubeconfig", &file)]);
    fetch("kubernetes", &context(&[], &[], &[]), &wanted).await.map_err(clean)
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_of_the_kubeconfig_alone() {
    let (authority, other) = (Authority::new(), Authority::new());
    let peer = Peer::encrypted(authority.server().config(), answers);
    let user = json!({"token": TOKEN});
    let inline = data_encoding_of(&authority.path("ca.pem"));
    for trusted in [
        json!({"server": peer.url(), "certificate-authority": "ca.pem"}),
        json!({"server": peer.url(), "certificate-authority-data": inline}),
        json!({"server": peer.url(), "certificate-authority": "ca.pem", "tls-server-name": "127.0.0.1"}),
    ] {
        assert_eq!(ask(&authority, &trusted, &user).await.unwrap(), "x");
    }
    let before = peer.received().len();
    for (untrusted, expected) in [
        (
            json!({"server": peer.url(), "certificate-authority": other.path("ca.pem")}),
            "nobody known here signed its certificate",
        ),
        (json!({"server": peer.url()}), "nobody known here signed its certificate"),
        (
            json!({"server": peer.url(), "certificate-authority": "ca.pem", "tls-server-name": "a.b"}),
            "its certificate is for another host",
        ),
    ] {
        let error = ask(&authority, &untrusted, &user).await.unwrap_err();
        assert_eq!(error.message, format!("cannot trust `{}`: {expected}", peer.url()));
        assert_eq!((error.kind, error.retry), (ProviderErrorKind::Unavailable, Retry::Never));
        assert!(error.help.is_some());
    }
    assert_eq!(peer.received().len(), before);
}

/// A file in base64, by coreutils.
fn data_encoding_of(path: &str) -> String {
    let output = std::process::Command::new("base64").args(["-w0", path]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_client_certificate_is_a_login() {
    let authority = Authority::new();
    let peer = Peer::encrypted(authority.server_for_clients(), answers);
    let cluster = json!({"server": peer.url(), "certificate-authority": "ca.pem"});
    let [certificate, key] = authority.client("client");
    let files = json!({"client-certificate": certificate, "client-key": key});
    assert_eq!(ask(&authority, &cluster, &files).await.unwrap(), "x");
    let inline = json!({
        "client-certificate-data": data_encoding_of(&certificate),
        "client-key-data": data_encoding_of(&key),
    });
    assert_eq!(ask(&authority, &cluster, &inline).await.unwrap(), "x");
    let error = ask(&authority, &cluster, &json!({})).await.unwrap_err();
    assert!(error.message.ends_with("or wants one"), "{error}");
    let [_, other] = authority.client("other");
    let mixed = json!({"client-certificate": certificate, "client-key": other});
    let error = ask(&authority, &cluster, &mixed).await.unwrap_err();
    assert!(error.message.ends_with("is not the key of the client certificate"), "{error}");
}

#[tokio::test]
async fn a_pod_logs_in_with_its_service_account() {
    let authority = Authority::new();
    let peer = Peer::encrypted(authority.server().config(), answers);
    let folder = tempfile::tempdir().unwrap();
    let port = peer.port().to_string();
    let process: [(&str, &[u8]); 2] =
        [("KUBERNETES_SERVICE_HOST", b"127.0.0.1"), ("KUBERNETES_SERVICE_PORT", port.as_bytes())];
    let (context, wanted) = (context(&[], &process, &[]), request("payments/key", &[]));
    let provider = subrosa_providers::kubernetes_in_pod(folder.path());
    let Err(error) = provider.open(&context, &provider.identity(&wanted)).await else {
        panic!("there is no service account yet");
    };
    assert!(error.message.starts_with("cannot read the token of the service account"), "{error}");
    fs::write(folder.path().join("token"), TOKEN).unwrap();
    fs::copy(authority.path("ca.pem"), folder.path().join("ca.crt")).unwrap();
    let client = provider.open(&context, &provider.identity(&wanted)).await.unwrap();
    assert_eq!(shown(client.fetch(&wanted).await.unwrap()), "x");
    let expected = format!("Bearer {TOKEN}");
    assert_eq!(peer.received()[0].header("authorization"), Some(expected.as_str()));
}
