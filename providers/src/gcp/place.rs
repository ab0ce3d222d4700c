//! What a request asks for: a project, a secret, a version, and a field.

use subrosa_engine::provider::{Environment, ProviderError, SecretRequest};

use crate::cloud;
use crate::document::Field;
use crate::setup::invalid;

/// All options.
pub(super) const OPTIONS: &[&str] = &["field", "format", "project", "version", "credentials_file"];

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) project: String,
    pub(super) secret: String,
    pub(super) version: String,
}

/// What a request asks for.
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) field: Option<Field>,
}

impl Place {
    /// As Google writes it.
    pub(super) fn label(&self) -> String {
        let Place { project, secret, version } = self;
        format!("projects/{project}/secrets/{secret}/versions/{version}")
    }
}

/// The project of the environment.
pub(super) fn project(environment: &Environment) -> Option<String> {
    let names = ["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT", "GCLOUD_PROJECT"];
    names.into_iter().find_map(|name| cloud::variable(environment, name))
}

impl Wanted {
    /// Takes a request apart; `project` is that of the environment.
    ///
    /// # Errors
    /// The key or an option is no good, or no project is known.
    pub(super) fn parse(
        request: &SecretRequest,
        project: Option<&str>,
    ) -> Result<Wanted, ProviderError> {
        request.only(OPTIONS)?;
        let (given, asked) = (cloud::option(request, "project"), cloud::option(request, "version"));
        let parts: Vec<&str> = request.key.split('/').collect();
        let (own, secret, version) = match parts.as_slice() {
            [secret] => (None, *secret, None),
            ["projects", project, "secrets", secret] => (Some(*project), *secret, None),
            ["projects", project, "secrets", secret, "versions", version] => {
                (Some(*project), *secret, Some(*version))
            }
            _ => {
                return Err(invalid("the key is neither a secret's name nor its path")
                    .help("write `db-password`, or `projects/P/secrets/db-password/versions/3`"));
            }
        };
        if own.is_some() && given.is_some() || version.is_some() && asked.is_some() {
            return Err(invalid("an option says what the key says, too").help("keep one of them"));
        }
        let Some(project) = own.or(given.as_deref()).or(project) else {
            return Err(invalid("no Google Cloud project is given")
                .help("set option `project`, or `GOOGLE_CLOUD_PROJECT`"));
        };
        let version = version.or(asked.as_deref()).unwrap_or("latest");
        let is_name = |text: &&str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_:.".contains(&b);
            (1..=255).contains(&text.len()) && text.bytes().all(is_plain) && !text.starts_with('.')
        };
        if ![project, secret, version].iter().all(is_name) {
            return Err(invalid("the project, the secret or the version is no name"));
        }
        let place = Place {
            project: project.to_owned(),
            secret: secret.to_owned(),
            version: version.to_owned(),
        };
        Ok(Wanted { place, field: cloud::field(request)? })
    }
}

#[cfg(test)]
mod tests {
    use subrosa_engine::provider::SecretRequest;
    use subrosa_engine::workflow::Options;

    use super::Wanted;

    fn check(key: &str, options: &[(&str, &str)], expected: Option<&str>) {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let options = Options(options.collect());
        let request = SecretRequest { name: "N".into(), key: key.into(), options };
        let label = Wanted::parse(&request, Some("own")).ok().map(|wanted| wanted.place.label());
        assert_eq!(label.as_deref(), expected, "{key}");
    }

    #[test]
    fn keys_are_names_or_paths() {
        check("db", &[], Some("projects/own/secrets/db/versions/latest"));
        check(
            "db",
            &[("project", "p"), ("version", "3")],
            Some("projects/p/secrets/db/versions/3"),
        );
        check(
            "projects/p/secrets/db",
            &[("version", "3")],
            Some("projects/p/secrets/db/versions/3"),
        );
        let whole = "projects/p/secrets/db/versions/3";
        check(whole, &[], Some(whole));
        check(whole, &[("version", "4")], None);
        check(whole, &[("project", "q")], None);
        for bad in ["", "a/b", "..", "a b", "a?b", "projects//secrets/db", "projects/p/secrets/.."]
        {
            check(bad, &[], None);
        }
        check("db", &[("vault", "x")], None);
    }
}
