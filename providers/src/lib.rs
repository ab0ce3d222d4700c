//! Where secrets come from: adapters to the engine's provider port.
//!
//! A provider knows one place and its errors; order, deadlines, retries and masking are the engine's.
//! Every provider of a build is in the table [`builtin`]; those of others are found by [`find_plugin`].

mod age;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
mod cloud;
mod command;
mod document;
mod env;
mod file;
#[cfg(feature = "gcp")]
mod gcp;
mod http;
#[cfg(feature = "keyring")]
mod keyring;
mod kubernetes;
mod once;
mod place;
mod plugin;
mod program;
mod setup;
mod sops;
mod texts;
mod value;
mod vault;
mod warnings;

use std::path::PathBuf;
use std::sync::Arc;

use subrosa_engine::provider::Provider;

pub use plugin::find_plugin;

/// The `kubernetes` provider with the folder in which a pod has its service account.
pub fn kubernetes_in_pod(service_account: impl Into<PathBuf>) -> Arc<dyn Provider> {
    Arc::new(kubernetes::Kubernetes { service_account: service_account.into() })
}

/// Every provider of this build.
pub fn builtin() -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(env::Env),
        Arc::new(file::Files),
        Arc::new(age::Age),
        Arc::new(command::Commands),
        Arc::new(sops::Sops),
        #[cfg(feature = "keyring")]
        Arc::new(keyring::KeyRing),
        Arc::new(vault::Vault),
        #[cfg(feature = "aws")]
        Arc::new(aws::Amazon::SecretsManager),
        #[cfg(feature = "aws")]
        Arc::new(aws::Amazon::ParameterStore),
        #[cfg(feature = "gcp")]
        Arc::new(gcp::SecretManager),
        #[cfg(feature = "azure")]
        Arc::new(azure::KeyVault),
        kubernetes_in_pod(kubernetes::SERVICE_ACCOUNT),
    ]
}
