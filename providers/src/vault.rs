//! `provider: vault`: fields of secrets in HashiCorp Vault or OpenBao.
//!
//! One login per identity, one read per path (and version, and data) however many of its fields are asked
//! for. Leases are renewed while the run lasts and given back after it, with the token if it was ours. What
//! the server says is never repeated: its answers are told by what they mean.

mod check;
mod client;
mod hint;
pub(crate) mod json;
mod lease;
mod login;
mod options;
mod outcome;
mod place;
mod server;
mod settings;
mod wire;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ResolveContext, SecretRequest,
};

use crate::setup::blocking;
use client::Session;
use place::{Method, Wanted};
use settings::Settings;

/// The provider.
pub(crate) struct Vault;

#[async_trait]
impl Provider for Vault {
    fn name(&self) -> &str {
        "vault"
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        Identity::of(request, options::LOGIN)
    }

    fn options(&self) -> &[&str] {
        options::ALL
    }

    fn place(&self, request: &SecretRequest) -> String {
        Wanted::parse(request).map_or_else(|_| request.key.clone(), |wanted| wanted.place.label())
    }

    fn cache_scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        let Wanted { place, field } = Wanted::parse(request).ok()?;
        // Only what is surely of KV version 2: other paths may answer with something lent.
        if place.method != Method::Read || !place.data.is_empty() || !place.path.contains("/data/")
        {
            return None;
        }
        let mut scope = settings::server_scope(context, &self.identity(request))?;
        scope.extend([place.label(), field]);
        Some(scope)
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let (context, identity) = (context.clone(), identity.clone());
        let read = move || Settings::read(&context, &identity);
        let Settings { server, login } = blocking(read).await?;
        let token = login.token(&server).await?;
        Ok(Box::new(Session::new(server, token)))
    }
}
