//! Steps of a kind of their own: `type: http` with `with`, `action: http.request`, or the older
//! `executor:`.
//!
//! What a kind takes is data ([`crate::kind::Kind`]); it is read here by that, so that a kind has no
//! reader of its own.

use std::rc::Rc;

use crate::diagnostic::Diagnostic;
use crate::fields::{EXECUTOR, Field, Section, Shape};
use crate::kind::Kind;
use crate::names::shown;
use crate::source::Span;
use crate::workflow::{Text, Tree, Typed};
use crate::yaml::{self, Node, Value};

use super::Notes;
use super::read::{Fields, text, texts, whole, wrong_type, wrong_word};

/// Kinds of the engine whose files we read; those that a program brings are looked for first.
const LATER: &[&str] = &[
    "agent",
    "archive",
    "chat",
    "container",
    "dag",
    "docker",
    "file",
    "harness",
    "http",
    "jq",
    "k8s",
    "kubernetes",
    "log",
    "mail",
    "noop",
    "parallel",
    "postgres",
    "redis",
    "router",
    "s3",
    "sftp",
    "sqlite",
    "ssh",
    "subworkflow",
    "template",
    "wait",
];
/// Fields of a step that say what it does, which only some kinds take.
const ACTIONS: &[&str] = &[
    "run",
    "command",
    "script",
    "exec",
    "call",
    "params",
    "parallel",
    "shell",
    "shell_args",
    "llm",
    "messages",
    "tools",
];
const CONNECTION: &str = "connection";
const CREDENTIALS_PATH: &str = "credentials_path";

/// What a step is.
pub(super) enum Chosen<'n> {
    /// Processes or a call.
    Plain,
    /// Of a kind of its own.
    Kind(Place<'n>),
    /// Something that was refused.
    Refused,
}

/// A step of a kind, and where it says so.
pub(super) struct Place<'n> {
    kind: &'static Kind,
    operation: &'static str,
    span: Span,
    with: Option<&'n Rc<Node>>,
}

/// Finds out what a step is, by `type`, `executor` and `action`.
pub(super) fn chosen<'n>(notes: &mut Notes, step: &Fields<'n>) -> Chosen<'n> {
    let mut with = step.get("with");
    let mut word = step.trimmed(notes, "type");
    if let Some(node) = step.get("executor") {
        let (older, config) = executor(notes, node);
        if let (Some(_), Some(config)) = (with, config) {
            notes.add(twice("with", "executor.config", config.span));
        }
        with = with.or(config);
        if let (Some(word), Some(older)) = (&word, &older)
            && word.raw != older.raw
        {
            notes.add(twice("type", "executor", older.span));
        }
        word = word.or(older);
    }
    let by_type = match &word {
        None => None,
        Some(word) => match named(notes, word) {
            Ok(kind) => kind,
            Err(()) => return Chosen::Refused,
        },
    };
    let action = step.get("action").and_then(|node| node.scalar_text());
    let by_action = action.and_then(|word| of_action(notes, word));
    let span = word.as_ref().map(|word| word.span).or(step.key("action")).unwrap_or(step.span);
    match (by_type, by_action) {
        (Some(kind), Some((other, _))) if kind.name != other.name => {
            let problem = twice("type", "action", step.key("action").unwrap_or(span));
            notes.add(problem);
            Chosen::Refused
        }
        (_, Some((kind, operation))) => Chosen::Kind(Place { kind, operation, span, with }),
        (Some(kind), None) => Chosen::Kind(Place { kind, operation: "", span, with }),
        (None, None) => Chosen::Plain,
    }
}

fn twice(one: &str, other: &str, span: Span) -> Diagnostic {
    Diagnostic::error("several-actions", format!("both `{one}` and `{other}`"))
        .at(span, "")
        .help(format!("keep `{one}`"))
}

/// `executor: http`, or `{type: http, config: {...}}`.
fn executor<'n>(notes: &mut Notes, node: &'n Rc<Node>) -> (Option<Text>, Option<&'n Rc<Node>>) {
    if node.scalar().is_some() {
        return (text(notes, "executor", node), None);
    }
    let Some(fields) = Fields::read(notes, &EXECUTOR, node) else { return (None, None) };
    (fields.trimmed(notes, "type"), fields.get("config"))
}

/// The kind that a word of `type:` means; none is a step of processes.
fn named(notes: &mut Notes, word: &Text) -> Result<Option<&'static Kind>, ()> {
    let raw = word.raw.as_str();
    if matches!(raw, "command" | "shell") {
        return Ok(None);
    }
    let kinds = notes.kinds;
    let found = kinds.iter().find(|kind| kind.name == raw || kind.words.contains(&raw));
    if let Some(kind) = found {
        return Ok(Some(kind));
    }
    let problem = if LATER.contains(&raw) {
        Diagnostic::error("unsupported-field", format!("`type: {raw}` is not run by subrosa yet"))
            .at(word.span, "")
            .help(match raw {
                "dag" | "parallel" | "subworkflow" => "write `call: NAME`",
                _ => "call a program for it from a `run` step",
            })
    } else {
        let mut known = vec!["command", "shell"];
        known.extend(kinds.iter().flat_map(|kind| [&[kind.name], kind.words].concat()));
        wrong_word("type", word, &known)
    };
    notes.add(problem);
    Err(())
}

