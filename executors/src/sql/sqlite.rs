//! SQLite: a file of the machine, opened for the step. There is nobody to log in to and nothing to share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow, SqliteValueRef,
};
use sqlx::{
    Arguments as _, Column as _, ConnectOptions as _, Connection as _, Decode, Executor as _,
    Row as _, Sqlite, Statement as _, TypeInfo as _, ValueRef as _,
};
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{Kind, StepFault, StepRequest, StepRunner};
use subrosa_engine::provider::Asking;
use subrosa_engine::sink::StepIo;
use subrosa_engine::workflow::Typed;

use super::fault::{Broken, meaning, sentence};
use super::pool::Session;
use super::rows::Rows;
use super::statement::{Dialect, Statement};
use super::value::{Cell, Param, Unreadable, bytes, number};
use super::wanted::{Isolation, Wanted, plain};
use super::{CANCEL_TIMEOUT, Ended, Named, check, fields, too_late, work};
use crate::lender::Means;

/// Instructions of its machine between two looks at whether it is to end.
const STEPS_BETWEEN_LOOKS: i32 = 1000;

/// The kind.
pub static SQLITE: Kind = Kind {
    name: "sqlite",
    words: &["sqlite3"],
    actions: &[("sqlite.query", "query")],
    with: &fields::SQLITE,
    beside: fields::BESIDE,
    check: check_step,
};

fn check_step(step: &Typed) -> Vec<subrosa_engine::diagnostic::Diagnostic> {
    check::file(Dialect::Sqlite, step)
}

struct SqliteSteps;

/// What carries them out.
pub(crate) fn make(_: &Means) -> Arc<dyn StepRunner> {
    Arc::new(SqliteSteps)
}

#[async_trait]
impl StepRunner for SqliteSteps {
    fn kind(&self) -> &'static Kind {
        &SQLITE
    }

    async fn ready(&self, _: &str, _: &Asking) -> Result<Vec<StepFault>, StepFault> {
        // A file needs no connection, and the field is refused before.
        Ok(Vec::new())
    }

    async fn run(&self, request: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        let wanted = Wanted::read(Dialect::Sqlite, &request.input)?;
        let login = login(&request)?;
        let place = format!("`{}`", login.shown);
        let opened = File::open(&login).await;
        let mut file = opened.map_err(|error| meaning(&place, refusal, "", &error))?;
        let begin = if login.is_read_only { begin_reading } else { begin };
        let named = Named { place: &place, refusal, begin };
        match work(&mut file, (&request, &wanted), &named, io).await {
            Ended::Done => {
                file.close().await;
                Ok(ExitHow::Code(0))
            }
            Ended::Refused(fault) | Ended::Broken(fault) => {
                file.close().await;
                Err(fault)
            }
            Ended::Undone(fault) => {
                end(&login, file).await;
                Err(fault)
            }
            Ended::Cut(how) => {
                end(&login, file).await;
                Ok(how)
            }
            Ended::Late(seconds) => {
                end(&login, file).await;
                Err(too_late(&place, seconds))
            }
        }
    }
}

/// Ends what is done with a file, and waits until it is closed.
async fn end(login: &Login, file: File) {
    drop(File::cancel(login, file.handle()).await);
    drop(tokio::time::timeout(CANCEL_TIMEOUT, file.close()).await);
}

/// Which file, and how.
struct Login {
    path: Option<PathBuf>,
    shown: String,
    is_read_only: bool,
}

fn login(request: &StepRequest) -> Result<Login, StepFault> {
    let Some(text) = request.input.text("path") else {
        return Err(StepFault::new("there is no `path`"));
    };
    let text = plain(text, "path")?;
    let text = text.trim();
    let schemes = ["sqlite://", "sqlite:", "file://", "file:"];
    let scheme = schemes.iter().find(|scheme| text.starts_with(**scheme));
    let path = scheme.map_or(text, |scheme| &text[scheme.len()..]);
    if path.is_empty() || (scheme.is_some() && path.contains('?')) {
        return Err(StepFault::new("`path` is no file").help("write a path, without parameters"));
    }
    let is_read_only = request.input.flag("read_only", false);
    if path == ":memory:" {
        return Ok(Login { path: None, shown: path.to_owned(), is_read_only: false });
    }
    let whole = request.working_dir.join(path);
    Ok(Login { shown: whole.display().to_string(), path: Some(whole), is_read_only })
}

fn begin(_: &Isolation) -> Vec<String> {
    // At once, so that two steps wait for each other instead of failing half-way.
    vec!["BEGIN IMMEDIATE".to_owned()]
}

fn begin_reading(_: &Isolation) -> Vec<String> {
    vec!["BEGIN".to_owned()]
}

/// A file that is open.
struct File {
    connection: SqliteConnection,
    is_over: Arc<AtomicBool>,
}

#[async_trait]
impl Session for File {
    type Login = Login;
    type Handle = Arc<AtomicBool>;

