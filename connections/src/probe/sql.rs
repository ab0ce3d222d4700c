//! Logins to databases.
//!
//! The drivers keep the password in memory of their own, which is not wiped. That of PostgreSQL takes what
//! a connection leaves open from `PG...` variables, as `psql` does: every setting of a connection is given.

use std::path::{Path, PathBuf};

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use subrosa_http::Reach;

use super::relay::Relay;
use super::socket::Place;
use super::{Outcome, optional, text};
use crate::apply::ApplyError;
use crate::opened::Opened;

/// Logs in to PostgreSQL and asks for a number.
pub(super) async fn postgres(opened: &Opened, reach: &Reach) -> Result<Outcome, Outcome> {
    let place = Place::of(opened)?;
    let mut options = postgres_options(opened, &place)?;
    if *reach == Reach::Anywhere {
        return ask_postgres(&options, &place).await;
    }
    let port = place.port();
    let called = |name: &Path| PathBuf::from(format!("{}/.s.PGSQL.{port}", name.display()));
    let relay = Relay::open(&place, reach, called).await?;
    options = options.socket(relay.name());
    tokio::select! {
        outcome = ask_postgres(&options, &place) => outcome,
        () = relay.carry() => Err(Outcome::unexpected("the way to the server ended")),
    }
}

async fn ask_postgres(options: &PgConnectOptions, place: &Place) -> Result<Outcome, Outcome> {
    let failed = |error: sqlx::Error| meaning(place, &error);
    let mut connection = PgConnection::connect_with(options).await.map_err(failed)?;
    connection.execute("SELECT 1").await.map_err(failed)?;
    // It has worked, however it ends.
    drop(connection.close().await);
    Ok(Outcome::Works { shows: None })
}

/// Logs in to MySQL or MariaDB and asks for a number.
pub(super) async fn mysql(opened: &Opened, reach: &Reach) -> Result<Outcome, Outcome> {
    let place = Place::of(opened)?;
    let mut options = mysql_options(opened, &place)?;
    if *reach == Reach::Anywhere {
        return ask_mysql(&options, &place).await;
    }
    let relay = Relay::open(&place, reach, Path::to_owned).await?;
    options = options.socket(relay.name());
    tokio::select! {
        outcome = ask_mysql(&options, &place) => outcome,
        () = relay.carry() => Err(Outcome::unexpected("the way to the server ended")),
    }
}

async fn ask_mysql(options: &MySqlConnectOptions, place: &Place) -> Result<Outcome, Outcome> {
    let failed = |error: sqlx::Error| meaning(place, &error);
    let mut connection = MySqlConnection::connect_with(options).await.map_err(failed)?;
    connection.execute("SELECT 1").await.map_err(failed)?;
    drop(connection.close().await);
    Ok(Outcome::Works { shows: None })
}

fn postgres_options(opened: &Opened, place: &Place) -> Result<PgConnectOptions, Outcome> {
    let mode = match text(opened, "sslmode")?.as_str() {
        "disable" => PgSslMode::Disable,
        "prefer" => PgSslMode::Prefer,
        "require" => PgSslMode::Require,
        "verify-ca" => PgSslMode::VerifyCa,
        _ => PgSslMode::VerifyFull,
    };
    if let Some(name) = intruding(optional(opened, "ca_certificate")?.is_some()) {
        return Err(Outcome::untested(format!(
            "the variable `{name}` is set, and the driver would take it for this connection"
        )));
    }
    let options = PgConnectOptions::new_without_pgpass()
        .host(place.host())
        .port(place.port())
        .database(&text(opened, "database")?)
        .username(&text(opened, "username")?)
        .application_name("subrosa")
        .ssl_mode(mode)
        .disable_statement_logging();
    let options = match optional(opened, "ca_certificate")? {
        Some(pem) => options.ssl_root_cert_from_pem(pem.into_bytes()),
        None => options,
    };
    let password = password(opened)?;
    #[expect(clippy::disallowed_methods, reason = "the driver logs in with it")]
    let word = std::str::from_utf8(password.expose());
    Ok(options.password(word.map_err(|_| no_text())?))
}

