//! Credentials, from where Amazon's tools look for them, in their order.
//!
//! A profile that was asked for by name; the variables; a web identity; the profile of the environment, or
//! the default one; the container; at last the machine. What is found first counts, even if it is no good.

use subrosa_engine::provider::{Environment, ProviderError, ResolveContext};
use subrosa_engine::secret::SecretValue;

use super::metadata::{Container, Machine};
use super::profile::Profile;
use super::role::Role;
use crate::cloud::{self, unauthenticated};
use crate::setup::{self, blocking};

/// An access key.
pub(super) struct Credentials {
    /// Its id, which is no secret.
    pub(super) key_id: String,
    /// The key itself.
    pub(super) key: SecretValue,
    /// What goes with one that was lent.
    pub(super) token: Option<SecretValue>,
}

impl Clone for Credentials {
    fn clone(&self) -> Credentials {
        Credentials {
            key_id: self.key_id.clone(),
            key: self.key.clone(),
            token: self.token.clone(),
        }
    }
}

/// Where credentials come from.
pub(super) enum Source {
    /// They stand somewhere; where, in words.
    Given(Credentials, String),
    /// A role, for a token of somebody else's.
    WebIdentity(Role),
    /// Whoever runs the container.
    Container(Container),
    /// Whoever runs the machine.
    Machine(Machine),
}

impl Source {
    /// Finds where credentials come from. Reads files: not for async threads.
    ///
    /// # Errors
    /// What is found is no good.
    pub(super) fn find(
        context: &ResolveContext,
        is_asked_for: bool,
        profile: Option<&Profile>,
        region: &str,
    ) -> Result<Source, ProviderError> {
        let environment = &context.env;
        let variable = |name| cloud::variable(environment, name);
        if !is_asked_for {
            if let Some(source) = of_variables(environment)? {
                return Ok(source);
            }
            if let (Some(token), Some(role)) =
                (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN"))
            {
                let session = variable("AWS_ROLE_SESSION_NAME");
                let role = Role::new(context, region, role, session, token.into())?;
                return Ok(Source::WebIdentity(role));
            }
        }
        if let Some(profile) = profile
            && let Some(source) = of_profile(context, profile, region)?
        {
            return Ok(source);
        }
        if is_asked_for {
            return Err(unauthenticated(
                "the AWS profile that `profile` names holds no credentials",
            ));
        }
        match Container::find(context)? {
            Some(container) => Ok(Source::Container(container)),
            None => Machine::find(context).map(Source::Machine),
        }
    }

    /// Where they come from, in words.
    pub(super) fn label(&self) -> String {
        match self {
            Source::Given(_, place) => place.clone(),
            Source::WebIdentity(role) => format!("role `{}`", role.arn),
            Source::Container(_) => "the container".into(),
            Source::Machine(_) => "the machine".into(),
        }
    }

    /// Whether new ones can be had.
    pub(super) fn is_lent(&self) -> bool {
        !matches!(self, Source::Given(..))
    }

    /// Gets credentials.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub(super) async fn credentials(&self) -> Result<Credentials, ProviderError> {
        match self {
            Source::Given(credentials, _) => Ok(credentials.clone()),
            Source::WebIdentity(role) => role.assume().await,
            Source::Container(container) => container.credentials().await,
            Source::Machine(machine) => machine.credentials().await,
        }
    }
}

/// There are none.
pub(super) fn nobody() -> ProviderError {
    unauthenticated("no AWS credentials are found").help(
        "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `AWS_PROFILE`, or give the machine a role",
    )
}

fn of_variables(environment: &Environment) -> Result<Option<Source>, ProviderError> {
    let variable = |name| cloud::credential(environment, name);
    let found =
        (cloud::variable(environment, "AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"));
    match found {
        (Some(key_id), Some(key)) => {
            let token = variable("AWS_SESSION_TOKEN");
            given(key_id, key, token, "`AWS_ACCESS_KEY_ID`".into()).map(Some)
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(unauthenticated("`AWS_ACCESS_KEY_ID` is set without `AWS_SECRET_ACCESS_KEY`"))
        }
        (None, Some(_)) => {
            Err(unauthenticated("`AWS_SECRET_ACCESS_KEY` is set without `AWS_ACCESS_KEY_ID`"))
        }
    }
}

fn given(
    key_id: String,
    key: SecretValue,
    token: Option<SecretValue>,
    place: String,
) -> Result<Source, ProviderError> {
    if !is_key_id(&key_id) {
        return Err(unauthenticated(format!("the access key's id in {place} is none")));
    }
    Ok(Source::Given(Credentials { key_id, key, token }, place))
}

/// Letters and digits: it goes into a header as it is.
pub(super) fn is_key_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn of_profile(
    context: &ResolveContext,
    profile: &Profile,
    region: &str,
) -> Result<Option<Source>, ProviderError> {
    let place = format!("profile `{}`", profile.name);
    let text = |name| profile.entry(name).and_then(cloud::text);
    if let (Some(token), Some(role)) = (text("web_identity_token_file"), text("role_arn")) {
        let session = text("role_session_name");
        let role = Role::new(context, region, role, session, token.into())?;
        return Ok(Some(Source::WebIdentity(role)));
    }
    if let Some(refused) = profile.refused() {
        return Err(unauthenticated(format!("{place} wants `{refused}`, which is not followed"))
            .help(
                "get credentials first, such as by `aws configure export-credentials --format env`",
            ));
    }
    match (text("aws_access_key_id"), profile.entry("aws_secret_access_key")) {
        (Some(key_id), Some(key)) => {
            let token = profile.entry("aws_session_token").cloned();
            given(key_id, key.clone(), token, place).map(Some)
        }
        (None, None) => Ok(None),
        (_, _) => Err(unauthenticated(format!("{place} has half of an access key"))),
    }
}

/// Reads a token that somebody else keeps fresh.
///
/// # Errors
/// It cannot be read.
pub(super) async fn read_token(path: &std::path::Path) -> Result<SecretValue, ProviderError> {
    let path = path.to_owned();
    let read = move || setup::read(&path, "the token for AWS");
    Ok(SecretValue::new(blocking(read).await?.trim_ascii().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::is_key_id;

    #[test]
    fn ids_of_keys_are_letters_and_digits() {
        assert!(is_key_id("AKIDEXAMPLE"));
        for text in ["", "a b", "a,Credential=b", "a\r\nb", &"a".repeat(129)] {
            assert!(!is_key_id(text), "{text}");
        }
    }
}
