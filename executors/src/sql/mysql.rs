//! MySQL and MariaDB.
//!
//! Statements with parameters are prepared; texts are bound as texts, numbers as numbers. The protocol has
//! a way to clear a session, which the driver lacks: only sessions whose step cannot have left anything but
//! counters are kept, and a statement of our own takes those away.

mod cell;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::error::DatabaseError;
use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlQueryResult,
    MySqlRow, MySqlSslMode,
};
use sqlx::{
    Arguments as _, Column as _, ConnectOptions as _, Connection as _, Executor as _,
    Statement as _,
};
use subrosa_engine::diagnostic::Diagnostic;
use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{Kind, StepFault, StepRequest, StepRunner};
use subrosa_engine::provider::Asking;
use subrosa_engine::sink::StepIo;
use subrosa_engine::workflow::Typed;

use self::cell::Form;
use super::endpoint::{Endpoint, Flavor, Place};
use super::fault::{Broken, sentence};
use super::pool::Session;
use super::rows::Rows;
use super::server::{Server, ServerSteps};
use super::statement::{Dialect, Statement};
use super::value::Param;
use super::wanted::{Isolation, plain};
use super::{check, fields};
use crate::lender::{Lender, Means};

/// The kind.
pub static MYSQL: Kind = Kind {
    name: "mysql",
    words: &["mariadb"],
    actions: &[("mysql.query", "query"), ("mariadb.query", "query")],
    with: &fields::MYSQL,
    beside: fields::BESIDE,
    check: check_step,
};

static FLAVOR: Flavor = Flavor {
    name: "mysql",
    schemes: &["mysql", "mariadb"],
    port: 3306,
    modes: &["disabled", "preferred", "required", "verify_ca", "verify_identity"],
    local_mode: "preferred",
    socket: "socket",
};

fn check_step(step: &Typed) -> Vec<Diagnostic> {
    check::server(Dialect::MySql, step)
}

struct MysqlSteps {
    lender: Arc<Lender>,
    steps: ServerSteps<Login>,
}

/// What carries them out.
pub(crate) fn make(means: &Means) -> Arc<dyn StepRunner> {
    let server = Server { flavor: &FLAVOR, dialect: Dialect::MySql, login, refusal, begin };
    let lender = means.lender.clone();
    Arc::new(MysqlSteps { lender: lender.clone(), steps: ServerSteps::new(server, lender) })
}

#[async_trait]
impl StepRunner for MysqlSteps {
    fn kind(&self) -> &'static Kind {
        &MYSQL
    }

    async fn ready(&self, connection: &str, asking: &Asking) -> Result<Vec<StepFault>, StepFault> {
        self.lender.ready(connection, asking).await
    }

    async fn run(&self, request: StepRequest, io: &mut StepIo) -> Result<ExitHow, StepFault> {
        Box::pin(self.steps.run(&request, io)).await
    }
}

fn login(endpoint: &Endpoint) -> Result<MySqlConnectOptions, StepFault> {
    let mode = match endpoint.mode.as_str() {
        "disabled" => MySqlSslMode::Disabled,
        "preferred" => MySqlSslMode::Preferred,
        "required" => MySqlSslMode::Required,
        "verify_ca" => MySqlSslMode::VerifyCa,
        _ => MySqlSslMode::VerifyIdentity,
    };
    let options = MySqlConnectOptions::new()
        .database(&endpoint.database)
        .username(&endpoint.username)
        .password(&endpoint.password()?)
        .statement_cache_capacity(0)
        // The server's own mode of SQL counts.
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .ssl_mode(mode)
        .disable_statement_logging();
    let options = match &endpoint.place {
        Place::Tcp { host, port } => options.host(host).port(*port),
        Place::Socket(path) => options.socket(path),
    };
    Ok(match &endpoint.authorities {
        Some(pem) => options.ssl_ca_from_pem(pem.clone()),
        None => options,
    })
}

fn begin(isolation: &Isolation) -> Vec<String> {
    let begin = "START TRANSACTION".to_owned();
    match isolation {
        Isolation::Default => vec![begin],
        Isolation::Level(level) => vec![format!("SET TRANSACTION ISOLATION LEVEL {level}"), begin],
    }
}

/// A session at the server.
struct Login {
    connection: MySqlConnection,
    /// Its number at the server.
    number: u64,
}

#[async_trait]
impl Session for Login {
    type Login = MySqlConnectOptions;
    type Handle = u64;

    async fn open(login: &MySqlConnectOptions) -> Result<Login, sqlx::Error> {
        let mut connection = login.connect().await?;
        let number = "SELECT CAST(CONNECTION_ID() AS UNSIGNED)";
        let number = sqlx::query_scalar(number).persistent(false).fetch_one(&mut connection);
        let number = number.await?;
        Ok(Login { connection, number })
    }

    async fn is_alive(&mut self) -> bool {
        self.connection.ping().await.is_ok()
    }

