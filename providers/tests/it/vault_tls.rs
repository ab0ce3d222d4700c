//! Whom the vault provider trusts: only who can prove it, and it proves who it is.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::ServerConfig;
#[cfg(feature = "openbao")]
use rustls::pki_types::CertificateDer;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, Retry};
use tempfile::TempDir;

use crate::conformance::context;
use crate::peer::{Peer, Received, Reply};
use crate::remote::{clean, fetch, request};

/// A certificate authority, with a folder for what clients need.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    folder: TempDir,
}

/// A certificate with its key.
pub(crate) struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), certificate, folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Its certificate.
    #[cfg(feature = "openbao")]
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Its certificate, as TLS takes it.
    #[cfg(feature = "openbao")]
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    fn sign(&self, params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        Signed { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    /// A good one for loopback.
    pub(crate) fn server(&self) -> Signed {
        self.sign(&params("127.0.0.1"))
    }

    /// A server that talks only to clients with a certificate of this authority.
    pub(crate) fn server_for_clients(&self) -> ServerConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring);
        let verifier = verifier.build().unwrap();
        self.server().config_with(|wants| wants.with_client_cert_verifier(verifier))
    }

    /// A client certificate, as files.
    pub(crate) fn client(&self, name: &str) -> [String; 2] {
        let mut params = params("client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = self.sign(&params);
        let paths = [self.path(&format!("{name}.pem")), self.path(&format!("{name}.key"))];
        fs::write(&paths[0], signed.certificate.pem()).unwrap();
        fs::write(&paths[1], signed.key.serialize_pem()).unwrap();
        paths
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

impl Signed {
    fn self_signed(params: &CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        Signed { certificate: params.self_signed(&key).unwrap(), key }
    }

    /// The certificate.
    #[cfg(feature = "openbao")]
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The key.
    #[cfg(feature = "openbao")]
    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub(crate) fn config(&self) -> ServerConfig {
        self.config_with(|builder| builder.with_no_client_auth())
    }

    fn config_with(&self, verify: impl FnOnce(Wants) -> Wanted) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = verify(builder.with_safe_default_protocol_versions().unwrap());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        builder.with_single_cert(vec![self.certificate.der().clone()], key).unwrap()
    }
}

type Wants = rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>;
type Wanted = rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>;

fn answers(_: &Received) -> Reply {
    Reply::json(200, r#"{"data":{"b":"x"}}"#)
}

async fn ask(
    address: &str,
    options: &[(&str, &str)],
    process: &[(&str, &str)],
) -> Result<String, ProviderError> {
    let own = [("vault_address", address), ("vault_token", "canary")];
    let wanted = request("kv/a/b", &[&own, options].concat());
    let process: Vec<(&str, &[u8])> =
        process.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    fetch("vault", &context(&[], &process, &[]), &wanted).await.map_err(clean)
}

/// A server with this certificate is refused before anything is sent.
async fn refused(authority: &Authority, signed: &Signed, expected: &str) {
    let peer = Peer::encrypted(signed.config(), answers);
    let options = [("ca_cert", authority.path("ca.pem"))];
    let options = options.each_ref().map(|(name, value)| (*name, value.as_str()));
    let error = ask(&peer.url(), &options, &[]).await.unwrap_err();
    assert_eq!(error.message, format!("cannot trust `{}`: {expected}", peer.url()));
    assert_eq!((error.kind, error.retry), (ProviderErrorKind::Unavailable, Retry::Never));
    assert!(error.help.is_some(), "{error}");
    assert!(peer.received().is_empty());
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_that_is_named() {
    let authority = Authority::new();
    let peer = Peer::encrypted(authority.server().config(), answers);
    let (file, url) = (authority.path("ca.pem"), peer.url());
    let folder = authority.path("");
    assert_eq!(ask(&url, &[("ca_cert", &file)], &[]).await.unwrap(), "x");
    assert_eq!(ask(&url, &[("ca_path", &folder)], &[]).await.unwrap(), "x");
    assert_eq!(ask(&url, &[], &[("VAULT_CACERT", &file)]).await.unwrap(), "x");
    assert_eq!(ask(&url, &[], &[("VAULT_CAPATH", &folder)]).await.unwrap(), "x");
    // The option counts, not the variable.
    let other = Authority::new().certificate.pem();
    let path = authority.path("other.pem");
    fs::write(&path, other).unwrap();
    let mixed = ask(&url, &[("ca_cert", &path)], &[("VAULT_CACERT", &file)]).await;
    assert!(mixed.is_err());
    assert_eq!(ask(&url, &[("ca_path", &folder)], &[("VAULT_CACERT", &path)]).await.unwrap(), "x");
    // Those of the system do not know it.
    assert!(ask(&url, &[], &[]).await.is_err());
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused() {
    let authority = Authority::new();
    let wrong_host = authority.sign(&params("vault.example"));
    refused(&authority, &wrong_host, "its certificate is for another host").await;
    let mut times = params("127.0.0.1");
    times.not_before = date_time_ymd(2001, 1, 1);
    times.not_after = date_time_ymd(2002, 1, 1);
    refused(&authority, &authority.sign(&times), "its certificate has expired").await;
    times.not_before = date_time_ymd(3001, 1, 1);
    times.not_after = date_time_ymd(3002, 1, 1);
    refused(&authority, &authority.sign(&times), "its certificate is not valid yet").await;
    let alone = Signed::self_signed(&params("127.0.0.1"));
    refused(&authority, &alone, "nobody known here signed its certificate").await;
    let stranger = Authority::new().server();
    refused(&authority, &stranger, "nobody known here signed its certificate").await;
}

#[tokio::test]
async fn old_tls_and_no_tls_are_refused() {
    let authority = Authority::new();
    let file = authority.path("ca.pem");
    let trusted = [("ca_cert", file.as_str())];
    // An alert: protocol version.
    let alert = vec![0x15, 3, 1, 0, 2, 2, 70];
    // A ServerHello of TLS 1.1 that chooses TLS_RSA_WITH_AES_128_CBC_SHA.
    let hello = [&[0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    for (bytes, expected) in [
        (alert, "it speaks nothing as new as TLS 1.2"),
        (hello, "it speaks nothing as new as TLS 1.2"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "it does not speak TLS"),
    ] {
        let peer = Peer::raw(bytes);
        let url = format!("https://127.0.0.1:{}", peer.port());
        let error = ask(&url, &trusted, &[]).await.unwrap_err();
        assert_eq!(error.message, format!("cannot trust `{url}`: {expected}"));
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_wants_one() {
    let authority = Authority::new();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), ring);
    let verifier = verifier.build().unwrap();
    let config = authority.server().config_with(|wants| wants.with_client_cert_verifier(verifier));
    let granted =
        r#"{"auth":{"client_token":"hvs.canary-own","lease_duration":0,"renewable":false}}"#;
    let peer = Peer::encrypted(config, move |request| match request.path.as_str() {
        "/v1/auth/cert/login" => Reply::json(200, granted),
        _ => answers(request),
    });
    let (url, ca) = (peer.url(), authority.path("ca.pem"));
    let [certificate, key] = authority.client("client");
    let shown = [("ca_cert", ca.as_str()), ("client_cert", &certificate), ("client_key", &key)];
    assert_eq!(ask(&url, &shown, &[]).await.unwrap(), "x");
    let process = [("VAULT_CLIENT_CERT", certificate.as_str()), ("VAULT_CLIENT_KEY", &key)];
    assert_eq!(ask(&url, &shown[..1], &process).await.unwrap(), "x");
    let own = [("vault_address", url.as_str()), ("auth", "cert"), ("role", "web")];
    let wanted = request("kv/a/b", &[&own[..], &shown].concat());
    assert_eq!(fetch("vault", &context(&[], &[], &[]), &wanted).await.unwrap(), "x");
    let login = peer.received().into_iter().find(|it| it.path == "/v1/auth/cert/login").unwrap();
    assert_eq!(login.body, br#"{"name":"web"}"#);
    let error = ask(&url, &shown[..1], &[]).await.unwrap_err();
    assert!(
        error.message.ends_with("does not accept the client certificate, or wants one"),
        "{error}"
    );
    let [other, _] = authority.client("other");
    let mixed = [shown[0], ("client_cert", other.as_str()), shown[2]];
    let error = ask(&url, &mixed, &[]).await.unwrap_err();
    assert!(error.message.ends_with("is not the key of the client certificate"), "{error}");
}

#[tokio::test]
async fn files_that_hold_no_certificate_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("canary.pem");
    fs::write(&file, "-----BEGIN CERTIFICATE-----\ncanary\n").unwrap();
    let said = async |option: &str, path: &Path| {
        let options = [(option, path.to_str().unwrap()), ("vault_token", "canary")];
        let wanted = request("kv/a/b", &options);
        fetch("vault", &context(&[], &[], &[]), &wanted).await.unwrap_err().message
    };
    let expected = format!("`{}` holds no certificate (PEM)", file.display());
    assert_eq!(said("ca_cert", &file).await, expected);
    let expected = format!("`{}` holds no certificate", folder.path().display());
    assert_eq!(said("ca_path", folder.path()).await, expected);
}

#[tokio::test]
async fn a_proxy_sees_where_to_and_nothing_else() {
    let authority = Authority::new();
    let peer = Peer::plain(|_| Reply::Raw(b"HTTP/1.1 403 canary\r\n\r\n".to_vec()));
    let (proxy, ca) = (peer.url(), authority.path("ca.pem"));
    let process = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", "direct.invalid")];
    let trusted = [("ca_cert", ca.as_str())];
    let error = ask("https://vault.invalid:8200", &trusted, &process).await.unwrap_err();
    let expected = "cannot reach `https://vault.invalid:8200`: the proxy gives no way there";
    assert_eq!(error.message, expected);
    let received = peer.received();
    assert_eq!(
        (received[0].method.as_str(), received[0].path.as_str()),
        ("CONNECT", "vault.invalid:8200")
    );
    assert!(!received[0].text().contains("canary"));
    let error = ask("https://direct.invalid", &trusted, &process).await.unwrap_err();
    assert_eq!(
        error.message,
        "cannot reach `https://direct.invalid`: its name leads to no address"
    );
    assert_eq!(peer.received().len(), 1);
}
