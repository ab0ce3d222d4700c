//! Connections: accepted up to a bound, with TLS or without, and ended with grace.

mod guests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use self::guests::{Guest, Guests};
use crate::metrics::Metrics;
use crate::origin;
use crate::patient::Patient;
use crate::serve::Stopping;
use crate::settings::Limits;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a connection may go on once the server is to stop, if it has no answer to wait for.
const DRAIN: Duration = Duration::from_secs(10);
/// How often it is looked whether the answer has come.
const LOOK: Duration = Duration::from_millis(50);
/// What is read ahead of a caller, and so the longest head of a request; hyper refuses more than 100 headers
/// by itself.
const BUFFER_LEN_MAX: usize = 64 << 10;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Where the connection comes from, or the one whom the proxy there speaks for.
    pub(crate) address: IpAddr,
}

impl Connected<SocketAddr> for Peer {
    fn connect_info(address: SocketAddr) -> Peer {
        Peer { address: address.ip().to_canonical() }
    }
}

/// What connections need.
pub(crate) struct Listening {
    /// Where they come in.
    pub(crate) listener: TcpListener,
    /// What they are encrypted with.
    pub(crate) tls: Option<TlsAcceptor>,
    /// What answers.
    pub(crate) router: Router,
    /// Bounds.
    pub(crate) limits: Limits,
    /// Whether they come from a proxy that says whom it speaks for.
    pub(crate) trust_proxy: bool,
    /// What is counted.
    pub(crate) count: Counter,
}

/// What counts connections.
pub(crate) type Counter = Arc<dyn Fn(i64) + Send + Sync>;

/// Counts connections.
pub(crate) fn counter(metrics: &Metrics) -> Counter {
    let gauge = metrics.connections.clone();
    Arc::new(move |by| {
        gauge.inc_by(by);
    })
}

/// What each connection needs.
#[derive(Clone)]
struct Host {
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    trust_proxy: bool,
    stop: Stopping,
}

/// Accepts connections until `stop` is told, then lets those there are finish what they have begun.
pub(crate) async fn listen(listening: Listening, stop: Stopping) {
    let Listening { listener, tls, router, limits, trust_proxy, count } = listening;
    let room = Arc::new(Semaphore::new(limits.connections_max));
    // All connections come from a proxy's address if there is one.
    let of_one = if trust_proxy { limits.connections_max } else { limits.connections_per_address };
    let guests = Guests::new(of_one, count);
    let mut connections = JoinSet::new();
    let mut told = stop.clone();
    let host = Host { tls, router, limits, trust_proxy, stop };
    loop {
        // Beyond the bound, the system's queue holds them.
        let held = tokio::select! {
            held = room.clone().acquire_owned() => held,
            _ = told.wait_for(|stop| stop.is_told()) => break,
        };
        let Ok(held) = held else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = told.wait_for(|stop| stop.is_told()) => break,
        };
        let Ok((stream, from)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let peer = Peer::connect_info(from);
        let Some(guest) = guests.admit(peer.address) else { continue };
        let host = host.clone();
        connections.spawn(async move {
            converse(stream, peer, host).await;
            drop::<(Guest, _)>((guest, held));
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    // Each sees to its end by itself.
    while connections.join_next().await.is_some() {}
}

async fn converse(stream: TcpStream, peer: Peer, host: Host) {
    // Small answers are not to wait for each other.
    stream.set_nodelay(true).ok();
    let stream = Patient::new(stream, host.limits.stall);
    match host.tls.clone() {
        None => speak(stream, peer, host).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                speak(stream, peer, host).await;
            }
        }
    }
}

async fn speak<S>(stream: S, peer: Peer, host: Host)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Host { router, limits, trust_proxy, mut stop, .. } = host;
    let unanswered = Arc::new(AtomicUsize::new(0));
    let counted = unanswered.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, pending) = (router.clone(), Pending::new(&counted));
        async move {
            let mut request: Request = request.map(axum::body::Body::new);
            let address = origin::caller(request.headers(), peer.address, trust_proxy);
            request.extensions_mut().insert(ConnectInfo(Peer { address }));
            let answer = router.oneshot(request).await;
            drop(pending);
            answer
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER_LEN_MAX)
        .max_header_size(BUFFER_LEN_MAX);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // What breaks a connection is its caller's business.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| stop.is_told()) => connection.as_mut().graceful_shutdown(),
    }
    // What a browser holds open for live output does not end by itself.
    tokio::select! {
        _ = connection => {}
        () = drained(&unanswered) => {}
    }
}

/// A request without an answer yet.
struct Pending(Arc<AtomicUsize>);

impl Pending {
    fn new(counted: &Arc<AtomicUsize>) -> Pending {
        counted.fetch_add(1, Ordering::Relaxed);
        Pending(counted.clone())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits for a while, and until what was asked is answered: a request is bounded by itself.
async fn drained(unanswered: &AtomicUsize) {
    tokio::time::sleep(DRAIN).await;
    while unanswered.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(LOOK).await;
    }
}
