//! Dango's `.dlt/secrets.toml`: which connections its sources seem to be.
//!
//! A guess is made from the names of keys and of the source, and from nothing else; whoever imports sees it
//! first. `${NAME}` is a variable, `$${` is `${`, any other `$` is a dollar sign. The parser of TOML leaves
//! some texts in memory that is not wiped; its messages are not shown.

use std::collections::BTreeMap;
use std::str;

use subrosa_engine::names::is_env_name;
use subrosa_engine::secret::SecretValue;
use subrosa_engine::toml::dismantle;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::FileError;

/// What a file holds.
#[derive(Clone, Debug)]
pub struct SecretsToml {
    /// One for each source.
    pub guesses: Vec<Guess>,
    /// Tables and keys that are of no source.
    pub ignored: Vec<String>,
}

/// What a source seems to be.
#[derive(Clone, Debug)]
pub struct Guess {
    /// Its name in the file.
    pub source: String,
    /// The type of connection; `None`: nobody can tell.
    pub kind: Option<&'static str>,
    /// Values by the fields of the type, or by the keys of the file if there is no type. `refresh_token`
    /// is the token of an OAuth type.
    pub fields: BTreeMap<String, SecretValue>,
    /// Keys that are no field of the type, or that hold no text.
    pub unknown: Vec<String>,
    /// Variables that are not set; the keys with them are left out.
    pub unset: Vec<String>,
}

/// The value of a variable.
type Variable<'a> = &'a dyn Fn(&str) -> Option<SecretValue>;

/// Keys of a source and the fields they become.
struct Rule {
    kind: &'static str,
    /// One of them is in the name of the source; none: any source.
    sources: &'static [&'static str],
    /// Keys that have to be there.
    marks: &'static [&'static str],
    fields: &'static [(&'static str, &'static str)],
}

const DATABASE: &[&str] = &["host", "database", "username", "password"];
const DATABASE_FIELDS: &[(&str, &str)] = &[
    ("host", "host"),
    ("port", "port"),
    ("database", "database"),
    ("username", "username"),
    ("password", "password"),
];
const CLIENT: &[(&str, &str)] = &[
    ("client_id", "client_id"),
    ("client_secret", "client_secret"),
    ("refresh_token", "refresh_token"),
    ("tenant_id", "tenant"),
];
const GOOGLE_CLIENT: &[(&str, &str)] = &[
    ("client_id", "client_id"),
    ("client_secret", "client_secret"),
    ("refresh_token", "refresh_token"),
];

/// The first that fits is taken.
const RULES: &[Rule] = &[
    Rule {
        kind: "google",
        sources: &["google", "gmail", "sheets", "gdrive"],
        marks: &["client_id"],
        fields: GOOGLE_CLIENT,
    },
    Rule {
        kind: "microsoft",
        sources: &["microsoft", "onedrive", "sharepoint", "outlook"],
        marks: &["client_id"],
        fields: CLIENT,
    },
    Rule {
        kind: "stripe",
        sources: &[],
        marks: &["stripe_secret_key"],
        fields: &[("stripe_secret_key", "api_key")],
    },
    Rule { kind: "mysql", sources: &["mysql", "maria"], marks: DATABASE, fields: DATABASE_FIELDS },
    Rule {
        kind: "sqlserver",
        sources: &["mssql", "sqlserver", "sql_server"],
        marks: DATABASE,
        fields: DATABASE_FIELDS,
    },
    Rule {
        kind: "postgres",
        sources: &["postgres", "pg"],
        marks: DATABASE,
        fields: DATABASE_FIELDS,
    },
    Rule {
        kind: "http_bearer",
        sources: &[],
        marks: &["base_url", "api_key"],
        fields: &[("base_url", "base_url"), ("api_key", "token")],
    },
    Rule {
        kind: "http_bearer",
        sources: &[],
        marks: &["base_url", "token"],
        fields: &[("base_url", "base_url"), ("token", "token")],
    },
    single("stripe", &["stripe"], &["api_key"], &[("api_key", "api_key")]),
    single("openai", &["openai"], &["api_key"], &[("api_key", "api_key")]),
    single("anthropic", &["anthropic"], &["api_key"], &[("api_key", "api_key")]),
    single("sendgrid", &["sendgrid"], &["api_key"], &[("api_key", "api_key")]),
    single("github_token", &["github"], &["access_token"], &[("access_token", "token")]),
    single("github_token", &["github"], &["api_key"], &[("api_key", "token")]),
    single("gitlab_token", &["gitlab"], &["access_token"], &[("access_token", "token")]),
    single("slack_token", &["slack"], &["access_token"], &[("access_token", "token")]),
];

/// A source with one key.
const fn single(
    kind: &'static str,
    sources: &'static [&'static str],
    marks: &'static [&'static str],
    fields: &'static [(&'static str, &'static str)],
) -> Rule {
    Rule { kind, sources, marks, fields }
}

