//! Preconditions, and the patterns that they and `continue_on` hold.

use regex::RegexBuilder;

use crate::diagnostic::Diagnostic;
use crate::fields::CONDITION;
use crate::source::Span;
use crate::workflow::{Condition, Text};
use crate::yaml::{Kind, Node};

use super::Notes;
use super::read::{Fields, wrong_type};

/// Compiling costs time; no workflow has this many.
const PATTERNS_MAX: usize = 1000;
/// Bytes of a compiled pattern, so that one like `\w{1000}` is refused and not compiled for seconds.
const PATTERN_SIZE_MAX: usize = 1 << 18;

/// One condition or a list of them.
pub(super) fn conditions(notes: &mut Notes, node: &Node) -> Vec<Condition> {
    match &node.kind {
        Kind::Sequence(items) => items.iter().filter_map(|item| condition(notes, item)).collect(),
        Kind::Scalar(_) | Kind::Mapping(_) => condition(notes, node).into_iter().collect(),
    }
}

fn condition(notes: &mut Notes, node: &Node) -> Option<Condition> {
    match &node.kind {
        Kind::Scalar(scalar) => {
            let text = Text { raw: scalar.text.clone(), span: node.span };
            filled(notes, text).map(|text| Condition { text, expected: None, negate: false })
        }
        Kind::Mapping(_) => {
            let fields = Fields::read(notes, &CONDITION, node)?;
            let negate = fields.flag(notes, "negate").unwrap_or(false);
            let expected = fields.text(notes, "expected");
            if let Some(expected) = &expected {
                check_pattern(notes, &expected.raw, expected.span);
            }
            let Some(text) = fields.text(notes, "condition") else {
                notes.add(
                    Diagnostic::error("missing-field", "a condition without `condition`")
                        .at(node.span, "")
                        .help("write `condition: ...`, and `expected: ...` to compare a text"),
                );
                return None;
            };
            // With `expected` an empty text is one that can be compared.
            let text = if expected.is_some() { text } else { filled(notes, text)? };
            Some(Condition { text, expected, negate })
        }
        Kind::Sequence(_) => {
            notes.add(wrong_type(node, "an item of `preconditions`", "a text or a mapping"));
            None
        }
    }
}

fn filled(notes: &mut Notes, text: Text) -> Option<Text> {
    if !text.raw.trim().is_empty() {
        return Some(text);
    }
    notes.add(
        Diagnostic::error("wrong-value", "an empty condition")
            .at(text.span, "")
            .help("write a shell command, or remove it"),
    );
    None
}

/// Reports a `re:` pattern that does not compile; other texts are literal.
pub(super) fn check_pattern(notes: &mut Notes, text: &str, span: Span) {
    let Some(pattern) = text.strip_prefix("re:") else { return };
    if !notes.has_room() {
        return;
    }
    notes.patterns += 1;
    if notes.patterns > PATTERNS_MAX {
        if notes.patterns == PATTERNS_MAX + 1 {
            notes.add(
                Diagnostic::error("too-much", format!("more than {PATTERNS_MAX} patterns"))
                    .at(span, "")
                    .help("split the file"),
            );
        }
        return;
    }
    // The library's text draws the pattern over several lines; its place is enough.
    if RegexBuilder::new(pattern).size_limit(PATTERN_SIZE_MAX).build().is_err() {
        notes.add(
            Diagnostic::error("invalid-pattern", "the text after `re:` is no regular expression")
                .at(span, "")
                .help("look for open brackets; look-around and back-references do not exist here"),
        );
    }
}
