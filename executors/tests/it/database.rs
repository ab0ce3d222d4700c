//! Real servers of databases, one for a test; they end with it.
//!
//! Where one is not installed the test fails; `testdata/services/prepare` installs them. Both let in `ada`
//! with the password of [`PASSWORD`].

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The password of `ada`.
pub(crate) const PASSWORD: &str = "canary-4711";

/// A server.
pub(crate) struct Database {
    child: Child,
    pub(crate) port: u16,
    room: TempDir,
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A certificate of a server and its key, in PEM.
pub(crate) struct Certificate {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Database {
    /// What it wrote into its log.
    pub(crate) fn log(&self) -> String {
        let read = fs::read(self.room.path().join("log")).unwrap();
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server, and waits until somebody listens at its port.
fn start(mut command: Command, port: u16, room: TempDir, ready: &str) -> Database {
    let log = fs::File::create(room.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut server = Database { child, port, room };
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() || !server.log().contains(ready) {
        let ended = server.child.try_wait().unwrap();
        assert!(ended.is_none() && Instant::now() < end, "{command:?} {ended:?}\n{}", server.log());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    server
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
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
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let folders = versions.map(|entry| entry.unwrap().path().join("bin"));
    folders.filter(|folder| folder.join("initdb").exists()).max().expect("initdb is installed")
}

/// PostgreSQL, with a database `postgres`. It logs who logs in.
pub(crate) fn postgres(certificate: Option<&Certificate>) -> Database {
    let room = tempfile::tempdir().unwrap();
    put(&room.path().join("password"), PASSWORD);
    if let Some(certificate) = certificate {
        put(&room.path().join("server.crt"), &certificate.chain);
        put(&room.path().join("server.key"), &certificate.key);
    }
    if rustix::process::geteuid().is_root() {
        run(Command::new("chown").args(["-R", "postgres"]).arg(room.path()));
    }
    let (folder, data) = (postgres_folder(), room.path().join("data"));
    let password = format!("--pwfile={}", room.path().join("password").display());
    let mut initdb = as_postgres(&folder.join("initdb"));
    initdb.arg("-D").arg(&data).args(["-U", "ada", "-A", "scram-sha-256", "-N", &password]);
    run(initdb.args(["-E", "UTF8", "--locale=C"]).current_dir("/"));
    let port = free_port();
    let mut command = as_postgres(&folder.join("postgres"));
    command.current_dir("/").arg("-D").arg(&data).args(["-p", &port.to_string()]);
    let at = |file: &str| room.path().join(file).display().to_string();
    let mut settings = vec![
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("unix_socket_directories", String::new()),
        ("fsync", "off".to_owned()),
        ("log_connections", "on".to_owned()),
        ("max_connections", "20".to_owned()),
    ];
    if certificate.is_some() {
        settings.push(("ssl", "on".to_owned()));
        settings.push(("ssl_cert_file", at("server.crt")));
        settings.push(("ssl_key_file", at("server.key")));
    }
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    start(command, port, room, "ready to accept connections")
}

/// MariaDB, with a database `books`. It logs who logs in.
pub(crate) fn mariadb(certificate: Option<&Certificate>) -> Database {
    let room = tempfile::tempdir().unwrap();
    let (data, script) = (room.path().join("data"), room.path().join("first.sql"));
    let data_dir = format!("--datadir={}", data.display());
    let mut install = Command::new("mariadb-install-db");
    install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
    // As root it wants to be told that this is meant.
    let user = rustix::process::geteuid().is_root().then_some("--user=root");
    // Each that starts throws away what it finds of temporary tables: they are not to share a folder.
    run(install.arg(&data_dir).args(user).env("TMPDIR", room.path()));
    let sql = format!(
        "CREATE USER ada@'%' IDENTIFIED BY '{PASSWORD}';\nCREATE DATABASE books;\n\
         GRANT ALL ON books.* TO ada@'%';\nGRANT PROCESS ON *.* TO ada@'%';\n\
         CREATE DATABASE other;\n"
    );
    put(&script, &sql);
    let port = free_port();
    let mut command = Command::new("mariadbd");
    command.args(["--no-defaults", "--bind-address=127.0.0.1", &format!("--port={port}")]);
    command.arg(&data_dir).args(user).env("TMPDIR", room.path()).arg("--log-warnings=2");
    let at = |file: &str| room.path().join(file).display().to_string();
    command
        .arg(format!("--socket={}", at("socket")))
        .arg(format!("--init-file={}", at("first.sql")));
    if let Some(certificate) = certificate {
        put(&room.path().join("server.crt"), &certificate.chain);
        put(&room.path().join("server.key"), &certificate.key);
        command.arg(format!("--ssl-cert={}", at("server.crt")));
        command.arg(format!("--ssl-key={}", at("server.key")));
    }
    start(command, port, room, "ready for connections")
}
