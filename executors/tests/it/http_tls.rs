//! Whom `http` steps trust, and how they share clients.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::peer::{Peer, Received, Reply};
use crate::world::World;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn server(&self, params: &CertificateParams) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        config(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

pub(crate) fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn config(certificate: &rcgen::Certificate, key: &KeyPair) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
}

pub(crate) fn encrypted(config: ServerConfig) -> Peer {
    encrypted_with(config, |_| Reply::text(200, "fine"))
}

fn encrypted_with(
    config: ServerConfig,
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> Peer {
    let config = Arc::new(config);
    let wrap = move |stream| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        Box::new(StreamOwned::new(connection, stream)) as Box<dyn crate::peer::Wire>
    };
    Peer::over("https", wrap, answers)
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_that_is_named() {
    let (authority, world) = (Authority::new(), World::new());
    let peer = encrypted(authority.server(&params("127.0.0.1")));
    world.write("ca.pem", &authority.pem);
    let left = world.step(&format!("with: {{url: '{}', ca_cert: ca.pem}}", peer.url())).await;
    assert_eq!((left.failure().as_str(), left.out().as_str()), ("", "fine"));
    let left = world.step(&format!("with: {{url: '{}'}}", peer.url())).await;
    assert!(left.failure().contains("`ca_cert`"), "{}", left.failure());
    let left = world.step(&format!("with: {{url: '{}', ca_cert: no.pem}}", peer.url())).await;
    assert!(left.failure().contains("no.pem"), "{}", left.failure());
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused_before_anything_is_sent() {
    let (authority, world) = (Authority::new(), World::new());
    world.write("ca.pem", &authority.pem);
    world.write("c.json", "{\"bearer_auth\": \"canary-4711\"}");
    let check = async |config: ServerConfig, expected: &str| {
        let peer = encrypted(config);
        let fields = "ca_cert: ca.pem, credentials_path: c.json";
        let left = world.step(&format!("with: {{url: '{}/a?b', {fields}}}", peer.url())).await;
        let url = peer.url();
        let message = format!("GET {url}/a: cannot trust `{url}`: {expected}");
        assert!(left.failure().starts_with(&message), "{}", left.failure());
        assert!(peer.received().is_empty() && !left.all().contains("canary"), "{expected}");
    };
    check(authority.server(&params("other.example")), "its certificate is for another host").await;
    let mut times = params("127.0.0.1");
    times.not_before = date_time_ymd(2001, 1, 1);
    times.not_after = date_time_ymd(2002, 1, 1);
    check(authority.server(&times), "its certificate has expired").await;
    let key = KeyPair::generate().unwrap();
    let alone = params("127.0.0.1").self_signed(&key).unwrap();
    check(config(&alone, &key), "nobody known here signed its certificate").await;
}

#[tokio::test]
async fn steps_with_the_same_credential_share_a_client_and_its_connections() {
    let (authority, world) = (Authority::new(), World::new());
    // Nobody is answered before all four that come at once are connected: a client that gets a connection back
    // while another is being made takes the one and keeps the other, and there would be more of them.
    let (all_here, before) = (Barrier::new(4), AtomicUsize::new(0));
    let peer = encrypted_with(authority.server(&params("127.0.0.1")), move |_| {
        if before.fetch_add(1, Ordering::Relaxed) < 4 {
            all_here.wait();
        }
        Reply::text(200, "fine")
    });
    world.write("ca.pem", &authority.pem);
    world.write("c.json", "{\"bearer_auth\": \"canary-4711\"}");
    let mut text = "max_active_steps: 4\ntype: graph\nsteps:\n".to_owned();
    for index in 0..40 {
        let with = "ca_cert: ca.pem, credentials_path: c.json";
        let step =
            format!("{{name: s{index}, type: http, with: {{url: '{}', {with}}}}}", peer.url());
        text.push_str(&format!("  - {step}\n"));
    }
    let left = world.run(&text).await;
    let record = left.record();
    let steps = record["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["status"] == "succeeded"), "{record}");
    let sum = |field: &str| -> u64 {
        steps.iter().map(|step| step["clients"][0][field].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("opened"), sum("shared")), (1, 39));
    // On a busy machine one may be on its way back when the next step asks. Without sharing there were 40.
    assert!((4..=12).contains(&peer.connections()), "{}", peer.connections());
    assert_eq!(peer.received().len(), 40);
}

#[tokio::test]
async fn a_changed_file_is_another_client_in_the_same_run() {
    let (peer, world) = (Peer::plain(|_| Reply::text(200, "fine")), World::new());
    let file = world.write("c.json", "{\"bearer_auth\": \"first\"}");
    let step = |name: &str| {
        format!(
            "{{name: {name}, type: http, with: {{url: '{}', credentials_path: c.json}}}}",
            peer.url()
        )
    };
    let change = "{name: change, run: \"printf '{\\\"bearer_auth\\\": \\\"second\\\"}' > \
                  ${FILE}\", env: {FILE: PATH}}"
        .replace("PATH", file.to_str().unwrap());
    let left = world
        .run(&format!("type: chain\nsteps:\n  - {}\n  - {change}\n  - {}\n", step("a"), step("b")))
        .await;
    let seen = peer.received();
    assert_eq!(seen[0].header("authorization"), Some("Bearer first"));
    assert_eq!(seen[1].header("authorization"), Some("Bearer second"));
    let record = left.record();
    assert_eq!(record["steps"][2]["clients"][0]["opened"], 1);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"bearer_auth\": \"second\"}");
}
