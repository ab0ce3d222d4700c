//! `provider: kubernetes`: data keys of Secrets in a Kubernetes cluster.
//!
//! One read per Secret however many of its keys are asked for. The cluster and the login come from a
//! kubeconfig, or from the service account of a pod; both are read here and nothing of the process's own
//! surroundings is. What the server says is never repeated. Why the `kube` crate is not used:
//! docs/decisions/0008.

mod account;
mod client;
mod cluster;
mod exec;
mod kubeconfig;
mod node;
mod outcome;
mod place;
mod settings;
mod wire;

use std::path::PathBuf;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ResolveContext, SecretRequest,
};

use crate::setup::blocking;
use client::Session;
use cluster::Cluster;
use place::Wanted;
use settings::Settings;

/// Where a pod has its service account.
pub(crate) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The provider.
pub(crate) struct Kubernetes {
    /// The folder of the service account, in a pod.
    pub(crate) service_account: PathBuf,
}

#[async_trait]
impl Provider for Kubernetes {
    fn name(&self) -> &str {
        "kubernetes"
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        Identity::of(request, place::LOGIN)
    }

    fn options(&self) -> &[&str] {
        place::ALL
    }

    fn place(&self, request: &SecretRequest) -> String {
        Wanted::parse(request).map_or_else(|_| request.key.clone(), |wanted| wanted.place.label())
    }

    fn cache_scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        let Wanted { place, key } = Wanted::parse(request).ok()?;
        let mut scope =
            settings::login_scope(context, &self.identity(request), &self.service_account)?;
        scope.extend([place.namespace, place.secret, key]);
        Some(scope)
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let (to_read, given) = (context.clone(), identity.clone());
        let service_account = self.service_account.clone();
        // Off the async threads: it reads files.
        let read = move || Settings::read(&to_read, &given, &service_account);
        let mut settings = blocking(read).await?;
        if let Some(plugin) = settings.login.plugin.take() {
            plugin.log_in(context, &mut settings).await?;
        }
        let timeout = context.request_timeout;
        let cluster = blocking(move || Cluster::new(settings, timeout)).await?;
        Ok(Box::new(Session::new(cluster)))
    }
}
