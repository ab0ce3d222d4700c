//! PostgreSQL.
//!
//! Statements with parameters are prepared: the server says which types it wants, and values are made of
//! these types here. Scripts are sent as they are; the server answers them in texts.

mod array;
mod cell;
mod param;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::error::DatabaseError;
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgDatabaseError, PgErrorPosition, PgQueryResult, PgSslMode,
};
use sqlx::{Column as _, ConnectOptions as _, Connection as _, Executor as _, Statement as _};
use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{Kind, StepFault, StepRequest, StepRunner};
use subrosa_engine::provider::Asking;
use subrosa_engine::sink::StepIo;
use subrosa_engine::workflow::Typed;

use super::endpoint::{Endpoint, Flavor, Place};
use super::fault::{Broken, line_and_column, sentence};
use super::pool::Session;
use super::rows::Rows;
use super::server::{Server, ServerSteps};
use super::statement::{Dialect, Statement};
use super::value::Param;
use super::wanted::Isolation;
use super::{check, fields};
use crate::lender::{Lender, Means};

/// The kind.
pub static POSTGRES: Kind = Kind {
    name: "postgres",
    words: &["postgresql"],
    actions: &[("postgres.query", "query")],
    with: &fields::POSTGRES,
    beside: fields::BESIDE,
    check: check_step,
};

pub(in crate::sql) static FLAVOR: Flavor = Flavor {
    name: "postgres",
    schemes: &["postgres", "postgresql"],
    port: 5432,
    modes: &["disable", "prefer", "require", "verify-ca", "verify-full"],
    local_mode: "prefer",
    socket: "host",
};

fn check_step(step: &Typed) -> Vec<Diagnostic> {
    check::server(Dialect::Postgres, step)
}

struct PostgresSteps {
    lender: Arc<Lender>,
    steps: ServerSteps<Login>,
}

/// What carries them out.
pub(crate) fn make(means: &Means) -> Arc<dyn StepRunner> {
    let server = Server { flavor: &FLAVOR, dialect: Dialect::Postgres, login, refusal, begin };
    let lender = means.lender.clone();
    Arc::new(PostgresSteps { lender: lender.clone(), steps: ServerSteps::new(server, lender) })
}

#[async_trait]
impl StepRunner for PostgresSteps {
    fn kind(&self) -> &'static Kind {
        &POSTGRES
    }

    async fn ready(&self, connection: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault> {
        self.lender.ready(connection, asking).await
    }

    async fn run(&self, request: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        Box::pin(self.steps.run(&request, io)).await
    }
}

/// The driver takes what is left open from `PG...` variables, as `psql` does: every setting is given.
fn login(endpoint: &Endpoint) -> Result<PgConnectOptions, StepFault> {
    if let Some(name) = intruding(endpoint.authorities.is_some()) {
        let message = format!("the variable `{name}` is set, and would change how to log in");
        return Err(StepFault::new(message).help(format!("run subrosa without `{name}`")));
    }
    let mode = match endpoint.mode.as_str() {
        "disable" => PgSslMode::Disable,
        "prefer" => PgSslMode::Prefer,
        "require" => PgSslMode::Require,
        "verify-ca" => PgSslMode::VerifyCa,
        _ => PgSslMode::VerifyFull,
    };
    let options = PgConnectOptions::new_without_pgpass()
        .database(&endpoint.database)
        .username(&endpoint.username)
        .password(&endpoint.password()?)
        .application_name("subrosa")
        .statement_cache_capacity(0)
        .ssl_mode(mode)
        .disable_statement_logging();
    let options = match &endpoint.place {
        Place::Tcp { host, port } => options.host(host).port(*port),
        Place::Socket(path) => options.socket(path),
    };
    Ok(match &endpoint.authorities {
        Some(pem) => options.ssl_root_cert_from_pem(pem.clone()),
        None => options,
    })
}

/// A variable of the environment that the driver takes whatever it is given.
fn intruding(has_roots: bool) -> Option<&'static str> {
    let taken = PgConnectOptions::new_without_pgpass().password("");
    if taken.get_options().is_some() {
        return Some("PGOPTIONS");
    }
    let has_variable = taken.to_url_lossy().query_pairs().any(|(name, _)| name == "sslrootcert");
    (has_variable && !has_roots).then_some("PGSSLROOTCERT")
}

fn begin(isolation: &Isolation) -> Vec<String> {
    vec![match isolation {
        Isolation::Default => "BEGIN".to_owned(),
        Isolation::Level(level) => format!("BEGIN ISOLATION LEVEL {level}"),
    }]
}

