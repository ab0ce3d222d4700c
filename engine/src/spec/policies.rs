//! `continue_on`, `retry_policy` and `repeat_policy`.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::fields::{CONTINUE_ON, REPEAT, RETRY};
use crate::workflow::{Condition, ContinueOn, RepeatMode, RepeatPolicy, RepeatTest, RetryPolicy};
use crate::yaml::{Kind, Node, Value};

use super::Notes;
use super::conditions::check_pattern;
use super::read::{Fields, text, wrong_type, wrong_word};

/// `failed`, `skipped`, or a mapping.
pub(super) fn continue_on(notes: &mut Notes, node: &Node) -> ContinueOn {
    if let Some(scalar) = node.scalar() {
        return match scalar.text.trim() {
            "failed" | "failure" => ContinueOn { failure: true, ..ContinueOn::default() },
            "skipped" => ContinueOn { skipped: true, ..ContinueOn::default() },
            _ => {
                if let Some(text) = text(notes, "continue_on", node) {
                    notes.add(wrong_word("continue_on", &text, &["failed", "skipped"]));
                }
                ContinueOn::default()
            }
        };
    }
    let Some(fields) = Fields::read(notes, &CONTINUE_ON, node) else {
        return ContinueOn::default();
    };
    let output = fields.texts(notes, "output").unwrap_or_default();
    for pattern in &output {
        check_pattern(notes, &pattern.raw, pattern.span);
    }
    ContinueOn {
        failure: fields.flag(notes, "failure").unwrap_or(false),
        skipped: fields.flag(notes, "skipped").unwrap_or(false),
        exit_codes: exit_codes(notes, &fields),
        output: output.into_iter().map(|text| text.raw).collect(),
        mark_success: fields.flag(notes, "mark_success").unwrap_or(false),
    }
}

/// `retry_policy:`.
pub(super) fn retry(notes: &mut Notes, node: &Node) -> Option<RetryPolicy> {
    let fields = Fields::read(notes, &RETRY, node)?;
    if fields.get("limit").is_none() {
        notes.add(
            Diagnostic::error("missing-field", "`retry_policy` without `limit`")
                .at(node.span, "")
                .help("write `limit: N`, the number of tries after the first"),
        );
    }
    Some(RetryPolicy {
        limit: fields.whole(notes, "limit", 0).unwrap_or(0),
        interval: fields.seconds(notes, "interval_sec").unwrap_or(Duration::ZERO),
        backoff: backoff(notes, &fields),
        interval_max: fields.time_limit(notes, "max_interval_sec"),
        exit_codes: exit_codes(notes, &fields),
    })
}

/// `repeat_policy:`; `None` also for one that says not to repeat.
pub(super) fn repeat(notes: &mut Notes, node: &Node) -> Option<RepeatPolicy> {
    let fields = Fields::read(notes, &REPEAT, node)?;
    let policy = RepeatPolicy {
        mode: RepeatMode::Always,
        interval: fields.seconds(notes, "interval_sec").unwrap_or(Duration::ZERO),
        backoff: backoff(notes, &fields),
        interval_max: fields.time_limit(notes, "max_interval_sec"),
        limit: fields.whole(notes, "limit", 1),
    };
    let (test, compares) = test(notes, &fields);
    let mode = match (Asked::read(notes, &fields), test) {
        (Asked::Never, _) => return None,
        (Asked::Always | Asked::While, Some(test)) => RepeatMode::While(test),
        (Asked::Always, None) => RepeatMode::Always,
        (Asked::Until, Some(test)) => RepeatMode::Until(test),
        // Older files leave the word out: comparing means to wait for it, a command to go on with it.
        (Asked::Nothing, Some(test)) if compares => RepeatMode::Until(test),
        (Asked::Nothing, Some(test)) => RepeatMode::While(test),
        (Asked::While | Asked::Until | Asked::Nothing, None) => {
            notes.add(
                Diagnostic::error("missing-field", "`repeat_policy` does not say when to repeat")
                    .at(fields.span, "")
                    .help("add `condition` or `exit_code`, or write `repeat: true` with a `limit`"),
            );
            return None;
        }
    };
    Some(RepeatPolicy { mode, ..policy })
}