    async fn clear(&mut self, ran: &Statement) -> bool {
        // Takes the number of the last row away, and the warnings, which quote values: MariaDB keeps those until
        // a statement reads from something.
        let forget = "SELECT LAST_INSERT_ID(0) FROM (SELECT 1) AS a";
        leaves_nothing(ran) && self.command(forget).await.is_ok()
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
        let changed = |done: &MySqlQueryResult| done.rows_affected();
        if params.is_empty() && !statement.has_places {
            let results = self.connection.fetch_many(sqlx::raw_sql(sql));
            let read = |row: &MySqlRow, index| cell::of_row(Form::Text, row, index);
            rows.take(results, read, changed).await?;
        } else {
            let prepared = self.connection.prepare(sql).await?;
            super::same_count(prepared.parameters(), params)?;
            let bound = sqlx::query_with(sql, arguments(params)?).persistent(false);
            let results = self.connection.fetch_many(bound);
            let read = |row: &MySqlRow, index| cell::of_row(Form::Binary, row, index);
            rows.take(results, read, changed).await?;
        }
        if rows.lacks_header() && statement.count == 1 {
            // Not everything that can be carried out can be prepared; what has columns can.
            if let Ok(prepared) = self.connection.prepare(sql).await {
                let names = prepared.columns().iter().map(|column| column.name().to_owned());
                rows.header(&names.collect::<Vec<_>>());
            }
        }
        Ok(())
    }

    fn handle(&self) -> u64 {
        self.number
    }

    async fn cancel(login: &MySqlConnectOptions, number: u64) -> Result<(), sqlx::Error> {
        let mut connection = login.connect().await?;
        connection.execute(sqlx::raw_sql(&format!("KILL QUERY {number}"))).await?;
        connection.close().await
    }

    async fn close(self) {
        drop(self.connection.close().await);
    }
}

/// Whether a statement cannot have changed anything about its session: variables, locks, tables of its own.
fn leaves_nothing(ran: &Statement) -> bool {
    let text = ran.sql.trim_start().to_ascii_uppercase();
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_plain = matches!(first, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "WITH");
    let is_marked = text.contains('@') || text.contains("_LOCK") || text.contains("LAST_INSERT_ID");
    ran.count == 1 && is_plain && !is_marked
}

fn arguments(params: &[Param]) -> Result<MySqlArguments, Broken> {
    let mut arguments = MySqlArguments::default();
    for param in params {
        let added = match param {
            Param::Null => arguments.add(None::<i64>),
            Param::Flag(flag) => arguments.add(*flag),
            Param::Number(text) => match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(whole), _) => arguments.add(whole),
                (Err(_), Ok(whole)) => arguments.add(whole),
                (Err(_), Err(_)) => match text.parse::<f64>() {
                    Ok(float) => arguments.add(float),
                    Err(_) => arguments.add(text.clone()),
                },
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

/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>, the same numbers in MySQL. Sentences are shown where they
/// are about names or the text of the statement, unless a procedure may have made that text.
fn refusal(error: &dyn DatabaseError, sql: &str) -> StepFault {
    let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() else {
        return StepFault::new("the server answered with an error");
    };
    let number = error.number();
    let known = match number {
        1045 | 1698 => Some("the server refuses the user or the password"),
        1044 => Some("the user may not use the database"),
        1049 => Some("the server has no such database"),
        1040 | 1203 => Some("the server has too many connections"),
        1317 | 1969 | 3024 => Some("the statement was cancelled at the server"),
        1927 | 1053 | 1077 => Some("the server ends the session"),
        1062 | 1586 => Some("a row is there already (1062)"),
        1216 | 1452 => Some("a row that is referred to is missing (1452)"),
        1217 | 1451 => Some("a row is still referred to (1451)"),
        4025 | 3819 => Some("a row is not what a check wants"),
        1205 | 1213 => Some("another transaction got in the way (1213)"),
        1792 => Some("the transaction is read-only (1792)"),
        1142 | 1143 | 1227 | 1370 => Some("the user may not do that (1142)"),
        _ => None,
    };
    let made_by_itself = ["CALL", "EXECUTE", "PREPARE"];
    let upper = sql.to_ascii_uppercase();
    let is_about_text = matches!(
        number,
        1046 | 1048
            | 1050
            | 1051
            | 1052
            | 1054
            | 1060
            | 1061
            | 1064
            | 1091
            | 1109
            | 1136
            | 1146
            | 1305
            | 1364
    ) && !made_by_itself.iter().any(|word| upper.contains(word));
    match known {
        Some(known) => StepFault::new(known),
        None if is_about_text => StepFault::new(sentence(error.message())),
        None => StepFault::new(format!("the server answered with the error {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::leaves_nothing;
    use crate::sql::statement::{Dialect, Statement};

    #[test]
    fn only_sessions_without_a_trace_are_kept() {
        let check = |text: &str, expected: bool| {
            let read = Statement::read(Dialect::MySql, text, &[]);
            assert_eq!(leaves_nothing(&read), expected, "{text}");
        };
        for text in
            ["SELECT 1", " insert into t values (?)", "WITH a AS (SELECT 1) SELECT * FROM a;"]
        {
            check(text, true);
        }
        for text in [
            "SELECT 1; SELECT 2",
            "SET autocommit = 0",
            "SELECT @a := 1",
            "SELECT get_lock('a', 1)",
            "LOCK TABLES t READ",
            "CREATE TEMPORARY TABLE t (a INT)",
            "USE other",
            "CALL p()",
            "/* x */ SELECT 1",
        ] {
            check(text, false);
        }
    }
}
