//! Reads YAML into a tree of nodes that know where they stand.
//!
//! The tree is bounded: bytes of the file, depth, nodes and bytes after aliases are expanded. Aliases
//! share what they stand for, so the bounds hold for the work of later stages and memory stays with
//! the size of the file. Every problem is a diagnostic of ours with a place; the parser's own texts
//! quote the file and never leave this module. What the nodes mean is left to `spec`.

mod parse;
mod scalar;
mod syntax;
mod tree;

use std::rc::Rc;

use crate::diagnostic::Diagnostic;
use crate::source::{SourceFile, Span};

/// A workflow of 2000 secrets is 90 kB, one of 300 long steps 200 kB; what is larger is generated,
/// and its generator can write several files.
pub const BYTES_MAX: usize = 1 << 20;
/// The language itself needs 8; the rest is for free-form values.
pub(crate) const DEPTH_MAX: usize = 64;
/// 2000 secrets x 10 nodes are 20 000; a file at its byte limit made of the shortest sensible lines
/// (`- a`, 4 bytes) has 260 000. So only expanded aliases and degenerate files get here.
pub(crate) const NODES_MAX: usize = 200_000;
/// Documents call each other by name; a file with so many is no workflow.
pub(crate) const DOCUMENTS_MAX: usize = 1000;
/// Aliases may repeat long texts a few times, not multiply them.
pub(crate) const EXPANDED_BYTES_MAX: usize = 8 << 20;

/// A value in the file.
#[derive(Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
    weight: Weight,
}

/// What a subtree costs when all aliases in it are walked.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// The three kinds of nodes.
#[derive(Debug)]
pub enum Kind {
    /// A text, number, boolean or nothing.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// A mapping in the order of the file, keys unique, merge keys resolved.
    Mapping(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's text.
    pub key: Rc<str>,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Rc<Node>,
}

/// A scalar as written.
#[derive(Debug)]
pub struct Scalar {
    /// The text, quotes and escapes resolved.
    pub text: String,
    /// Whether it stands without quotes and so may be something else than a text.
    plain: bool,
    tag: Option<Tag>,
}

/// The tags of the core schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Str,
    Int,
    Float,
    Bool,
    Null,
}

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Nothing: `null`, `~` or no text at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number; those that do not fit count as texts.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Anything else, and everything in quotes.
    Text,
}

/// The documents of a file, and what is wrong with it as YAML.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Whole documents before the first syntax error.
    pub documents: Vec<Rc<Node>>,
    /// In the order found.
    pub problems: Vec<Diagnostic>,
    /// Values that are in no document (of a key that is there twice): nobody will have looked at them.
    pub dropped: Vec<Span>,
    /// Whether the tree is incomplete, so that no part of the file may be shown.
    pub broken: bool,
}

/// Parses a file under the limits above.
pub fn parse(source: &SourceFile) -> Parsed {
    parse::parse(source)
}

impl Node {
    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// The scalar's text, if it is one.
    pub fn scalar_text(&self) -> Option<&str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// The scalar's text and value, if it is one.
    pub fn value(&self) -> Option<Value> {
        self.scalar().map(Scalar::value)
    }

    /// Whether it stands for nothing.
    pub fn is_null(&self) -> bool {
        self.value() == Some(Value::Null)
    }

    /// What it is, for a message.
    pub fn described(&self) -> &'static str {
        match &self.kind {
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
            Kind::Scalar(scalar) => match scalar.value() {
                Value::Null => "nothing",
                Value::Bool(_) => "true or false",
                Value::Int(_) | Value::Float(_) => "a number",
                Value::Text => "a text",
            },
        }
    }
}
