//! `audit`: what was done with secrets, and whether the log of it is what was written.

use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::json;
use subrosa_registry::{AuditEntry, Filter, Head, ListError, RegistryError, Report};

use crate::args::audit::{AuditCommand, ListArgs, Since};
use crate::command::secret::{is_no_store, place, reference, stamp};
use crate::command::validate::to_line;
use crate::dispatch::Opener;
use crate::failure::{Exit, Failure};
use crate::text::{count, shown};
use crate::{out, table};

/// Rows that are laid out together: columns align, and a long log takes little memory.
const ROWS_MAX: usize = 1_000;

/// Does what a verb says.
pub(crate) fn audit(command: &AuditCommand, world: &Opener<'_>) -> Result<Exit, Failure> {
    match command {
        AuditCommand::List(args) => list(args, world),
        AuditCommand::Verify { json } => verify(*json, world),
    }
}

fn list(args: &ListArgs, world: &Opener<'_>) -> Result<Exit, Failure> {
    let filter = filter(args, world)?;
    let secrets = world.open_secrets()?;
    let mut writer = EntryWriter { json: args.json, rows: Vec::new(), is_first: true, broken: 0 };
    let mut read = Ok(());
    out::buffered(|stream| {
        let mut written = Ok(());
        read = secrets.registry.each_event(filter, |entry| {
            if written.is_ok() {
                written = writer.add(entry, stream);
            }
        });
        written.and_then(|()| writer.flush(stream))
    })?;
    match read {
        Ok(()) => {}
        Err(error) if is_no_store(&error) => {}
        Err(error) => return Err(error.into()),
    }
    if writer.is_first && !args.json && writer.broken == 0 {
        out::stderr("no events\n");
    }
    if writer.broken > 0 {
        return Err(Failure::new(
            Exit::STEP_FAILED,
            format!("the audit log does not hold: {}", count(writer.broken, "line")),
        )
        .help("`subrosa audit verify` tells what is wrong with it"));
    }
    Ok(Exit::OK)
}

fn filter(args: &ListArgs, world: &Opener<'_>) -> Result<Filter, Failure> {
    let now = (world.clock)();
    let named = args.reference.as_deref().map(reference).transpose()?;
    let connection = args.connection.as_deref().map(reference).transpose()?;
    let connection = connection.as_ref().map(subrosa_registry::SecretRef::connection);
    Ok(Filter {
        reference: named.or(connection),
        workspace: args.workspace.clone(),
        environment: args.environment.clone(),
        run: args.run.clone(),
        action: args.action,
        outcome: args.outcome,
        since: args.since.map(|since| match since {
            Since::Moment(time) => time,
            Since::Ago(age) => now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH),
        }),
        last: args.number,
    })
}

/// Writes entries as they come.
struct EntryWriter {
    json: bool,
    rows: Vec<Vec<String>>,
    is_first: bool,
    broken: usize,
}

impl EntryWriter {
    fn add(
        &mut self,
        entry: Result<AuditEntry, ListError>,
        stream: &mut dyn Write,
    ) -> io::Result<()> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                self.broken += 1;
                out::stderr(&format!("warning: {}\n", shown(&error.to_string())));
                return Ok(());
            }
        };
        if self.json {
            self.is_first = false;
            serde_json::to_writer(&mut *stream, &Line::of(&entry)).map_err(io::Error::from)?;
            return stream.write_all(b"\n");
        }
        if self.is_first {
            self.is_first = false;
            let head = ["TIME (UTC)", "OUTCOME", "ACTION", "SECRET", "VERSION", "USER", "BY"];
            self.rows.push(head.map(str::to_owned).to_vec());
        }
        self.rows.push(row(&entry));
        if self.rows.len() < ROWS_MAX { Ok(()) } else { self.flush(stream) }
    }

    fn flush(&mut self, stream: &mut dyn Write) -> io::Result<()> {
        let lines = table::lines(&std::mem::take(&mut self.rows));
        lines.iter().try_for_each(|line| writeln!(stream, "{line}"))
    }
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let event = &entry.event;
    let secret = match &event.reference {
        Some(reference) => format!("{reference} ({})", place(&event.scope)),
        None if event.scope == subrosa_registry::Scope::default() => String::new(),
        None => place(&event.scope),
    };
    let actor = &event.actor;
    let mut by = shown(&actor.command);
    for (name, text) in [("", &actor.run), ("workflow ", &actor.workflow), ("step ", &actor.step)] {
        if let Some(text) = text {
            by.push_str(&format!(", {name}{}", shown(text)));
        }
    }
    vec![
        stamp(event.time).replace('T', " ").trim_end_matches('Z').to_owned(),
        event.outcome.to_string(),
        event.action.to_string(),
        secret,
        event.version.map(|version| version.to_string()).unwrap_or_default(),
        shown(&actor.user),
        by,
    ]
}

