//! `params:` of a workflow (declarations) and of a call (values).

use crate::diagnostic::Diagnostic;
use crate::fields::PARAM;
use crate::names::{is_env_name, shown};
use crate::source::Span;
use crate::workflow::{CallParam, Param, ParamKind, Text};
use crate::yaml::{Entry, Kind, Node};

use super::Notes;
use super::env::check_name;
use super::read::{Fields, wrong_type};
use super::words;

/// Declared parameters, in order.
pub(super) fn declared(notes: &mut Notes, node: &Node) -> Vec<Param> {
    let mut params = Vec::new();
    match &node.kind {
        Kind::Scalar(scalar) => {
            let words = split(notes, &scalar.text, node.span);
            params.extend(words.iter().map(|word| simple(notes, word, node.span)));
        }
        Kind::Mapping(entries) if is_schema(entries) => notes.add(
            Diagnostic::error("unsupported-field", "`params` as a JSON Schema is not read yet")
                .at(node.span, "")
                .help("list the parameters as `- {name: ..., type: ..., default: ...}`"),
        ),
        Kind::Mapping(entries) => params.extend(entries.iter().filter_map(|e| named(notes, e))),
        Kind::Sequence(items) => {
            for item in items {
                declared_item(notes, item, &mut params);
            }
        }
    }
    check_unique(notes, &params);
    params
}

fn declared_item(notes: &mut Notes, item: &Node, params: &mut Vec<Param>) {
    match &item.kind {
        Kind::Scalar(scalar) => params.push(simple(notes, &scalar.text, item.span)),
        Kind::Mapping(entries) if is_definition(entries) => {
            params.extend(definition(notes, item));
        }
        Kind::Mapping(entries) => params.extend(entries.iter().filter_map(|e| named(notes, e))),
        Kind::Sequence(_) => notes.add(wrong_type(item, "an item of `params`", "`NAME: default`")),
    }
}

/// `{type: object, properties: ...}` or `{schema: ..., values: ...}`.
fn is_schema(entries: &[Entry]) -> bool {
    let has = |key: &str| entries.iter().any(|entry| &*entry.key == key);
    let composite = |key: &str| {
        entries.iter().any(|entry| &*entry.key == key && entry.value.scalar().is_none())
    };
    (has("type") && composite("properties"))
        || (has("schema") && has("values"))
        || composite("schema")
}

/// A mapping that has a `name` and something else that a definition has.
fn is_definition(entries: &[Entry]) -> bool {
    let name = entries.iter().any(|entry| &*entry.key == "name");
    name && entries.iter().any(|entry| &*entry.key != "name" && PARAM.field(&entry.key).is_some())
}

/// `NAME=default`, or a positional default.
fn simple(notes: &mut Notes, word: &str, span: Span) -> Param {
    match word.split_once('=') {
        Some((name, default)) if is_env_name(name) => {
            check_name(notes, name, span, "a parameter");
            param(Some(name.to_owned()), Some(Text { raw: default.to_owned(), span }), span)
        }
        _ => param(None, Some(Text { raw: word.to_owned(), span }), span),
    }
}

/// `NAME: default`.
fn named(notes: &mut Notes, entry: &Entry) -> Option<Param> {
    check_name(notes, &entry.key, entry.key_span, "a parameter");
    let default = one_value(notes, entry)?;
    Some(param(Some(entry.key.to_string()), Some(default), entry.key_span))
}

fn param(name: Option<String>, default: Option<Text>, span: Span) -> Param {
    Param {
        name,
        default,
        required: false,
        description: None,
        kind: ParamKind::String,
        one_of: Vec::new(),
        span,
    }
}

fn definition(notes: &mut Notes, node: &Node) -> Option<Param> {
    let fields = Fields::read(notes, &PARAM, node)?;
    let name = fields.trimmed(notes, "name");
    match &name {
        Some(name) => check_name(notes, &name.raw, name.span, "a parameter"),
        None => notes.add(
            Diagnostic::error("missing-field", "a parameter without `name`")
                .at(node.span, "")
                .help("write `name: NAME`"),
        ),
    }
    let kind = match fields.word(notes, "type", &["string", "integer", "number", "boolean"]) {
        Some("integer") => ParamKind::Integer,
        Some("number") => ParamKind::Number,
        Some("boolean") => ParamKind::Boolean,
        _ => ParamKind::String,
    };
    let one_of = fields.texts(notes, "enum").unwrap_or_default();
    let default = fields.text(notes, "default");
    let one_of: Vec<String> = one_of.into_iter().map(|text| text.raw).collect();
    if let Some(default) = &default {
        check_default(notes, default, kind, &one_of);
    }
    Some(Param {
        span: name.as_ref().map_or(node.span, |name| name.span),
        name: Some(name?.raw),
        default,
        required: fields.flag(notes, "required").unwrap_or(false),
        description: fields.text(notes, "description").map(|text| text.raw),
        kind,
        one_of,
    })
}

