//! `trigger:`: a call that starts the workflow.

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::fields::{SIGNATURE, TRIGGER, TRIGGER_HTTP};
use crate::names::{is_env_name, is_managed, reserved_prefix, shown};
use crate::source::Span;
use crate::workflow::{HttpTrigger, Signature, SignatureScheme, Text};
use crate::yaml::{Kind, Node};

use super::Notes;
use super::read::{Fields, wrong_type};
use super::secrets::parse_ref;

/// The parameter that gets the body unless another is named.
const BODY: &str = "WEBHOOK_PAYLOAD";
/// A variable of a process ends at 128 KiB on Linux, its name included; the rest is left to the others.
const BODY_LEN_MAX: u32 = 96 * 1024;
/// How old a signed time may be.
const WITHIN: Duration = Duration::from_secs(300);
/// Longest name in an address.
const NAME_LEN_MAX: usize = 64;

/// The words of `scheme`.
const SCHEMES: [&str; 5] = ["github", "gitlab", "slack", "standard", "stripe"];

/// A trigger whose name may still be that of the workflow.
#[derive(Debug)]
pub(crate) struct TriggerDraft {
    name: Option<Text>,
    http: HttpTrigger,
}

/// Reads `trigger:`.
pub(super) fn trigger(notes: &mut Notes, node: &Node) -> Option<TriggerDraft> {
    let outer = Fields::read(notes, &TRIGGER, node)?;
    let Some(node) = outer.get("http") else {
        if !outer.has_unknown {
            notes.add(
                Diagnostic::error("missing-field", "`trigger` without `http`")
                    .at(node.span, "")
                    .help("write `http:` and below it `credentials_path` or `signature`"),
            );
        }
        return None;
    };
    let fields = Fields::read(notes, &TRIGGER_HTTP, node)?;
    let name = fields.trimmed(notes, "name");
    let http = HttpTrigger {
        name: String::new(),
        credentials_path: fields.trimmed(notes, "credentials_path"),
        signature: fields.get("signature").and_then(|node| signature(notes, node)),
        needs_user: fields.word(notes, "user", &["required", "optional"]) == Some("required"),
        is_anonymous: fields.flag(notes, "anonymous").unwrap_or(false),
        body: body(notes, &fields),
        params: params(notes, &fields),
        body_len_max: body_len_max(notes, &fields),
        span: node.span,
    };
    let is_guarded = http.credentials_path.is_some() || http.signature.is_some() || http.needs_user;
    if http.is_anonymous && is_guarded {
        notes.add(
            Diagnostic::error("wrong-value", "`anonymous` beside what callers have to show")
                .at(fields.key("anonymous").unwrap_or(node.span), "")
                .help("remove one of them: with `anonymous` anybody starts the workflow"),
        );
    }
    Some(TriggerDraft { name, http })
}

impl TriggerDraft {
    /// The trigger of the workflow of this name.
    pub(crate) fn named(self, notes: &mut Notes, workflow: &str) -> Option<HttpTrigger> {
        let TriggerDraft { name, http } = self;
        let (text, span) = match &name {
            Some(name) => (name.raw.as_str(), name.span),
            None => (workflow, http.span),
        };
        if is_name(text) {
            return Some(HttpTrigger { name: text.to_owned(), ..http });
        }
        let message = match name {
            Some(_) => format!("{} cannot stand in an address", shown(text)),
            None => format!("the workflow's name {} cannot stand in an address", shown(text)),
        };
        notes.add(Diagnostic::error("wrong-value", message).at(span, "").help(
            "write `name:` with letters, digits, `-`, `_` and `.`, at most 64, and a letter or digit first",
        ));
        None
    }
}

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    begins && text.len() <= NAME_LEN_MAX && text.bytes().all(plain)
}

fn signature(notes: &mut Notes, node: &Node) -> Option<Signature> {
    let fields = Fields::read(notes, &SIGNATURE, node)?;
    let scheme = fields.word(notes, "scheme", &SCHEMES);
    let reference = fields.text(notes, "ref");
    for (name, is_there) in
        [("scheme", fields.get("scheme").is_some()), ("ref", reference.is_some())]
    {
        if !is_there && !fields.has_unknown {
            let message = format!("`signature` without `{name}`");
            notes.add(
                Diagnostic::error("missing-field", message)
                    .at(node.span, "")
                    .help("write `scheme`, and `ref` with the key of the registry that holds the signing secret"),
            );
        }
    }
    let within = fields.time_limit(notes, "within_sec").unwrap_or(WITHIN);
    let secret = parse_ref(notes, &reference?)?;
    let scheme = match scheme? {
        "github" => SignatureScheme::Github,
        "gitlab" => SignatureScheme::Gitlab,
        "slack" => SignatureScheme::Slack,
        "standard" => SignatureScheme::Standard,
        _ => SignatureScheme::Stripe,
    };
    Some(Signature { scheme, secret, within })
}

fn body(notes: &mut Notes, fields: &Fields<'_>) -> String {
    let Some(name) = fields.trimmed(notes, "body") else { return BODY.to_owned() };
    check_variable(notes, &name.raw, name.span);
    name.raw
}

fn check_variable(notes: &mut Notes, name: &str, span: Span) {
    if is_env_name(name) && !is_managed(name) && reserved_prefix(name).is_none() {
        return;
    }
    let message = format!("{} cannot be a parameter", shown(name));
    notes.add(
        Diagnostic::error("invalid-name", message)
            .at(span, "")
            .help("use letters, digits and underscores, and no name that the engine sets"),
    );
}

fn params(notes: &mut Notes, fields: &Fields<'_>) -> Vec<(String, String)> {
    let Some(node) = fields.get("params") else { return Vec::new() };
    let Kind::Mapping(entries) = &node.kind else {
        notes.add(wrong_type(node, "`params`", "a mapping of JSON pointers"));
        return Vec::new();
    };
    let mut params = Vec::new();
    for entry in entries {
        check_variable(notes, entry.key.trim(), entry.key_span);
        let pointer = entry.value.scalar().map(|scalar| scalar.text.trim().to_owned());
        match pointer.filter(|pointer| pointer.is_empty() || pointer.starts_with('/')) {
            Some(pointer) => params.push((entry.key.trim().to_owned(), pointer)),
            None => notes.add(wrong_type(
                &entry.value,
                &shown(&entry.key),
                "a JSON pointer such as `/ref` or `/repository/name`",
            )),
        }
    }
    params
}

fn body_len_max(notes: &mut Notes, fields: &Fields<'_>) -> usize {
    let most = fields.whole(notes, "max_body", 1).unwrap_or(BODY_LEN_MAX);
    if most > BODY_LEN_MAX {
        let span = fields.get("max_body").map_or(fields.span, |node| node.span);
        let message = format!("`max_body` is {most}, more than {BODY_LEN_MAX}");
        notes.add(
            Diagnostic::error("wrong-value", message)
                .at(span, "")
                .help("the body becomes a variable, and these end at 128 KiB"),
        );
    }
    usize::try_from(most.min(BODY_LEN_MAX)).unwrap_or(usize::MAX)
}
