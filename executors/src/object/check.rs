//! What is wrong with an `object` step, as far as its text shows.

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::names::shown;
use subrosa_engine::source::Span;
use subrosa_engine::workflow::{Text, Tree, Typed};

use super::wanted::Operation;

/// What each is the content of an object by itself.
const CONTENTS: [&str; 3] = ["source", "content", "json"];
/// What a step may hold of a credential itself.
const PARTS: [&str; 5] =
    ["access_key_id", "secret_access_key", "session_token", "account_key", "access_token"];

/// What is wrong with one step.
pub(super) fn check(step: &Typed) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let operation = match operation(step) {
        Ok(operation) => operation,
        Err(problem) => return vec![problem],
    };
    problems.extend(target(step, operation));
    problems.extend(content(step, operation));
    problems.extend(credentials(step));
    problems.extend(addresses(step));
    problems
}

fn text<'a>(step: &'a Typed, name: &str) -> Option<&'a Text> {
    match step.get(name)? {
        Tree::Text(text) | Tree::Literal(text) => Some(text),
        _ => None,
    }
}

fn operation(step: &Typed) -> Result<Operation, Diagnostic> {
    let given = [text(step, "operation"), text(step, "command")];
    let mut given = given.into_iter().flatten();
    if let Some(operation) = Operation::of(step.operation) {
        return match given.next() {
            None => Ok(operation),
            Some(second) => Err(twice("the operation is given twice", second.span)),
        };
    }
    let Some(word) = given.next() else {
        return Err(Diagnostic::error("missing-field", "an `object` step without an operation")
            .at(step.span, "")
            .help("write `action: object.get`, or `operation: get` in `with`"));
    };
    if let Some(second) = given.next() {
        return Err(twice("the operation is given twice", second.span));
    }
    Operation::of(&word.raw).ok_or_else(|| {
        let message = format!("{} is no operation of objects", shown(&word.raw));
        Diagnostic::error("wrong-value", message)
            .at(word.span, "")
            .help("it is one of `get`, `put`, `list`, `delete` and `head`")
    })
}

fn twice(message: &str, span: Span) -> Diagnostic {
    Diagnostic::error("several-actions", message).at(span, "").help("keep one of them")
}

fn missing(step: &Typed, operation: Operation, what: &str, help: &str) -> Diagnostic {
    let message = format!("`{}` of an object without {what}", operation.word());
    Diagnostic::error("missing-field", message).at(step.span, "in this step").help(help)
}

fn target(step: &Typed, operation: Operation) -> Option<Diagnostic> {
    let (has_key, has_prefix) = (step.get("key").is_some(), step.get("prefix").is_some());
    match operation {
        Operation::List if has_key => {
            let message = "`key` in a step that lists objects";
            let problem = Diagnostic::error("misplaced-field", message);
            Some(problem.at(step.span, "in this step").help("write `prefix`"))
        }
        Operation::List => None,
        Operation::Delete if has_key && has_prefix => {
            Some(twice("both `key` and `prefix`", step.span))
        }
        Operation::Delete if has_key || has_prefix => None,
        Operation::Delete => Some(missing(
            step,
            operation,
            "`key` or `prefix`",
            "`key` names one, `prefix` all that begin with it",
        )),
        Operation::Get | Operation::Put | Operation::Head if has_key => None,
        Operation::Get | Operation::Put | Operation::Head => {
            Some(missing(step, operation, "`key`", "`key` is its name in the store"))
        }
    }
}

fn content(step: &Typed, operation: Operation) -> Option<Diagnostic> {
    let given: Vec<&str> = CONTENTS.into_iter().filter(|name| step.get(name).is_some()).collect();
    match (operation, given.as_slice()) {
        (Operation::Put, []) => Some(missing(
            step,
            operation,
            "content",
            "`source` names a file, `content` is a text, `json` a document",
        )),
        (Operation::Put, [_]) | (_, []) => None,
        (Operation::Put, [one, other, ..]) => {
            Some(twice(&format!("both `{one}` and `{other}`"), step.span))
        }
        (_, [one, ..]) => {
            let message = format!("`{one}` in a step that stores nothing");
            let problem = Diagnostic::error("misplaced-field", message);
            Some(problem.at(step.span, "in this step").help("remove it, or store with `put`"))
        }
    }
}

fn addresses(step: &Typed) -> Option<Diagnostic> {
    let is_refused = step.get("force_path_style") == Some(&Tree::Flag(false));
    is_refused.then(|| {
        let message = "`force_path_style: false` in a step";
        let problem = Diagnostic::error("wrong-value", message);
        problem
            .at(step.span, "in this step")
            .help("the bucket is always in the path of the URL; remove it")
    })
}

fn credentials(step: &Typed) -> Option<Diagnostic> {
    let part = PARTS.into_iter().find(|name| step.get(name).is_some());
    let (first, given, second) = match (&step.connection, &step.credentials_path, part) {
        (Some(given), Some(_), _) => ("connection", given, "credentials_path"),
        (Some(given), None, Some(part)) => ("connection", given, part),
        (None, Some(given), Some(part)) => ("credentials_path", given, part),
        (_, _, _) => return None,
    };
    Some(twice(&format!("both `{first}` and `{second}`"), given.span))
}
