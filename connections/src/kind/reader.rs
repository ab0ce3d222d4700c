//! Reads mappings and plain values of a declaration, noting everything that is wrong.

use std::collections::BTreeMap;
use std::rc::Rc;

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::names::{closest, shown};
use subrosa_engine::source::Span;
use subrosa_engine::yaml::{Entry, Kind, Node, Value};

use super::{Template, Words};

/// Problems of one file that are told; more than that helps nobody.
const PROBLEMS_MAX: usize = 100;

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Notes(pub(super) Vec<Diagnostic>);

impl Notes {
    /// Keeps a problem.
    pub(super) fn add(&mut self, problem: Diagnostic) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(problem);
        }
    }

    /// Keeps a problem of a place.
    pub(super) fn wrong(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Diagnostic::error("connection-type", message).at(span, "").help(help));
    }
}

/// A text with its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) what: T,
    pub(super) span: Span,
}

/// A mapping with known keys.
pub(super) struct Map<'n> {
    name: &'static str,
    entries: &'n [Entry],
    /// Where it stands.
    pub(super) span: Span,
}

impl<'n> Map<'n> {
    /// Reads a mapping, telling of keys that it does not have.
    pub(super) fn read(
        notes: &mut Notes,
        node: &'n Node,
        name: &'static str,
        known: &[&'static str],
    ) -> Option<Map<'n>> {
        let Kind::Mapping(entries) = &node.kind else {
            notes.add(wrong_type(node, name, "a mapping"));
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_ref())) {
            let message = format!("{} is no field of {name}", shown(&entry.key));
            let help = match closest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", listed(known.iter().copied())),
            };
            notes
                .add(Diagnostic::error("unknown-field", message).at(entry.key_span, "").help(help));
        }
        Some(Map { name, entries, span: node.span })
    }

    /// The value of a key; a key without one counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'n Rc<Node>> {
        let entry = self.entries.iter().find(|entry| entry.key.as_ref() == key)?;
        (!entry.value.is_null()).then_some(&entry.value)
    }

    /// A scalar as written, more than white space.
    pub(super) fn text(&self, notes: &mut Notes, key: &str) -> Option<Placed<String>> {
        let node = self.get(key)?;
        let found = scalar(notes, key, node)?;
        if found.what.is_empty() {
            notes.wrong(node.span, format!("`{key}` is empty"), "write something, or leave it out");
            return None;
        }
        Some(found)
    }

    /// A text that has to be there.
    pub(super) fn needed(&self, notes: &mut Notes, key: &str) -> Option<Placed<String>> {
        if self.get(key).is_none() {
            let at = Span::new(self.span.start..self.span.start);
            let message = format!("{} has no `{key}`", self.name);
            notes.wrong(at, message, format!("write `{key}: ...`"));
        }
        self.text(notes, key)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, notes: &mut Notes, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        match node.value() {
            Some(Value::Bool(flag)) => Some(flag),
            _ => {
                notes.add(wrong_type(node, &format!("`{key}`"), "`true` or `false`"));
                None
            }
        }
    }

    /// A whole number from 1 on.
    pub(super) fn whole(&self, notes: &mut Notes, key: &str) -> Option<u64> {
        let node = self.get(key)?;
        let found = whole(node);
        if found.is_none() {
            notes.add(wrong_type(node, &format!("`{key}`"), "a whole number from 1 on"));
        }
        found
    }

    /// The items of a list; one scalar is a list of one.
    pub(super) fn items(&self, notes: &mut Notes, key: &str) -> Vec<&'n Node> {
        let Some(node) = self.get(key) else { return Vec::new() };
        match &node.kind {
            Kind::Sequence(items) => items.iter().map(Rc::as_ref).collect(),
            Kind::Scalar(_) => vec![node],
            Kind::Mapping(_) => {
                notes.add(wrong_type(node, &format!("`{key}`"), "a list"));
                Vec::new()
            }
        }
    }

    /// The items of a list, as texts.
    pub(super) fn texts(&self, notes: &mut Notes, key: &str) -> Vec<Placed<String>> {
        let items = self.items(notes, key);
        items.into_iter().filter_map(|item| scalar(notes, key, item)).collect()
    }

    /// The items of a list, as statuses of HTTP.
    pub(super) fn statuses(&self, notes: &mut Notes, key: &str) -> Vec<u16> {
        let mut found = Vec::new();
        for item in self.items(notes, key) {
            match whole(item).and_then(|status| u16::try_from(status).ok()) {
                Some(status @ 100..=599) => found.push(status),
                Some(_) | None => {
                    notes.add(wrong_type(item, &format!("`{key}`"), "a status from 100 to 599"));
                }
            }
        }
        found
    }

    /// One of the words of a set.
    pub(super) fn word<W: Words>(&self, notes: &mut Notes, key: &str) -> Option<W> {
        let text = self.text(notes, key)?;
        let found = W::WORDS.iter().find(|(word, _)| *word == text.what).map(|(_, one)| *one);
        if found.is_none() {
            notes.add(wrong_word(key, &text, W::WORDS.iter().map(|(word, _)| *word)));
        }
        found
    }

    /// A template.
    pub(super) fn template(&self, notes: &mut Notes, key: &str) -> Option<Placed<Template>> {
        let text = self.text(notes, key)?;
        template(notes, &text)
    }

    /// A mapping of texts.
    pub(super) fn pairs(
        &self,
        notes: &mut Notes,
        key: &str,
    ) -> BTreeMap<String, (Span, Placed<String>)> {
        let Some(node) = self.get(key) else { return BTreeMap::new() };
        let Kind::Mapping(entries) = &node.kind else {
            notes.add(wrong_type(node, &format!("`{key}`"), "a mapping"));
            return BTreeMap::new();
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            if let Some(text) = scalar(notes, &entry.key, &entry.value) {
                found.insert(entry.key.to_string(), (entry.key_span, text));
            }
        }
        found
    }
}

/// Reads a template.
pub(super) fn template(notes: &mut Notes, text: &Placed<String>) -> Option<Placed<Template>> {
    match Template::parse(&text.what) {
        Ok(what) => Some(Placed { what, span: text.span }),
        Err(error) => {
            notes.wrong(text.span, error.to_string(), "fields are named like this: `${api_key}`");
            None
        }
    }
}

/// "`auth` is `oauth`", with the words that may be there.
pub(super) fn wrong_word<'a>(
    key: &str,
    text: &Placed<String>,
    words: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let message = format!("{} is no value of `{key}`", shown(&text.what));
    let known = listed(words.clone());
    let problem = Diagnostic::error("wrong-value", message).at(text.span, "");
    match closest(&text.what, words) {
        Some(word) => problem.help(format!("did you mean `{word}`? known are {known}")),
        None => problem.help(format!("known are {known}")),
    }
}

/// Names in back-ticks, with commas.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn scalar(notes: &mut Notes, key: &str, node: &Node) -> Option<Placed<String>> {
    match node.scalar() {
        Some(scalar) => Some(Placed { what: scalar.text.trim().to_owned(), span: node.span }),
        None => {
            notes.add(wrong_type(node, &format!("`{key}`"), "a text"));
            None
        }
    }
}

fn whole(node: &Node) -> Option<u64> {
    match node.value() {
        Some(Value::Int(number)) => u64::try_from(number).ok().filter(|number| *number > 0),
        _ => None,
    }
}

fn wrong_type(node: &Node, name: &str, wanted: &str) -> Diagnostic {
    let found = node.described();
    Diagnostic::error("wrong-type", format!("found {found} where {name} takes {wanted}"))
        .at(node.span, "")
        .help(format!("write {wanted}"))
}
