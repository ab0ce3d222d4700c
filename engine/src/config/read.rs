//! Reads one `subrosa.toml`, finding everything that is wrong with it.
//!
//! Messages name keys and places and never say what a value is. The parser's own messages are not shown,
//! since they quote the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::LimitSettings;
use crate::diagnostic::Diagnostic;
use crate::names::closest;
use crate::provider::{Providers, is_known_option};
use crate::source::{SourceFile, Span};
use crate::toml::dismantle;

mod bounds;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user's: it may say everything.
    User,
    /// The project's: whoever wrote the workflow may have written it, too.
    Project,
}

/// A file that holds.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    pub(super) origin: Origin,
    pub(super) providers: BTreeMap<String, Section>,
    pub(super) profiles: BTreeMap<String, BTreeMap<String, Section>>,
    pub(super) limits: LimitSettings,
    pub(super) cache_max_age: Option<Duration>,
}

/// What came of a text.
pub struct Parsed {
    /// What it says; `None` if it has errors.
    pub file: Option<ConfigFile>,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What excerpts must not show.
    pub private: Vec<Span>,
}

/// `[provider.NAME]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub(super) defaults: Table,
    pub(super) instances: BTreeMap<String, Table>,
    pub(super) trusted_addresses: Option<BTreeSet<String>>,
}

/// Options, with `FILE:LINE`.
#[derive(Clone, Default)]
pub(super) struct Table {
    pub(super) options: BTreeMap<String, String>,
    pub(super) place: String,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.options.keys()).finish()
    }
}

/// Options that a project may set: they choose among what the credentials of the user can read, and
/// decide neither where these go nor how the other side is verified.
pub(super) const PROJECT_OPTIONS: [&str; 15] = [
    "api_version",
    "engine",
    "field",
    "format",
    "kv_version",
    "mount",
    "name",
    "namespace",
    "project",
    "region",
    "secret_key",
    "secret_name",
    "stage",
    "version",
    "version_stage",
];
/// So much of what is wrong with one file is told.
const TOLD_MAX: usize = 100;
const TOP: [&str; 4] = ["provider", "profile", "resolve", "cache"];
/// What the user's file says of `subrosa serve`, which reads it by itself.
const SERVE: &str = "serve";
const INSTANCE: &str = "instance";
const TRUSTED: &str = "trusted_addresses";

type Pair<'a, 'i> = (&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>);

/// Reads a text; `providers` are those it may be about.
pub fn parse(source: &Arc<SourceFile>, origin: Origin, providers: &Providers) -> Parsed {
    let whole = Span::new(0..source.text().len());
    if let Some(at) = source.invalid_utf8() {
        let found = Diagnostic::error("config-syntax", "the file is not UTF-8")
            .at(Span::new(at..at + 1), "here")
            .help("save the file as UTF-8");
        return Parsed { file: None, diagnostics: vec![found], private: vec![whole] };
    }
    let (root, errors) = DeTable::parse_recoverable(source.text());
    if !errors.is_empty() {
        let told = errors.iter().map(|error| syntax(error.message(), error.span()));
        let mut diagnostics = told.collect();
        cut(&mut diagnostics);
        dismantle(DeValue::Table(root.into_inner()));
        // What is no TOML has no values that could be told from the rest.
        return Parsed { file: None, diagnostics, private: vec![whole] };
    }
    let mut reader =
        Reader { source, origin, providers, diagnostics: Vec::new(), private: Vec::new() };
    let file = reader.file(root.get_ref());
    dismantle(DeValue::Table(root.into_inner()));
    let Reader { mut diagnostics, private, .. } = reader;
    diagnostics.sort_by_key(|found| found.labels.first().map(|label| label.span.start));
    let holds = !diagnostics.iter().any(Diagnostic::is_error);
    cut(&mut diagnostics);
    Parsed { file: holds.then_some(file), diagnostics, private }
}

/// Nobody reads more than the first of very many, and each shows a line that may be very long.
fn cut(diagnostics: &mut Vec<Diagnostic>) {
    if diagnostics.len() <= TOLD_MAX {
        return;
    }
    let left = diagnostics.split_off(TOLD_MAX);
    let message = format!("{} more are not shown", left.len());
    diagnostics.push(match left.iter().any(Diagnostic::is_error) {
        true => Diagnostic::error("config-too-many", message),
        false => Diagnostic::warning("config-too-many", message),
    });
}

