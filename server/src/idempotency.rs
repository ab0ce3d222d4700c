//! Writes that are done once, however often they are sent: `Idempotency-Key`.
//!
//! The first request with a key is done, and its answer kept for a day; the same request again gets that
//! answer, and nothing is done. Another request with the key is refused, as is one that comes while the
//! first is under way. It is written down before anything is done, so this holds over a restart as well:
//! what was cut off is not done again, since nobody knows how far it came.
//!
//! Nothing of a body is kept but a MAC under the caller's key, which is not kept. So the file gives no
//! value away to guessing, if keys are random. An answer that may hold a secret is not kept; the request
//! that had it is refused the second time.

mod journal;
mod ledger;

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, Required};

use self::journal::Journal;
use self::ledger::{Begun, Kept, Ledger, Met};
use crate::app::App;
use crate::extract::unread;
use crate::people::Caller;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::shelf::ShelfError;

/// What the caller gives a write, and gives again with the same one.
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// A key is to be random, so that nobody guesses what it hides.
const KEY_LEN_MIN: usize = 16;
/// More than any random key takes.
const KEY_LEN_MAX: usize = 255;
/// Longest answer that is kept.
const ANSWER_LEN_MAX: u64 = 2048;
/// What answers may be kept of: none of these holds a secret. The answers of all else are not kept.
const KEPT: [&str; 5] = [
    "/api/v1/connections",
    "/api/v1/environments",
    "/api/v1/runs",
    "/api/v1/secrets",
    "/api/v1/workflows",
];
/// The link to a service that asks for leave is for the one who asked.
const NOT_KEPT: &str = "/authorize";

/// Which writes were done, and what was answered.
pub(crate) struct Idempotency(Arc<Mutex<Shared>>);

struct Shared {
    ledger: Ledger,
    journal: Journal,
}

impl Idempotency {
    /// Reads what is kept. The folder is that of [`crate::people::People`], which has it for itself.
    pub(crate) fn open(settings: &Settings) -> Result<Idempotency, ShelfError> {
        let path = settings.data_dir.join("server/writes.jsonl");
        let now = seconds((settings.clock)());
        let (journal, ledger) = Journal::open(path, now)?;
        Ok(Idempotency(Arc::new(Mutex::new(Shared { ledger, journal }))))
    }

    /// Writes down that a write begins, unless it was begun before.
    async fn begin(&self, begun: Begun) -> Result<Met, ShelfError> {
        let shared = self.0.clone();
        blocking(move || {
            let mut shared = lock(&shared);
            let met = shared.ledger.meet(&begun);
            if met != Met::New {
                return Ok(met);
            }
            shared.journal.begun(&begun)?;
            shared.ledger.begin(begun);
            Ok(Met::New)
        })
        .await
    }

    /// Writes down what came of it; what it is then in memory does not depend on the disk.
    async fn end(&self, id: String, end: End) -> Result<(), ShelfError> {
        let shared = self.0.clone();
        blocking(move || {
            let mut guard = lock(&shared);
            let Shared { ledger, journal } = &mut *guard;
            match end {
                End::Done(kept) => {
                    ledger.done(&id, kept.clone());
                    journal.done(&id, kept.as_ref(), ledger)
                }
                End::Refused => {
                    ledger.forget(&id);
                    journal.forgotten(&id, ledger)
                }
            }
        })
        .await
    }
}

/// What came of a write.
enum End {
    /// It was done; with the answer, if that is kept.
    Done(Option<Kept>),
    /// It was not done, and may be asked for again.
    Refused,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShelfError> + Send + 'static,
) -> Result<T, ShelfError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(ShelfError::Damaged("the file of writes that were done".to_owned())),
    }
}

/// A write that is under way. If nobody waits for it any more, what came of it is not known.
struct UnderWay {
    shared: Arc<Mutex<Shared>>,
    id: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.shared).ledger.lose(&self.id);
    }
}

/// Does a write once that has a key.
pub(crate) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    if !changes(request.method()) {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if !route.is_some_and(|route| is_described(request.method(), route)) {
        return next.run(request).await;
    }
    // Whoever is nobody is told so by the route.
    let (Some(shown), Some(caller)) =
        (request.headers().get(HEADER), request.extensions().get::<Caller>())
    else {
        return next.run(request).await;
    };
    let (shown, caller) = (shown.clone(), caller.clone());
    match run(&app, &shown, &caller, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn run(
    app: &App,
    shown: &HeaderValue,
    caller: &Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = shown.as_bytes();
    let is_fit = key.iter().all(u8::is_ascii_graphic);
    if !is_fit || !(KEY_LEN_MIN..=KEY_LEN_MAX).contains(&key.len()) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "`Idempotency-Key` is not of 16 to 255 visible ASCII characters",
        )
        .help("make it of random numbers: a UUID"));
    }
    let (parts, body) = request.into_parts();
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), app).await;
    let bytes = bytes.map_err(unread)?;
    let path = parts.uri.path().to_owned();
    let begun = Begun {
        // Not by the name, which somebody else may have tomorrow.
        id: mac(key, &[b"who", caller.id.as_bytes()])?,
        caller: caller.id.clone(),
        what: what(key, (&parts.method, &parts.uri.to_string(), &parts.headers), &bytes)?,
        at: seconds((app.settings.clock)()),
    };
    let id = begun.id.clone();
    let broken = |error: ShelfError| {
        crate::log::broken(app, &error);
        Problem::broken("what the server keeps cannot be written")
    };
    match app.idempotency.begin(begun).await.map_err(broken)? {
        Met::New => {}
        Met::Same(kept) => return answered(*kept),
        met => return Err(refused(&met)),
    }
    let under_way = UnderWay { shared: app.idempotency.0.clone(), id: id.clone() };
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    let (end, response) = end(&path, response).await;
    if let Some(end) = end
        && let Err(error) = app.idempotency.end(id, end).await
    {
        // It was done, and the caller is told so. After a restart, it is one that was cut off.
        crate::log::broken(app, &error);
    }
    drop(under_way);
    Ok(response)
}

