//! What a server is started with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use axum::http::Uri;
use serde::Deserialize;
use subrosa_engine::kind::Kinds;

use crate::access::Rights;

/// What a server is started with. Nothing else of the surroundings is read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub bind: SocketAddr,
    /// How it is reached from outside, if a proxy stands before it: `https://flows.example.com`.
    pub public_url: Option<Uri>,
    /// Whether a proxy stands before it that writes `X-Forwarded-For`.
    pub trust_proxy: bool,
    /// Certificate and key, for TLS of its own.
    pub tls: Option<TlsFiles>,
    /// The folder with the workflow files.
    pub workflows: PathBuf,
    /// The kinds that steps of workflows may have.
    pub kinds: Kinds,
    /// The folder with records of runs, and with what the server keeps.
    pub data_dir: PathBuf,
    /// The program and its words that make the runner.
    pub runner: Vec<std::ffi::OsString>,
    /// Variables for the runner beside those of the surroundings.
    pub runner_env: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    /// Whether a link that lets an admin in is printed although there is one already.
    pub admin_link: bool,
    /// Whether each request is told on standard error.
    pub log_requests: bool,
    /// How people come in by an OpenID provider, if they do.
    pub openid: Option<OpenIdSettings>,
    /// The wall clock.
    pub clock: fn() -> SystemTime,
    /// Bounds.
    pub limits: Limits,
}

/// Files in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those above it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How people come in by an OpenID provider: `[serve.oidc]` of the user's `subrosa.toml`. There is no client
/// secret in it: the server is a public client, and shows with PKCE that it is the one that asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenIdSettings {
    /// The provider: `https://id.example.com`.
    pub issuer: String,
    /// What the provider calls this server.
    pub client_id: String,
    /// The file with what this server shows the provider to prove who it is; without it, nothing.
    pub client_secret_file: Option<PathBuf>,
    /// For whom tokens have to be that are shown at hooks; without it, for this client.
    pub hook_audience: Option<String>,
    /// What the button says; without it, the provider's host.
    pub label: Option<String>,
    /// What is asked for beside `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim that becomes a new user's name.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// The claim that has the groups of a user; with it, groups say what a user may do.
    pub groups_claim: Option<String>,
    /// What who is in a group may do.
    #[serde(default)]
    pub groups: BTreeMap<String, Rights>,
    /// Who may come in.
    #[serde(default)]
    pub admit: Admit,
    /// Certificate authorities (PEM) that stand instead of those of the system.
    pub ca_cert: Option<PathBuf>,
}

/// Who may come in by an OpenID provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admit {
    /// Who is in one of the groups.
    #[default]
    Groups,
    /// Everybody whom the provider knows; without a group they may do nothing yet.
    Everybody,
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

fn name_claim() -> String {
    "preferred_username".to_owned()
}

/// What bounds a request, and all of them together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body_len_max: usize,
    /// How long the head of a request may take to arrive.
    pub head: Duration,
    /// How long the answer to a request may take to begin, its body included.
    pub answer: Duration,
    /// For how long a caller may take nothing of what is written.
    pub stall: Duration,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Connections at the same time from one address, unless that is a proxy's: fewer than there may be
    /// requests, so that nobody keeps all others out alone.
    pub connections_per_address: usize,
    /// Requests under way at the same time, live streams aside.
    pub requests_max: usize,
    /// Requests in a second from one address, over a while; a burst may have ten times as many.
    pub per_second: u32,
    /// How long runs may go on after the server was asked to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_len_max: 1 << 20,
            head: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            connections_max: 4096,
            connections_per_address: 384,
            requests_max: 512,
            per_second: 5000,
            grace: Duration::from_secs(30 * 60),
        }
    }
}

#[cfg(test)]
impl Settings {
    /// Everything in one folder, nothing told, time standing still.
    pub(crate) fn for_test(home: &std::path::Path) -> Settings {
        Settings {
            bind: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
            public_url: None,
            trust_proxy: false,
            tls: None,
            workflows: home.to_path_buf(),
            kinds: &[],
            data_dir: home.to_path_buf(),
            runner: Vec::new(),
            runner_env: Vec::new(),
            admin_link: false,
            log_requests: false,
            openid: None,
            clock: || SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
            limits: Limits::default(),
        }
    }
}
