//! What is wrong with an `http` step, as far as its text shows.

use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::names::shown;
use subrosa_engine::source::Span;
use subrosa_engine::workflow::{Text, Tree, Typed};
use subrosa_http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use subrosa_http::{HeaderName, Method};

use super::expect::Expect;

/// Headers that say where a request goes or ends: the client writes them.
pub(super) const FRAMING: [HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING];
/// What each is a body by itself; a form and files are one together.
const BODIES: [&str; 4] = ["body", "json", "form", "files"];

/// What is wrong with one step.
pub(super) fn check(step: &Typed) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    problems.extend(target(step));
    problems.extend(bodies(step));
    problems.extend(credentials(step));
    problems.extend(headers(step));
    problems.extend(files(step));
    problems.extend(expect(step));
    problems.extend(retries(step));
    problems
}

fn text<'a>(step: &'a Typed, name: &str) -> Option<&'a Text> {
    match step.get(name)? {
        Tree::Text(text) | Tree::Literal(text) => Some(text),
        _ => None,
    }
}

/// Whether nothing in a text is filled.
fn is_whole(text: &Text) -> bool {
    !text.raw.contains('$')
}

/// A method that a step may use.
pub(super) fn method(word: &str) -> Option<Method> {
    let method = Method::from_bytes(word.to_ascii_uppercase().as_bytes()).ok()?;
    // These do something else than asking for an answer, or give back what was sent.
    (method != Method::CONNECT && method != Method::TRACE).then_some(method)
}

fn target(step: &Typed) -> Vec<Diagnostic> {
    let wrong_method = |word: &str, span: Span| {
        Diagnostic::error("wrong-value", format!("{} is no method that is sent", shown(word)))
            .at(span, "")
            .help("write one such as `GET` or `POST`")
    };
    match (text(step, "command"), text(step, "url")) {
        (None, None) => {
            vec![
                Diagnostic::error("missing-field", "an `http` step without a `url`")
                    .at(step.span, "")
                    .help("write `with: {url: https://...}`, or `command: GET https://...`"),
            ]
        }
        (Some(command), Some(_)) => {
            vec![
                Diagnostic::error("several-actions", "both `command` and `url`")
                    .at(command.span, "")
                    .help("keep one of them"),
            ]
        }
        (Some(command), None) => {
            let mut problems = Vec::new();
            if step.get("method").is_some() {
                problems.push(
                    Diagnostic::error("several-actions", "both `command` and `method`")
                        .at(command.span, "")
                        .help("the method is the first word of `command`; remove `method`"),
                );
            }
            let Some((word, _)) = command.raw.trim().split_once(char::is_whitespace) else {
                if is_whole(command) {
                    problems.push(
                        Diagnostic::error("wrong-value", "`command` is no method with a URL")
                            .at(command.span, "")
                            .help("write `command: GET https://...`"),
                    );
                }
                return problems;
            };
            if !word.contains('$') && method(word).is_none() {
                problems.push(wrong_method(word, command.span));
            }
            problems
        }
        (None, Some(_)) => match text(step, "method").filter(|text| is_whole(text)) {
            Some(word) if method(word.raw.trim()).is_none() => {
                vec![wrong_method(&word.raw, word.span)]
            }
            Some(_) | None => Vec::new(),
        },
    }
}

/// Whether a field is a body: `json: true` says how the answer is written.
fn is_body(step: &Typed, name: &str) -> bool {
    match step.get(name) {
        None | Some(Tree::Null) => false,
        Some(Tree::Flag(_)) => name != "json",
        Some(_) => true,
    }
}

fn bodies(step: &Typed) -> Option<Diagnostic> {
    let given: Vec<&str> = BODIES.into_iter().filter(|name| is_body(step, name)).collect();
    if given.len() < 2 || given == ["form", "files"] {
        return None;
    }
    Some(
        Diagnostic::error("several-actions", format!("both `{}` and `{}`", given[0], given[1]))
            .at(step.span, "in this step")
            .help("a request has one body; only `form` and `files` go together"),
    )
}

fn credentials(step: &Typed) -> Option<Diagnostic> {
    step.connection.as_ref()?;
    let second = step.credentials_path.as_ref()?;
    Some(
        Diagnostic::error("several-actions", "both `connection` and `credentials_path`")
            .at(second.span, "")
            .help("keep one of them"),
    )
}

fn headers(step: &Typed) -> Vec<Diagnostic> {
    let Some(Tree::Map(entries)) = step.get("headers") else { return Vec::new() };
    let mut seen = Vec::new();
    let mut problems = Vec::new();
    for (name, value) in entries {
        let span = match value {
            Tree::Text(text) => text.span,
            _ => step.span,
        };
        let found = HeaderName::from_bytes(name.as_bytes());
        let (message, help) = match found {
            Err(_) => {
                (format!("{} is no name of a header", shown(name)), "letters, digits and `-`")
            }
            Ok(found) if FRAMING.contains(&found) => {
                (format!("the header `{found}`"), "it is written by itself; remove it")
            }
            Ok(found) if seen.contains(&found) => {
                (format!("the header `{found}` is given twice"), "keep one")
            }
            Ok(found) => {
                seen.push(found);
                continue;
            }
        };
        problems.push(Diagnostic::error("wrong-value", message).at(span, "").help(help));
    }
    problems
}

fn files(step: &Typed) -> Vec<Diagnostic> {
    let Some(Tree::List(items)) = step.get("files") else { return Vec::new() };
    let missing = items.iter().flat_map(|item| {
        let Tree::Map(entries) = item else { return Vec::new() };
        let lacks = |name: &&str| !entries.iter().any(|(key, _)| key == name);
        ["name", "path"].into_iter().filter(lacks).collect()
    });
    let told = missing.map(|name| {
        Diagnostic::error("missing-field", format!("a file without `{name}`"))
            .at(step.span, "in this step")
            .help("write `files: [{name: FIELD, path: FILE}]`")
    });
    told.collect()
}

fn expect(step: &Typed) -> Vec<Diagnostic> {
    let Some(Tree::List(items)) = step.get("expect") else { return Vec::new() };
    let texts = items.iter().filter_map(|item| match item {
        Tree::Text(text) if is_whole(text) => Some(text),
        _ => None,
    });
    let wrong = texts.filter(|text| Expect::parse([text.raw.as_str()]).is_err());
    let told = wrong.map(|text| {
        Diagnostic::error("wrong-value", format!("{} is no status", shown(&text.raw)))
            .at(text.span, "")
            .help("write one such as `200`, `200-204` or `2xx`")
    });
    told.collect()
}

fn retries(step: &Typed) -> Option<Diagnostic> {
    let Some(Tree::Number(number)) = step.get("retries") else { return None };
    let word = match (text(step, "command"), text(step, "method")) {
        (Some(command), _) => command.raw.split_whitespace().next()?.to_owned(),
        (None, Some(word)) => word.raw.trim().to_owned(),
        (None, None) if BODIES.iter().any(|name| is_body(step, name)) => "POST".to_owned(),
        (None, None) => return None,
    };
    if number == "0" || method(&word)?.is_idempotent() || word.contains('$') {
        return None;
    }
    Some(
        Diagnostic::error("wrong-value", format!("`retries` of {}", shown(&word)))
            .at(step.span, "in this step")
            .help("repeated, it may do its work twice; if that is right, use the step's `retry_policy`"),
    )
}
