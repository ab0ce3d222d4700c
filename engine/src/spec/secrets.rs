//! `secrets:`: the rules of an entry and of the list.
//!
//! Keys and options are literal. Messages name the entry and its fields, never a value of `options`;
//! those values, and all of an entry that is no mapping, are private.

use std::collections::{BTreeMap, HashMap};

use subrosa_registry::{InvalidName, SecretRef};

use crate::diagnostic::Diagnostic;
use crate::fields::SECRET;
use crate::names::{is_env_name, is_managed, reserved_prefix, shown, steers_programs};
use crate::source::Span;
use crate::workflow::{Options, SecretDecl, SecretSource, Text};
use crate::yaml::{Kind, Node, Value};

use super::Notes;
use super::read::{Fields, wrong_type};

/// The declarations, in order. Of two with one name the first is kept.
pub(super) fn secrets(notes: &mut Notes, node: &Node) -> Vec<SecretDecl> {
    let Kind::Sequence(items) = &node.kind else {
        notes.add(wrong_type(node, "`secrets`", "a list"));
        notes.hide(node);
        return Vec::new();
    };
    let mut seen: HashMap<String, Span> = HashMap::new();
    let mut secrets = Vec::new();
    for item in items {
        let Some((name, source, mask)) = entry(notes, item) else { continue };
        if let Some(first) = seen.get(&name.raw) {
            let message = format!("two secrets are called {}", shown(&name.raw));
            notes.add(
                Diagnostic::error("duplicate-secret-name", message)
                    .at(name.span, "again here")
                    .at(*first, "first here")
                    .help("a variable gets one value; rename or remove one of them"),
            );
            continue;
        }
        seen.insert(name.raw.clone(), name.span);
        let Some((source, key_span)) = source else { continue };
        secrets.push(SecretDecl { name: name.raw, source, mask, span: item.span, key_span });
    }
    secrets
}

type Source = Option<(SecretSource, Span)>;

fn entry(notes: &mut Notes, item: &Node) -> Option<(Text, Source, bool)> {
    let fields = Fields::read(notes, &SECRET, item)?;
    let source = source(notes, &fields);
    let mask = fields.flag(notes, "mask").unwrap_or(true);
    match given(notes, &fields, "name") {
        Given::Text(name) => {
            check_name(notes, &name);
            Some((name, source, mask))
        }
        Given::Unreadable => None,
        Given::Absent => {
            notes.add(
                Diagnostic::error("secret-without-name", "a secret without a `name`")
                    .at(fields.key("name").unwrap_or(item.span), "")
                    .help("write `name: NAME`, the variable that steps get"),
            );
            None
        }
    }
}

fn check_name(notes: &mut Notes, name: &Text) {
    let text = name.raw.as_str();
    if !is_env_name(text) {
        notes.add(
            Diagnostic::error(
                "invalid-secret-name",
                format!("secret name {} is no name of a variable", shown(text)),
            )
            .at(name.span, "")
            .help("a name is made of letters, digits and `_`, and begins with no digit"),
        );
    } else if let Some(prefix) = reserved_prefix(text) {
        notes.add(
            Diagnostic::error(
                "reserved-secret-name",
                format!("secret name {} is reserved", shown(text)),
            )
            .at(name.span, "")
            .help(format!("names may not begin with `{prefix}`")),
        );
    } else if is_managed(text) {
        notes.add(
            Diagnostic::error(
                "reserved-secret-name",
                format!("secret name {} belongs to a variable of the engine", shown(text)),
            )
            .at(name.span, "")
            .help("choose another name"),
        );
    } else if steers_programs(text) {
        let message = format!("secret name {} steers shells or programs", shown(text));
        notes.add(
            Diagnostic::warning("steering-secret-name", message).at(name.span, "").help(
                "its value changes how programs run; choose another name if that is not meant",
            ),
        );
    }
}

