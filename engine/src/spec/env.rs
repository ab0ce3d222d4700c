//! `env:` in its three forms, and the rules for names of variables.

use crate::diagnostic::Diagnostic;
use crate::names::{closest, is_env_name, is_managed, reserved_prefix, shown};
use crate::source::Span;
use crate::workflow::{EnvEntry, Text};
use crate::yaml::{Entry, Kind, Node, Scalar};

use super::Notes;
use super::read::wrong_type;

/// Entries in the order of the file. Values are as written (`1.50` stays `1.50`), nothing is empty.
pub(super) fn entries(notes: &mut Notes, node: &Node) -> Vec<EnvEntry> {
    match &node.kind {
        Kind::Mapping(entries) => entries.iter().filter_map(|e| entry(notes, e)).collect(),
        Kind::Sequence(items) => items.iter().flat_map(|item| item_entries(notes, item)).collect(),
        Kind::Scalar(_) => {
            notes.add(wrong_type(node, "`env`", "a mapping or a list"));
            notes.hide(node);
            Vec::new()
        }
    }
}

fn item_entries(notes: &mut Notes, item: &Node) -> Vec<EnvEntry> {
    match &item.kind {
        Kind::Mapping(entries) => entries.iter().filter_map(|e| entry(notes, e)).collect(),
        Kind::Scalar(scalar) => {
            let Some((name, value)) = scalar.text.split_once('=') else {
                notes.hide_span(item.span);
                notes.add(
                    Diagnostic::error("wrong-value", "an `env` entry without `=`")
                        .at(item.span, "")
                        .help("write `NAME=value` or `NAME: value`"),
                );
                return Vec::new();
            };
            let (name_span, value_span) = split_span(item.span, scalar, name);
            notes.hide_span(value_span);
            let value = Text { raw: value.to_owned(), span: value_span };
            let name = name.trim();
            check_name(notes, name, name_span, "a variable");
            vec![EnvEntry { name: name.to_owned(), value, name_span }]
        }
        Kind::Sequence(_) => {
            notes.add(wrong_type(item, "an item of `env`", "`NAME: value` or `NAME=value`"));
            notes.hide(item);
            Vec::new()
        }
    }
}

/// Where name and value of `NAME=value` stand; both everywhere if quotes make that hard to tell.
fn split_span(span: Span, scalar: &Scalar, name: &str) -> (Span, Span) {
    let equals = span.start + name.len();
    if scalar.is_plain() && !name.contains(char::is_whitespace) && equals < span.end {
        return (Span::new(span.start..equals), Span::new(equals + 1..span.end));
    }
    (span, span)
}

fn entry(notes: &mut Notes, entry: &Entry) -> Option<EnvEntry> {
    notes.hide(&entry.value);
    check_name(notes, &entry.key, entry.key_span, "a variable");
    let Some(scalar) = entry.value.scalar() else {
        notes.add(wrong_type(&entry.value, &shown(&entry.key), "one value"));
        return None;
    };
    let raw = if entry.value.is_null() { String::new() } else { scalar.text.clone() };
    let value = Text { raw, span: entry.value.span };
    Some(EnvEntry { name: entry.key.to_string(), value, name_span: entry.key_span })
}

/// Reports a name that cannot be a variable, or that belongs to the engine. `what` is what has the
/// name, such as "a variable".
pub(super) fn check_name(notes: &mut Notes, name: &str, span: Span, what: &str) {
    if !is_env_name(name) {
        let suggestion: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let rule = "a name is made of letters, digits and `_`, and begins with no digit";
        let help = match is_env_name(&suggestion) && suggestion.len() <= 64 {
            true => format!("{rule}: `{suggestion}`"),
            false => rule.to_owned(),
        };
        notes.add(
            Diagnostic::error("invalid-name", format!("{} is no name of {what}", shown(name)))
                .at(span, "")
                .help(help),
        );
    } else if let Some(prefix) = reserved_prefix(name) {
        notes.add(
            Diagnostic::error("reserved-name", format!("{} is reserved", shown(name)))
                .at(span, "")
                .help(format!("names may not begin with `{prefix}`")),
        );
    } else if is_managed(name) {
        notes.add(
            Diagnostic::error("reserved-name", format!("{} is set by the engine", shown(name)))
                .at(span, "")
                .help("choose another name"),
        );
    }
}

/// Signals by name, with or without `SIG`.
pub(super) fn signal(notes: &mut Notes, text: &Text) -> Option<i32> {
    use rustix::process::Signal;
    let known = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("KILL", Signal::KILL),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("ALRM", Signal::ALARM),
        ("ABRT", Signal::ABORT),
        ("PIPE", Signal::PIPE),
        ("CONT", Signal::CONT),
        ("STOP", Signal::STOP),
        ("WINCH", Signal::WINCH),
    ];
    let upper = text.raw.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, signal)) = known.iter().find(|(known, _)| *known == name) {
        return Some(signal.as_raw());
    }
    let problem = Diagnostic::error("wrong-value", format!("{} is no signal", shown(&text.raw)))
        .at(text.span, "");
    notes.add(match closest(name, known.iter().map(|(name, _)| *name)) {
        Some(name) => problem.help(format!("did you mean `SIG{name}`?")),
        None => problem.help("write a name such as `SIGTERM` or `SIGINT`"),
    });
    None
}
