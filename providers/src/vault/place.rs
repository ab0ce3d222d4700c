//! Where a secret is: what its key and options say.
//!
//! With `field` the whole key is the path. Without, the last part of the key is the field; a key of one part
//! is a path whose field is `value`. The path is taken as it is written: nothing puts `data/` into it.

use std::collections::BTreeMap;

use subrosa_engine::provider::{ProviderError, SecretRequest};

use super::options::{ALL, DATA};
use crate::setup::invalid;

/// The field of a key of one part.
const DEFAULT_FIELD: &str = "value";

/// How a place is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    /// `method: read`, the default.
    Read,
    /// `method: write`: what makes something new, such as a certificate.
    Write,
}

/// What one request to the server asks for: equal ones are sent once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Below `/v1/`; no part is empty.
    pub(super) path: String,
    /// Of KV version 2.
    pub(super) version: Option<u64>,
    pub(super) method: Method,
    /// Sent along. May be credentials.
    pub(super) data: BTreeMap<String, String>,
}

/// A field of a place.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) place: Place,
    pub(super) field: String,
}

impl Place {
    /// A text that differs wherever the place does.
    pub(super) fn label(&self) -> String {
        let Place { path, version, method, data } = self;
        format!("{path} {version:?} {method:?} {data:?}")
    }

    /// The parts of the path.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/')
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
        let option =
            |name| options.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let (path, field) = split(&request.key, option("field"));
        let path = tidy(path);
        if path.is_empty() || field.is_empty() {
            return Err(invalid(format!("`{}` leads nowhere", request.key))
                .help("write the path and the field, such as `kv/data/prod/api/password`"));
        }
        if path.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(invalid(format!("the path `{path}` has a part `.` or `..`")));
        }
        let method = method(option("method"))?;
        let version = version(option("version"))?;
        if method == Method::Write && version.is_some() {
            return Err(invalid("`version` makes no sense with `method: write`"));
        }
        let data = options
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(DATA)?.to_owned(), value.clone())));
        let place = Place { path, version, method, data: data.collect() };
        Ok(Wanted { place, field: field.to_owned() })
    }
}

/// Path and field.
fn split<'a>(key: &'a str, field: Option<&'a str>) -> (&'a str, &'a str) {
    if let Some(field) = field {
        return (key, field);
    }
    let key = key.strip_suffix('/').unwrap_or(key);
    key.rsplit_once('/').unwrap_or((key, DEFAULT_FIELD))
}

/// The path without empty parts, which mean nothing to the server.
fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.trim().is_empty()).collect();
    parts.join("/")
}

fn method(text: Option<&str>) -> Result<Method, ProviderError> {
    match text {
        None | Some("read") => Ok(Method::Read),
        Some("write") => Ok(Method::Write),
        Some(text) => Err(invalid(format!("unknown method `{text}`"))
            .help("`read`, or `write` for what makes something new, such as `pki/issue/ROLE`")),
    }
}

fn version(text: Option<&str>) -> Result<Option<u64>, ProviderError> {
    match text.map(str::parse) {
        None => Ok(None),
        Some(Ok(version)) if version > 0 => Ok(Some(version)),
        Some(_) => Err(invalid(format!("`{}` is no version", text.unwrap_or_default()))
            .help("versions are numbers from 1; without `version` the newest is read")),
    }
}

#[cfg(test)]
mod tests {
    use subrosa_engine::provider::SecretRequest;
    use subrosa_engine::workflow::Options;

    use super::{Method, Wanted};

    fn parse(key: &str, options: &[(&str, &str)]) -> Result<Wanted, String> {
        let pairs = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = Options(pairs.collect());
        let request = SecretRequest { name: "NAME".into(), key: key.into(), options };
        Wanted::parse(&request).map_err(|error| error.message)
    }

    fn check(key: &str, options: &[(&str, &str)], expected: Result<(&str, &str), &str>) {
        let found = parse(key, options).map(|wanted| (wanted.place.path, wanted.field));
        let expected = expected.map(|(path, field)| (path.to_owned(), field.to_owned()));
        assert_eq!(found, expected.map_err(str::to_owned), "{key}");
    }

    #[test]
    fn the_last_part_of_the_key_is_the_field() {
        check("kv/data/prod/api/key", &[], Ok(("kv/data/prod/api", "key")));
        check("kv/data/prod/api/", &[], Ok(("kv/data/prod", "api")));
        check("app-token", &[], Ok(("app-token", "value")));
        check("app-token/", &[], Ok(("app-token", "value")));
        check("/kv//a/b", &[], Ok(("kv/a", "b")));
        check("kv/a#b", &[], Ok(("kv", "a#b")));
    }

    #[test]
    fn with_a_field_the_whole_key_is_the_path() {
        check("kv/data/prod/api", &[("field", "key")], Ok(("kv/data/prod/api", "key")));
        check("app-token", &[("field", "a/b")], Ok(("app-token", "a/b")));
        check("kv/a/b", &[("field", "")], Ok(("kv/a", "b")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check("", &[], Err("`` leads nowhere"));
        check(" ", &[("field", "a")], Err("` ` leads nowhere"));
        check("/", &[], Err("`/` leads nowhere"));
        check("/a", &[], Err("`/a` leads nowhere"));
        check("kv/../sys/raw/x", &[], Err("the path `kv/../sys/raw` has a part `.` or `..`"));
        check("a/b", &[("feild", "x")], Err("unknown option `feild`"));
        check("a/b", &[("version", "0")], Err("`0` is no version"));
        check("a/b", &[("version", "new")], Err("`new` is no version"));
        check("a/b", &[("method", "list")], Err("unknown method `list`"));
        let both = [("method", "write"), ("version", "1")];
        check("a/b", &both, Err("`version` makes no sense with `method: write`"));
    }

    #[test]
    fn version_method_and_data_belong_to_the_place() {
        let wanted = parse("kv/data/a/b", &[("version", "3")]).unwrap();
        assert_eq!((wanted.place.version, wanted.place.method), (Some(3), Method::Read));
        let options = [("method", "write"), ("data.common_name", "a.example")];
        let wanted = parse("pki/issue/web/private_key", &options).unwrap();
        assert_eq!(wanted.place.method, Method::Write);
        assert_eq!(wanted.place.data["common_name"], "a.example");
    }
}
