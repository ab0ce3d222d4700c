//! What `subrosa.toml` says: options of providers, named instances, profiles, bounds, the cache.
//!
//! There are two files, the user's and the project's. Where credentials go, how the other side is
//! verified, what is executed and what is kept on disk is for the user's alone to say; a project's file
//! that tries is refused. This module takes texts: which files they are of is the front end's business.
//! Values may be credentials and are never shown.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::host::Limits;
use crate::names::closest;
use crate::workflow::Options;

pub use read::{ConfigFile, Origin, Parsed, parse};

/// Options of a provider that name whom credentials go to.
pub(crate) const ADDRESSES: [&str; 9] = [
    "address",
    "context",
    "endpoint",
    "endpoint_url",
    KUBECONFIG,
    "server",
    "url",
    "vault_address",
    "vault_url",
];

/// The one of them that is a path.
const KUBECONFIG: &str = "kubeconfig";

/// The configuration of one process: both files, with the profile chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// By the word in `provider:`.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// How old a value of the offline cache may be; `None`: there is no cache.
    pub cache_max_age: Option<Duration>,
    limits: LimitSettings,
}

/// What is configured for a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSettings {
    /// For requests that name no instance.
    pub defaults: Configured,
    /// By name, each with the defaults beneath it.
    pub instances: BTreeMap<String, Configured>,
    /// The addresses a workflow may name beside those configured; `None`: any.
    pub trusted_addresses: Option<BTreeSet<String>>,
}

/// Whose an address is that a workflow names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// It is configured for the credentials of the request.
    Own,
    /// It is configured, and gets other credentials.
    Anothers,
    /// It is not configured.
    Nobodys,
}

/// Options with where they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// The options; they may be credentials.
    pub options: Options,
    /// `FILE:LINE` of each table that had some, the strongest first.
    pub from: Vec<String>,
}

/// Bounds that were written; the others stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LimitSettings {
    request: Option<Duration>,
    total: Option<Duration>,
    close: Option<Duration>,
    /// A project may only shorten the wait: nothing that is under way but giving back holds the user up.
    close_most: Option<Duration>,
    retries: Option<u32>,
    at_once: Option<usize>,
}

/// Neither file has a profile of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{name}` in the configuration")]
pub struct UnknownProfile {
    /// The name.
    pub name: String,
    /// Those there are.
    pub known: Vec<String>,
}

impl UnknownProfile {
    /// What to do about it.
    pub fn help(&self) -> String {
        let known = self.known.join(", ");
        match closest(&self.name, self.known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? Known profiles: {known}"),
            None if known.is_empty() => {
                format!("write one: `[profile.{}.provider.NAME]` in subrosa.toml", self.name)
            }
            None => format!("known profiles: {known}"),
        }
    }
}

impl Settings {
    /// Puts the files together, the strongest first: what a project says of a table goes before what
    /// the user says of the same; a profile's table before the one without; an instance's before all
    /// defaults.
    ///
    /// # Errors
    /// [`UnknownProfile`].
    pub fn new(files: &[ConfigFile], profile: Option<&str>) -> Result<Settings, UnknownProfile> {
        let mut files: Vec<&ConfigFile> = files.iter().collect();
        files.sort_by_key(|file| file.origin == Origin::User);
        if let Some(name) = profile {
            let known: BTreeSet<&String> =
                files.iter().flat_map(|file| file.profiles.keys()).collect();
            if !known.iter().any(|known| *known == name) {
                let known = known.into_iter().cloned().collect();
                return Err(UnknownProfile { name: name.to_owned(), known });
            }
        }
        let sections = |provider: &str| -> Vec<&read::Section> {
            let of_profile =
                files.iter().filter_map(|file| file.profiles.get(profile?)?.get(provider));
            let plain = files.iter().filter_map(|file| file.providers.get(provider));
            of_profile.chain(plain).collect()
        };
        let in_profile =
            |file: &&ConfigFile| profile.and_then(|name| file.profiles.get(name)).cloned();
        let names: BTreeSet<String> = files
            .iter()
            .flat_map(|file| {
                let of_profile = in_profile(file).unwrap_or_default().into_keys();
                of_profile.chain(file.providers.keys().cloned())
            })
            .collect();
        let providers = names.into_iter().map(|name| {
            let one = of_provider(&sections(&name));
            (name, one)
        });
        let limits = files.iter().map(|file| file.limits).fold(LimitSettings::default(), or);
        Ok(Settings {
            providers: providers.collect(),
            cache_max_age: files.iter().find_map(|file| file.cache_max_age),
            limits,
        })
    }