/// The kind and operation that a word of `action:` means.
fn of_action(notes: &Notes, word: &str) -> Option<(&'static Kind, &'static str)> {
    notes.kinds.iter().find_map(|kind| {
        let (_, operation) = kind.actions.iter().find(|(name, _)| *name == word)?;
        Some((*kind, *operation))
    })
}

/// Reads a step of a kind.
pub(super) fn typed(notes: &mut Notes, step: &Fields<'_>, place: Place<'_>) -> Typed {
    let Place { kind, operation, span, with } = place;
    let takes = |name: &str| kind.beside.iter().any(|field| field.name == name);
    for name in ACTIONS.iter().filter(|name| !takes(name)) {
        if let Some(node) = step.get(name) {
            notes.hide(node);
            let message = format!("`{name}` in a step of `type: {}`", kind.name);
            notes.add(
                Diagnostic::error("misplaced-field", message)
                    .at(step.key(name).unwrap_or(step.span), "")
                    .help("remove it, or make two steps of it"),
            );
        }
    }
    let mut typed = Typed {
        kind: kind.name,
        operation,
        fields: Vec::new(),
        connection: None,
        credentials_path: None,
        span,
    };
    let known = notes.count();
    let fields = with.and_then(|node| Fields::read(notes, kind.with, node));
    if let Some(fields) = &fields {
        for (field, node) in fields.given() {
            put(notes, &mut typed, field, node);
        }
    }
    for field in kind.beside {
        if let Some(node) = step.get(field.name) {
            put(notes, &mut typed, field, node);
        }
    }
    for name in [CONNECTION, CREDENTIALS_PATH] {
        let Some(node) = step.get(name) else { continue };
        match kind.with.field(name) {
            Some(field) => put(notes, &mut typed, field, node),
            None => notes.add(no_such(kind, name, step.key(name).unwrap_or(step.span))),
        }
    }
    // What could not be read would be told again, as what is missing.
    if notes.count() == known {
        let problems = (kind.check)(&typed);
        problems.into_iter().for_each(|problem| notes.add(problem));
    }
    typed
}

fn no_such(kind: &Kind, name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("misplaced-field", format!("`{name}` in a step of `type: {}`", kind.name))
        .at(span, "")
        .help("such steps have none; remove it")
}

/// What only steps of a kind have.
pub(super) fn refuse_in_plain(notes: &mut Notes, step: &Fields<'_>) {
    for name in [CONNECTION, CREDENTIALS_PATH, "llm", "messages", "tools"] {
        let Some(node) = step.get(name) else { continue };
        notes.hide(node);
        notes.add(
            Diagnostic::error("misplaced-field", format!("`{name}` in a step that runs processes"))
                .at(step.key(name).unwrap_or(step.span), "")
                .help("it belongs to a step with a `type`, such as `http` or `chat`"),
        );
    }
}

fn put(notes: &mut Notes, typed: &mut Typed, field: &'static Field, node: &Rc<Node>) {
    let name = field.name;
    let special = match name {
        CONNECTION => Some(&mut typed.connection),
        CREDENTIALS_PATH => Some(&mut typed.credentials_path),
        _ => None,
    };
    if let Some(special) = special {
        if special.is_some() {
            notes.add(again(name, node.span));
        }
        *special = text(notes, name, node).filter(|text| !text.raw.trim().is_empty());
        return;
    }
    if typed.get(name).is_some() {
        notes.add(again(name, node.span));
        return;
    }
    if let Some(tree) = tree(notes, field, node) {
        typed.fields.push((name, tree));
    }
}

fn again(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("`{name}` is given twice"))
        .at(span, "again here")
        .help("keep one")
}

