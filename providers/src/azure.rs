//! `provider: azure-key-vault`: secrets in Key Vault of Azure.
//!
//! One login per vault, one read per version, over the client that vault uses, as docs/decisions/0009 says of
//! clouds. Tokens go to the clouds of Microsoft that they are for, or to this machine. What a server says is
//! never repeated.

mod certificate;
mod client;
mod command_line;
mod credentials;
mod identity;
mod outcome;
mod place;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ResolveContext, SecretRequest,
};

use crate::cloud;
use crate::setup::blocking;
use client::Session;
use credentials::Source;
use place::{Vault, Wanted};

/// The provider.
pub(crate) struct KeyVault;

#[async_trait]
impl Provider for KeyVault {
    fn name(&self) -> &str {
        "azure-key-vault"
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        place::identity(request)
    }

    fn options(&self) -> &[&str] {
        place::OPTIONS
    }

    fn place(&self, request: &SecretRequest) -> String {
        Wanted::parse(request).map_or_else(|_| request.key.clone(), |wanted| wanted.place.label())
    }

    fn cache_scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        let wanted = Wanted::parse(request).ok()?;
        let vault = Vault::of(&context.env, &self.identity(request)).ok()?;
        let option = |name| cloud::option(request, name).unwrap_or_default();
        let place = wanted.place.label();
        Some(vec![vault.address.to_string(), place, option("field"), option("format")])
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let (kept, given) = (context.clone(), identity.clone());
        let read = move || {
            let Vault { address, cloud } = Vault::of(&kept.env, &given)?;
            let http = cloud::http(&kept, &address, None)?;
            Ok((address, http, Source::find(&kept, cloud)?))
        };
        let (address, http, source) = blocking(read).await?;
        // Whether we are let in is told here, once for all.
        source.token().await?;
        Ok(Box::new(Session::new(context, address, http, source)))
    }
}
