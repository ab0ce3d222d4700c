//! Masked logs of steps, in parts or as they grow.

use axum::body::Body as Content;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use subrosa_engine::steplog::StepLog;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs::find;
use crate::app::App;
use crate::extract::{Asked, Named};
use crate::live::Follow;
use crate::people::Caller;
use crate::problem::Problem;
use crate::runs::Run;
use crate::runs::steps::steps;

/// Bytes of a log where nothing is said.
const LOG_LEN_DEFAULT: u64 = 256 * 1024;
/// Most bytes of a log in one answer.
const LOG_LEN_MAX: u64 = 1024 * 1024;
/// The last offset that can be asked for: what every reader of JSON has numbers for.
const OFFSET_MAX: u64 = (1 << 53) - 1;
/// Where a log goes on, and how long it is.
const NEXT: HeaderName = HeaderName::from_static("x-log-next");
const LEN: HeaderName = HeaderName::from_static("x-log-length");

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(log)).routes(routes!(events))
}

/// Which part of which log.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Which stream; without it, standard output, or both if they are in one log.
    #[param(inline)]
    pub(crate) stream: Option<StreamName>,
    /// Which attempt, from 1; without it, the last.
    #[param(minimum = 1)]
    pub(crate) attempt: Option<u32>,
    /// From which byte on; beyond the end nothing is given.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    pub(crate) offset: Option<u64>,
    /// How many bytes at most: 1 to 1048576.
    #[param(minimum = 1, maximum = 1_048_576)]
    pub(crate) limit: Option<u64>,
}

/// A stream of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Both, of a step whose log is merged.
    Output,
}

impl StreamName {
    /// A merged log is the log of either.
    fn is(self, stream: &str) -> bool {
        match self {
            StreamName::Stdout => matches!(stream, "stdout" | "output"),
            StreamName::Stderr => matches!(stream, "stderr" | "output"),
            StreamName::Output => stream == "output",
        }
    }
}

/// Reads a part of a log: its bytes, where it goes on, and how long it is.
pub(crate) async fn read_log(
    app: &App,
    run: &Run,
    step: String,
    part: Part,
) -> Result<(Vec<u8>, u64, u64), Problem> {
    let limit = part.limit.unwrap_or(LOG_LEN_DEFAULT);
    if !(1..=LOG_LEN_MAX).contains(&limit) {
        return Err(Problem::invalid("`limit` is 1 to 1048576"));
    }
    let (dir, offset) = (run.dir.clone(), part.offset.unwrap_or(0));
    if offset > OFFSET_MAX {
        return Err(Problem::invalid("`offset` is 0 to 9007199254740991"));
    }
    let read = app.blocking(move |_| {
        let found = steps(&dir).into_iter().find(|found| found.path == step)?;
        let attempt = part.attempt.unwrap_or(found.record.attempts);
        if part.attempt == Some(0) || attempt > found.record.attempts {
            return None;
        }
        let wanted = part.stream.unwrap_or(StreamName::Stdout);
        let is_wanted = |log: &&_| is_log(log, wanted, attempt);
        let logs = found.logs();
        Some(logs.iter().find(is_wanted).map(|log| log.read(offset, limit)))
    });
    match read.await?.ok_or_else(Problem::not_found)? {
        None => Ok((Vec::new(), offset, 0)),
        Some(Ok(piece)) => {
            let next = offset + piece.bytes.len() as u64;
            Ok((piece.bytes, next, piece.len))
        }
        Some(Err(_)) => Err(Problem::broken("the log cannot be read")),
    }
}

fn is_log(log: &StepLog, wanted: StreamName, attempt: u32) -> bool {
    log.attempt == attempt && wanted.is(log.stream)
}

/// Gives the masked log of a step, as it is on disk; `X-Log-Next` is the offset of what comes after it.
#[utoipa::path(
    get, path = "/runs/{id}/steps/{step}/log", tag = "runs",
    params(
        ("id" = String, Path, description = "The id"),
        ("step" = String, Path, description = "The step, its `/` as `%2F`"),
        Part,
    ),
    responses(
        (status = 200, description = "Bytes of the log", body = String, content_type = "text/plain",
         headers(
            ("X-Log-Next" = u64, description = "The offset of what comes after this part"),
            ("X-Log-Length" = u64, description = "How long the log is by now"),
         )),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn log(
    State(app): State<App>,
    caller: Caller,
    Named((id, step)): Named<(String, String)>,
    Asked(part): Asked<Part>,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, id).await?;
    let (bytes, next, len) = read_log(&app, &run, step, part).await?;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (NEXT, HeaderValue::from(next)),
        (LEN, HeaderValue::from(len)),
    ];
    Ok((headers, bytes).into_response())
}

/// An event of a run that is followed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described for callers, and written as text")]
struct LiveEvent {
    /// What it is.
    event: LiveKind,
    /// Names it, for `Last-Event-ID`; a `reset` has none.
    id: Option<String>,
    /// JSON: of `run` an event of the run; of `log` an object with `step`, `stream`, `attempt`, `offset`, `end` and
    /// `text`; of `end` one with `status`; of `reset` one without anything.
    data: String,
}

/// What an event is.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "described for callers, and written as text")]
enum LiveKind {
    /// An event of the run.
    Run,
    /// A piece of a masked log.
    Log,
    /// The run is over; it is the last.
    End,
    /// What was got so far comes again from the start.
    Reset,
}

/// What is told of a run that is followed.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Told {
    /// Whether logs are told as well; they are where nothing is said.
    logs: Option<bool>,
}

/// Follows a run: server-sent events, from the first on, or from after the one that `Last-Event-ID` names.
///
/// `run` has an event of the run (`run_started`, `step_started`, `step_retrying`, `step_finished`, `warning`,
/// `run_finished`), `log` a piece of a masked log with its place in it, `end` how the run ended: it is the last.
/// `reset` says that what was got so far comes again from the start.
#[utoipa::path(
    get, path = "/runs/{id}/events", tag = "runs",
    params(
        ("id" = String, Path, description = "The id"), Told,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was got"),
    ),
    responses(
        (status = 200, description = "Events, until the run is over", body = LiveEvent,
         content_type = "text/event-stream"),
        (status = 204, description = "The run is over, and everything was got"),
        (status = "default", description = "Refused", body = Problem,
         content_type = "application/problem+json"),
    )
)]
async fn events(
    State(app): State<App>,
    caller: Caller,
    Named(id): Named<String>,
    Asked(Told { logs }): Asked<Told>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = find(&app, &caller, id).await?;
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    match app.live.follow(&run.dir, last, logs.unwrap_or(true)).await {
        Follow::Frames(frames) => {
            let kind = HeaderValue::from_static("text/event-stream");
            // A proxy that collects what comes would keep it from whoever waits.
            let direct =
                (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
            Ok(([(header::CONTENT_TYPE, kind), direct], Content::from_stream(frames))
                .into_response())
        }
        Follow::Over => Ok(StatusCode::NO_CONTENT.into_response()),
        Follow::Full => {
            let said = "as many live streams as may are open";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, said).retry_after(10))
        }
    }
}