/// A value, by the shape of its field.
fn tree(notes: &mut Notes, field: &'static Field, node: &Rc<Node>) -> Option<Tree> {
    let name = field.name;
    match field.shape {
        Shape::Flag => {
            if let Some(Value::Bool(flag)) = node.value() {
                return Some(Tree::Flag(flag));
            }
            notes.add(wrong_type(node, &format!("`{name}`"), "`true` or `false`"));
            None
        }
        Shape::Whole(min) => whole(notes, name, node, u32::try_from(min).unwrap_or(0))
            .map(|number| Tree::Number(number.to_string())),
        Shape::Number => number(notes, name, node),
        Shape::OneOf(words) => one_of(notes, name, node, words),
        Shape::Literal => text(notes, name, node).map(Tree::Literal),
        Shape::Texts => {
            Some(Tree::List(texts(notes, name, node).into_iter().map(Tree::Text).collect()))
        }
        Shape::TextMap => map_of_texts(notes, name, node),
        Shape::Object(section) => object(notes, section, node),
        Shape::TextOr(section) => match node.scalar() {
            Some(_) => text(notes, name, node).map(Tree::Text),
            None => object(notes, section, node),
        },
        Shape::TextsOr(section) => match &node.kind {
            yaml::Kind::Mapping(_) => object(notes, section, node),
            _ => Some(Tree::List(texts(notes, name, node).into_iter().map(Tree::Text).collect())),
        },
        Shape::Objects(section) => objects(notes, name, section, node),
        Shape::Data => Some(data(node)),
        _ => text(notes, name, node).map(Tree::Text),
    }
}

fn number(notes: &mut Notes, name: &str, node: &Node) -> Option<Tree> {
    let tree = match node.value() {
        Some(Value::Int(number)) => Some(Tree::Number(number.to_string())),
        Some(Value::Float(number)) => json_number(number),
        _ => None,
    };
    if tree.is_none() {
        notes.add(wrong_type(node, &format!("`{name}`"), "a number"));
    }
    tree
}

fn json_number(number: f64) -> Option<Tree> {
    serde_json::Number::from_f64(number).map(|number| Tree::Number(number.to_string()))
}

fn one_of(
    notes: &mut Notes,
    name: &str,
    node: &Node,
    words: &'static [&'static str],
) -> Option<Tree> {
    let text = text(notes, name, node)?;
    if words.contains(&text.raw.trim()) {
        return Some(Tree::Literal(Text { raw: text.raw.trim().to_owned(), span: text.span }));
    }
    notes.add(wrong_word(name, &text, words));
    None
}

fn map_of_texts(notes: &mut Notes, name: &str, node: &Node) -> Option<Tree> {
    let yaml::Kind::Mapping(entries) = &node.kind else {
        notes.add(wrong_type(node, &format!("`{name}`"), "a mapping of texts"));
        notes.hide(node);
        return None;
    };
    let mut map = Vec::with_capacity(entries.len());
    for entry in entries {
        let value = text(notes, &entry.key, &entry.value)?;
        map.push((entry.key.to_string(), Tree::Text(value)));
    }
    Some(Tree::Map(map))
}

fn object(notes: &mut Notes, section: &'static Section, node: &Node) -> Option<Tree> {
    let fields = Fields::read(notes, section, node)?;
    let mut map = Vec::new();
    for (field, node) in fields.given() {
        if let Some(tree) = tree(notes, field, node) {
            map.push((field.name.to_owned(), tree));
        }
    }
    Some(Tree::Map(map))
}

fn objects(notes: &mut Notes, name: &str, section: &'static Section, node: &Node) -> Option<Tree> {
    let yaml::Kind::Sequence(items) = &node.kind else {
        notes.add(wrong_type(node, &format!("`{name}`"), "a list"));
        notes.hide(node);
        return None;
    };
    Some(Tree::List(items.iter().filter_map(|item| object(notes, section, item)).collect()))
}

/// Whatever stands there. Numbers that JSON does not know are texts.
fn data(node: &Node) -> Tree {
    match &node.kind {
        yaml::Kind::Sequence(items) => Tree::List(items.iter().map(|item| data(item)).collect()),
        yaml::Kind::Mapping(entries) => {
            let entry = |entry: &yaml::Entry| (entry.key.to_string(), data(&entry.value));
            Tree::Map(entries.iter().map(entry).collect())
        }
        yaml::Kind::Scalar(scalar) => match scalar.value() {
            Value::Null => Tree::Null,
            Value::Bool(flag) => Tree::Flag(flag),
            Value::Int(number) => Tree::Number(number.to_string()),
            Value::Float(number) => json_number(number).unwrap_or_else(|| as_text(node, scalar)),
            Value::Text => as_text(node, scalar),
        },
    }
}

fn as_text(node: &Node, scalar: &yaml::Scalar) -> Tree {
    Tree::Text(Text { raw: scalar.text.clone(), span: node.span })
}

/// An action that nothing here knows.
pub(super) fn unknown_action(notes: &mut Notes, name: &Text) {
    let message = format!("action {} is not run by subrosa yet", shown(&name.raw));
    let known = notes.kinds.iter().flat_map(|kind| kind.actions.iter().map(|(word, _)| *word));
    let known: Vec<&str> = ["exec", "dag.run"].into_iter().chain(known).collect();
    let help = match crate::names::closest(&name.raw, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "call a program for it from a `run` step".to_owned(),
    };
    notes.add(Diagnostic::error("unsupported-field", message).at(name.span, "").help(help));
}