/// A session at the server.
struct Login {
    connection: PgConnection,
    /// The process of the server.
    process: i32,
}

#[async_trait]
impl Session for Login {
    type Login = PgConnectOptions;
    type Handle = i32;

    async fn open(login: &PgConnectOptions) -> Result<Login, sqlx::Error> {
        let mut connection = login.connect().await?;
        let process = "SELECT pg_backend_pid()";
        let process = sqlx::query_scalar(process).persistent(false).fetch_one(&mut connection);
        let process = process.await?;
        Ok(Login { connection, process })
    }

    async fn is_alive(&mut self) -> bool {
        self.connection.ping().await.is_ok()
    }

    async fn clear(&mut self, _: &Statement) -> bool {
        // It is refused within a transaction that was left open: the session is closed then.
        self.command("DISCARD ALL").await.is_ok()
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
        let changed = |done: &PgQueryResult| done.rows_affected();
        if params.is_empty() && !statement.has_places {
            let results = self.connection.fetch_many(sqlx::raw_sql(sql));
            rows.take(results, cell::of_row, changed).await?;
        } else {
            let prepared = self.connection.prepare(sql).await?;
            let places = prepared.parameters();
            super::same_count(places, params)?;
            let kinds = match places {
                Some(sqlx::Either::Left(kinds)) => kinds,
                Some(sqlx::Either::Right(_)) | None => &[],
            };
            let arguments = param::arguments(kinds, params)?;
            let bound = sqlx::query_with(sql, arguments).persistent(false);
            let results = self.connection.fetch_many(bound);
            rows.take(results, cell::of_row, changed).await?;
        }
        if rows.lacks_header() && statement.count == 1 {
            let prepared = self.connection.prepare(sql).await?;
            let names = prepared.columns().iter().map(|column| column.name().to_owned());
            rows.header(&names.collect::<Vec<_>>());
        }
        Ok(())
    }

    fn handle(&self) -> i32 {
        self.process
    }

    async fn cancel(login: &PgConnectOptions, process: i32) -> Result<(), sqlx::Error> {
        let mut connection = login.connect().await?;
        let cancel = sqlx::query("SELECT pg_cancel_backend($1)").bind(process).persistent(false);
        connection.execute(cancel).await?;
        connection.close().await
    }

    async fn close(self) {
        drop(self.connection.close().await);
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>: sentences of class 42 are about the text of
/// the statement, unless a function made that text.
fn refusal(error: &dyn DatabaseError, sql: &str) -> StepFault {
    let Some(error) = error.try_downcast_ref::<PgDatabaseError>() else {
        return StepFault::new("the server answered with an error");
    };
    let code = error.code();
    let known = match code {
        "28P01" | "28000" => Some("the server refuses the user or the password"),
        "3D000" => Some("the server has no such database"),
        "53300" => Some("the server has too many connections"),
        "57P01" | "57P02" => Some("the server ends the session"),
        "57P03" => Some("the server is starting or stopping"),
        "57014" => Some("the statement was cancelled at the server"),
        "23505" => Some("a row is there already (23505)"),
        "23503" => {
            Some("a row that is referred to is missing, or one is still referred to (23503)")
        }
        "23502" => Some("a column lacks a value (23502)"),
        "23514" => Some("a row is not what a check wants (23514)"),
        "40001" | "40P01" => Some("another transaction got in the way (40001)"),
        "25006" => Some("the transaction is read-only (25006)"),
        "42501" => Some("the user may not do that (42501)"),
        _ => None,
    };
    let is_about_text = code.starts_with("42") && error.r#where().is_none();
    let mut message = match known {
        Some(known) => known.to_owned(),
        None if is_about_text => sentence(error.message()),
        None if code.len() == 5 && code.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!("the server answered with the error {code}")
        }
        None => "the server answered with an error".to_owned(),
    };
    let names = [("constraint", error.constraint()), ("column", error.column())];
    for (what, name) in names {
        if let Some(name) = name.filter(|_| code.starts_with("23")) {
            message.push_str(&format!(", {what} `{}`", sentence(name)));
        }
    }
    if let Some(PgErrorPosition::Original(position)) = error.position() {
        let (line, column) = line_and_column(sql, position);
        message.push_str(&format!(", at line {line}, column {column} of the statement"));
    }
    let fault = StepFault::new(message);
    match code {
        "42P18" | "42804" | "42883" => {
            fault.help("say the type of a parameter, such as `:name::text` or `$1::int`")
        }
        _ => fault,
    }
}
