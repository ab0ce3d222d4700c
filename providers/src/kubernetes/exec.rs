//! Credential plugins: a program of the kubeconfig that prints a token or a client certificate.
//!
//! It is run without a shell, as every program here ([`crate::program`]), with what the kubeconfig adds to its
//! environment, within the deadline of a request. Nothing that it prints is repeated.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use subrosa_engine::provider::{ProviderError, ProviderErrorKind, ResolveContext};
use subrosa_engine::yaml::Node;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::kubeconfig::Entry;
use super::node::{is_true, items, text, texts};
use super::settings::{Pem, Settings};
use crate::program::{self, Failed};
use crate::setup::invalid;

const VERSIONS: [&str; 2] =
    ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// A program to ask for credentials.
pub(super) struct Plugin {
    /// As the kubeconfig has it: a bare name is looked up in the `PATH`, anything else beside the kubeconfig.
    program: String,
    folder: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    version: String,
    install_hint: Option<String>,
    wants_cluster: bool,
    /// What it is told of the cluster, if it wants that.
    cluster: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Credential<'a> {
    kind: &'a str,
    #[serde(rename = "apiVersion")]
    version: &'a str,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

/// Borrowed from the output, which is wiped. A certificate's line ends are escaped, so its text is a copy; its
/// key is one, too, and wiped by hand.
#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow)]
    token: Option<&'a str>,
    #[serde(rename = "clientCertificateData")]
    certificate: Option<String>,
    #[serde(rename = "clientKeyData")]
    key: Option<String>,
}

impl Plugin {
    /// Reads the `exec` of a user.
    ///
    /// # Errors
    /// It makes no sense, or wants to talk to a person.
    pub(super) fn read(exec: &Node, user: &Entry<'_>) -> Result<Plugin, ProviderError> {
        let bad = |what: &str| {
            invalid(format!("kubeconfig error: `exec` of user `{}` {what}", user.name))
        };
        let name = text(exec, "command").ok_or_else(|| bad("has no `command`"))?;
        let version = text(exec, "apiVersion").unwrap_or_default();
        if !VERSIONS.contains(&version) {
            return Err(bad("has an `apiVersion` that is not understood")
                .help(format!("known: {}", VERSIONS.join(", "))));
        }
        if text(exec, "interactiveMode") == Some("Always") {
            return Err(bad("always wants to talk to a person, and runs have none"));
        }
        let pair = |item: &std::rc::Rc<Node>| {
            let value = text(item, "value").unwrap_or_default();
            Some((text(item, "name")?.to_owned(), value.to_owned()))
        };
        Ok(Plugin {
            program: name.to_owned(),
            folder: user.folder.to_path_buf(),
            arguments: texts(exec, "args").map(str::to_owned).collect(),
            environment: items(exec, "env").iter().filter_map(pair).collect(),
            version: version.to_owned(),
            install_hint: text(exec, "installHint").map(str::to_owned),
            wants_cluster: is_true(exec, "provideClusterInfo"),
            cluster: None,
        })
    }

    /// Notes what the plugin is told of the cluster.
    pub(super) fn note_cluster(&mut self, cluster: &Entry<'_>, authority: Option<&Pem>) {
        if !self.wants_cluster {
            return;
        }
        let mut told = serde_json::Map::new();
        for name in ["server", "tls-server-name", "proxy-url"] {
            told.extend(cluster.text(name).map(|value| (name.to_owned(), json!(value))));
        }
        if let Some(authority) = authority {
            let encoded = data_encoding::BASE64.encode(&authority.text);
            told.insert("certificate-authority-data".to_owned(), json!(encoded));
        }
        self.cluster = Some(serde_json::Value::Object(told));
    }

    /// Runs the plugin, and takes its credentials into the settings.
    ///
    /// # Errors
    /// It gives none in time.
    pub(super) async fn log_in(
        &self,
        context: &ResolveContext,
        settings: &mut Settings,
    ) -> Result<(), ProviderError> {
        let output = self.run(context).await?;
        let malformed = || {
            let message = format!("the exec plugin `{}` printed no credentials", self.program);
            ProviderError::new(ProviderErrorKind::Malformed, message)
                .help(format!("it has to print an ExecCredential of {}", self.version))
        };
        let credential: Credential<'_> =
            serde_json::from_slice(&output).map_err(|_| malformed())?;
        if credential.kind != "ExecCredential" || credential.version != self.version {
            return Err(malformed());
        }
        let from = format!("what the exec plugin `{}` printed", self.program);
        let Status { token, certificate, key } = credential.status.ok_or_else(malformed)?;
        let pem =
            |text: String| Pem { text: Zeroizing::new(text.into_bytes()), from: from.clone() };
        match (certificate.map(pem), key.map(pem)) {
            (Some(certificate), Some(key)) => settings.login.certificate = Some((certificate, key)),
            (None, None) if token.is_some() => {}
            _ => return Err(malformed()),
        }
        if let Some(token) = token {
            settings.login.bearer(token.as_bytes(), &from)?;
        }
        settings.login.from = from;
        Ok(())
    }

    async fn run(&self, context: &ResolveContext) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let path = program::path_of(&context.env);
        let found = program::find(&self.program, &self.folder, path.as_deref());
        let found = found.ok_or_else(|| self.absent(std::io::ErrorKind::NotFound))?;
        let output = program::output(self.command(&found, context), program::limit(context)).await;
        output.map_err(|failed| match failed {
            Failed::Io(error) => self.absent(error.kind()),
            Failed::TooMuch => {
                let message = format!("the exec plugin `{}` printed more than 1 MiB", self.program);
                ProviderError::new(ProviderErrorKind::Malformed, message)
            }
            Failed::Slow(_) => {
                let message =
                    format!("the exec plugin `{}` gave no credentials in time", self.program);
                ProviderError::new(ProviderErrorKind::TimedOut, message)
                    .help("does it wait for a person? log in by hand first")
            }
            Failed::Exit(_) => {
                let message = format!("the exec plugin `{}` ended with a failure", self.program);
                ProviderError::new(ProviderErrorKind::Unauthenticated, message)
                    .help("run it by hand to see what it says; log in again if a session has ended")
            }
        })
    }

    fn command(&self, found: &Path, context: &ResolveContext) -> Command {
        let mut told = json!({
            "apiVersion": self.version,
            "kind": "ExecCredential",
            "spec": { "interactive": false },
        });
        if let Some(cluster) = &self.cluster {
            told["spec"]["cluster"] = cluster.clone();
        }
        let mut command = program::command(found, context);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("KUBERNETES_EXEC_INFO", told.to_string());
        command
    }

    fn absent(&self, why: std::io::ErrorKind) -> ProviderError {
        let error = invalid(format!("cannot run the exec plugin `{}`: {}", self.program, why));
        match &self.install_hint {
            Some(hint) => error.help(hint.clone()),
            None => error.help("is it installed, and in the `PATH`?"),
        }
    }
}
