//! Reads mappings by the table of fields, and the plain kinds of values.

use std::rc::Rc;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::fields::{Field, Section, Status};
use crate::names::{closest, shown};
use crate::source::Span;
use crate::workflow::Text;
use crate::yaml::{Entry, Kind, Node, Value};

use super::Notes;

/// The known fields of one mapping; keys without a value count as absent.
pub(super) struct Fields<'n> {
    found: Vec<(&'static Field, &'n Entry)>,
    /// Where the mapping stands.
    pub(super) span: Span,
    /// Whether there were unknown keys.
    pub(super) has_unknown: bool,
}

impl<'n> Fields<'n> {
    /// Reads a mapping, reporting unknown, refused and doubled keys.
    pub(super) fn read(
        notes: &mut Notes,
        section: &'static Section,
        node: &'n Node,
    ) -> Option<Fields<'n>> {
        let Kind::Mapping(entries) = &node.kind else {
            notes.add(wrong_type(node, section.name, "a mapping"));
            notes.hide(node);
            return None;
        };
        let mut fields = Fields { found: Vec::new(), span: node.span, has_unknown: false };
        for entry in entries {
            match section.field(&entry.key) {
                None => {
                    fields.has_unknown = true;
                    notes.hide(&entry.value);
                    if notes.has_room() {
                        notes.add(unknown_field(section, entry));
                    } else {
                        notes.leave_out();
                    }
                }
                Some(field) => fields.add(notes, field, entry),
            }
        }
        Some(fields)
    }

    fn add(&mut self, notes: &mut Notes, field: &'static Field, entry: &'n Entry) {
        if let Status::Refused { why, instead } = field.status {
            notes.hide(&entry.value);
            if !entry.value.is_null() {
                notes.add(
                    Diagnostic::error("unsupported-field", format!("`{}` {why}", entry.key))
                        .at(entry.key_span, "")
                        .help(instead),
                );
            }
        } else if let Some((_, first)) = self.found.iter().find(|(f, _)| f.name == field.name) {
            notes.hide(&entry.value);
            notes.add(
                Diagnostic::error(
                    "duplicate-key",
                    format!("`{}` and `{}` are the same field", first.key, entry.key),
                )
                .at(entry.key_span, "again here")
                .at(first.key_span, "first here")
                .help(format!("keep `{}`", field.name)),
            );
        } else {
            self.found.push((field, entry));
        }
    }

    /// The value of a field, if it has one.
    pub(super) fn get(&self, name: &str) -> Option<&'n Rc<Node>> {
        self.entry(name).map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    /// The fields that have a value, in the order of the file.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static Field, &'n Rc<Node>)> {
        let with_value = self.found.iter().filter(|(_, entry)| !entry.value.is_null());
        with_value.map(|(field, entry)| (*field, &entry.value))
    }

    /// Whether the key is there, with or without a value, and where.
    pub(super) fn key(&self, name: &str) -> Option<Span> {
        self.entry(name).map(|entry| entry.key_span)
    }

    fn entry(&self, name: &str) -> Option<&'n Entry> {
        self.found.iter().find(|(field, _)| field.name == name).map(|(_, entry)| *entry)
    }

    /// A text, number or boolean as written.
    pub(super) fn text(&self, notes: &mut Notes, name: &str) -> Option<Text> {
        self.get(name).and_then(|node| text(notes, name, node))
    }

    /// A text that is more than white space.
    pub(super) fn trimmed(&self, notes: &mut Notes, name: &str) -> Option<Text> {
        let text = self.text(notes, name)?;
        let raw = text.raw.trim();
        (!raw.is_empty()).then(|| Text { raw: raw.to_owned(), span: text.span })
    }

    /// One text or several.
    pub(super) fn texts(&self, notes: &mut Notes, name: &str) -> Option<Vec<Text>> {
        self.get(name).map(|node| texts(notes, name, node))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, notes: &mut Notes, name: &str) -> Option<bool> {
        let node = self.get(name)?;
        if let Some(Value::Bool(flag)) = node.value() {
            return Some(flag);
        }
        notes.add(wrong_type(node, &format!("`{name}`"), "`true` or `false`"));
        None
    }

    /// A whole number of at least `min`.
    pub(super) fn whole(&self, notes: &mut Notes, name: &str, min: u32) -> Option<u32> {
        self.get(name).and_then(|node| whole(notes, name, node, min))
    }

    /// Seconds.
    pub(super) fn seconds(&self, notes: &mut Notes, name: &str) -> Option<Duration> {
        self.whole(notes, name, 0).map(|seconds| Duration::from_secs(u64::from(seconds)))
    }

    /// A time limit: 0 is none.
    pub(super) fn time_limit(&self, notes: &mut Notes, name: &str) -> Option<Duration> {
        self.seconds(notes, name).filter(|limit| !limit.is_zero())
    }

    /// One of some words.
    pub(super) fn word(
        &self,
        notes: &mut Notes,
        name: &str,
        words: &'static [&'static str],
    ) -> Option<&'static str> {
        let text = self.trimmed(notes, name)?;
        let found = words.iter().copied().find(|word| *word == text.raw);
        if found.is_none() {
            notes.add(wrong_word(name, &text, words));
        }
        found
    }
}