fn check_default(notes: &mut Notes, default: &Text, kind: ParamKind, one_of: &[String]) {
    let text = default.raw.as_str();
    let (fits, wanted) = match kind {
        ParamKind::String => (true, "a text"),
        ParamKind::Integer => (text.parse::<i64>().is_ok(), "a whole number"),
        ParamKind::Number => (text.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
        ParamKind::Boolean => (matches!(text, "true" | "false"), "`true` or `false`"),
    };
    if !fits {
        notes.add(
            Diagnostic::error("wrong-default", format!("the default is not {wanted}"))
                .at(default.span, "")
                .help("change `default` or `type`"),
        );
    } else if !one_of.is_empty() && !one_of.iter().any(|allowed| allowed == text) {
        notes.add(
            Diagnostic::error("wrong-default", "the default is not among the values of `enum`")
                .at(default.span, "")
                .help("change `default` or `enum`"),
        );
    }
}

fn check_unique(notes: &mut Notes, params: &[Param]) {
    let mut seen = std::collections::HashMap::new();
    for param in params {
        let Some(name) = &param.name else { continue };
        if let Some(first) = seen.insert(name, param.span) {
            let message = format!("two parameters are called {}", shown(name));
            notes.add(
                Diagnostic::error("duplicate-param", message)
                    .at(param.span, "again here")
                    .at(first, "first here")
                    .help("rename or remove one of them"),
            );
        }
    }
}

/// Parameters of a call, in order.
pub(super) fn call_params(notes: &mut Notes, node: &Node) -> Vec<CallParam> {
    match &node.kind {
        Kind::Scalar(scalar) => {
            let words = split(notes, &scalar.text, node.span);
            words.iter().map(|word| call_param(word, node.span)).collect()
        }
        Kind::Mapping(entries) => named_values(notes, entries),
        Kind::Sequence(items) => {
            let mut params = Vec::new();
            for item in items {
                match &item.kind {
                    Kind::Scalar(scalar) => params.push(call_param(&scalar.text, item.span)),
                    Kind::Mapping(entries) => params.extend(named_values(notes, entries)),
                    Kind::Sequence(_) => {
                        notes.add(wrong_type(item, "an item of `params`", "`NAME: value`"));
                    }
                }
            }
            params
        }
    }
}

/// `NAME: value` entries.
pub(super) fn named_values(notes: &mut Notes, entries: &[Entry]) -> Vec<CallParam> {
    let value = |notes: &mut Notes, entry: &Entry| {
        check_name(notes, &entry.key, entry.key_span, "a parameter");
        let value = one_value(notes, entry)?;
        Some(CallParam { name: Some(entry.key.to_string()), value })
    };
    entries.iter().filter_map(|entry| value(notes, entry)).collect()
}

fn call_param(word: &str, span: Span) -> CallParam {
    match word.split_once('=') {
        Some((name, value)) if is_env_name(name) => {
            CallParam { name: Some(name.to_owned()), value: Text { raw: value.to_owned(), span } }
        }
        _ => CallParam { name: None, value: Text { raw: word.to_owned(), span } },
    }
}

fn one_value(notes: &mut Notes, entry: &Entry) -> Option<Text> {
    let Some(scalar) = entry.value.scalar() else {
        notes.add(wrong_type(&entry.value, &shown(&entry.key), "one value"));
        return None;
    };
    let raw = if entry.value.is_null() { String::new() } else { scalar.text.clone() };
    Some(Text { raw, span: entry.value.span })
}

/// Words of a text; an open quote, or more words than anybody means, is reported and leaves none.
pub(super) fn split(notes: &mut Notes, text: &str, span: Span) -> Vec<String> {
    const WORDS_MAX: usize = 10_000;
    if text.split_whitespace().nth(WORDS_MAX).is_some() {
        notes.add(
            Diagnostic::error("too-much", format!("a text of more than {WORDS_MAX} words"))
                .at(span, "")
                .help("write a list"),
        );
        return Vec::new();
    }
    words::split(text).unwrap_or_else(|unclosed| {
        let message = match unclosed.0 {
            '\\' => "a backslash at the end of the text".to_owned(),
            quote => format!("a `{quote}` inside of the text is not closed"),
        };
        notes.add(
            Diagnostic::error("unclosed-word", message)
                .at(span, "")
                .help("the text is split into words as a shell does; a list is not"),
        );
        Vec::new()
    })
}
