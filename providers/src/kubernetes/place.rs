//! Which Secret and which of its data keys a request means.
//!
//! `secret/key`, or one of the two as an option and the other as the key. The namespace is `default` unless
//! an option says otherwise; that of the kubeconfig's context does not count, as in Dagu.

use subrosa_engine::provider::{ProviderError, SecretRequest};

use crate::setup::invalid;

/// All options, those of one request first.
pub(super) const ALL: &[&str] =
    &["namespace", "secret_name", "name", "secret_key", "field", "kubeconfig", "context"];

/// Those that decide which login a request needs.
pub(super) const LOGIN: &[&str] = ALL.split_at(5).1;

/// A Secret: read once, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) secret: String,
}

/// A data key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) key: String,
}

impl Place {
    /// A text that differs wherever the place does: neither name has a `/` in it.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.namespace, self.secret)
    }
}

impl Wanted {
    /// Reads a request.
    ///
    /// # Errors
    /// It makes no sense.
    pub(super) fn parse(request: &SecretRequest) -> Result<Wanted, ProviderError> {
        request.only(ALL)?;
        let options = &request.options.0;
        let option = |names: [&str; 2]| {
            let given = |name| options.get(name).map(|value| value.trim());
            names.into_iter().filter_map(given).find(|value| !value.is_empty())
        };
        let given = request.key.trim().trim_matches('/');
        let (secret, key) =
            split(given, option(["secret_name", "name"]), option(["secret_key", "field"]))?;
        let namespace = option(["namespace", "namespace"]).unwrap_or("default");
        check_name("Secret", secret, 253, ".-")?;
        check_name("namespace", namespace, 63, "-")?;
        if key.contains('/') {
            return Err(invalid(format!("the data key `{key}` has a `/` in it")).help(FORMS));
        }
        let place = Place { namespace: namespace.to_owned(), secret: secret.to_owned() };
        Ok(Wanted { place, key: key.to_owned() })
    }
}

const FORMS: &str = "write `key: secret-name/data-key`, or one of the two as `options.secret_name` or \
                     `options.secret_key` and the other as `key`";

/// The name of the Secret, and the data key.
fn split<'a>(
    given: &'a str,
    secret: Option<&'a str>,
    key: Option<&'a str>,
) -> Result<(&'a str, &'a str), ProviderError> {
    let (secret, key) = match (secret, key) {
        (Some(secret), key) => (secret, key.unwrap_or(given)),
        (None, Some(key)) => (given, key),
        (None, None) => match given.split_once('/') {
            Some((secret, key)) if !key.contains('/') => (secret.trim(), key.trim()),
            Some(_) => return Err(invalid("key must be secret-name/data-key").help(FORMS)),
            None => return Err(incomplete()),
        },
    };
    if secret.is_empty() || key.is_empty() { Err(incomplete()) } else { Ok((secret, key)) }
}

fn incomplete() -> ProviderError {
    invalid(
        "secret name and data key are required; use key as secret-name/data-key or set options.secret_name",
    )
    .help(FORMS)
}

/// Whether the cluster could have something of this name: what it could not have is not asked for, and
/// leads nowhere else.
fn check_name(what: &str, name: &str, len_max: usize, marks: &str) -> Result<(), ProviderError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_ok = name.len() <= len_max
        && name.starts_with(is_plain)
        && name.ends_with(is_plain)
        && name.chars().all(|c| is_plain(c) || marks.contains(c));
    if is_ok {
        return Ok(());
    }
    let help = if name.contains(['$', '`']) {
        "keys are literal: nothing expands them"
    } else {
        "names have lower-case letters, digits and dashes, and letters or digits at both ends"
    };
    Err(invalid(format!("`{name}` is no name of a {what}")).help(help))
}

#[cfg(test)]
mod tests {
    use subrosa_engine::provider::SecretRequest;
    use subrosa_engine::workflow::Options;

    use super::Wanted;

    fn parse(key: &str, options: &[(&str, &str)]) -> Result<String, String> {
        let options = options.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let options = Options(options.collect());
        let request = SecretRequest { name: "NAME".into(), key: key.into(), options };
        let shown = |it: Wanted| format!("{}:{}:{}", it.place.namespace, it.place.secret, it.key);
        Wanted::parse(&request).map(shown).map_err(|error| error.message)
    }

    fn check(key: &str, options: &[(&str, &str)], expected: &str) {
        assert_eq!(parse(key, options).as_deref(), Ok(expected), "{key} {options:?}");
    }

    fn refused(key: &str, options: &[(&str, &str)], expected: &str) {
        let message = parse(key, options).unwrap_err();
        assert!(message.starts_with(expected), "{key} {options:?}: {message}");
    }

    #[test]
    fn every_form_of_a_key_is_understood() {
        check("payments/stripe", &[], "default:payments:stripe");
        check(" /payments/stripe/ ", &[], "default:payments:stripe");
        check("payments/tls.crt", &[("namespace", "prod")], "prod:payments:tls.crt");
        check("stripe", &[("secret_name", "payments")], "default:payments:stripe");
        check("stripe", &[("name", "payments")], "default:payments:stripe");
        check("payments", &[("secret_key", "stripe")], "default:payments:stripe");
        check("payments", &[("field", "stripe")], "default:payments:stripe");
        check("x", &[("name", "payments"), ("field", "stripe")], "default:payments:stripe");
        check("stripe", &[("secret_name", "a"), ("name", "b")], "default:a:stripe");
        check("a.b-c/d", &[("namespace", " "), ("field", "")], "default:a.b-c:d");
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        refused("a/b/c", &[], "key must be secret-name/data-key");
        refused("a//b", &[], "key must be secret-name/data-key");
        for key in ["payments", "", "/", "payments/", "/key"] {
            refused(key, &[], "secret name and data key are required");
        }
        refused("", &[("secret_name", "a")], "secret name and data key are required");
        refused("a/b", &[("secret_name", "c")], "the data key `a/b` has a `/`");
        refused("a/b", &[("field", "c")], "`a/b` is no name of a Secret");
        refused("../b", &[], "`..` is no name of a Secret");
        refused("Payments/b", &[], "`Payments` is no name of a Secret");
        refused("${A}/b", &[], "`${A}` is no name of a Secret");
        refused("a/b", &[("namespace", "a.b")], "`a.b` is no name of a namespace");
        refused("a/b", &[("namespace", "../x")], "`../x` is no name of a namespace");
        refused("a/b", &[("namspace", "x")], "unknown option `namspace`");
    }
}
