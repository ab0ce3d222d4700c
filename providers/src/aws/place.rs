//! What a request asks for: a name or an ARN, which of its versions, and a field.

use subrosa_engine::provider::{Identity, ProviderError, ResolveContext, SecretRequest};

use super::account::{self, Service};
use crate::cloud;
use crate::document::Field;
use crate::setup::invalid;

/// Options of `aws-secrets-manager`.
pub(super) const SECRET_OPTIONS: &[&str] =
    &["field", "format", "version", "stage", "region", "profile"];

/// Options of `aws-ssm`.
pub(super) const PARAMETER_OPTIONS: &[&str] =
    &["field", "format", "version", "label", "region", "profile"];

/// Those that decide which login a request needs.
const LOGIN: &[&str] = &["region", "profile"];

/// Characters of a name or an ARN.
const ID_LEN_MAX: usize = 2048;

/// A secret or a parameter, in one version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Its name, or its ARN.
    pub(super) id: String,
    /// The option `version`.
    pub(super) version: Option<String>,
    /// The option `stage`, or `label`.
    pub(super) stage: Option<String>,
}

/// What a request asks for.
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) field: Option<Field>,
}

impl Place {
    /// For messages, and to tell places apart: no name has a blank in it.
    pub(super) fn label(&self) -> String {
        let version = self.version.iter().map(|version| format!(" version {version}"));
        let stage = self.stage.iter().map(|stage| format!(" stage {stage}"));
        std::iter::once(self.id.clone()).chain(version).chain(stage).collect()
    }

    /// As Systems Manager writes it: the version, or the label, behind the name.
    pub(super) fn selector(&self) -> String {
        match self.version.as_ref().or(self.stage.as_ref()) {
            Some(behind) => format!("{}:{behind}", self.id),
            None => self.id.clone(),
        }
    }

    /// Whether it is named with its account and region.
    pub(super) fn is_arn(&self) -> bool {
        self.id.starts_with("arn:")
    }
}

impl Wanted {
    /// A secret of Secrets Manager.
    ///
    /// # Errors
    /// The key or an option is no good.
    pub(super) fn secret(request: &SecretRequest) -> Result<Wanted, ProviderError> {
        Wanted::parse(request, SECRET_OPTIONS, "stage")
    }

    /// A parameter of Systems Manager.
    ///
    /// # Errors
    /// The key or an option is no good.
    pub(super) fn parameter(request: &SecretRequest) -> Result<Wanted, ProviderError> {
        let wanted = Wanted::parse(request, PARAMETER_OPTIONS, "label")?;
        if wanted.place.version.is_some() && wanted.place.stage.is_some() {
            return Err(invalid("both `version` and `label` are given").help("keep one of them"));
        }
        Ok(wanted)
    }

    fn parse(
        request: &SecretRequest,
        options: &[&str],
        stage: &str,
    ) -> Result<Wanted, ProviderError> {
        request.only(options)?;
        let id = request.key.as_str();
        let is_name =
            !id.is_empty() && id.len() <= ID_LEN_MAX && id.bytes().all(|b| b.is_ascii_graphic());
        if !is_name {
            return Err(invalid("the key is neither a name nor an ARN")
                .help("names are ASCII without blanks, such as `prod/db` or `/prod/db/password`"));
        }
        let asked = cloud::option(request, "region");
        if let (Some(own), Some(asked)) = (region_of(id), asked)
            && own != asked
        {
            let message =
                format!("the ARN is of region `{own}`, and option `region` says `{asked}`");
            return Err(invalid(message));
        }
        let place = Place {
            id: id.to_owned(),
            version: cloud::option(request, "version"),
            stage: cloud::option(request, stage),
        };
        Ok(Wanted { place, field: cloud::field(request)? })
    }

    /// Where the value is for anyone. A name means another secret in another account, and which account it is
    /// only the credentials know: nothing but an ARN says enough.
    pub(super) fn scope(
        &self,
        context: &ResolveContext,
        request: &SecretRequest,
        service: Service,
    ) -> Option<Vec<String>> {
        if !self.place.is_arn() {
            return None;
        }
        let option = |name| cloud::option(request, name).unwrap_or_default();
        let endpoint = account::endpoint_setting(&context.env, service).unwrap_or_default();
        Some(vec![endpoint, self.place.label(), option("field"), option("format")])
    }
}

/// The login of a request: the region of an ARN counts like the option.
pub(super) fn identity(request: &SecretRequest) -> Identity {
    let mut identity = Identity::of(request, LOGIN);
    if let Some(region) = region_of(&request.key) {
        identity.0.entry("region".into()).or_insert_with(|| region.to_owned());
    }
    identity
}

/// `arn:aws:secretsmanager:REGION:...`
fn region_of(key: &str) -> Option<&str> {
    let region = key.strip_prefix("arn:")?.split(':').nth(2)?;
    (!region.is_empty()).then_some(region)
}

#[cfg(test)]
mod tests {
    use subrosa_engine::provider::SecretRequest;
    use subrosa_engine::workflow::Options;

    use super::{Wanted, identity};

    fn request(key: &str, options: &[(&str, &str)]) -> SecretRequest {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        SecretRequest { name: "N".into(), key: key.into(), options: Options(options.collect()) }
    }

    const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf";

    #[test]
    fn versions_make_other_places() {
        let label = |options| Wanted::secret(&request("db", options)).unwrap().place.label();
        assert_eq!(label(&[]), "db");
        assert_eq!(
            label(&[("version", "1"), ("stage", "AWSPREVIOUS")]),
            "db version 1 stage AWSPREVIOUS"
        );
        assert_eq!(label(&[("field", "password")]), "db");
        let selector =
            |options| Wanted::parameter(&request("/db", options)).unwrap().place.selector();
        assert_eq!(selector(&[("version", "3")]), "/db:3");
        assert_eq!(selector(&[("label", "prod")]), "/db:prod");
    }

    #[test]
    fn the_region_of_an_arn_counts_and_is_not_contradicted() {
        assert_eq!(identity(&request(ARN, &[])).0["region"], "eu-west-1");
        assert!(identity(&request("prod/db", &[])).0.is_empty());
        assert!(Wanted::secret(&request(ARN, &[("region", "eu-west-1")])).is_ok());
        assert!(Wanted::secret(&request(ARN, &[("region", "us-east-1")])).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for key in ["", "a b", "a\nb", "\u{e4}", &"x".repeat(2049)] {
            assert!(Wanted::secret(&request(key, &[])).is_err(), "{key}");
        }
        assert!(Wanted::secret(&request("a", &[("label", "x")])).is_err());
        assert!(Wanted::parameter(&request("a", &[("stage", "x")])).is_err());
        assert!(Wanted::parameter(&request("a", &[("label", "x"), ("version", "1")])).is_err());
        assert!(Wanted::secret(&request("a", &[("instance", "eu")])).is_ok());
    }
}
