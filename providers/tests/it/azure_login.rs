//! Logins of Azure, played by servers after their public references: Entra, the services of apps and of
//! machines, and `az`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use rcgen::{CertificateParams, KeyPair as IssuedKey};
use ring::digest::{SHA256, digest};
use ring::signature::{KeyPair, RSA_PSS_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use subrosa_engine::provider::{ProviderError, ProviderErrorKind};

use crate::azure::{Azure, METADATA_PATH, NAME, with};
use crate::peer::{Peer, Received, Reply, dead_port};
use crate::remote::{Remote, clean, fetch, request};

const KEY: &str = include_str!("gcp_key.pem");
const TOKEN_PATH: &str = "/tenant/oauth2/v2.0/token";

/// An application with what the platform or a person gave it.
fn application<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "app"), (name, value)]
}

/// Logs in at a server that is Entra, the platform and the vault at once; `grant` answers all but the vault.
async fn log_in(
    variables: &[(&str, &str)],
    grant: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> (Result<String, ProviderError>, Vec<Received>) {
    let peer = Peer::plain(move |received| match received.path.starts_with("/secrets/") {
        true => Azure::found("x"),
        false => grant(received),
    });
    let (url, endpoint) = (peer.url(), format!("{}/msi/token", peer.url()));
    let mut around = vec![
        ("AZURE_AUTHORITY_HOST", url.as_str()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_str()),
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
    ];
    around.retain(|(name, _)| variables.iter().all(|(own, _)| own != name));
    around.extend(variables);
    let fetched = fetch(NAME, &with(&url, &around), &request("db", &[])).await;
    (fetched.map_err(clean), peer.received())
}

fn grant(_: &Received) -> Reply {
    Reply::json(200, r#"{"token_type":"Bearer","access_token":"canary-granted","expires_in":3599}"#)
}

fn body(received: &Received) -> String {
    String::from_utf8(received.body.clone()).unwrap()
}

#[tokio::test]
async fn applications_show_their_secret() {
    let variables = application("AZURE_CLIENT_SECRET", "canary~/s");
    let (fetched, received) = log_in(&variables, grant).await;
    assert_eq!(fetched.unwrap(), "x");
    assert_eq!((received[0].method.as_str(), received[0].path.as_str()), ("POST", TOKEN_PATH));
    assert_eq!(
        body(&received[0]),
        "grant_type=client_credentials&client_id=app&scope=https%3A%2F%2Fvault.azure.net%2F.default\
         &client_secret=canary~%2Fs"
    );
    assert_eq!(received[1].header("authorization"), Some("Bearer canary-granted"));
}

/// A certificate of the key of these tests, as DER.
fn certificate() -> Vec<u8> {
    let key = IssuedKey::from_pem(KEY).unwrap();
    let certificate = CertificateParams::new(vec!["app".to_owned()]).unwrap().self_signed(&key);
    certificate.unwrap().der().to_vec()
}

#[tokio::test]
async fn applications_sign_with_the_key_of_their_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.pem");
    let der = certificate();
    let pem = data_encoding::BASE64.encode(&der);
    fs::write(
        &path,
        format!("{KEY}-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n"),
    )
    .unwrap();
    let variables = application("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap());
    let (fetched, received) = log_in(&variables, grant).await;
    assert_eq!(fetched.unwrap(), "x");
    let body = body(&received[0]);
    let (plain, assertion) = body.split_once("&client_assertion=").unwrap();
    assert!(plain.ends_with(
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    ));
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let key = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.public_key().as_ref());
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    public.verify(signed.as_bytes(), &signature).unwrap();
    let parts = signed.split('.').map(|part| {
        let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    });
    let [header, claims] = parts.collect::<Vec<_>>().try_into().unwrap();
    let thumbprint = BASE64URL_NOPAD.encode(digest(&SHA256, &der).as_ref());
    assert_eq!(header, json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }));
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app"), &json!("app")));
    assert!(claims["aud"].as_str().unwrap().ends_with(TOKEN_PATH));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["nbf"].as_u64().unwrap(), 600);
}

#[tokio::test]
async fn workloads_show_the_token_of_their_platform() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "canary.federated\n").unwrap();
    let variables = application("AZURE_FEDERATED_TOKEN_FILE", path.to_str().unwrap());
    let (fetched, received) = log_in(&variables, grant).await;
    assert_eq!(fetched.unwrap(), "x");
    assert!(body(&received[0]).ends_with("jwt-bearer&client_assertion=canary.federated"));
}

#[tokio::test]
async fn apps_and_machines_ask_who_is_near() {
    let on = |client| {
        let path = "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net";
        (format!("{path}{client}"), format!("{METADATA_PATH}{client}"))
    };
    for (client, query) in [("", ""), ("app", "&client_id=app")] {
        let (app_path, machine_path) = on(query);
        let app = [("AZURE_CLIENT_ID", client), ("IDENTITY_HEADER", "canary-mark")];
        let (fetched, received) = log_in(&app, grant).await;
        assert_eq!(fetched.unwrap(), "x");
        assert_eq!(received[0].path, app_path);
        assert_eq!(received[0].header("x-identity-header"), Some("canary-mark"));
        assert_eq!(received[0].header("metadata"), None);
        let (fetched, received) = log_in(&[("AZURE_CLIENT_ID", client)], grant).await;
        assert_eq!(fetched.unwrap(), "x");
        assert_eq!(received[0].path, machine_path);
        assert_eq!(received[0].header("metadata"), Some("true"));
    }
}

