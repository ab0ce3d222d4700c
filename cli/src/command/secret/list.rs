//! `secret list`: what is there, without values.
//!
//! A registry can hold very many secrets, so the list is written as it is made, through one buffer.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use subrosa_registry::SecretInfo;

use super::{is_no_store, minute, on_terminal, state};
use crate::args::secret::ListArgs;
use crate::failure::{Exit, Failure};
use crate::out;
use crate::wiring::World;

/// Lists secrets, sorted by ref and scope.
pub(crate) fn list(args: &ListArgs, world: &World) -> Result<Exit, Failure> {
    let secrets = world.secrets()?;
    let mut infos = match secrets.admin("secret list", false, world).list() {
        Ok(infos) => infos,
        Err(error) if is_no_store(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let now = (world.clock)();
    infos.retain(|info| is_wanted(args, info, now));
    if args.json {
        out::buffered(|writer| write_json(writer, &infos))?;
    } else if infos.is_empty() {
        out::stderr("no secrets\n");
    } else {
        let columns_max = on_terminal().then(|| world.look(&io::stdout()).width);
        out::buffered(|writer| write_table(writer, &infos, now, columns_max))?;
    }
    Ok(Exit::OK)
}

fn is_wanted(args: &ListArgs, info: &SecretInfo, now: SystemTime) -> bool {
    let scope = &info.address.scope;
    let in_scope = match &args.workspace {
        Some(workspace) => scope.workspace.as_ref() == Some(workspace),
        None => !args.global || scope.workspace.is_none(),
    };
    let environment = args.environment.as_ref();
    in_scope
        && environment.is_none_or(|name| scope.environment.as_ref() == Some(name))
        && args
            .prefix
            .as_ref()
            .is_none_or(|start| info.address.reference.as_str().starts_with(start))
        && (!args.expired || is_expired(info, now))
        && (!args.unused || info.last_used.is_none())
}

fn is_expired(info: &SecretInfo, now: SystemTime) -> bool {
    info.expires.is_some_and(|time| time <= now)
}

/// A secret for programs.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    #[serde(rename = "ref")]
    reference: &'a str,
    workspace: Option<&'a str>,
    environment: Option<&'a str>,
    version: Option<u64>,
    state: &'a str,
    description: &'a str,
    created: Stamp,
    updated: Stamp,
    expires: Option<Stamp>,
    max_age_sec: Option<u64>,
    last_used: Option<Stamp>,
    keep: Option<u32>,
    versions: usize,
}

impl Row<'_> {
    pub(super) fn of(info: &SecretInfo) -> Row<'_> {
        let scope = &info.address.scope;
        Row {
            reference: info.address.reference.as_str(),
            workspace: scope.workspace.as_ref().map(|name| name.as_str()),
            environment: scope.environment.as_ref().map(|name| name.as_str()),
            version: info.version,
            state: state(info),
            description: &info.description,
            created: Stamp(info.created),
            updated: Stamp(info.updated),
            expires: info.expires.map(Stamp),
            max_age_sec: info.max_age_s,
            last_used: info.last_used.map(Stamp),
            keep: info.keep,
            versions: info.versions.len(),
        }
    }
}

/// A moment that is written without a text of its own.
struct Stamp(SystemTime);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_seconds(self.0))
    }
}

/// One object a line, so that tools for lines see something in it, too.
fn write_json(writer: &mut dyn Write, infos: &[SecretInfo]) -> io::Result<()> {
    writer.write_all(b"[")?;
    for (index, info) in infos.iter().enumerate() {
        writer.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *writer, &Row::of(info))?;
    }
    writer.write_all(if infos.is_empty() { b"]\n" } else { b"\n]\n" })
}

const COLUMNS: usize = 8;
const HEADER: [&str; COLUMNS] =
    ["REF", "WORKSPACE", "ENVIRONMENT", "VERSION", "STATE", "EXPIRES", "LAST USED", "UPDATED"];
/// What a narrow terminal does without, in this order.
const DISPENSABLE: [usize; 4] = [7, 6, 3, 5];

fn write_table(
    writer: &mut dyn Write,
    infos: &[SecretInfo],
    now: SystemTime,
    columns_max: Option<usize>,
) -> io::Result<()> {
    let mut widths = HEADER.map(str::len);
    for info in infos {
        for (width, cell) in widths.iter_mut().zip(cells(info, now)) {
            // Names and times are ASCII.
            *width = cell.len().max(*width);
        }
    }
    let shown = shown_columns(&widths, columns_max);
    let mut line = String::new();
    write_line(writer, &mut line, &HEADER.map(Cow::Borrowed), (&widths, &shown))?;
    for info in infos {
        write_line(writer, &mut line, &cells(info, now), (&widths, &shown))?;
    }
    Ok(())
}

fn write_line(
    writer: &mut dyn Write,
    line: &mut String,
    cells: &[Cow<'_, str>; COLUMNS],
    (widths, shown): (&[usize; COLUMNS], &[bool; COLUMNS]),
) -> io::Result<()> {
    line.clear();
    for ((cell, width), _) in cells.iter().zip(widths).zip(shown).filter(|(_, shown)| **shown) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - cell.len() + 2));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    writer.write_all(line.as_bytes())
}

fn cells(info: &SecretInfo, now: SystemTime) -> [Cow<'_, str>; COLUMNS] {
    let scope = &info.address.scope;
    let none = Cow::Borrowed("-");
    let expires = match info.expires {
        None => none.clone(),
        Some(time) if time <= now => format!("{} (past)", minute(time)).into(),
        Some(time) => minute(time).into(),
    };
    [
        info.address.reference.as_str().into(),
        scope.workspace.as_ref().map_or("(global)", |name| name.as_str()).into(),
        scope.environment.as_ref().map_or("-", |name| name.as_str()).into(),
        info.version.map_or(none, |version| version.to_string().into()),
        state(info).into(),
        expires,
        info.last_used.map_or(Cow::Borrowed("never"), |time| minute(time).into()),
        minute(info.updated).into(),
    ]
}

/// The columns that fit; those that say which secret it is and whether it works always do.
fn shown_columns(widths: &[usize; COLUMNS], columns_max: Option<usize>) -> [bool; COLUMNS] {
    let mut shown = [true; COLUMNS];
    let Some(columns_max) = columns_max else { return shown };
    let taken = |shown: &[bool; COLUMNS]| {
        let widths = widths.iter().zip(shown).filter(|(_, shown)| **shown);
        widths.map(|(width, _)| width + 2).sum::<usize>().saturating_sub(2)
    };
    for column in DISPENSABLE {
        if taken(&shown) <= columns_max {
            break;
        }
        shown[column] = false;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, HEADER, shown_columns};

    fn shown(columns_max: Option<usize>) -> Vec<&'static str> {
        let widths: [usize; COLUMNS] = [20, 8, 11, 7, 8, 16, 16, 16];
        let shown = shown_columns(&widths, columns_max);
        HEADER.into_iter().zip(shown).filter(|(_, shown)| *shown).map(|(name, _)| name).collect()
    }

    #[test]
    fn a_narrow_terminal_does_without_the_least_important_columns() {
        assert_eq!(shown(None), HEADER);
        assert_eq!(shown(Some(116)), HEADER);
        assert_eq!(shown(Some(115)), HEADER[..7]);
        assert_eq!(shown(Some(79)), ["REF", "WORKSPACE", "ENVIRONMENT", "STATE", "EXPIRES"]);
        assert_eq!(shown(Some(10)), ["REF", "WORKSPACE", "ENVIRONMENT", "STATE"]);
    }
}
