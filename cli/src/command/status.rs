//! `status`: one run and its steps.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use serde_json::Value;
use subrosa_engine::record::{FoundRun, RunRecord, SecretRecord, StepRecord};

use crate::args::StatusArgs;
use crate::command::validate::to_line;
use crate::failure::{Exit, Failure};
use crate::render::Look;
use crate::report::words;
use crate::text::{count, shown};
use crate::wiring::World;
use crate::{out, records, table};

/// Shows a run.
pub(crate) fn status(args: &StatusArgs, world: &World) -> Result<Exit, Failure> {
    let run = records::find(&world.data_dir()?, args.run.as_deref())?;
    if args.json {
        out::stdout(to_line(&to_json(&run)?)?)?;
    } else {
        out::stdout(to_text(&run, world.look(&io::stdout()), (world.clock)()))?;
    }
    Ok(Exit::OK)
}

/// The record with the state that a person would be told, and its folder.
pub(crate) fn to_json(run: &FoundRun) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(&run.record)
        .map_err(|error| Failure::engine(format!("cannot write JSON: {error}")))?;
    if run.record.status == "running" && !run.alive {
        value["status"] = "interrupted".into();
    }
    value["dir"] = run.dir.to_string_lossy().into();
    Ok(value)
}

fn to_text(run: &FoundRun, look: Look, now: SystemTime) -> String {
    let record = &run.record;
    let mut head = vec![
        row("run", &record.run),
        row("workflow", &shown(&record.workflow)),
        row("file", &shown(&record.file)),
        row("status", &records::state(run)),
    ];
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            head.push(row(name, value));
        }
    };
    add("reason", record.reason.as_deref().map(shown).as_deref());
    add("environment", record.environment.as_deref().map(shown).as_deref());
    add("retry of", record.retry_of.as_deref());
    add("started", Some(&format!("{} UTC", records::clock_time(&record.started))));
    add("took", Some(&records::took(run, now)));
    let secrets: Vec<String> = record
        .secrets
        .iter()
        .map(|secret| format!("{} ({})", shown(&secret.name), source(secret)))
        .collect();
    add("secrets", Some(&secrets.join(", ")));
    add("not printed", Some(&never_printed(record)));
    add("record", Some(&shown(&run.dir.display().to_string())));
    let mut text: String = table::lines(&head).iter().map(|line| format!("{line}\n")).collect();
    if !record.steps.is_empty() {
        text.push('\n');
    }
    let is_interrupted = record.status == "running" && !run.alive;
    let steps: Vec<Vec<String>> =
        record.steps.iter().map(|step| step_row(step, is_interrupted)).collect();
    for (line, step) in table::lines(&steps).iter().zip(&record.steps) {
        let sign = sign(step, is_interrupted, look);
        text.push_str(&format!("{sign} {line}\n"));
    }
    text
}

/// `env`, or `ref prod/db, version 3, expired`.
fn source(secret: &SecretRecord) -> String {
    let mut source = shown(&secret.provider);
    if let Some(reference) = &secret.reference {
        source.push_str(&format!(" {}", shown(reference)));
    }
    if let Some(found) = &secret.found {
        source.push_str(&format!(", version {}", found.version));
        source.push_str(if found.expired { ", expired" } else { "" });
    }
    source.push_str(if secret.masked { "" } else { ", not masked" });
    source.push_str(if secret.short { ", too short to mask well" } else { "" });
    source
}

/// Masked secrets that no step of a finished run printed, though some did print one.
fn never_printed(record: &RunRecord) -> String {
    let counts = || record.steps.iter().flat_map(|step| &step.masked);
    if record.finished.is_none() || counts().next().is_none() {
        return String::new();
    }
    let secrets = record.secrets.iter().filter(|secret| secret.masked);
    let quiet = secrets.filter(|secret| !counts().any(|count| count.secret == secret.name));
    quiet.map(|secret| shown(&secret.name)).collect::<Vec<_>>().join(", ")
}

/// `masked TOKEN 3 times, 2 values registered`.
fn masked(step: &StepRecord) -> Vec<String> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for count in &step.masked {
        let sum = counts.entry(&count.secret).or_default();
        *sum = sum.saturating_add(count.count);
    }
    let counts = counts.into_iter().map(|(name, sum)| format!("{} {sum}×", shown(name)));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if !counts.is_empty() {
        parts.push(format!("masked {counts}"));
    }
    if step.registered > 0 {
        let registered = usize::try_from(step.registered).unwrap_or(usize::MAX);
        parts.push(format!("{} registered", count(registered, "value")));
    }
    parts
}

fn row(name: &str, value: &str) -> Vec<String> {
    vec![name.to_owned(), value.to_owned()]
}

fn sign(step: &StepRecord, is_interrupted: bool, look: Look) -> String {
    match words::parse_step(&step.status) {
        Some(_) if is_interrupted && step.status == "running" => "⊘".to_owned(),
        Some(status) => words::painted(status, look),
        None => "?".to_owned(),
    }
}

fn step_row(step: &StepRecord, is_interrupted: bool) -> Vec<String> {
    let word = match words::parse_step(&step.status) {
        Some(_) if is_interrupted && step.status == "running" => "interrupted".to_owned(),
        Some(status) => words::step(status).1.to_owned(),
        None => shown(&step.status),
    };
    let took = match (&step.started, &step.finished) {
        (Some(start), Some(end)) => records::between(start, end),
        _ => String::new(),
    };
    vec![shown(&step.name), word, took, why(step)]
}

/// Exit code, signal or message of the last attempt, and how many there were.
fn why(step: &StepRecord) -> String {
    let mut parts = Vec::new();
    match (&step.message, step.signal, step.exit_code) {
        (Some(message), _, _) => parts.push(shown(message)),
        (None, Some(signal), _) => parts.push(words::signal_name(signal)),
        (None, None, Some(code)) if code != 0 => parts.push(format!("exit {code}")),
        (None, None, _) => {}
    }
    if step.attempts > 1 {
        parts.push(format!("{} attempts", step.attempts));
    }
    parts.extend(masked(step));
    parts.join(", ")
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
