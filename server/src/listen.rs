//! Connections: accepted up to a bound, with TLS or without, and ended with grace.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
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

use crate::metrics::Metrics;
use crate::serve::Stopping;
use crate::settings::Limits;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long to wait when the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long connections may go on once the server is to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Where the connection comes from.
    pub(crate) address: IpAddr,
}

impl Connected<SocketAddr> for Peer {
    fn connect_info(address: SocketAddr) -> Peer {
        Peer { address: address.ip() }
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
    /// What is counted.
    pub(crate) count: Arc<dyn Fn(i64) + Send + Sync>,
}

/// Counts connections.
pub(crate) fn counter(metrics: &Metrics) -> Arc<dyn Fn(i64) + Send + Sync> {
    let gauge = metrics.connections.clone();
    Arc::new(move |by| {
        gauge.inc_by(by);
    })
}

/// Accepts connections until `stop` is told, then lets those there are finish what they have begun.
pub(crate) async fn listen(listening: Listening, stop: Stopping) {
    let Listening { listener, tls, router, limits, count } = listening;
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    let mut told = stop.clone();
    loop {
        // Beyond the bound, the system's queue holds them.
        let Ok(held) = room.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = told.wait_for(|stop| stop.is_told()) => break,
        };
        let Ok((stream, from)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (router, tls, stop, count) = (router.clone(), tls.clone(), stop.clone(), count.clone());
        connections.spawn(async move {
            count(1);
            converse(stream, from, tls, router, limits, stop).await;
            count(-1);
            drop(held);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What a browser holds open for live output does not end by itself.
    tokio::time::timeout(DRAIN, drained).await.ok();
}

async fn converse(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stop: Stopping,
) {
    // Small answers are not to wait for each other.
    stream.set_nodelay(true).ok();
    let peer = Peer::connect_info(from);
    match tls {
        None => speak(stream, peer, router, limits, stop).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                speak(stream, peer, router, limits, stop).await;
            }
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    router: Router,
    limits: Limits,
    mut stop: Stopping,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            router.oneshot(request).await
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_headers(100);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // What breaks a connection is its caller's business.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| stop.is_told()) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}
