//! Steps of `type: postgres`, `mysql` and `sqlite`: statements whose values are bound, never pasted in.
//!
//! Rows go to the step's standard output as they come, how many there were to standard error. Steps with
//! the same credential share sessions ([`pool`]); the credential is opened for the step, and nothing of it
//! is kept with the sessions. A step that is stopped or takes too long is ended at the server. What is told of
//! an error has no value in it ([`fault`]).

mod check;
mod endpoint;
mod fault;
mod fields;
mod mysql;
mod pool;
mod postgres;
mod rows;
mod server;
mod sqlite;
mod statement;
mod value;
mod wanted;

use std::time::Duration;

use subrosa_engine::executor::ExitHow;
use subrosa_engine::kind::{StepFault, StepRequest};
use subrosa_engine::sink::StepIo;

use self::fault::{Broken, Refusal, at, guarded, meaning};
use self::pool::Session;
use self::rows::Rows;
use self::wanted::{Isolation, Wanted};

pub use self::mysql::MYSQL;
pub use self::postgres::POSTGRES;
pub use self::sqlite::SQLITE;

pub(crate) use self::mysql::make as make_mysql;
pub(crate) use self::postgres::make as make_postgres;
pub(crate) use self::sqlite::make as make_sqlite;

/// How long the end of a statement at the server may take, at most.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// What to say about a database.
struct Named<'a> {
    place: &'a str,
    refusal: Refusal,
    /// How a transaction of a level begins.
    begin: fn(&Isolation) -> Vec<String>,
}

/// How work in a session ended.
enum Ended {
    Done,
    /// The server refused it, and is ready for more.
    Refused(StepFault),
    /// The session is of no use any more.
    Broken(StepFault),
    /// It was given up here, and has to be ended at the server.
    Undone(StepFault),
    /// The same: its time is over.
    Cut(ExitHow),
    Late(u64),
}

/// Carries out what a step wants in a session, as long as there is time.
async fn work<S: Session>(
    session: &mut S,
    (request, wanted): (&StepRequest, &Wanted),
    named: &Named<'_>,
    io: &mut StepIo,
) -> Ended {
    let mut rows = Rows::new((io, &request.hiding), wanted.format.clone(), wanted.rows_max);
    let ended = tokio::select! {
        biased;
        how = request.timing.over() => Ended::Cut(how),
        seconds = late(wanted.timeout) => Ended::Late(seconds),
        ended = written(session, wanted, named, &mut rows) => return ended,
    };
    // What came before is output all the same; that it cannot be written does not matter any more.
    drop(rows.spill());
    ended
}

/// Carries out what a step wants, and writes all that comes of it.
async fn written<S: Session>(
    session: &mut S,
    wanted: &Wanted,
    named: &Named<'_>,
    rows: &mut Rows<'_>,
) -> Ended {
    let ran = transact(session, wanted, named, rows).await;
    let written = if ran.is_ok() { rows.finish().await } else { rows.flush().await };
    if let Err(error) = written {
        let message = format!("the output cannot be written: {}", error.kind());
        return Ended::Undone(StepFault::new(message));
    }
    match ran {
        Ok(()) => Ended::Done,
        Err(Failed { fault, left }) => match left {
            Left::Ready => Ended::Refused(fault),
            Left::Broken => Ended::Broken(fault),
            Left::AtWork => Ended::Undone(fault),
        },
    }
}

/// Why a statement did not end well.
struct Failed {
    fault: StepFault,
    left: Left,
}

/// How a failure leaves a session.
#[derive(PartialEq, Eq)]
enum Left {
    /// For another statement.
    Ready,
    /// Of no use.
    Broken,
    /// The server may still be at it.
    AtWork,
}

/// Waits until a statement has taken too long.
async fn late(timeout: Option<Duration>) -> u64 {
    match timeout {
        Some(timeout) => {
            tokio::time::sleep(timeout).await;
            timeout.as_secs()
        }
        None => std::future::pending().await,
    }
}

/// Carries out what a step wants, in a transaction if it wants one.
async fn transact<S: Session>(
    session: &mut S,
    wanted: &Wanted,
    named: &Named<'_>,
    rows: &mut Rows<'_>,
) -> Result<(), Failed> {
    let begin = wanted.transaction.as_ref().map(named.begin).unwrap_or_default();
    for command in &begin {
        let ran = guarded(session.command(command)).await;
        ran.map_err(|error| named.failed(command, error.into()))?;
    }
    let ran = guarded(session.run(&wanted.statement, &wanted.params, rows)).await;
    let ran = ran.map_err(|broken| named.failed(&wanted.statement.sql, broken));
    if begin.is_empty() {
        return ran;
    }
    match ran {
        Ok(()) => {
            let ended = guarded(session.command("COMMIT")).await;
            ended.map_err(|error| named.uncommitted(error))
        }
        Err(mut failed) => {
            // The server rolls back when the session is closed, too.
            if failed.left == Left::Ready && guarded(session.command("ROLLBACK")).await.is_err() {
                failed.left = Left::Broken;
            }
            Err(failed)
        }
    }
}

impl Named<'_> {
    fn failed(&self, sql: &str, broken: Broken) -> Failed {
        match broken {
            Broken::Driver(error) => Failed {
                fault: meaning(self.place, self.refusal, sql, &error),
                left: match error {
                    sqlx::Error::Database(_) => Left::Ready,
                    _ => Left::Broken,
                },
            },
            Broken::Fault(fault) => Failed { fault: at(self.place, fault), left: Left::AtWork },
        }
    }

    fn uncommitted(&self, error: sqlx::Error) -> Failed {
        if matches!(error, sqlx::Error::Database(_)) {
            return self.failed("COMMIT", error.into());
        }
        let place = self.place;
        let fault = StepFault::new(format!(
            "{place}: the connection broke at the end of the transaction; whether it was committed is not known"
        ));
        Failed { fault, left: Left::Broken }
    }
}

fn too_late(place: &str, seconds: u64) -> StepFault {
    let unit = if seconds == 1 { "second" } else { "seconds" };
    StepFault::new(format!("{place}: it took more than {seconds} {unit} and was cancelled"))
        .help("raise `timeout`")
}

/// As many values as places.
fn same_count<T>(
    places: Option<sqlx::Either<&[T], usize>>,
    params: &[value::Param],
) -> Result<(), StepFault> {
    let places = match places {
        Some(sqlx::Either::Left(kinds)) => kinds.len(),
        Some(sqlx::Either::Right(count)) => count,
        None => return Ok(()),
    };
    if places == params.len() {
        return Ok(());
    }
    let given = params.len();
    let message = format!("`params` has {given}, and the statement has places for {places}");
    Err(StepFault::new(message).help("give a value for each place"))
}

fn list_param() -> StepFault {
    StepFault::new("a list in `params`")
        .help("this database binds single values; a list is for arrays of PostgreSQL")
}