/// Reads a file; `variable` gives the values of environment variables.
///
/// # Errors
/// [`FileError`]
pub fn read_secrets_toml(bytes: &[u8], variable: Variable<'_>) -> Result<SecretsToml, FileError> {
    let text = str::from_utf8(bytes).map_err(|_| FileError::NotToml { line: 1 })?;
    let (root, errors) = DeTable::parse_recoverable(text);
    let root = root.into_inner();
    let found = match errors.first() {
        Some(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
            Err(FileError::NotToml { line })
        }
        None => Ok(sources(&root, variable)),
    };
    dismantle(DeValue::Table(root));
    found
}

fn sources(root: &DeTable<'_>, variable: Variable<'_>) -> SecretsToml {
    let mut found = SecretsToml { guesses: Vec::new(), ignored: Vec::new() };
    for (key, value) in root {
        let DeValue::Table(tables) = value.get_ref() else {
            found.ignored.push(key.get_ref().to_string());
            continue;
        };
        if key.get_ref() != "sources" {
            found.ignored.push(key.get_ref().to_string());
            continue;
        }
        for (name, table) in tables {
            let name = name.get_ref().to_string();
            match table.get_ref() {
                DeValue::Table(table) => found.guesses.push(guess(name, table, variable)),
                _ => found.ignored.push(format!("sources.{name}")),
            }
        }
    }
    found
}

/// Values by the keys of the file; `None`: its variable is not set.
type Values = BTreeMap<String, Option<SecretValue>>;

fn guess(source: String, table: &DeTable<'_>, variable: Variable<'_>) -> Guess {
    let (mut values, mut unknown, mut unset) = (Values::new(), Vec::new(), Vec::new());
    let mut take = |key: &str, value: &DeValue<'_>| match filled(value, variable) {
        Filled::Value(value) => drop(values.insert(key.to_owned(), Some(value))),
        Filled::Unset(name) => {
            unset.push(name);
            values.insert(key.to_owned(), None);
        }
        Filled::NoText => unknown.push(key.to_owned()),
    };
    for (key, value) in table {
        match (key.get_ref().as_ref(), value.get_ref()) {
            // What an authorization in a browser left.
            ("credentials", DeValue::Table(inner)) => {
                for (key, value) in inner {
                    take(key.get_ref(), value.get_ref());
                }
            }
            (key, value) => take(key, value),
        }
    }
    let name = source.to_ascii_lowercase();
    let fits = |rule: &&Rule| {
        let is_source = rule.sources.iter().any(|part| name.contains(part));
        (rule.sources.is_empty() || is_source)
            && rule.marks.iter().all(|mark| values.contains_key(*mark))
    };
    let rule = RULES.iter().find(fits);
    let mut fields = BTreeMap::new();
    for (key, value) in values {
        let field = match rule {
            None => Some(key.clone()),
            Some(rule) => {
                let known = rule.fields.iter().find(|(known, _)| *known == key);
                known.map(|(_, field)| (*field).to_owned())
            }
        };
        match (field, value) {
            (Some(field), Some(value)) => drop(fields.insert(field, value)),
            (Some(_), None) => {}
            (None, _) => unknown.push(key),
        }
    }
    Guess { source, kind: rule.map(|rule| rule.kind), fields, unknown, unset }
}

enum Filled {
    Value(SecretValue),
    /// The variable.
    Unset(String),
    NoText,
}

/// A value with its variables in place.
fn filled(value: &DeValue<'_>, variable: Variable<'_>) -> Filled {
    let text = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) => number.as_str(),
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            return Filled::NoText;
        }
    };
    let mut parts: Vec<SecretValue> = Vec::new();
    for part in split(text) {
        match part {
            Part::Plain(text) => parts.push(SecretValue::new(text.as_bytes().to_vec())),
            Part::Variable(name) => match variable(name) {
                Some(value) => parts.push(value),
                None => return Filled::Unset(name.to_owned()),
            },
        }
    }
    Filled::Value(joined(&parts))
}

enum Part<'t> {
    Plain(&'t str),
    Variable(&'t str),
}

fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            parts.extend([Part::Plain(before), Part::Plain("${")]);
            rest = behind;
            continue;
        }
        parts.push(Part::Plain(before));
        match behind.split_once('}').filter(|(name, _)| is_env_name(name)) {
            Some((name, after)) => {
                parts.push(Part::Variable(name));
                rest = after;
            }
            None => {
                parts.push(Part::Plain("${"));
                rest = behind;
            }
        }
    }
    parts.push(Part::Plain(rest));
    parts
}

#[expect(clippy::disallowed_methods, reason = "a value is put together from its parts")]
fn joined(parts: &[SecretValue]) -> SecretValue {
    let length = parts.iter().map(|part| part.expose().len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        out.extend_from_slice(part.expose());
    }
    SecretValue::new(std::mem::take(&mut *out))
}
