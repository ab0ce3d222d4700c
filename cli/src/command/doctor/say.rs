//! Telling what was seen and done, to people and to programs.

use std::collections::BTreeMap;
use std::io;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::look::Seen;
use super::{Complaint, Severity};
use crate::command::validate::to_line;
use crate::failure::Failure;
use crate::out;
use crate::render::{Look, bold};
use crate::text::{count, shown};
use crate::wiring::World;

/// So many findings of one kind are told to people; programs get all.
const ALIKE_MAX: usize = 20;

/// Tells it on standard output.
pub(super) fn say(seen: &Seen, done: &[String], json: bool, world: &World) -> Result<(), Failure> {
    if json {
        out::stdout(to_line(&to_json(seen, done))?)?;
        return Ok(());
    }
    let look = world.look(&io::stdout());
    let mut text = String::new();
    for deed in done {
        text.push_str(&format!("done: {}\n", shown(deed)));
    }
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let alike = seen.complaints.iter().filter(|complaint| complaint.severity == severity);
        push_all(&mut text, alike, look);
    }
    text.push_str(&format!("{}\n", summary(seen)));
    out::stdout(text)?;
    Ok(())
}

fn push_all<'a>(text: &mut String, complaints: impl Iterator<Item = &'a Complaint>, look: Look) {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for complaint in complaints {
        let told = kinds.entry(complaint.kind).or_default();
        *told += 1;
        if *told <= ALIKE_MAX {
            push(text, complaint, look);
        }
    }
    for (kind, told) in kinds.into_iter().filter(|(_, told)| *told > ALIKE_MAX) {
        text.push_str(&format!("and {} more of `{kind}`: see `--json`\n", told - ALIKE_MAX));
    }
}

fn push(text: &mut String, complaint: &Complaint, look: Look) {
    let (word, colour) = match complaint.severity {
        Severity::Error => ("error", AnsiColor::Red),
        Severity::Warning => ("warning", AnsiColor::Yellow),
        Severity::Note => ("note", AnsiColor::Cyan),
    };
    let place = complaint.place.as_ref().map_or_else(String::new, |place| format!("`{place}`: "));
    let head = look.paint(bold(colour), &format!("{word}[{}]", complaint.kind));
    let what = look.paint(Style::new().bold(), &shown(&format!("{place}{}", complaint.what)));
    text.push_str(&format!("{head}: {what}\n"));
    if !complaint.means.is_empty() {
        text.push_str(&format!("  means: {}\n", shown(&complaint.means)));
    }
    if let Some(cure) = &complaint.cure {
        text.push_str(&format!("  cure: {}\n", shown(cure)));
    }
}

fn summary(seen: &Seen) -> String {
    let errors = seen.count(Severity::Error);
    let warnings = seen.count(Severity::Warning);
    let found = match (errors, warnings) {
        (0, 0) => "nothing is wrong".to_owned(),
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => {
            format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
        }
    };
    if !seen.exists {
        return format!("{found}: there is no registry in `{}`", shown(&seen.folder));
    }
    let (mut secrets, versions) = (count(seen.secrets, "secret"), count(seen.versions, "version"));
    if seen.connections > 0 {
        secrets = format!("{secrets} and {}", count(seen.connections, "connection"));
    }
    format!(
        "{found} with the registry in `{}`: {secrets} whole, {versions} opened",
        shown(&seen.folder)
    )
}

fn to_json(seen: &Seen, done: &[String]) -> Value {
    let findings: Vec<Value> = seen.complaints.iter().map(finding).collect();
    json!({
        "registry": seen.folder,
        "exists": seen.exists,
        "generation": seen.generation,
        "secrets": seen.secrets,
        "connections": seen.connections,
        "versions": seen.versions,
        "errors": seen.count(Severity::Error),
        "warnings": seen.count(Severity::Warning),
        "findings": findings,
        "repaired": done,
    })
}

fn finding(complaint: &Complaint) -> Value {
    json!({
        "severity": match complaint.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        "kind": complaint.kind,
        "what": complaint.what,
        "where": complaint.place,
        "means": complaint.means,
        "cure": complaint.cure,
    })
}
