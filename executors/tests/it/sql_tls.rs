//! Which servers steps of databases trust: real ones, with certificates of all kinds.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::database::{Certificate, Database, mariadb, postgres};
use crate::world::World;

/// An authority in PEM, and a certificate of it for a host.
fn certified(host: &str) -> (String, Certificate) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let chain = leaf.signed_by(&key, &issuer).unwrap().pem();
    (issuer.pem(), Certificate { chain, key: key.serialize_pem() })
}

/// What a step says that logs in with these settings; empty if it succeeds.
async fn said(kind: &str, server: &Database, pem: &str, (query, fields): (&str, &str)) -> String {
    let world = World::new();
    world.write("ca.pem", pem);
    let database = if kind == "mysql" { "books" } else { "postgres" };
    let place = format!("127.0.0.1:{}", server.port);
    let dsn = format!("{kind}://ada@{place}/{database}{query}");
    let with = format!("{{dsn: '{dsn}', password: $TOKEN, {fields}}}");
    let secrets = "secrets: [{name: TOKEN, provider: said, key: canary-4711}]";
    let step = format!("{{name: s, type: {kind}, command: SELECT 1 AS a, with: {with}}}");
    let left = world.run(&format!("{secrets}\nsteps:\n  - {step}\n")).await;
    assert!(!left.all().contains("canary-4711"), "{}", left.all());
    left.failure().replace(&format!("`{place}`"), "PLACE")
}

async fn check(kind: &str, start: fn(Option<&Certificate>) -> Database, strict: &str) {
    let (pem, certificate) = certified("127.0.0.1");
    let server = start(Some(&certificate));
    let query = format!("?sslmode={strict}");
    let found = said(kind, &server, &pem, (&query, "ca_cert: ca.pem")).await;
    assert_eq!(found, "", "{kind}");
    // A server of this machine is not asked who it is, unless the step says so.
    assert_eq!(said(kind, &server, &pem, ("", "")).await, "", "{kind}");
    let found = said(kind, &server, &pem, (&query, "")).await;
    let unknown = "cannot trust PLACE: nobody known here signed its certificate";
    assert!(found.contains(unknown), "{kind}: {found}");
    let (other, _) = certified("127.0.0.1");
    let found = said(kind, &server, &other, (&query, "ca_cert: ca.pem")).await;
    assert!(found.contains("cannot trust PLACE"), "{kind}: {found}");
    let found = said(kind, &server, "", (&query, "ca_cert: none.pem")).await;
    assert!(found.contains("cannot read the file"), "{kind}: {found}");
    drop(server);
    let (pem, certificate) = certified("other.example");
    let server = start(Some(&certificate));
    let found = said(kind, &server, &pem, (&query, "ca_cert: ca.pem")).await;
    let stranger = "cannot trust PLACE: its certificate is for another host";
    assert!(found.contains(stranger), "{kind}: {found}");
}

#[tokio::test]
async fn a_server_of_postgres_is_verified() {
    check("postgres", postgres, "verify-full").await;
}

#[tokio::test]
async fn a_server_of_mysql_is_verified() {
    check("mysql", mariadb, "verify_identity").await;
}
