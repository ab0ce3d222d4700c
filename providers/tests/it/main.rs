//! The providers as the engine meets them: through the table and the port.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod age;
mod asking;
#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
mod aws_login;
#[cfg(feature = "moto")]
mod aws_moto;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "azure")]
mod azure_login;
#[cfg(feature = "openbao")]
mod bao;
mod command;
mod conformance;
mod env;
mod file;
#[cfg(feature = "gcp")]
mod gcp;
mod kubernetes;
mod kubernetes_login;
#[cfg(feature = "kube-apiserver")]
mod kubernetes_server;
mod kubernetes_tls;
mod peer;
mod plugin;
#[cfg(feature = "real-tools")]
mod real_tools;
mod remote;
mod sops;
mod vault;
#[cfg(feature = "openbao")]
mod vault_bao;
mod vault_lease;
mod vault_login;
mod vault_tls;
