//! Trying connections with real servers: PostgreSQL, MariaDB, Redis and NATS, with TLS and without.
//!
//! Where one is not installed the test fails; `testdata/services/prepare` installs them.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use subrosa_connections::probe::{Means, Outcome, probe};
use subrosa_http::{Private, Reach};
use tempfile::TempDir;

use crate::stage::{http, opened, wait};

/// A server of a test; it ends with the test.
struct Server {
    child: Child,
    port: u16,
    room: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An authority, and a server's certificate for this machine.
struct Trust {
    authority: String,
    config: Arc<ClientConfig>,
}

impl Trust {
    /// Writes `server.crt` and `server.key` into a folder.
    fn new(folder: &Path) -> Trust {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join("server.crt"), leaf.pem()).unwrap();
        let path = folder.join("server.key");
        std::fs::write(&path, key.serialize_pem()).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
        let authority = issuer.pem();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Trust { authority, config: Arc::new(config) }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server, and waits until somebody listens at its port.
fn start(mut command: Command, port: u16, room: TempDir) -> Server {
    let log = std::fs::File::create(room.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut server = Server { child, port, room };
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = server.child.try_wait().unwrap();
        if ended.is_some() || Instant::now() > end {
            let log = std::fs::read_to_string(server.room.path().join("log")).unwrap();
            panic!("{command:?} {ended:?}\n{log}");
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    server
}

fn tried(id: &str, port: u16, config: &Arc<ClientConfig>, values: &[(&str, &str)]) -> Outcome {
    let port = port.to_string();
    let mut all = vec![("host", "127.0.0.1"), ("port", port.as_str())];
    all.retain(|(name, _)| !values.iter().any(|(other, _)| other == name));
    all.extend_from_slice(values);
    let asked = |reach: &Reach| {
        let (tls, now) = (config.clone(), UNIX_EPOCH);
        let means = Means { http: &http(), tls, now, tokens: None, reach };
        wait(probe(&opened(id, &all), &means))
    };
    // Whether any address may be asked or this one was opened, the answer is the same.
    let outcome = asked(&Reach::Anywhere);
    let opened = [Private::parse("127.0.0.0/8").unwrap(), Private::parse("::1").unwrap()];
    assert_eq!(asked(&Reach::Public(opened.into())), outcome, "{id} {values:?}");
    outcome
}

const WORKS: Outcome = Outcome::Works { shows: None };

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A command as the user of PostgreSQL, which refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn postgres_folder() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let folders = versions.map(|entry| entry.unwrap().path().join("bin"));
    folders.filter(|folder| folder.join("initdb").exists()).max().expect("initdb is installed")
}

#[test]
fn postgres_tells_good_logins_from_bad_ones() {
    let room = tempfile::tempdir().unwrap();
    let trust = Trust::new(room.path());
    std::fs::write(room.path().join("password"), "canary-word\n").unwrap();
    if rustix::process::geteuid().is_root() {
        run(Command::new("chown").args(["-R", "postgres"]).arg(room.path()));
    }
    let (folder, data) = (postgres_folder(), room.path().join("data"));
    let password = format!("--pwfile={}", room.path().join("password").display());
    let mut initdb = as_postgres(&folder.join("initdb"));
    initdb.arg("-D").arg(&data).args(["-U", "ada", "-A", "scram-sha-256", "-N", &password]);
    run(initdb.current_dir("/"));
    let port = free_port();
    let mut command = as_postgres(&folder.join("postgres"));
    command.current_dir("/").arg("-D").arg(&data).args(["-p", &port.to_string()]);
    for (name, value) in [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("unix_socket_directories", String::new()),
        ("fsync", "off".to_owned()),
        ("ssl", "on".to_owned()),
        ("ssl_cert_file", room.path().join("server.crt").display().to_string()),
        ("ssl_key_file", room.path().join("server.key").display().to_string()),
    ] {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    let server = start(command, port, room);
    let check = |values: &[(&str, &str)], expected: Outcome| {
        let mut all = vec![("database", "postgres"), ("username", "ada")];
        all.retain(|(name, _)| !values.iter().any(|(other, _)| other == name));
        all.extend_from_slice(values);
        // It listens before it lets anybody in.
        let end = Instant::now() + Duration::from_secs(30);
        let starting = "the server is starting or stopping";
        let starting = Outcome::Unreachable { why: starting.to_owned() };
        let mut found = tried("postgres", server.port, &trust.config, &all);
        while found == starting && Instant::now() < end {
            found = tried("postgres", server.port, &trust.config, &all);
        }
        assert_eq!(found, expected);
    };
    let ca = ("ca_certificate", trust.authority.as_str());
    check(&[("password", "canary-word"), ca], WORKS);
    check(&[("password", "canary-word"), ("sslmode", "disable")], WORKS);
    check(&[("password", "canary-word"), ("sslmode", "require")], WORKS);
    check(&[("password", "wrong"), ca], Outcome::Refused);
    check(
        &[("password", "canary-word"), ("database", "nowhere"), ca],
        Outcome::Unexpected { why: "the server has no such database".to_owned() },
    );
    let place = format!("127.0.0.1:{}", server.port);
    let why = format!("cannot trust `{place}`: nobody known here signed its certificate");
    check(&[("password", "canary-word")], Outcome::Unreachable { why });
}

#[test]
fn mariadb_tells_good_logins_from_bad_ones() {
    let room = tempfile::tempdir().unwrap();
    let trust = Trust::new(room.path());
    let (data, script) = (room.path().join("data"), room.path().join("first.sql"));
    let data_dir = format!("--datadir={}", data.display());
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
    // As root it wants to be told that this is meant.
    let user = rustix::process::geteuid().is_root().then_some("--user=root");
    // Each that starts throws away what it finds of temporary tables: they are not to share a folder.
    run(install.arg(&data_dir).args(user).env("TMPDIR", room.path()));
    let sql = "CREATE USER ada@'%' IDENTIFIED BY 'canary-word';\nCREATE DATABASE books;\n\
               GRANT ALL ON books.* TO ada@'%';\nCREATE DATABASE other;\n";
    std::fs::write(&script, sql).unwrap();
    let port = free_port();
    let mut command = Command::new("mariadbd");
    command.args(["--no-defaults", "--bind-address=127.0.0.1", &format!("--port={port}")]);
    command.arg(&data_dir).args(user).env("TMPDIR", room.path());
    for (name, file) in [
        ("socket", "socket"),
        ("init-file", "first.sql"),
        ("ssl-cert", "server.crt"),
        ("ssl-key", "server.key"),
    ] {
        command.arg(format!("--{name}={}", room.path().join(file).display()));
    }
    let server = start(command, port, room);
    let check = |values: &[(&str, &str)], expected: Outcome| {
        let mut all = vec![("database", "books"), ("username", "ada")];
        all.retain(|(name, _)| !values.iter().any(|(other, _)| other == name));
        all.extend_from_slice(values);
        assert_eq!(tried("mysql", server.port, &trust.config, &all), expected);
    };
    let ca = ("ca_certificate", trust.authority.as_str());
    check(&[("password", "canary-word"), ca], WORKS);
    check(&[("password", "canary-word"), ("sslmode", "disabled")], WORKS);
    check(&[("password", "wrong"), ca], Outcome::Refused);
    check(&[("password", "canary-word"), ("database", "other"), ca], Outcome::Denied);
    let place = format!("127.0.0.1:{}", server.port);
    let why = format!("cannot trust `{place}`: nobody known here signed its certificate");
    check(&[("password", "canary-word")], Outcome::Unreachable { why });
}

#[test]
fn redis_tells_good_logins_from_bad_ones() {
    let room = tempfile::tempdir().unwrap();
    let trust = Trust::new(room.path());
    let (plain, secure) = (free_port(), free_port());
    let at = |file: &str| room.path().join(file).display().to_string();
    let config = format!(
        "bind 127.0.0.1\nport {plain}\ntls-port {secure}\ntls-cert-file {}\ntls-key-file {}\n\
         tls-auth-clients no\nsave \"\"\ndir {}\nrequirepass canary-word\n\
         user ada on >canary-ada ~* -@all +select +auth\n",
        at("server.crt"),
        at("server.key"),
        room.path().display(),
    );
    std::fs::write(room.path().join("redis.conf"), config).unwrap();
    let mut command = Command::new("redis-server");
    command.arg(room.path().join("redis.conf"));
    let server = start(command, plain, room);
    let check = |port: u16, values: &[(&str, &str)], expected: Outcome| {
        assert_eq!(tried("redis", port, &trust.config, values), expected);
    };
    let open = ("tls", "false");
    check(server.port, &[("password", "canary-word"), open], WORKS);
    check(secure, &[("password", "canary-word")], WORKS);
    check(secure, &[("password", "wrong")], Outcome::Refused);
    check(secure, &[("username", "bob"), ("password", "canary-word")], Outcome::Refused);
    check(secure, &[("username", "ada"), ("password", "canary-ada")], Outcome::Denied);
    check(
        secure,
        &[("password", "canary-word"), ("database", "999")],
        Outcome::Unexpected { why: "the server has no database of this number".to_owned() },
    );
    let why = format!("`127.0.0.1:{plain}` does not answer to TLS; does it speak it?");
    check(plain, &[("password", "canary-word")], Outcome::Unreachable { why });
    let stranger = Trust::new(tempfile::tempdir().unwrap().path());
    let why =
        format!("cannot trust `127.0.0.1:{secure}`: nobody known here signed its certificate");
    let found = tried("redis", secure, &stranger.config, &[("password", "canary-word")]);
    assert_eq!(found, Outcome::Unreachable { why });
}

/// The pair in the documentation of NATS.
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const KEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

/// A server of NATS with this in its configuration.
fn nats(config: &str) -> (Server, Trust) {
    let room = tempfile::tempdir().unwrap();
    let trust = Trust::new(room.path());
    let port = free_port();
    let config = config.replace("ROOM", &room.path().display().to_string());
    let text = format!("host: 127.0.0.1\nport: {port}\n{config}\n");
    std::fs::write(room.path().join("nats.conf"), text).unwrap();
    let mut command = Command::new("nats-server");
    command.arg("-c").arg(room.path().join("nats.conf"));
    (start(command, port, room), trust)
}

#[test]
fn nats_tells_good_logins_from_bad_ones() {
    let users = format!(
        "authorization {{ users: [ {{user: ada, password: canary-word}}, {{nkey: {KEY}}} ] }}"
    );
    let tls =
        format!("{users}\ntls {{ cert_file: \"ROOM/server.crt\", key_file: \"ROOM/server.key\" }}");
    for (config, mode) in [(&users, "false"), (&tls, "true")] {
        let (server, trust) = nats(config);
        let check = |values: &[(&str, &str)], expected: Outcome| {
            let mut all = vec![("tls", mode)];
            all.extend_from_slice(values);
            assert_eq!(tried("nats", server.port, &trust.config, &all), expected, "{mode}");
        };
        check(&[("username", "ada"), ("password", "canary-word")], WORKS);
        check(&[("username", "ada"), ("password", "wrong")], Outcome::Refused);
        check(&[("nkey_seed", SEED)], WORKS);
        check(&[], Outcome::Refused);
        check(&[("token", "canary")], Outcome::Refused);
    }
    let (server, trust) = nats("authorization { token: canary-token }");
    let check = |token: &str, expected: Outcome| {
        let values = [("tls", "false"), ("token", token)];
        assert_eq!(tried("nats", server.port, &trust.config, &values), expected);
    };
    check("canary-token", WORKS);
    check("wrong", Outcome::Refused);
}

#[test]
fn a_port_without_tls_is_told_from_one_that_is_not_trusted() {
    let (server, trust) = nats("authorization { token: canary-token }");
    let found = tried("nats", server.port, &trust.config, &[("token", "canary-token")]);
    let why = "the server does not offer TLS, and the field `tls` asks for it";
    assert_eq!(found, Outcome::Unexpected { why: why.to_owned() });
    assert_eq!(
        tried(
            "sqlserver",
            server.port,
            &trust.config,
            &[("database", "d"), ("username", "u"), ("password", "p")]
        ),
        WORKS
    );
}