/// What comes of an answer; none: whether it was done is not known.
async fn end(path: &str, response: Response) -> (Option<End>, Response) {
    let status = response.status();
    if status.is_server_error() {
        return (None, response);
    }
    if status.is_client_error() {
        return (Some(End::Refused), response);
    }
    let is_kept = KEPT.iter().any(|known| {
        path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let is_short = response.body().size_hint().exact().is_some_and(|len| len <= ANSWER_LEN_MAX);
    if !is_kept || path.ends_with(NOT_KEPT) || !is_short {
        return (Some(End::Done(None)), response);
    }
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, ANSWER_LEN_MAX as usize).await.unwrap_or_default();
    let text = |name: HeaderName| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
    let kept = Kept {
        status: status.as_u16(),
        kind: text(header::CONTENT_TYPE),
        tag: text(header::ETAG),
        place: text(header::LOCATION),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    (Some(End::Done(Some(kept))), Response::from_parts(parts, Body::from(bytes)))
}

/// The answer that was given before.
fn answered(kept: Kept) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(kept.status)
        .map_err(|_| Problem::broken("what the server keeps is damaged"))?;
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    let fields = [
        (header::CONTENT_TYPE, kept.kind),
        (header::ETAG, kept.tag),
        (header::LOCATION, kept.place),
        (REPLAYED, Some("true".to_owned())),
    ];
    for (name, text) in fields {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

fn refused(met: &Met) -> Problem {
    let conflict = |text: &str| Problem::new(StatusCode::CONFLICT, text);
    match met {
        Met::Other => Problem::invalid("this `Idempotency-Key` was used for another request")
            .help("use a new one for each request that is not a repetition"),
        Met::UnderWay => conflict("the request with this `Idempotency-Key` is under way")
            .retry_after(1)
            .help("send it again in a moment"),
        Met::Lost => conflict("whether this request was done is not known")
            .help("look at what it was about; use a new key to ask for it again"),
        Met::NotKept => conflict("this request was done, and its answer is not kept")
            .help("look at what it was about; use a new key to ask for it again"),
        Met::New | Met::Same(_) => Problem::broken("a write that was begun is not known"),
    }
}

/// What tells a request from another one.
fn what(
    key: &[u8],
    (method, target, headers): (&Method, &str, &HeaderMap),
    body: &[u8],
) -> Result<String, Problem> {
    let expected = headers.get(header::IF_MATCH).map_or(&b""[..], HeaderValue::as_bytes);
    mac(key, &[b"what", method.as_str().as_bytes(), target.as_bytes(), expected, body])
}

/// What is kept of texts: it says nothing to who does not have the key.
fn mac(key: &[u8], texts: &[&[u8]]) -> Result<String, Problem> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).map_err(|_| Problem::broken("a key cannot be used"))?;
    for text in texts {
        // Lengths, so that no two lists of texts are one.
        mac.update(&(text.len() as u64).to_be_bytes());
        mac.update(text);
    }
    Ok(BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

fn changes(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE)
}

/// Whether there is such a write; to all else a key means nothing.
fn is_described(method: &Method, route: &str) -> bool {
    static WRITES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let mut writes = HashSet::new();
        for (path, item) in crate::app::openapi().paths.paths {
            let described = [
                (Method::POST, item.post),
                (Method::PUT, item.put),
                (Method::PATCH, item.patch),
                (Method::DELETE, item.delete),
            ];
            let there = described.into_iter().filter(|(_, operation)| operation.is_some());
            writes.extend(there.map(|(method, _)| format!("{method} {path}")));
        }
        writes
    });
    WRITES.contains(&format!("{method} {route}"))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Adds the header to each write of the description of the API.
pub(crate) fn describe(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        let writes = [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in writes.into_iter().flatten() {
            add_header(operation);
        }
    }
}

fn add_header(operation: &mut Operation) {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(KEY_LEN_MIN))
        .max_length(Some(KEY_LEN_MAX))
        .pattern(Some("^[!-~]+$"))
        .build();
    let header = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Random; the same request with the same key is done once, and answered alike for a day",
        ))
        .schema(Some(schema))
        .build();
    operation.parameters.get_or_insert_default().push(header.into());
}

#[cfg(test)]
mod tests;
