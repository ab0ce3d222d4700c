//! The way of `object_store` to a server: our client, and our signatures.
//!
//! `object_store` is told to sign nothing. A request is signed here when it leaves, so that a key stays in
//! the buffers that wipe themselves and goes to the server of its connection only. Redirects are answers.
//! A server may be silent for a while, however long the whole takes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as Waker, Poll};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http_body::{Body, Frame};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use subrosa_connections::Opened;
use subrosa_connections::apply::{Context, authenticate};
use subrosa_http::header::{CONTENT_LENGTH, HOST, HeaderMap};
use subrosa_http::{Call, Fault, FaultKind, Http, Incoming, Method, StatusCode, Url};
use zeroize::Zeroizing;

use super::fault::{Trouble, word, word_of};

/// Bytes that an answer may have that is no object: a list of a thousand long names has 2 MiB.
pub(super) const ANSWER_LEN_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of a refusal that are looked at.
const REFUSAL_LEN_MAX: usize = 64 * 1024;

/// What requests are made of.
pub(super) struct Wire {
    pub(super) http: Arc<Http>,
    /// Signs; `None`: requests go as they are.
    pub(super) opened: Option<Opened>,
    pub(super) clock: fn() -> SystemTime,
    /// How long the server may be silent.
    pub(super) patience: Duration,
    /// Bytes that an answer may have.
    pub(super) length_max: u64,
    /// What went wrong in the last request.
    pub(super) trouble: Mutex<Option<Trouble>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

/// Hands the wire to `object_store`.
#[derive(Clone, Debug)]
pub(super) struct Connector(pub(super) Arc<Wire>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string());
        let url = url.map_err(|_| self.0.fails(Trouble::Fault(Fault::NotHttp)))?;
        let body = gather(body).await;
        let has_body = !body.is_empty()
            || !matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE);
        let mut headers = parts.headers;
        // The client writes them, from what is sent.
        headers.remove(CONTENT_LENGTH);
        headers.remove(HOST);
        let body = has_body.then_some(body);
        let incoming = self.0.send(Call { method: parts.method, url, headers, body }).await?;
        self.0.answer(incoming).await
    }
}

/// All of a body. It is a part of an object at most.
async fn gather(mut body: HttpRequestBody) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(body.content_length()));
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Some(piece) = frame.ok().and_then(|frame| frame.into_data().ok()) {
            bytes.extend_from_slice(&piece);
        }
    }
    bytes
}

impl Wire {
    /// What went wrong in the last request.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Notes what went wrong, and says to `object_store` whether it may be tried again.
    fn fails(&self, trouble: Trouble) -> HttpError {
        let kind = match &trouble {
            Trouble::Fault(Fault::Closed) => HttpErrorKind::Interrupted,
            Trouble::Fault(fault) => match fault.kind() {
                FaultKind::Unavailable => HttpErrorKind::Connect,
                FaultKind::TimedOut => HttpErrorKind::Timeout,
                FaultKind::Untrusted | FaultKind::Malformed => HttpErrorKind::Unknown,
            },
            Trouble::Status { .. } | Trouble::TooLarge | Trouble::Unsigned(_) => {
                HttpErrorKind::Unknown
            }
        };
        self.note(Some(trouble));
        HttpError::new(kind, io::Error::other("the request failed"))
    }

    /// Signs and sends a request, and waits for the head of its answer.
    pub(super) async fn send(&self, mut call: Call) -> Result<Incoming, HttpError> {
        if let Some(opened) = &self.opened {
            let context = Context { now: (self.clock)(), token: None };
            authenticate(opened, &mut call, &context)
                .map_err(|error| self.fails(Trouble::Unsigned(error.to_string())))?;
        }
        let opened = patiently(self.patience, self.http.open(call)).await;
        opened.map_err(|fault| self.fails(Trouble::Fault(fault)))
    }

    /// Hands an answer on. Of a refusal nothing but its status is.
    async fn answer(self: &Arc<Wire>, incoming: Incoming) -> Result<HttpResponse, HttpError> {
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let body = if status.is_success() {
            self.note(None);
            HttpResponseBody::new(Pieces(Mutex::new(self.clone().pieces(incoming))))
        } else {
            self.refused(incoming).await;
            HttpResponseBody::from(Bytes::new())
        };
        let mut response = HttpResponse::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Notes a refusal.
    pub(super) async fn refused(&self, mut incoming: Incoming) {
        let (status, headers) = (incoming.status, incoming.headers.clone());
        let mut body = Zeroizing::new(Vec::with_capacity(REFUSAL_LEN_MAX));
        // What is missing of it is not missed.
        while let Ok(Some(piece)) = patiently(self.patience, incoming.chunk()).await {
            if body.len() + piece.len() > REFUSAL_LEN_MAX {
                break;
            }
            body.extend_from_slice(&piece);
        }
        let header = headers.get("x-ms-error-code").and_then(|value| word(value.as_bytes()));
        let word = header.or_else(|| word_of(&body));
        self.note(Some(Trouble::Status { status, word, region: region(&headers, status) }));
    }

    fn pieces(self: Arc<Wire>, incoming: Incoming) -> BoxStream<'static, Result<Bytes, HttpError>> {
        let state = (self, incoming, 0_u64);
        futures_util::stream::try_unfold(state, |(wire, mut incoming, mut length)| async move {
            let piece = patiently(wire.patience, incoming.chunk()).await;
            let piece = piece.map_err(|fault| wire.fails(Trouble::Fault(fault)))?;
            let Some(piece) = piece else { return Ok(None) };
            length = length.saturating_add(piece.len() as u64);
            if length > wire.length_max {
                return Err(wire.fails(Trouble::TooLarge));
            }
            Ok(Some((piece, (wire, incoming, length))))
        })
        .boxed()
    }
}

/// Where S3 says a bucket is, if it is a name of a region.
fn region(headers: &HeaderMap, status: StatusCode) -> Option<String> {
    let text = headers.get("x-amz-bucket-region")?.to_str().ok()?;
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_region = !text.is_empty() && text.len() <= 32 && text.bytes().all(is_name);
    (is_region && !status.is_success()).then(|| text.to_owned())
}

/// Waits for a server, but not for ever.
async fn patiently<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(patience, answer).await.unwrap_or(Err(Fault::TimedOut))
}

/// A body that comes in pieces. The lock makes it shareable and is never waited for.
struct Pieces(Mutex<BoxStream<'static, Result<Bytes, HttpError>>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let stream = self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner);
        stream.poll_next_unpin(cx).map_ok(Frame::data)
    }
}