fn syntax(message: &str, span: Option<std::ops::Range<usize>>) -> Diagnostic {
    let (message, help) = match message.contains("duplicate key") {
        true => ("a key or table is there twice", "keep one of them"),
        false => ("this is no TOML", "look at quotes, brackets and equals signs around this place"),
    };
    Diagnostic::error("config-syntax", message)
        .at(Span::new(span.unwrap_or(0..0)), "here")
        .help(help)
}

struct Reader<'a> {
    source: &'a SourceFile,
    origin: Origin,
    providers: &'a Providers,
    diagnostics: Vec<Diagnostic>,
    private: Vec<Span>,
}

impl Reader<'_> {
    fn file(&mut self, root: &DeTable<'_>) -> ConfigFile {
        let mut file = ConfigFile {
            origin: self.origin,
            providers: BTreeMap::new(),
            profiles: BTreeMap::new(),
            limits: LimitSettings::default(),
            cache_max_age: None,
        };
        for pair in root {
            match (pair.0.get_ref().as_ref(), self.table(pair)) {
                (_, None) => {}
                ("provider", Some(table)) => file.providers = self.sections(table),
                ("profile", Some(table)) => file.profiles = self.profiles(table),
                ("resolve", Some(table)) => file.limits = self.limits(table),
                ("cache", Some(table)) => file.cache_max_age = self.cache(table),
                (SERVE, Some(_)) if self.origin == Origin::User => {}
                (_, Some(_)) => self.unknown(pair, TOP.iter().copied(), "table"),
            }
        }
        file
    }

    /// The table that a key has, or a complaint.
    fn table<'t, 'i>(&mut self, (key, value): Pair<'t, 'i>) -> Option<&'t DeTable<'i>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.hide(value);
                let name = key.get_ref();
                self.error("config-type", format!("`{name}` is a value, not a table"), key).help =
                    Some(format!("write `[{name}]` on a line of its own, and keys below it"));
                None
            }
        }
    }

    fn error<T>(
        &mut self,
        code: &'static str,
        message: String,
        at: &Spanned<T>,
    ) -> &mut Diagnostic {
        let found = Diagnostic::error(code, message).at(Span::new(at.span()), "");
        self.diagnostics.push(found);
        self.diagnostics.last_mut().expect("one was pushed")
    }

    /// Keeps a value out of excerpts, with all that is in it: `a.b = 1` is one line, and two tables.
    fn hide(&mut self, value: &Spanned<DeValue<'_>>) {
        let mut pending = vec![value];
        while let Some(value) = pending.pop() {
            self.private.push(Span::new(value.span()));
            match value.get_ref() {
                DeValue::Table(table) => pending.extend(table.values()),
                DeValue::Array(items) => pending.extend(items.iter()),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_) => {}
            }
        }
    }

    fn unknown<'k>(
        &mut self,
        (key, value): Pair<'_, '_>,
        known: impl Iterator<Item = &'k str> + Clone,
        what: &str,
    ) {
        self.hide(value);
        let name = key.get_ref().to_string();
        let all: Vec<&str> = known.clone().collect();
        let help = match closest(&name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", all.join(", ")),
        };
        let message = format!("unknown {what} {}", crate::names::shown(&name));
        self.error("config-unknown-key", message, key).help = Some(help);
    }

    fn sections(&mut self, table: &DeTable<'_>) -> BTreeMap<String, Section> {
        let mut sections = BTreeMap::new();
        for pair in table {
            let name = pair.0.get_ref().to_string();
            self.check_provider(&name, pair.0);
            if let Some(table) = self.table(pair) {
                let section = self.section(&name, table);
                sections.insert(name, section);
            }
        }
        sections
    }

    /// A provider that is not there may be one of another build or machine; a name that is nearly
    /// that of one we have is a slip.
    fn check_provider(&mut self, name: &str, key: &Spanned<toml::de::DeString<'_>>) {
        let known: Vec<&str> = self.providers.names().collect();
        if known.is_empty() || self.providers.named(name).is_some() {
            return;
        }
        let message = format!("unknown provider {}", crate::names::shown(name));
        let at = Span::new(key.span());
        let found = match closest(name, known.iter().copied()) {
            Some(near) => Diagnostic::error("config-unknown-provider", message)
                .help(format!("did you mean `{near}`?")),
            None => Diagnostic::warning("config-unknown-provider", message)
                .help(format!("known providers: {}", known.join(", "))),
        };
        self.diagnostics.push(found.at(at, ""));
    }

    fn section(&mut self, provider: &str, table: &DeTable<'_>) -> Section {
        let mut section = Section::default();
        for pair in table {
            match (pair.0.get_ref().as_ref(), pair.1.get_ref()) {
                (INSTANCE, DeValue::Table(instances)) => {
                    section.instances = self.instances(provider, instances);
                }
                (TRUSTED, _) => section.trusted_addresses = self.trusted(pair),
                _ => self.option(provider, pair, &mut section.defaults),
            }
        }
        section
    }

    fn instances(&mut self, provider: &str, table: &DeTable<'_>) -> BTreeMap<String, Table> {
        let mut instances = BTreeMap::new();
        for pair in table {
            if let Some(options) = self.table(pair) {
                let mut instance = Table::default();
                for pair in options {
                    self.option(provider, pair, &mut instance);
                }
                instances.insert(pair.0.get_ref().to_string(), instance);
            }
        }
        instances
    }

    fn option(&mut self, provider: &str, pair: Pair<'_, '_>, into: &mut Table) {
        let (key, value) = pair;
        self.hide(value);
        let name = key.get_ref().to_string();
        if name == INSTANCE {
            let message = format!("`{INSTANCE}` is no option, but a table here");
            self.error("config-type", message, key).help = Some(format!(
                "write `[provider.{provider}.{INSTANCE}.NAME]`, and options below it"
            ));
            return;
        }
        if self.origin == Origin::Project && !PROJECT_OPTIONS.contains(&name.as_str()) {
            return self.only_the_user(&name, key);
        }
        let find = self.providers.named(provider);
        let options: Vec<&str> = find.iter().flat_map(|known| known.options()).copied().collect();
        if !options.is_empty() && !is_known_option(&options, &name) {
            let known = options.iter().copied().chain([INSTANCE, TRUSTED]);
            return self.unknown(pair, known, &format!("option of provider `{provider}`"));
        }
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(yes) => yes.to_string(),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                let message = format!("option {} is no text", crate::names::shown(&name));
                self.error("config-type", message, key).help =
                    Some("an option is a text, a number, `true` or `false`".to_owned());
                return;
            }
        };
        if into.options.is_empty() {
            let line = self.source.position(key.span().start).line;
            into.place = format!("{}:{line}", self.source.path().display());
        }
        into.options.insert(name, text);
    }

    fn only_the_user(&mut self, name: &str, key: &Spanned<toml::de::DeString<'_>>) {
        let message = format!(
            "{} cannot be set by a project, only in the user's configuration",
            crate::names::shown(name)
        );
        self.error("config-user-only", message, key).help = Some(
            "move it to your own subrosa.toml (`subrosa providers` tells where that is): whoever \
             writes a project must not decide where your credentials go"
                .to_owned(),
        );
    }

    fn trusted(&mut self, (key, value): Pair<'_, '_>) -> Option<BTreeSet<String>> {
        if self.origin == Origin::Project {
            self.hide(value);
            self.only_the_user(TRUSTED, key);
            return None;
        }
        let DeValue::Array(items) = value.get_ref() else {
            self.hide(value);
            let message = format!("`{TRUSTED}` is no list");
            self.error("config-type", message, key).help =
                Some(format!(r#"write `{TRUSTED} = ["https://vault.example"]`"#));
            return None;
        };
        let texts = items.iter().map(|item| match item.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        });
        let texts: Option<BTreeSet<String>> = texts.collect();
        if texts.is_none() {
            self.hide(value);
            self.error("config-type", format!("`{TRUSTED}` holds something that is no text"), key);
        }
        texts
    }

    fn profiles(&mut self, table: &DeTable<'_>) -> BTreeMap<String, BTreeMap<String, Section>> {
        let mut profiles = BTreeMap::new();
        for pair in table {
            let Some(profile) = self.table(pair) else { continue };
            let mut sections = BTreeMap::new();
            for pair in profile {
                match (pair.0.get_ref().as_ref(), self.table(pair)) {
                    ("provider", Some(table)) => sections = self.sections(table),
                    (_, Some(_)) => {
                        self.unknown(pair, ["provider"].into_iter(), "table of a profile")
                    }
                    (_, None) => {}
                }
            }
            profiles.insert(pair.0.get_ref().to_string(), sections);
        }
        profiles
    }
}
