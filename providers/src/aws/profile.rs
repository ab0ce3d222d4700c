//! Profiles: the files `~/.aws/credentials` and `~/.aws/config`.
//!
//! Only what stands in them is used: a profile that wants a program run, a browser or another profile's
//! role is refused by name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use subrosa_engine::provider::{Environment, ProviderError};
use subrosa_engine::secret::SecretValue;

use crate::cloud::{self, unauthenticated};
use crate::setup::{self, invalid};

/// What a profile may say that we do not follow.
const REFUSED: [&str; 6] = [
    "credential_process",
    "sso_session",
    "sso_start_url",
    "source_profile",
    "credential_source",
    "login_session",
];

/// A profile: what stands under its name in both files.
pub(super) struct Profile {
    pub(super) name: String,
    entries: BTreeMap<String, SecretValue>,
}

impl Profile {
    /// Reads a profile; none if neither file has it and nobody asked for it by name.
    ///
    /// # Errors
    /// A file cannot be read, or a profile that was asked for is not there.
    pub(super) fn read(
        environment: &Environment,
        asked: Option<&str>,
    ) -> Result<Option<Profile>, ProviderError> {
        let asked =
            asked.map(str::to_owned).or_else(|| cloud::variable(environment, "AWS_PROFILE"));
        let name = asked.clone().unwrap_or_else(|| "default".into());
        let mut entries = BTreeMap::new();
        let mut is_there = false;
        let headings = match name.as_str() {
            "default" => vec!["default".to_owned(), "profile default".to_owned()],
            name => vec![format!("profile {name}")],
        };
        for (variable, file, headings) in [
            ("AWS_CONFIG_FILE", "config", headings),
            // The second: what it says counts.
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", vec![name.clone()]),
        ] {
            let Some(path) = path(environment, variable, file) else { continue };
            let Some(bytes) = setup::read_if_there(&path, "the AWS profiles")? else {
                continue;
            };
            let Ok(text) = std::str::from_utf8(&bytes) else {
                return Err(invalid(format!("`{}` is not UTF-8", path.display())));
            };
            is_there |= section(text, &headings, &mut entries);
        }
        match (is_there, asked) {
            (true, _) => Ok(Some(Profile { name, entries })),
            (false, None) => Ok(None),
            (false, Some(name)) => {
                Err(unauthenticated(format!("there is no AWS profile `{name}`"))
                    .help("look at ~/.aws/config and ~/.aws/credentials"))
            }
        }
    }

    /// An entry, if it is not blank.
    pub(super) fn entry(&self, name: &str) -> Option<&SecretValue> {
        self.entries.get(name)
    }

    /// The first entry that we do not follow.
    pub(super) fn refused(&self) -> Option<&'static str> {
        REFUSED.into_iter().find(|name| self.entries.contains_key(*name))
    }
}

fn path(environment: &Environment, variable: &str, file: &str) -> Option<PathBuf> {
    let given = cloud::variable(environment, variable).map(PathBuf::from);
    let home =
        || Some(PathBuf::from(cloud::variable(environment, "HOME")?).join(".aws").join(file));
    given.or_else(home)
}

/// Takes up what stands under one of these headings, and says whether there is one.
fn section(text: &str, headings: &[String], entries: &mut BTreeMap<String, SecretValue>) -> bool {
    let (mut is_it, mut is_there) = (false, false);
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let heading = heading.split_whitespace().collect::<Vec<_>>().join(" ");
            is_it = headings.contains(&heading);
            is_there |= is_it;
            continue;
        }
        // What stands indented belongs to the setting above it, such as `s3 =`.
        if is_it
            && !is_nested
            && let Some((name, value)) = line.split_once('=')
            && !value.trim().is_empty()
        {
            let value = SecretValue::new(value.trim().as_bytes().to_vec());
            entries.insert(name.trim().to_lowercase(), value);
        }
    }
    is_there
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::section;

    fn check(text: &str, heading: &str, expected: Option<&[&str]>) {
        let mut entries = BTreeMap::new();
        let is_there = section(text, &[heading.to_owned()], &mut entries);
        let names = entries.keys().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(is_there.then_some(names.as_slice()), expected, "{text}");
    }

    #[test]
    fn entries_belong_to_the_heading_above_them() {
        let text =
            "x = 0\n[default]\na = 1\n# b = 2\n[ profile  eu ]\nc=3\ns3 =\n  d = 4\n[e]\nf = 1\n";
        check(text, "default", Some(&["a"]));
        check(text, "profile eu", Some(&["c"]));
        check(text, "eu", None);
        check("[default", "default", Some(&[]));
        check("", "default", None);
    }
}
