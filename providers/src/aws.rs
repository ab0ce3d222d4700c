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

use account::{Account, Service};
use place::Wanted;

/// The provider, by the service it asks.
pub(crate) enum Amazon {
    /// Secrets of Secrets Manager.
    SecretsManager,
    /// Parameters of Systems Manager.
    ParameterStore,
}

impl Amazon {
    fn service(&self) -> Service {
        match self {
            Amazon::SecretsManager => account::SECRETS_MANAGER,
            Amazon::ParameterStore => account::SSM,
        }
    }

    fn wanted(&self, request: &SecretRequest) -> Result<Wanted, ProviderError> {
        match self {
            Amazon::SecretsManager => Wanted::secret(request),
            Amazon::ParameterStore => Wanted::parameter(request),
        }
    }
}

#[async_trait]
impl Provider for Amazon {
    fn name(&self) -> &str {
        match self {
            Amazon::SecretsManager => "aws-secrets-manager",
            Amazon::ParameterStore => "aws-ssm",
        }
    }

    fn identity(&self, request: &SecretRequest) -> Identity {
        place::identity(request)
    }

    fn options(&self) -> &[&str] {
        match self {
            Amazon::SecretsManager => place::SECRET_OPTIONS,
            Amazon::ParameterStore => place::PARAMETER_OPTIONS,
        }
    }

    fn place(&self, request: &SecretRequest) -> String {
        self.wanted(request).map_or_else(|_| request.key.clone(), |wanted| wanted.place.label())
    }

    fn cache_scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
    ) -> Option<Vec<String>> {
        self.wanted(request).ok()?.scope(context, request, self.service())
    }

    async fn open(
        &self,
        context: &ResolveContext,
        identity: &Identity,
    ) -> Result<Box<dyn Client>, ProviderError> {
        let account = Account::open(context, identity, self.service()).await?;
        Ok(match self {
            Amazon::SecretsManager => Box::new(secrets::Session::new(account, context)),
            Amazon::ParameterStore => Box::new(parameters::Session::new(account, context)),
        })
    }
}
