//! Requests to one cluster.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use subrosa_engine::provider::ProviderError;
use zeroize::Zeroizing;

use super::place::Place;
use super::settings::{Pem, Settings};
use super::wire;
use crate::http::{self, Address, Answer, Call, Fault, Http, TlsFault, sensitive};
use crate::setup::invalid;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Name, namespace and the like of an object, without what it holds.
const METADATA: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

/// A cluster that we are logged in to.
pub(super) struct Cluster {
    http: Http,
    pub(super) address: Address,
    headers: HeaderMap,
    /// Where the credentials come from, for messages.
    pub(super) login: String,
}

impl Cluster {
    /// Sets up connections. Reads the certificates of the system: not for async threads.
    ///
    /// # Errors
    /// A certificate, a key or a name in the settings is no good.
    pub(super) fn new(settings: Settings, timeout: Duration) -> Result<Cluster, ProviderError> {
        let tls = tls(&settings)?;
        let http = http::client_with_tls(tls, settings.proxy.as_ref(), timeout)?;
        let login = settings.login;
        let mut headers = HeaderMap::new();
        if let Some(value) = login.authorization {
            let bad =
                || invalid("the credentials of the kubeconfig have a character that no header has");
            headers.insert(AUTHORIZATION, sensitive(value).ok_or_else(bad)?);
        }
        for (name, value) in login.impersonate {
            let bad =
                |_| invalid("whom the kubeconfig acts for has a character that no header has");
            let value = HeaderValue::from_str(&value).map_err(bad)?;
            headers.append(HeaderName::from_static(name), value);
        }
        Ok(Cluster { http, address: settings.address, headers, login: login.from })
    }

    /// Reads a Secret.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn read(&self, place: &Place) -> Result<Answer, ProviderError> {
        self.send(Method::GET, &secret(place), JSON, None).await
    }

    /// Asks for a Secret without its values.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn metadata(&self, place: &Place) -> Result<Answer, ProviderError> {
        self.send(Method::GET, &secret(place), METADATA, None).await
    }

    /// Asks whether we may read a Secret.
    ///
    /// # Errors
    /// There is no answer.
    pub(super) async fn review(&self, place: &Place) -> Result<Answer, ProviderError> {
        let path = ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"];
        self.send(Method::POST, &path, JSON, Some(wire::access_review(place))).await
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        accept: HeaderValue,
        body: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<Answer, ProviderError> {
        let url = self.address.join(path.iter().copied());
        let url = url.ok_or_else(|| invalid("a name is `.` or `..`"))?;
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, accept);
        headers.insert(CONTENT_TYPE, JSON);
        let sent = self.http.send(Call { method, url, headers, body }).await;
        sent.map_err(|fault| self.fault(fault))
    }

    /// Whether a text has our credential in it.
    pub(super) fn gives_away(&self, text: &str) -> bool {
        let credential = self.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credential = credential.and_then(|value| value.split_once(' '));
        credential.is_some_and(|(_, token)| text.contains(token))
    }

    /// A request without an answer, with the cure that kubeconfigs have for it.
    fn fault(&self, fault: Fault) -> ProviderError {
        let error = http::no_answer(fault, &self.address.to_string());
        match fault {
            Fault::Tls(TlsFault::UnknownIssuer) => error.help(
                "name the certificate authority that signed it: `certificate-authority` of the cluster",
            ),
            Fault::Tls(TlsFault::WrongHost) => error.help(
                "use a host name that the certificate was made for, or set `tls-server-name` of the cluster",
            ),
            Fault::Tls(TlsFault::ClientRefused) => {
                error.help(format!("the login comes from {}", self.login))
            }
            _ => error,
        }
    }
}

fn secret(place: &Place) -> [&str; 6] {
    ["api", "v1", "namespaces", &place.namespace, "secrets", &place.secret]
}

fn tls(settings: &Settings) -> Result<ClientConfig, ProviderError> {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(roots(settings)?);
    let builder = ClientConfig::builder_with_provider(ring.clone())
        .with_safe_default_protocol_versions()
        .expect("ring offers what TLS 1.2 and 1.3 need");
    let builder = match &settings.tls_name {
        None => builder.with_root_certificates(roots),
        Some(name) => {
            let bad = |_| invalid(format!("`tls-server-name` `{name}` is no name of a host"));
            let name = ServerName::try_from(name.clone()).map_err(bad)?;
            let webpki = WebPkiServerVerifier::builder_with_provider(roots, ring).build();
            let webpki = webpki.map_err(|_| invalid("no certificate authority is known here"))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Renamed { name, webpki }))
        }
    };
    let Some((certificate, key)) = &settings.login.certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let bad = |what: &str| invalid(format!("{} {what}", key.from));
    let der = PrivateKeyDer::from_pem_slice(&key.text)
        .map_err(|_| bad("holds no private key (PEM, not encrypted)"))?;
    builder
        .with_client_auth_cert(chain, der)
        .map_err(|_| bad("is not the key of the client certificate"))
}

fn roots(settings: &Settings) -> Result<RootCertStore, ProviderError> {
    let mut store = RootCertStore::empty();
    match &settings.authority {
        Some(pem) => {
            for certificate in certificates(pem)? {
                let bad =
                    |_| invalid(format!("{} holds a certificate that cannot be used", pem.from));
                store.add(certificate).map_err(bad)?;
            }
        }
        // What of it cannot be read is not trusted; if that is all of it, verification says so.
        None if settings.address.is_encrypted() => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        None => {}
    }
    Ok(store)
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, ProviderError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.text).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| invalid(format!("{} holds no certificate (PEM)", pem.from)))
}

/// Verifies in full, but for the name that the kubeconfig says.
#[derive(Debug)]
struct Renamed {
    name: ServerName<'static>,
    webpki: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Renamed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = &self.name;
        self.webpki.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