/// A `ref`, or `provider` and `key`; blank counts as absent.
fn source(notes: &mut Notes, fields: &Fields<'_>) -> Source {
    let named = ["ref", "provider", "key"].map(|name| given(notes, fields, name));
    let (options, has_options) = options(notes, fields);
    if named.iter().any(|given| matches!(given, Given::Unreadable)) {
        return None;
    }
    let [reference, provider, key] = named.map(|given| match given {
        Given::Text(text) => Some(text),
        Given::Absent | Given::Unreadable => None,
    });
    match (reference, provider, key) {
        (Some(reference), None, None) => {
            if has_options {
                notes.add(
                    Diagnostic::error("secret-source", "`options` beside a `ref`")
                        .at(fields.key("options").unwrap_or(fields.span), "")
                        .help("options are settings of a provider; a `ref` has none"),
                );
            }
            let span = reference.span;
            parse_ref(notes, &reference).map(|reference| (SecretSource::Ref(reference), span))
        }
        (None, Some(provider), Some(key)) => {
            let span = key.span;
            let provider = provider.raw;
            Some((SecretSource::Provider { provider, key: key.raw, options }, span))
        }
        // A misspelt key is reported already and is likely to be what is missing.
        _ if fields.has_unknown => None,
        (reference, provider, key) => {
            let message = match (&reference, &provider, &key) {
                (Some(_), _, _) => "a `ref` beside `provider` or `key`",
                (None, Some(_), _) => "a `provider` without a `key`",
                (None, None, Some(_)) => "a `key` without a `provider`",
                (None, None, None) => "a secret without a source",
            };
            let at = provider.or(key).or(reference).map_or(fields.span, |text| text.span);
            notes.add(
                Diagnostic::error("secret-source", message)
                    .at(at, "")
                    .help("write either `ref`, or both `provider` and `key`"),
            );
            None
        }
    }
}

/// A key of the registry.
pub(super) fn parse_ref(notes: &mut Notes, reference: &Text) -> Option<SecretRef> {
    let reason = match SecretRef::parse(&reference.raw) {
        Ok(parsed) => return Some(parsed),
        Err(reason) => reason,
    };
    let why = match reason {
        // The library shows the character as it is, which may be a control character.
        InvalidName::Character(c) | InvalidName::OutsideName(c) => {
            format!("it holds {}", shown(&c.to_string()))
        }
        InvalidName::LeadingDash => "a slug begins with `-`".to_owned(),
        InvalidName::TooLong => "it is too long".to_owned(),
        InvalidName::Empty | InvalidName::EmptySegment => "a slug of it is empty".to_owned(),
    };
    let help = match reason {
        InvalidName::TooLong => "at most 8 slugs of 64 bytes each are allowed",
        InvalidName::Empty | InvalidName::EmptySegment => {
            "remove the `/` at its beginning or end, or the doubled one"
        }
        InvalidName::Character(_) | InvalidName::OutsideName(_) | InvalidName::LeadingDash => {
            "write slugs of a-z, 0-9 and `-` joined by `/`, such as `prod/db-password`"
        }
    };
    notes.add(
        Diagnostic::error(
            "invalid-secret-ref",
            format!("ref {} is no key of the registry: {why}", shown(&reference.raw)),
        )
        .at(reference.span, "")
        .help(help),
    );
    None
}

/// The options, and whether there are any.
fn options(notes: &mut Notes, fields: &Fields<'_>) -> (Options, bool) {
    let Some(node) = fields.get("options") else { return (Options::default(), false) };
    notes.hide(node);
    let Kind::Mapping(entries) = &node.kind else {
        notes.add(wrong_type(node, "`options`", "a mapping of texts"));
        return (Options::default(), true);
    };
    let mut options = BTreeMap::new();
    for entry in entries {
        match entry.value.scalar().filter(|scalar| scalar.value() == Value::Text) {
            Some(scalar) => {
                options.insert(entry.key.to_string(), scalar.text.clone());
            }
            None => {
                let name = format!("option {}", shown(&entry.key));
                notes.add(wrong_type(&entry.value, &name, "a text"));
            }
        }
    }
    (Options(options), !entries.is_empty())
}

/// A field that must be a text.
enum Given {
    Absent,
    /// Something else, already reported.
    Unreadable,
    Text(Text),
}

/// Numbers are refused: `007` and `7` are one number and two keys.
fn given(notes: &mut Notes, fields: &Fields<'_>, name: &str) -> Given {
    let Some(node) = fields.get(name) else { return Given::Absent };
    match node.scalar().filter(|scalar| scalar.value() == Value::Text) {
        Some(scalar) if scalar.text.trim().is_empty() => Given::Absent,
        Some(scalar) => Given::Text(Text { raw: scalar.text.clone(), span: node.span }),
        None => {
            notes.add(wrong_type(node, &format!("`{name}`"), "a text"));
            notes.hide(node);
            Given::Unreadable
        }
    }
}
