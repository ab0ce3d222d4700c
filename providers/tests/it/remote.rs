//! What every provider owes its caller whose secrets lie behind a network, checked the same way for all.
//!
//! The server is one that plays a part. Whatever it plays, no error says a token, a value or a piece of an
//! answer.

use std::time::{Duration, Instant};

use subrosa_engine::provider::{
    Client, ProviderError, ProviderErrorKind, ResolveContext, Retry, SecretRequest,
};
use subrosa_engine::workflow::Options;

use crate::conformance::{context, named};
use crate::peer::{Peer, Received, Reply, dead_port};

/// What every credential and every value of these tests has in it.
pub(crate) const CANARY: &str = "canary";

/// A provider with the words of its servers.
pub(crate) trait Remote: 'static {
    /// Its word in `provider:`.
    const NAME: &'static str;

    /// A request for one secret at a server.
    fn request(address: &str) -> SecretRequest;

    /// What is around: the environment with the address of the server.
    fn context(_address: &str) -> ResolveContext {
        context(&[], &[], &[])
    }

    /// A good answer with this value for what is asked.
    fn found(value: &str) -> Reply;

    /// There is no such secret.
    fn absent() -> Reply;

    /// The credential is good, and does not do: the answer to each question.
    fn forbidden(request: &Received) -> Reply;

    /// The credential is no good.
    fn unauthenticated(request: &Received) -> Reply;

    /// Too many requests: ask again in two seconds.
    fn limited() -> Reply;
}

/// A request with options.
pub(crate) fn request(key: &str, options: &[(&str, &str)]) -> SecretRequest {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    SecretRequest { name: "NAME".into(), key: key.into(), options: Options(options.collect()) }
}

/// Logs in as a request needs it.
pub(crate) async fn open(
    provider: &str,
    context: &ResolveContext,
    request: &SecretRequest,
) -> Result<Box<dyn Client>, ProviderError> {
    let provider = named(provider);
    provider.open(context, &provider.identity(request)).await
}

/// Logs in, fetches, and gives back; the value in the open, for comparing.
pub(crate) async fn fetch(
    provider: &str,
    context: &ResolveContext,
    request: &SecretRequest,
) -> Result<String, ProviderError> {
    let client = open(provider, context, request).await?;
    let fetched = client.fetch(request).await.map(shown);
    client.close().await?;
    fetched
}

/// A value in the open.
#[expect(clippy::disallowed_methods, reason = "tests compare what was fetched")]
pub(crate) fn shown(value: subrosa_engine::secret::SecretValue) -> String {
    String::from_utf8(value.expose().to_vec()).unwrap()
}

/// What may be said of an error: nothing that is secret.
pub(crate) fn clean(error: ProviderError) -> ProviderError {
    assert!(!format!("{error:?} {error}").contains(CANARY), "{error:?}");
    error
}

async fn ask<R: Remote>(
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> Result<String, ProviderError> {
    let peer = Peer::plain(answers);
    fetch(R::NAME, &R::context(&peer.url()), &R::request(&peer.url())).await.map_err(clean)
}

async fn refused<R: Remote>(
    kind: ProviderErrorKind,
    answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
) -> ProviderError {
    let error = ask::<R>(answers).await.unwrap_err();
    assert_eq!(error.kind, kind, "{error:?}");
    error
}

/// The whole suite.
pub(crate) async fn suite<R: Remote>() {
    what_is_there_is_found::<R>().await;
    what_is_refused_is_told_apart::<R>().await;
    who_is_not_there_is_unavailable::<R>().await;
    who_is_slow_is_given_up::<R>().await;
    what_is_no_answer_is_malformed::<R>().await;
    what_is_repeated_is_not_told::<R>().await;
    redirects_are_not_followed::<R>().await;
    who_is_cancelled_goes_away::<R>().await;
}

async fn what_is_there_is_found<R: Remote>() {
    for value in ["canary", "", "canary\n", " a\r\n\"b\" \\ \u{e4} \u{1f600}"] {
        assert_eq!(ask::<R>(move |_| R::found(value)).await.unwrap(), value);
    }
}

async fn what_is_refused_is_told_apart<R: Remote>() {
    use ProviderErrorKind::{Denied, NotFound, Unauthenticated, Unavailable};
    let error = refused::<R>(NotFound, |_| R::absent()).await;
    assert_eq!(error.retry, Retry::Never);
    let error = refused::<R>(Denied, R::forbidden).await;
    assert_eq!(error.retry, Retry::Never);
    assert!(error.help.is_some(), "{error:?}");
    let error = refused::<R>(Unauthenticated, R::unauthenticated).await;
    assert_eq!(error.retry, Retry::Never);
    assert!(error.help.is_some(), "{error:?}");
    let error = refused::<R>(Unavailable, |_| R::limited()).await;
    assert_eq!(error.retry, Retry::After(Duration::from_secs(2)));
    for status in [500, 502, 503, 504] {
        let error = refused::<R>(Unavailable, move |_| Reply::json(status, "canary")).await;
        assert_eq!(error.retry, Retry::Later, "{status}");
    }
}

async fn who_is_not_there_is_unavailable<R: Remote>() {
    let nobody = format!("http://127.0.0.1:{}", dead_port());
    let request = R::request(&nobody);
    let error = fetch(R::NAME, &R::context(&nobody), &request).await.map_err(clean).unwrap_err();
    assert_eq!((error.kind, error.retry), (ProviderErrorKind::Unavailable, Retry::Later));
    assert!(error.message.contains(&nobody), "{error}");
    let closed = |_: &Received| Reply::Raw(Vec::new());
    assert_eq!(refused::<R>(ProviderErrorKind::Unavailable, closed).await.retry, Retry::Later);
    let half =
        |_: &Received| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"can".into());
    assert_eq!(refused::<R>(ProviderErrorKind::Unavailable, half).await.retry, Retry::Later);
}