    /// The bounds, as far as they are configured.
    pub fn limits(&self, default: Limits) -> Limits {
        let LimitSettings { request, total, close, close_most, retries, at_once } = self.limits;
        Limits {
            resolve: total.unwrap_or(default.resolve),
            request: request.unwrap_or(default.request),
            close: close.unwrap_or(default.close).min(close_most.unwrap_or(Duration::MAX)),
            retries: retries.unwrap_or(default.retries),
            at_once: at_once.unwrap_or(default.at_once),
            ..default
        }
    }
}

impl ProviderSettings {
    /// Whether credentials may go to an address that a workflow names by this option, and that is not
    /// configured.
    pub(crate) fn trusts(&self, option: &str, address: &str) -> bool {
        let Some(trusted) = &self.trusted_addresses else { return true };
        // A relative path leads to a file of whoever wrote the workflow, whatever is called the same.
        let leads_astray = option == KUBECONFIG && !address.trim().starts_with('/');
        let is_listed = trusted.iter().any(|known| is_same_address(known, address));
        is_listed && !leads_astray
    }

    /// Where a request whose credentials are those of `chosen` goes, if it goes to this address.
    pub(crate) fn whose(&self, chosen: &Configured, option: &str, address: &str) -> Whose {
        let has_it = |one: &&Configured| one.has_address(option, address);
        let is_alike = |one: &Configured| one.credentials().eq(chosen.credentials());
        match has_it(&chosen) || self.all().filter(has_it).any(is_alike) {
            true => Whose::Own,
            false if self.all().any(|one| has_it(&one)) => Whose::Anothers,
            false => Whose::Nobodys,
        }
    }

    /// Whether any address is configured.
    pub(crate) fn has_addresses(&self) -> bool {
        self.all().any(|one| one.options.0.keys().any(|name| ADDRESSES.contains(&name.as_str())))
    }

    fn all(&self) -> impl Iterator<Item = &Configured> {
        std::iter::once(&self.defaults).chain(self.instances.values())
    }
}

impl Configured {
    fn has_address(&self, option: &str, address: &str) -> bool {
        // Hosts stand in several options; a path, or the name of a context, is no host.
        let is_host = |option: &str| option != KUBECONFIG && option != "context";
        let is_alike = |known: &str| known == option || (is_host(known) && is_host(option));
        let is_address = |name: &str| ADDRESSES.contains(&name) && is_alike(name);
        self.options
            .0
            .iter()
            .any(|(name, known)| is_address(name) && is_same_address(known, address))
    }

    /// What is neither an address nor a choice among what credentials can read: who logs in, with what,
    /// and how the other side is verified.
    fn credentials(&self) -> impl Iterator<Item = (&String, &String)> {
        let is_choice = |name: &str| read::PROJECT_OPTIONS.contains(&name);
        let decides = move |name: &str| !ADDRESSES.contains(&name) && !is_choice(name);
        self.options.0.iter().filter(move |(name, _)| decides(name))
    }
}

fn is_same_address(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

fn or(first: LimitSettings, then: LimitSettings) -> LimitSettings {
    LimitSettings {
        request: first.request.or(then.request),
        total: first.total.or(then.total),
        close: first.close.or(then.close),
        close_most: first.close_most.or(then.close_most),
        retries: first.retries.or(then.retries),
        at_once: first.at_once.or(then.at_once),
    }
}

/// What all tables of one provider say, the strongest first.
fn of_provider(sections: &[&read::Section]) -> ProviderSettings {
    let defaults: Vec<&read::Table> = sections.iter().map(|section| &section.defaults).collect();
    let names: BTreeSet<&String> =
        sections.iter().flat_map(|section| section.instances.keys()).collect();
    let instance = |name: &String| {
        let own = sections.iter().filter_map(|section| section.instances.get(name));
        configured(own.chain(defaults.iter().copied()))
    };
    ProviderSettings {
        defaults: configured(defaults.iter().copied()),
        instances: names.into_iter().map(|name| (name.clone(), instance(name))).collect(),
        trusted_addresses: sections
            .iter()
            .filter_map(|section| section.trusted_addresses.clone())
            .reduce(|mut all, more| {
                all.extend(more);
                all
            }),
    }
}

fn configured<'a>(tables: impl Iterator<Item = &'a read::Table>) -> Configured {
    let mut all = Configured::default();
    for table in tables.filter(|table| !table.options.is_empty()) {
        all.from.push(table.place.clone());
        for (name, value) in &table.options {
            all.options.0.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    all
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
