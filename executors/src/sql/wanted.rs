//! What a step wants, read from its filled fields.

use std::path::PathBuf;
use std::time::Duration;

use subrosa_engine::kind::{Input, StepFault, StepRequest};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

use super::rows::Format;
use super::statement::{Dialect, Statement};
use super::value::Param;

const SESSIONS: usize = 4;
/// What a server may be asked for by one step; many have 100 for everybody.
const SESSIONS_MAX: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a step wants of a database.
pub(super) struct Wanted {
    pub(super) statement: Statement,
    /// In the order of their places.
    pub(super) params: Vec<Param>,
    pub(super) format: Format,
    pub(super) rows_max: Option<u64>,
    pub(super) transaction: Option<Isolation>,
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Duration,
    pub(super) sessions_max: usize,
}

/// How far a transaction is kept from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    /// As the database does by itself.
    Default,
    /// The words of SQL.
    Level(String),
}

impl Wanted {
    /// Reads the fields of a step.
    pub(super) fn read(dialect: Dialect, input: &Input) -> Result<Wanted, StepFault> {
        let text = ["query", "command", "script"].into_iter().find_map(|name| input.text(name));
        let Some(text) = text else { return Err(StepFault::new("there is no statement")) };
        let text = plain(text, "query")?;
        let (statement, params) = bound(dialect, &text, input)?;
        let whole = |name| input.whole(name);
        let sessions = whole("max_connections").and_then(|count| usize::try_from(count).ok());
        Ok(Wanted {
            statement,
            params,
            format: format(input)?,
            rows_max: whole("max_rows"),
            transaction: transaction(input)?,
            timeout: whole("timeout").map(Duration::from_secs),
            connect_timeout: whole("connect_timeout").map_or(CONNECT_TIMEOUT, Duration::from_secs),
            sessions_max: sessions.unwrap_or(SESSIONS).min(SESSIONS_MAX),
        })
    }
}

/// The statement, and the values for its places.
fn bound(
    dialect: Dialect,
    text: &str,
    input: &Input,
) -> Result<(Statement, Vec<Param>), StepFault> {
    let entries = input.entries("params");
    let names: Vec<String> = entries.iter().map(|(name, _)| name.clone()).collect();
    let statement = Statement::read(dialect, text, &names);
    let params: Vec<Param> = match entries {
        [] => input.list("params").iter().map(Param::of).collect(),
        _ => {
            let of = |name: &String| entries.iter().find(|(key, _)| key == name);
            let found = statement.order.iter().filter_map(of);
            found.map(|(_, value)| Param::of(value)).collect()
        }
    };
    if statement.count == 0 {
        return Err(StepFault::new("there is no statement"));
    }
    if statement.count > 1 && !params.is_empty() {
        return Err(StepFault::new("`params` for several statements")
            .help("write one statement, or a step for each"));
    }
    Ok((statement, params))
}

fn format(input: &Input) -> Result<Format, StepFault> {
    let word = input.text("output_format").map(|word| plain(word, "output_format")).transpose()?;
    Ok(match word.as_ref().map(|word| word.as_str()) {
        Some("json") => Format::Json,
        Some("csv") => {
            let null = input.text("null_string").map(|text| plain(text, "null_string"));
            let null = null.transpose()?.map(|text| text.to_string()).unwrap_or_default();
            Format::Csv { has_header: input.flag("headers", true), null }
        }
        _ => Format::JsonLines,
    })
}

fn transaction(input: &Input) -> Result<Option<Isolation>, StepFault> {
    if !input.flag("transaction", false) {
        return Ok(None);
    }
    let Some(level) = input.text("isolation_level") else { return Ok(Some(Isolation::Default)) };
    let words = plain(level, "isolation_level")?.to_ascii_uppercase().replace('_', " ");
    Ok(Some(Isolation::Level(words)))
}

/// The text of a field, wiped when it is dropped.
#[expect(clippy::disallowed_methods, reason = "it becomes part of what the server is told")]
pub(super) fn plain(value: &SecretValue, field: &str) -> Result<Zeroizing<String>, StepFault> {
    let text = std::str::from_utf8(value.expose())
        .map_err(|_| StepFault::new(format!("`{field}` is no text in UTF-8")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A path, from the working directory on.
pub(super) fn path(request: &StepRequest, field: &str) -> Result<Option<PathBuf>, StepFault> {
    let Some(value) = request.input.text(field) else { return Ok(None) };
    Ok(Some(request.working_dir.join(plain(value, field)?.trim())))
}