/// A folder with an `az` that does this.
fn command_line(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("az");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn whoever_logged_in_at_a_machine_without_identity_is_asked_last() {
    let good = r#"[ "$*" = "account get-access-token --output json --resource https://vault.azure.net" ] &&
        echo '{"accessToken":"canary-az","expiresOn":"2015-08-30 13:00:00.000000","expires_on":1440939600}'"#;
    let folder = command_line(good);
    let path = shown(folder.path());
    for status in [400, 403, 404] {
        let without = move |_: &Received| Reply::json(status, r#"{"error":"canary"}"#);
        let (fetched, received) = log_in(&[("PATH", path)], without).await;
        assert_eq!(fetched.unwrap(), "x");
        assert_eq!(received[1].header("authorization"), Some("Bearer canary-az"));
    }
    let nobody = format!("http://127.0.0.1:{}", dead_port());
    let at_home = [("PATH", path), ("AZURE_POD_IDENTITY_AUTHORITY_HOST", nobody.as_str())];
    assert_eq!(log_in(&at_home, grant).await.0.unwrap(), "x");
    // A machine that has an identity, and cannot give a token now, is not passed over.
    for status in [429, 503] {
        let busy = move |_: &Received| Reply::json(status, "canary");
        let error = log_in(&[("PATH", path)], busy).await.0.unwrap_err();
        assert_eq!(error.kind, ProviderErrorKind::Unavailable, "{status}");
    }
}

#[tokio::test]
async fn an_az_that_gives_no_token_says_why_and_nothing_else() {
    use ProviderErrorKind::{Malformed, Unauthenticated};
    let nobody = format!("http://127.0.0.1:{}", dead_port());
    for (script, kind) in [
        ("echo canary >&2; exit 1", Unauthenticated),
        ("echo canary", Malformed),
        ("echo '{\"accessToken\":\"canary canary\"}'", Malformed),
    ] {
        let folder = command_line(script);
        let path = shown(folder.path());
        let at_home = [("PATH", path), ("AZURE_POD_IDENTITY_AUTHORITY_HOST", nobody.as_str())];
        assert_eq!(log_in(&at_home, grant).await.0.unwrap_err().kind, kind, "{script}");
    }
    let at_home = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", nobody.as_str())];
    let error = log_in(&at_home, grant).await.0.unwrap_err();
    assert_eq!(error.kind, Unauthenticated);
    assert!(error.help.unwrap().contains("az login"));
}

#[tokio::test]
async fn logins_that_fail_say_why_and_nothing_else() {
    use ProviderErrorKind::{InvalidRequest, Malformed, Unauthenticated, Unavailable};
    let secret = application("AZURE_CLIENT_SECRET", "canary-s");
    for (status, kind) in [
        (200, Malformed),
        (302, Unauthenticated),
        (400, Unauthenticated),
        (401, Unauthenticated),
        (429, Unavailable),
        (503, Unavailable),
    ] {
        let echo =
            move |got: &Received| Reply::json(status, &json!({ "error": got.text() }).to_string());
        for variables in [secret.clone(), vec![("IDENTITY_HEADER", "canary")]] {
            let (fetched, received) = log_in(&variables, echo).await;
            assert_eq!(fetched.unwrap_err().kind, kind, "{status}");
            assert_eq!(received.len(), 1);
        }
    }
    for name in
        ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "canary").unwrap();
        for variables in
            [vec![(name, shown(&path))], vec![("AZURE_TENANT_ID", "t"), (name, shown(&path))]]
        {
            let (fetched, received) = log_in(&variables, grant).await;
            assert_eq!(fetched.unwrap_err().kind, Unauthenticated, "{name}");
            assert!(received.is_empty());
        }
    }
    let elsewhere = |name, value| {
        let mut variables = if name == "IDENTITY_ENDPOINT" {
            vec![("IDENTITY_HEADER", "canary")]
        } else if name == "AZURE_POD_IDENTITY_AUTHORITY_HOST" {
            vec![]
        } else {
            secret.clone()
        };
        variables.retain(|(own, _)| *own != name);
        variables.push((name, value));
        variables
    };
    for (name, value) in [
        ("AZURE_AUTHORITY_HOST", "http://192.0.2.1"),
        ("AZURE_AUTHORITY_HOST", "https://canary@host"),
        ("AZURE_TENANT_ID", "../canary"),
        ("AZURE_TENANT_ID", ".."),
        ("IDENTITY_ENDPOINT", "http://192.0.2.1/msi/token"),
        ("IDENTITY_ENDPOINT", "https://169.254.1.1/canary"),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1@192.0.2.1/"),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://192.0.2.1"),
    ] {
        let (fetched, received) = log_in(&elsewhere(name, value), grant).await;
        assert_eq!(fetched.unwrap_err().kind, InvalidRequest, "{name} {value}");
        assert!(received.is_empty());
    }
}