/// A variable of the environment that the driver takes whatever a connection gives: options that go to
/// the server at login, or other roots than the system's.
fn intruding(has_roots: bool) -> Option<&'static str> {
    let taken = PgConnectOptions::new_without_pgpass().password("");
    if taken.get_options().is_some() {
        return Some("PGOPTIONS");
    }
    let has_variable = taken.to_url_lossy().query_pairs().any(|(name, _)| name == "sslrootcert");
    (has_variable && !has_roots).then_some("PGSSLROOTCERT")
}

fn mysql_options(opened: &Opened, place: &Place) -> Result<MySqlConnectOptions, Outcome> {
    let mode = match text(opened, "sslmode")?.as_str() {
        "disabled" => MySqlSslMode::Disabled,
        "preferred" => MySqlSslMode::Preferred,
        "required" => MySqlSslMode::Required,
        "verify_ca" => MySqlSslMode::VerifyCa,
        _ => MySqlSslMode::VerifyIdentity,
    };
    let options = MySqlConnectOptions::new()
        .host(place.host())
        .port(place.port())
        .database(&text(opened, "database")?)
        .username(&text(opened, "username")?)
        .ssl_mode(mode)
        .disable_statement_logging();
    let options = match optional(opened, "ca_certificate")? {
        Some(pem) => options.ssl_ca_from_pem(pem.into_bytes()),
        None => options,
    };
    let password = password(opened)?;
    #[expect(clippy::disallowed_methods, reason = "the driver logs in with it")]
    let word = std::str::from_utf8(password.expose());
    Ok(options.password(word.map_err(|_| no_text())?))
}

fn password(opened: &Opened) -> Result<subrosa_engine::secret::SecretValue, Outcome> {
    let missing = || ApplyError::Missing { field: "password".to_owned() };
    opened.value("password").ok_or_else(|| Outcome::from(missing()))
}

fn no_text() -> Outcome {
    Outcome::untested("the field `password` is no text")
}

/// What an error of a driver means; its own text may have parts of what was sent.
fn meaning(place: &Place, error: &sqlx::Error) -> Outcome {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref::<MySqlDatabaseError>() {
            Some(error) => mysql_refusal(error.number()),
            None => postgres_refusal(error.code().as_deref().unwrap_or_default()),
        },
        sqlx::Error::Tls(inner) => match place.failed(inner.as_ref()) {
            Outcome::Unreachable { why } if why.starts_with("cannot trust") => {
                Outcome::Unreachable { why }
            }
            _ => Outcome::unreachable(format!(
                "`{}` does not offer TLS, and the field `sslmode` asks for it",
                place.shown()
            )),
        },
        sqlx::Error::Io(error) => place.failed(error),
        sqlx::Error::Configuration(_) => Outcome::untested("the driver does not take the settings"),
        sqlx::Error::Protocol(_) => {
            Outcome::unexpected("the server does not speak as such a database does")
        }
        _ => Outcome::unexpected("the server answered something else"),
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn postgres_refusal(code: &str) -> Outcome {
    match code {
        "28P01" | "28000" => Outcome::Refused,
        "42501" => Outcome::Denied,
        "3D000" => Outcome::unexpected("the server has no such database"),
        "53300" => Outcome::unreachable("the server has too many connections"),
        "57P03" => Outcome::unreachable("the server is starting or stopping"),
        code if code.len() == 5 && code.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            Outcome::unexpected(format!("the server answered with the error {code}"))
        }
        _ => Outcome::unexpected("the server answered with an error"),
    }
}

/// <https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>
fn mysql_refusal(number: u16) -> Outcome {
    match number {
        1045 | 1698 => Outcome::Refused,
        1044 | 1142 => Outcome::Denied,
        1049 => Outcome::unexpected("the server has no such database"),
        1040 | 1203 => Outcome::unreachable("the server has too many connections"),
        _ => Outcome::unexpected(format!("the server answered with the error {number}")),
    }
}
