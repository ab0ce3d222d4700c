//! `provider: gcp-secret-manager`: versions of secrets in Google Cloud.
//!
//! One login per identity, one read per version, and the checksum that comes with a value is looked at.
//! Why Google's own library is not used: docs/decisions/0009. What a server says is never repeated.

mod checksum;
mod client;
mod credentials;
mod place;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ResolveContext, SecretRequest,
};

use crate::cloud;
use crate::setup::blocking;
use client::Session;
use credentials::Source;
use place::Wanted;

/// The provider.
pub(crate) struct SecretManager;

#[async_trait]
impl Provider for SecretManager {
    fn name(&self) -> &str {
        "gcp-secret-manager"
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        Identity::of(request, &["credentials_file"])
    }

    fn options(&self) -> &[&str] {
        place::OPTIONS
    }

    fn place(&self, request: &SecretRequest) -> String {
        // The project of the environment is the same for all requests of a login.
        Wanted::parse(request, Some("-"))
            .map_or_else(|_| request.key.clone(), |wanted| wanted.place.label())
    }

    fn cache_scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        let project = place::project(&context.env);
        let wanted = Wanted::parse(request, project.as_deref()).ok()?;
        let option = |name| cloud::option(request, name).unwrap_or_default();
        let address = client::address(&context.env).ok()?.to_string();
        Some(vec![address, wanted.place.label(), option("field"), option("format")])
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let (kept, given) = (context.clone(), identity.clone());
        let read = move || {
            let address = client::address(&kept.env)?;
            let http = cloud::http(&kept, &address, None)?;
            Ok((address, http, Source::find(&kept, &given)?))
        };
        let (address, http, source) = blocking(read).await?;
        // Whether we are let in is told here, once for all.
        source.token().await?;
        Ok(Box::new(Session::new(context, address, http, source)))
    }
}