/// A scalar as written.
pub(super) fn text(notes: &mut Notes, name: &str, node: &Node) -> Option<Text> {
    if let Some(scalar) = node.scalar() {
        return Some(Text { raw: scalar.text.clone(), span: node.span });
    }
    notes.add(wrong_type(node, &format!("`{name}`"), "a text"));
    notes.hide(node);
    None
}

/// A scalar, or a sequence of them; items that stand for nothing are empty texts.
pub(super) fn texts(notes: &mut Notes, name: &str, node: &Node) -> Vec<Text> {
    match &node.kind {
        Kind::Sequence(items) => items.iter().filter_map(|i| text(notes, name, i)).collect(),
        Kind::Scalar(_) => text(notes, name, node).into_iter().collect(),
        Kind::Mapping(_) => {
            notes.add(wrong_type(node, &format!("`{name}`"), "a text or a list of texts"));
            notes.hide(node);
            Vec::new()
        }
    }
}

/// A whole number; in quotes too, since templates like to put it there.
pub(super) fn whole(notes: &mut Notes, name: &str, node: &Node, min: u32) -> Option<u32> {
    // So that adding it to any time stays in range.
    const MAX: i64 = 1_000_000_000;
    let number = match (node.value(), node.scalar()) {
        (Some(Value::Int(number)), _) => Some(number),
        (Some(Value::Text), Some(scalar)) => scalar.text.trim().parse().ok(),
        _ => None,
    };
    let Some(number) = number else {
        notes.add(wrong_type(node, &format!("`{name}`"), "a whole number"));
        return None;
    };
    match u32::try_from(number) {
        Ok(small) if number <= MAX && small >= min => Some(small),
        _ => {
            notes.add(
                Diagnostic::error("wrong-value", format!("`{name}` is out of range"))
                    .at(node.span, "")
                    .help(format!("write a whole number from {min} to {MAX}")),
            );
            None
        }
    }
}

/// "found a text where `env` takes a mapping or a list".
pub(super) fn wrong_type(node: &Node, name: &str, wanted: &str) -> Diagnostic {
    let found = node.described();
    let problem =
        Diagnostic::error("wrong-type", format!("found {found} where {name} takes {wanted}"))
            .at(node.span, "");
    if wanted == "a text" && node.scalar().is_some() {
        return problem.help("put it into quotes");
    }
    problem.help(match name {
        "a workflow" => "write `steps:` and below it `- run: ...`".to_owned(),
        "a secret" => "write `name: NAME` with a `ref`, or with `provider` and `key`".to_owned(),
        _ => format!("write {wanted}"),
    })
}

/// "`type` is `grph`", with the words that may be there.
pub(super) fn wrong_word(name: &str, text: &Text, words: &[&str]) -> Diagnostic {
    let known = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let problem =
        Diagnostic::error("wrong-value", format!("{} is no value of `{name}`", shown(&text.raw)))
            .at(text.span, "");
    match closest(&text.raw, words.iter().copied()) {
        Some(word) => problem.help(format!("did you mean `{word}`? known are {known}")),
        None => problem.help(format!("known are {known}")),
    }
}

/// A key that means nothing here.
pub(super) fn unknown_field(section: &Section, entry: &Entry) -> Diagnostic {
    let message = format!("{} is no field of {}", shown(&entry.key), section.name);
    let problem = Diagnostic::error("unknown-field", message).at(entry.key_span, "");
    let lower = entry.key.to_ascii_lowercase().replace('-', "_");
    let meant = section.field(&lower).map(|field| field.name);
    if let Some(name) = meant.or_else(|| closest(&entry.key, section.names())) {
        return problem.help(format!("did you mean `{name}`?"));
    }
    // `retry` for `retry_policy`, `timeout` for `timeout_sec`.
    let begins = |name: &&str| name.strip_prefix(&lower).is_some_and(|rest| rest.starts_with('_'));
    if let Some(name) = section.names().find(begins) {
        return problem.help(format!("did you mean `{name}`?"));
    }
    let works = section.fields.iter().filter(|f| !matches!(f.status, Status::Refused { .. }));
    let names = works.map(|field| format!("`{}`", field.name)).collect::<Vec<_>>().join(", ");
    problem.help(format!("it has {names}"))
}