    async fn open(login: &Login) -> Result<File, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .statement_cache_capacity(0)
            .command_buffer_size(1)
            .row_buffer_size(64)
            .disable_statement_logging();
        let options = match &login.path {
            Some(path) => options
                .filename(path)
                .read_only(login.is_read_only)
                .create_if_missing(!login.is_read_only),
            None => options.in_memory(true),
        };
        let mut connection = options.connect().await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = is_over.clone();
        let goes_on = move || !seen.load(Ordering::Relaxed);
        connection.lock_handle().await?.set_progress_handler(STEPS_BETWEEN_LOOKS, goes_on);
        Ok(File { connection, is_over })
    }

    async fn is_alive(&mut self) -> bool {
        true
    }

    async fn clear(&mut self, _: &Statement) -> bool {
        false
    }

    async fn command(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::raw_sql(sql)).await.map(drop)
    }

    async fn run(
        &mut self,
        statement: &Statement,
        params: &[Param],
        rows: &mut Rows<'_>,
    ) -> Result<(), Broken> {
        let sql = &statement.sql;
        let changed = |done: &sqlx::sqlite::SqliteQueryResult| done.rows_affected();
        if params.is_empty() && !statement.has_places {
            let results = self.connection.fetch_many(sqlx::raw_sql(sql));
            rows.take(results, cell, changed).await?;
        } else {
            let prepared = self.connection.prepare(sql).await?;
            super::same_count(prepared.parameters(), params)?;
            let bound = sqlx::query_with(sql, arguments(params)?).persistent(false);
            let results = self.connection.fetch_many(bound);
            rows.take(results, cell, changed).await?;
        }
        if rows.lacks_header() && statement.count == 1 {
            let prepared = self.connection.prepare(sql).await?;
            let names = prepared.columns().iter().map(|column| column.name().to_owned());
            rows.header(&names.collect::<Vec<_>>());
        }
        Ok(())
    }

    fn handle(&self) -> Arc<AtomicBool> {
        self.is_over.clone()
    }

    async fn cancel(_: &Login, handle: Arc<AtomicBool>) -> Result<(), sqlx::Error> {
        handle.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn close(self) {
        drop(self.connection.close().await);
    }
}

/// The value of a column: by what is stored, not by what the column was declared as.
fn cell(row: &SqliteRow, index: usize) -> Result<Cell, Unreadable> {
    let unreadable = || Unreadable {
        column: row.column(index).name().to_owned(),
        kind: row.column(index).type_info().name().to_owned(),
    };
    let raw = row.try_get_raw(index).map_err(|_| unreadable())?;
    if raw.is_null() {
        return Ok(Cell::Null);
    }
    let kind = raw.type_info().into_owned();
    let found = match kind.name() {
        "INTEGER" => get::<i64>(raw).map(|found| Cell::Plain(found.to_string())),
        "REAL" => get::<f64>(raw).map(|found| number(found.to_string())),
        "BLOB" => get::<&[u8]>(raw).map(bytes),
        _ => get::<&str>(raw).map(|text| Cell::Text(text.to_owned())),
    };
    found.ok_or_else(unreadable)
}

fn get<'r, T: Decode<'r, Sqlite>>(raw: SqliteValueRef<'r>) -> Option<T> {
    T::decode(raw).ok()
}

fn arguments(params: &[Param]) -> Result<SqliteArguments<'static>, Broken> {
    let mut arguments = SqliteArguments::default();
    for param in params {
        let added = match param {
            Param::Null => arguments.add(None::<i64>),
            Param::Flag(flag) => arguments.add(i64::from(*flag)),
            Param::Number(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(whole), _) => arguments.add(whole),
                (Err(_), Ok(float)) => arguments.add(float),
                (Err(_), Err(_)) => arguments.add(text.clone()),
            },
            Param::Text(text) | Param::Json(text) => {
                arguments.add(plain(text, "params")?.to_string())
            }
            Param::List(_) => return Err(super::list_param().into()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// <https://www.sqlite.org/rescode.html>: what the engine says itself is about names; functions quote values.
fn refusal(error: &dyn DatabaseError, _: &str) -> StepFault {
    let code = error.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1);
    let known = match code & 0xff {
        5 | 6 => Some("somebody else holds it locked"),
        8 => Some("it is read-only"),
        9 => Some("it was interrupted"),
        10 => Some("it cannot be read or written"),
        11 => Some("it is damaged"),
        13 => Some("there is no room left"),
        14 => Some("it cannot be opened"),
        18 => Some("a value is too large"),
        20 => Some("a value is of another type than the column"),
        23 => Some("that is not allowed"),
        26 => Some("it is no database"),
        _ => None,
    };
    let said = error.message();
    let is_about_names = ["no such ", "near \"", "UNIQUE constraint", "NOT NULL constraint"]
        .iter()
        .chain(&["CHECK constraint", "FOREIGN KEY constraint", "table ", "ambiguous column name"])
        .chain(&["incomplete input", "no tables specified"])
        .any(|begin| said.starts_with(begin));
    match known {
        Some(known) => StepFault::new(known),
        None if is_about_names => StepFault::new(sentence(said)),
        None => StepFault::new(format!("SQLite says that there is the error {code}")),
    }
}