async fn who_is_slow_is_given_up<R: Remote>() {
    let peer = Peer::plain(|_| Reply::Stall);
    let mut context = R::context(&peer.url());
    context.request_timeout = Duration::from_millis(200);
    let begun = Instant::now();
    let error =
        fetch(R::NAME, &context, &R::request(&peer.url())).await.map_err(clean).unwrap_err();
    assert_eq!((error.kind, error.retry), (ProviderErrorKind::TimedOut, Retry::Later));
    assert!(error.message.contains(&peer.url()), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    peer.wait_until_left().await;
}

async fn what_is_no_answer_is_malformed<R: Remote>() {
    use ProviderErrorKind::Malformed;
    let bodies: [&[u8]; 7] = [
        b"",
        b"canary",
        b"{\"canary\"",
        b"[\"canary\"]",
        b"\"canary\"",
        b"\xff\xfe",
        &[b'['; 100_000],
    ];
    for body in bodies {
        refused::<R>(Malformed, move |_| Reply::Answer(200, Vec::new(), body.to_vec())).await;
    }
    refused::<R>(Malformed, |_| Reply::Raw(b"SSH-2.0-canary\r\n".to_vec())).await;
    refused::<R>(Malformed, |_| Reply::Endless).await;
    let huge = |_: &Received| Reply::Answer(200, Vec::new(), vec![b' '; 3 * 1024 * 1024]);
    refused::<R>(Malformed, huge).await;
}

/// A server that says all it was told, with any status and as good as any.
async fn what_is_repeated_is_not_told<R: Remote>() {
    for status in [200, 204, 302, 400, 401, 403, 404, 405, 409, 412, 418, 429, 500, 503] {
        let echo = move |request: &Received| {
            let text = serde_json::to_string(&request.text()).unwrap();
            let body = format!("{{\"errors\":[{text}],\"message\":{text},\"data\":{{{text}:1}}}}");
            let header = request.text().replace(['\r', '\n'], " ");
            let headers = vec![format!("Location: /{header}"), format!("Retry-After: {header}")];
            Reply::Answer(status, headers, body.into_bytes())
        };
        let error = ask::<R>(echo).await.unwrap_err();
        assert!(!error.message.is_empty());
    }
}

async fn redirects_are_not_followed<R: Remote>() {
    let other = std::sync::Arc::new(Peer::plain(|_| R::found("canary")));
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}/v1/x", other.url());
        let redirect =
            move |_: &Received| Reply::Answer(status, vec![location.clone()], Vec::new());
        refused::<R>(ProviderErrorKind::Unavailable, redirect).await;
    }
    assert!(other.received().is_empty());
}

async fn who_is_cancelled_goes_away<R: Remote>() {
    let peer = Peer::plain(|_| Reply::Stall);
    let (context, request) = (R::context(&peer.url()), R::request(&peer.url()));
    let asked = fetch(R::NAME, &context, &request);
    let arrived = async {
        while peer.received().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = asked => panic!("nobody answers"),
        () = arrived => {}
    }
    peer.wait_until_left().await;
}
