//! The words of `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use subrosa_http::Private;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Folder with the workflow files
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub(crate) workflows: PathBuf,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) bind: SocketAddr,
    /// How it is reached from outside, if a proxy stands before it
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Believe the last address in X-Forwarded-For: the proxy before it writes that header
    #[arg(long)]
    pub(crate) trust_proxy: bool,
    /// Certificate in PEM, for TLS of its own
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Let connections be tested and authorized at this host or network, although it is not public
    #[arg(long, value_name = "HOST|NETWORK", value_parser = Private::parse)]
    pub(crate) allow_private_hosts: Vec<Private>,
    /// Print a link that lets an admin in, also if there is an admin
    #[arg(long)]
    pub(crate) admin_link: bool,
    /// What callers of webhooks have to show where the workflow names nothing: a JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) hook_credentials: Option<PathBuf>,
    /// Tell nothing of single requests on standard error
    #[arg(long)]
    pub(crate) quiet: bool,
    /// Longest body of a request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub(crate) max_body: usize,
    /// How long runs may go on once the server was asked to stop
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = humantime::parse_duration)]
    pub(crate) grace: Duration,
}
