//! What is known of a cluster and of the login there, before anything is asked.

use std::path::{Path, PathBuf};

use subrosa_engine::provider::{Identity, ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::account;
use super::exec::Plugin;
use super::kubeconfig::{self, Files};
use crate::http::Address;
use crate::setup::{self, invalid};

/// A cluster and a login.
pub(super) struct Settings {
    pub(super) address: Address,
    /// The certificate authority; without one, those of the system.
    pub(super) authority: Option<Pem>,
    /// The name that the certificate is for, if it is not the host.
    pub(super) tls_name: Option<String>,
    /// Of the kubeconfig alone, else of the environment.
    pub(super) proxy: Option<crate::http::Proxy>,
    pub(super) login: Login,
}

/// Who we are.
#[derive(Default)]
pub(super) struct Login {
    /// The `Authorization` header.
    pub(super) authorization: Option<Zeroizing<Vec<u8>>>,
    /// A client certificate with its key.
    pub(super) certificate: Option<(Pem, Pem)>,
    /// A program to ask, if there is nothing else.
    pub(super) plugin: Option<Plugin>,
    /// Headers of whom we act for.
    pub(super) impersonate: Vec<(&'static str, String)>,
    /// Where the credentials come from, for messages.
    pub(super) from: String,
}

/// A PEM text, with the place it came from.
pub(super) struct Pem {
    pub(super) text: Zeroizing<Vec<u8>>,
    pub(super) from: String,
}

impl Pem {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(path: &Path, what: &str) -> Result<Pem, ProviderError> {
        Ok(Pem { text: setup::read(path, what)?, from: format!("`{}`", path.display()) })
    }
}

impl Login {
    /// Makes a token the credential.
    ///
    /// # Errors
    /// It holds what no token holds.
    pub(super) fn bearer(&mut self, token: &[u8], from: &str) -> Result<(), ProviderError> {
        let token = token.trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return Err(invalid(format!("{from} is no token: it is empty, or has blanks in it")));
        }
        self.authorization = Some(Zeroizing::new([b"Bearer ", token].concat()));
        self.from = from.to_owned();
        Ok(())
    }
}

impl Settings {
    /// Reads the kubeconfig, or the service account of a pod.
    ///
    /// # Errors
    /// Neither is there, or makes sense.
    pub(super) fn read(
        context: &ResolveContext,
        identity: &Identity,
        service_account: &Path,
    ) -> Result<Settings, ProviderError> {
        let option = |name| {
            let value = identity.0.get(name).map(|value: &String| value.trim());
            value.filter(|value| !value.is_empty())
        };
        let chosen = option("context");
        if let Some(path) = option("kubeconfig") {
            let path = setup::locate(path, context);
            let bytes = setup::read(&path, "the kubeconfig")?;
            return kubeconfig::read(&Files(vec![(path, bytes)]), chosen, context);
        }
        let places = places(context);
        let mut files = Vec::new();
        for path in &places {
            if let Some(bytes) = setup::read_if_there(path, "the kubeconfig")? {
                files.push((path.clone(), bytes));
            }
        }
        if !files.is_empty() {
            return kubeconfig::read(&Files(files), chosen, context);
        }
        let looked = places.iter().map(|place| format!("`{}`", place.display()));
        let looked = looked.collect::<Vec<_>>().join(", ");
        match chosen {
            None => account::read(context, service_account, &looked),
            Some(name) => {
                let message = format!("kubeconfig error: there is none to have context `{name}`");
                Err(invalid(message).help(format!("looked for {looked}")))
            }
        }
    }
}

/// Which cluster, as whom, and by which kubeconfig, as far as the settings are good; asks nobody.
pub(super) fn login_scope(
    context: &ResolveContext,
    identity: &Identity,
    service_account: &Path,
) -> Option<Vec<String>> {
    let Settings { address, login, .. } =
        Settings::read(context, identity, service_account).ok()?;
    let mut scope = vec![address.to_string(), login.from];
    // Two kubeconfigs may call different users the same.
    scope.push(match identity.0.get("kubeconfig") {
        Some(path) => setup::locate(path.trim(), context).display().to_string(),
        None => format!("{:?}", places(context)),
    });
    scope.push(format!("{:?}", login.impersonate));
    Some(scope)
}

/// Where kubeconfigs may be: those that `KUBECONFIG` lists, else the one of the home folder.
fn places(context: &ResolveContext) -> Vec<PathBuf> {
    let listed = variable(context, "KUBECONFIG").unwrap_or_default();
    let listed = listed.split(':').filter(|path| !path.is_empty()).map(PathBuf::from);
    let listed: Vec<PathBuf> = listed.collect();
    if !listed.is_empty() {
        return listed;
    }
    let home = variable(context, "HOME").map(PathBuf::from);
    home.map(|home| home.join(".kube/config")).into_iter().collect()
}

/// A variable of the process: a dotenv file that lies about does not decide which cluster is asked.
#[expect(clippy::disallowed_methods, reason = "paths and addresses are settings")]
pub(super) fn variable(context: &ResolveContext, name: &str) -> Option<String> {
    let value: &SecretValue = context.env.process.get(name)?;
    let text = std::str::from_utf8(value.expose()).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