/// What `repeat:` says.
enum Asked {
    Nothing,
    Never,
    Always,
    While,
    Until,
}

impl Asked {
    fn read(notes: &mut Notes, fields: &Fields<'_>) -> Asked {
        let Some(node) = fields.get("repeat") else { return Asked::Nothing };
        match (node.value(), node.scalar().map(|scalar| scalar.text.trim())) {
            (Some(Value::Bool(true)), _) => Asked::Always,
            (Some(Value::Bool(false)), _) => Asked::Never,
            (_, Some("while")) => Asked::While,
            (_, Some("until")) => Asked::Until,
            _ => {
                notes.add(wrong_type(node, "`repeat`", "`true`, `false`, `while` or `until`"));
                Asked::Never
            }
        }
    }
}

/// The test, and whether it compares a text.
fn test(notes: &mut Notes, fields: &Fields<'_>) -> (Option<RepeatTest>, bool) {
    let codes = exit_codes(notes, fields);
    let expected = fields.text(notes, "expected");
    if let Some(expected) = &expected {
        check_pattern(notes, &expected.raw, expected.span);
    }
    let compares = expected.is_some();
    match fields.text(notes, "condition") {
        Some(_) if !codes.is_empty() => {
            notes.add(
                Diagnostic::error("wrong-value", "both `condition` and `exit_code`")
                    .at(fields.span, "")
                    .help("keep one of them"),
            );
            (Some(RepeatTest::ExitCodes(codes)), false)
        }
        Some(text) => {
            (Some(RepeatTest::Condition(Condition { text, expected, negate: false })), compares)
        }
        None if codes.is_empty() => (None, false),
        None => (Some(RepeatTest::ExitCodes(codes)), false),
    }
}

fn backoff(notes: &mut Notes, fields: &Fields<'_>) -> f64 {
    let Some(node) = fields.get("backoff") else { return 1.0 };
    #[expect(clippy::cast_precision_loss, reason = "a factor this large is bounded just below")]
    let factor = match node.value() {
        Some(Value::Bool(true)) => 2.0,
        Some(Value::Bool(false)) => return 1.0,
        Some(Value::Int(factor)) => factor as f64,
        Some(Value::Float(factor)) => factor,
        _ => {
            notes.add(wrong_type(node, "`backoff`", "`true`, `false` or a number"));
            return 1.0;
        }
    };
    // 0 is how Dagu writes that there is none.
    if factor == 0.0 {
        return 1.0;
    }
    if factor > 1.0 && factor <= 1000.0 {
        return factor;
    }
    notes.add(
        Diagnostic::error("wrong-value", "`backoff` is out of range")
            .at(node.span, "")
            .help("write a factor above 1 and up to 1000; `true` is 2"),
    );
    1.0
}

fn exit_codes(notes: &mut Notes, fields: &Fields<'_>) -> Vec<i32> {
    let Some(node) = fields.get("exit_code") else { return Vec::new() };
    match &node.kind {
        Kind::Sequence(items) => items.iter().filter_map(|i| exit_code(notes, i)).collect(),
        Kind::Scalar(_) | Kind::Mapping(_) => exit_code(notes, node).into_iter().collect(),
    }
}

fn exit_code(notes: &mut Notes, node: &Node) -> Option<i32> {
    let number = match (node.value(), node.scalar()) {
        (Some(Value::Int(number)), _) => Some(number),
        (Some(Value::Text), Some(scalar)) => scalar.text.trim().parse().ok(),
        _ => None,
    };
    if let Some(code) = number.filter(|code| (0..=255).contains(code)) {
        return i32::try_from(code).ok();
    }
    notes.add(
        Diagnostic::error("wrong-value", "this is no exit code")
            .at(node.span, "")
            .help("write a whole number from 0 to 255"),
    );
    None
}