/// An entry for programs.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: String,
    user: &'a str,
    command: &'a str,
    run: Option<&'a str>,
    workflow: Option<&'a str>,
    step: Option<&'a str>,
    action: String,
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    workspace: Option<&'a str>,
    environment: Option<&'a str>,
    version: Option<u64>,
    outcome: String,
}

impl Line<'_> {
    fn of(entry: &AuditEntry) -> Line<'_> {
        let AuditEntry { seq, event } = entry;
        let (actor, scope) = (&event.actor, &event.scope);
        Line {
            seq: *seq,
            time: stamp(event.time),
            user: &actor.user,
            command: &actor.command,
            run: actor.run.as_deref(),
            workflow: actor.workflow.as_deref(),
            step: actor.step.as_deref(),
            action: event.action.to_string(),
            reference: event.reference.as_ref().map(|reference| reference.as_str()),
            workspace: scope.workspace.as_ref().map(|name| name.as_str()),
            environment: scope.environment.as_ref().map(|name| name.as_str()),
            version: event.version,
            outcome: event.outcome.to_string(),
        }
    }
}

fn verify(json: bool, world: &Opener<'_>) -> Result<Exit, Failure> {
    let secrets = world.open_secrets()?;
    let known = secrets.registry.known_ends().map_err(Failure::from)?;
    let report =
        secrets.registry.verify_audit().map_err(|error: RegistryError| Failure::from(error))?;
    let is_whole = report.problems.is_empty();
    if json {
        let problems: Vec<_> = report
            .problems
            .iter()
            .map(|problem| json!({"line": problem.line, "why": problem.why.to_string()}))
            .collect();
        out::stdout(to_line(&json!({
            "whole": is_whole,
            "lines": report.lines,
            "first": report.first.map(stamp),
            "last": report.last.map(stamp),
            "end": report.head.seq,
            "root": known.root.map(|head| head.seq),
            "anchor": known.anchor.map(|head| head.seq),
            "problems": problems,
            "problems_unlisted": report.problems_unlisted,
        }))?)?;
    } else {
        out::stdout(sentences(&report, known.root, known.anchor))?;
    }
    Ok(if is_whole { Exit::OK } else { Exit::STEP_FAILED })
}

fn sentences(report: &Report, root: Option<Head>, anchor: Option<Head>) -> String {
    let lines = usize::try_from(report.lines).unwrap_or(usize::MAX);
    let mut text = match (report.first, report.last) {
        (Some(first), Some(last)) => {
            format!("{}, from {} to {}\n", count(lines, "line"), stamp(first), stamp(last))
        }
        _ => format!("{}\n", count(lines, "line")),
    };
    for problem in &report.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    if report.problems_unlisted > 0 {
        text.push_str(&format!("and {} more\n", report.problems_unlisted));
    }
    if !report.problems.is_empty() {
        text.push_str("the log is not what was written\n");
        return text;
    }
    text.push_str(match (root, anchor) {
        (None, _) => "the log is whole; the registry has not named an end of it yet\n",
        (Some(_), Some(_)) => {
            "the log is whole, and has the ends that the registry's root and its anchor name\n"
        }
        (Some(_), None) => {
            "the log is whole, and has the end that the registry's root names; no anchor \
                 was found\n"
        }
    });
    text
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use subrosa_registry::{Action, Actor, AuditEntry, Event, Outcome, Scope, SecretRef};

    use super::row;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let actor = Actor {
            user: "a\u{1b}[2Jb".to_owned(),
            command: "run".to_owned(),
            step: Some("x\ny".to_owned()),
            ..Actor::default()
        };
        let event = Event {
            time: UNIX_EPOCH,
            actor,
            action: Action::KeyRotate,
            reference: SecretRef::parse("prod/db").ok(),
            scope: Scope::default(),
            version: Some(3),
            outcome: Outcome::NotFound,
        };
        assert_eq!(
            row(&AuditEntry { seq: 1, event }),
            [
                "1970-01-01 00:00:00",
                "not-found",
                "key-rotate",
                "prod/db (global)",
                "3",
                "a\\u{1b}[2Jb",
                "run, step x\\ny"
            ]
        );
    }
}
