//! What becomes of each secret of a file: rows for people, objects for programs.

use serde_json::{Map, Value, json};
use subrosa_registry::{Import, ImportedSecret, Planned};

use super::differing;
use crate::args::exchange::ImportArgs;
use crate::command::secret::names;
use crate::table;
use crate::text::{count, shown};

/// What becomes, or became, of one secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    New,
    NewVersion {
        version: u64,
    },
    /// A first value of a secret that was declared without one.
    FirstValue,
    Same {
        version: u64,
    },
    Kept {
        version: u64,
    },
    Conflict {
        version: u64,
    },
}

/// One secret.
pub(super) struct Row<'a> {
    name: &'a str,
    import: &'a Import,
    pub(super) outcome: Outcome,
}

impl<'a> Row<'a> {
    /// Of what would be done.
    pub(super) fn planned(
        args: &ImportArgs,
    ) -> impl Fn((&'a String, (&'a Import, &Planned))) -> Row<'a> {
        |(name, (import, planned))| {
            let outcome = match *planned {
                Planned::New => Outcome::New,
                Planned::FirstValue => Outcome::FirstValue,
                Planned::Same { version } => Outcome::Same { version },
                Planned::Conflict { version } => differing(args, version),
            };
            Row { name, import, outcome }
        }
    }

    /// Of what was done.
    pub(super) fn imported(
        (name, (import, imported)): (&'a String, (&'a Import, &ImportedSecret)),
    ) -> Row<'a> {
        let outcome = match imported {
            ImportedSecret::Stored(written) if written.is_new => Outcome::New,
            ImportedSecret::Stored(written) => Outcome::NewVersion { version: written.version },
            ImportedSecret::Same { version } => Outcome::Same { version: *version },
            ImportedSecret::Kept { version } => Outcome::Kept { version: *version },
        };
        Row { name, import, outcome }
    }
}

impl Outcome {
    /// The words for it, the word for programs, and the version that it is about.
    fn words(self) -> (&'static str, &'static str, Option<u64>) {
        match self {
            Outcome::New => ("new", "new", None),
            Outcome::FirstValue => ("first value", "first_value", None),
            Outcome::NewVersion { version } => ("new version", "new_version", Some(version)),
            Outcome::Same { version } => ("same value", "same", Some(version)),
            Outcome::Kept { version } => ("kept, another value", "kept", Some(version)),
            Outcome::Conflict { version } => ("conflict, another value", "conflict", Some(version)),
        }
    }
}

/// The rows under a header, each with a newline.
pub(super) fn lines(rows: &[Row<'_>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut cells = vec![["NAME", "REF", "OUTCOME"].map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(|row| {
        let (words, _, version) = row.outcome.words();
        let version = version.map_or_else(String::new, |version| format!(" ({version})"));
        let reference = row.import.address.reference.to_string();
        vec![shown(row.name), reference, format!("{words}{version}")]
    }));
    table::lines(&cells).iter().map(|line| format!("{line}\n")).collect()
}

/// `3 secrets: 2 new, 1 same value`.
pub(super) fn summary(rows: &[Row<'_>]) -> String {
    let kinds = [
        "new",
        "first value",
        "new version",
        "same value",
        "kept, another value",
        "conflict, another value",
    ];
    let parts: Vec<String> = kinds
        .into_iter()
        .map(|kind| (kind, rows.iter().filter(|row| row.outcome.words().0 == kind).count()))
        .filter(|(_, number)| *number > 0)
        .map(|(kind, number)| format!("{number} {}", kind.split(',').next().unwrap_or(kind)))
        .collect();
    let total = count(rows.len(), "secret");
    if parts.is_empty() { total } else { format!("{total}: {}", parts.join(", ")) }
}

/// The same for programs.
pub(super) fn json(rows: &[Row<'_>], is_applied: bool) -> Map<String, Value> {
    let secrets: Vec<Value> = rows
        .iter()
        .map(|row| {
            let (_, outcome, version) = row.outcome.words();
            let mut fields = names(&row.import.address);
            fields.insert("name".to_owned(), json!(row.name));
            fields.insert("outcome".to_owned(), json!(outcome));
            fields.insert("version".to_owned(), json!(version));
            Value::Object(fields)
        })
        .collect();
    let mut json = Map::new();
    json.insert("applied".to_owned(), json!(is_applied));
    json.insert("secrets".to_owned(), json!(secrets));
    json
}
