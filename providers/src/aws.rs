//! `provider: aws-secrets-manager` and `provider: aws-ssm`: secrets and parameters at Amazon.
//!
//! Requests are signed here and sent over the client that vault uses; why Amazon's own library is not used:
//! docs/decisions/0009. Credentials come from where Amazon's tools look for them, as far as no program has to
//! be run for it. What a server says is never repeated.

mod account;
mod credentials;
mod metadata;
mod outcome;
mod parameters;
mod place;
mod profile;
mod role;
mod secrets;
mod sign;

use async_trait::async_trait;
use subrosa_engine::provider::{
    Client, Identity, Provider, ProviderError, ResolveContext, SecretRequest,
};

use account::Account;
use place::Wanted;

/// Secrets of Secrets Manager.
pub(crate) struct SecretsManager;

/// Parameters of Systems Manager.
pub(crate) struct ParameterStore;

#[async_trait]
impl Provider for SecretsManager {
    fn name(&self) -> &str {
        "aws-secrets-manager"
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        place::identity(request)
    }

    fn options(&self) -> &[&str] {
        place::SECRET_OPTIONS
    }

    fn place(&self, request: &SecretRequest) -> String {
        Wanted::secret(request).map_or_else(|_| request.key.clone(), |wanted| wanted.place.label())
    }

    fn cache_scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        let wanted = Wanted::secret(request).ok()?;
        wanted.scope(context, request, account::SECRETS_MANAGER)
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let account = Account::open(context, identity, account::SECRETS_MANAGER).await?;
        Ok(Box::new(secrets::Session::new(account, context)))
    }
}

#[async_trait]
impl Provider for ParameterStore {
    fn name(&self) -> &str {
        "aws-ssm"
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        place::identity(request)
    }

    fn options(&self) -> &[&str] {
        place::PARAMETER_OPTIONS
    }

    fn place(&self, request: &SecretRequest) -> String {
        Wanted::parameter(request)
            .map_or_else(|_| request.key.clone(), |wanted| wanted.place.label())
    }

    fn cache_scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        let wanted = Wanted::parameter(request).ok()?;
        wanted.scope(context, request, account::SSM)
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let account = Account::open(context, identity, account::SSM).await?;
        Ok(Box::new(parameters::Session::new(account, context)))
    }
}
