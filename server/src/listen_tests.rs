//! Connections as ill-meaning and as slow callers use them, over real sockets and with short bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::limits::{self, Pace};
use crate::listen::{Listening, listen};
use crate::outcome;
use crate::serve::Stop;
use crate::settings::Limits;

/// Longer than anything that is expected here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

struct Served {
    address: SocketAddr,
    open: Arc<AtomicI64>,
    stop: watch::Sender<Stop>,
    over: JoinHandle<()>,
    /// Lets `/wait` answer.
    go: Arc<Notify>,
    /// Whether `/wait` was asked.
    asked: Arc<AtomicBool>,
}

async fn serve(limits: Limits) -> Served {
    let pace = Pace::new(limits.per_second, limits.requests_max);
    let clock: fn() -> SystemTime = || SystemTime::UNIX_EPOCH;
    let (go, asked) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (waited, told) = (go.clone(), asked.clone());
    let wait = move || async move {
        told.store(true, Ordering::SeqCst);
        waited.notified().await;
        "done"
    };
    let endless = || async {
        let chunk =
            || Some((Ok::<_, std::convert::Infallible>(Bytes::from(vec![b'x'; 1 << 16])), ()));
        Body::from_stream(stream::unfold((), move |()| std::future::ready(chunk())))
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/read", post(|body: Bytes| async move { format!("{} bytes", body.len()) }))
        .route("/wait", get(wait))
        .route("/endless", get(endless))
        .route("/panic", get(panics))
        .layer(from_fn_with_state((pace, limits.answer), limits::bound))
        .layer(from_fn_with_state(clock, outcome::settle));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, open) = (listener.local_addr().unwrap(), Arc::new(AtomicI64::new(0)));
    let counted = open.clone();
    let count = Arc::new(move |by| {
        counted.fetch_add(by, Ordering::SeqCst);
    });
    let (stop, stopping) = watch::channel(Stop::No);
    let listening = Listening { listener, tls: None, router, limits, trust_proxy: false, count };
    let over = tokio::spawn(listen(listening, stopping));
    Served { address, open, stop, over, go, asked }
}

async fn panics() -> String {
    std::iter::empty::<String>().next().expect("hunter2")
}

/// Runs a test with a server.
fn with<F: Future<Output = ()>>(limits: Limits, test: impl FnOnce(Served) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let served = serve(limits).await;
        tokio::time::timeout(PATIENCE, test(served))
            .await
            .expect("the server was patient for ever");
    });
}

impl Served {
    async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Everything that is answered until the connection ends.
    async fn all(&self, bytes: &[u8]) -> String {
        rest(self.connect(bytes).await).await
    }

    async fn is_alive(&self) -> bool {
        self.all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.ends_with("hello")
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has ended, too.
    stream.read_to_end(&mut bytes).await.ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.match_indices("HTTP/1.").map(|(at, _)| &answers[at + 9..at + 12]).collect()
}

#[test]
fn a_head_that_does_not_arrive_ends_the_connection() {
    with(Limits { head: SHORT, ..Limits::default() }, |served| async move {
        for start in ["", "GET", "GET / HTTP/1.1\r\nhost: a\r\nx: "] {
            assert_eq!(served.all(start.as_bytes()).await, "", "{start:?}");
        }
        // Neither does one that is kept open after an answer.
        let answers = served.all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(statuses(&answers), ["200"]);
        assert!(served.is_alive().await);
    });
}

#[test]
fn a_body_that_does_not_arrive_is_told_to_the_caller_who_is_slow() {
    with(Limits { answer: SHORT, ..Limits::default() }, |served| async move {
        for head in ["content-length: 9", "transfer-encoding: chunked"] {
            let head = format!("POST /read HTTP/1.1\r\nhost: a\r\n{head}\r\n\r\n1");
            let answers = served.all(head.as_bytes()).await;
            assert_eq!(statuses(&answers), ["408"], "{answers}");
        }
        // Nobody is slow but us.
        let request = b"GET /wait HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        assert_eq!(statuses(&served.all(request).await), ["504"]);
        assert!(served.is_alive().await);
    });
}

#[test]
fn a_body_that_nobody_reads_is_not_waited_for() {
    with(Limits::default(), |served| async move {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n1";
        assert_eq!(statuses(&served.all(head).await), ["200"]);
    });
}

#[test]
fn who_does_not_read_is_given_up() {
    with(Limits { stall: SHORT, ..Limits::default() }, |served| async move {
        let stream = served.connect(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
        while served.open.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        while served.open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(stream);
        assert!(served.is_alive().await);
    });
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    with(Limits::default(), |served| async move {
        let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(100_000));
        let target = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(100_000));
        let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: 1\r\n".repeat(101));
        for (request, expected) in [(long, "431"), (target, "414"), (many, "431")] {
            let answers = served.all(request.as_bytes()).await;
            assert!(["431", expected].contains(&statuses(&answers)[0]), "{answers}");
        }
        assert!(served.is_alive().await);
    });
}

#[test]
fn what_is_no_http_or_says_two_lengths_is_refused() {
    with(Limits::default(), |served| async move {
        for request in [
            "\0\0\0\0\r\n\r\n",
            "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\nx: \0\r\n\r\n",
            "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n12",
            "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n12",
            "POST /read HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n12",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ] {
            let answers = served.all(request.as_bytes()).await;
            // The preface of HTTP/2 is not even answered.
            let status = statuses(&answers).first().copied().unwrap_or("(none)");
            assert!(["400", "505", "(none)"].contains(&status), "{request:?}: {answers}");
        }
        assert!(served.is_alive().await);
    });
}

/// A proxy that takes one length and we that take the other would see different requests.
#[test]
fn a_body_with_a_length_and_chunks_is_one_request_and_the_last() {
    with(Limits::default(), |served| async move {
        for lengths in [
            "content-length: 4\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked\r\ncontent-length: 4",
        ] {
            let hidden = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            let request =
                format!("POST /read HTTP/1.1\r\nhost: a\r\n{lengths}\r\n\r\n0\r\n\r\n{hidden}");
            let answers = served.all(request.as_bytes()).await;
            assert_eq!(statuses(&answers), ["200"], "{answers}");
        }
    });
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    with(Limits::default(), |served| async move {
        let read = "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
        let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answers = served.all(format!("{read}{last}").as_bytes()).await;
        assert_eq!(statuses(&answers), ["200", "200"]);
        assert!(answers.find("3 bytes") < answers.find("hello"), "{answers}");
    });
}

#[test]
fn http_1_0_is_answered_and_ended() {
    with(Limits::default(), |served| async move {
        let answers = served.all(b"GET / HTTP/1.0\r\n\r\n").await;
        assert!(answers.starts_with("HTTP/1.0 200") && answers.ends_with("hello"), "{answers}");
    });
}

#[test]
fn strange_targets_are_no_trouble() {
    with(Limits::default(), |served| async move {
        for request in [
            "CONNECT a:443 HTTP/1.1\r\nhost: a:443",
            "OPTIONS * HTTP/1.1\r\nhost: a",
            "GET http://a/nothing HTTP/1.1\r\nhost: a",
            "GET //a/nothing HTTP/1.1\r\nhost: a",
            "TRACE / HTTP/1.1\r\nhost: a",
            "BREW / HTTP/1.1\r\nhost: a",
        ] {
            let request = format!("{request}\r\nconnection: close\r\n\r\n");
            let answers = served.all(request.as_bytes()).await;
            let status = statuses(&answers)[0];
            assert!(["404", "405"].contains(&status), "{request:?}: {answers}");
        }
    });
}

#[test]
fn of_one_address_only_so_many_connections_are_kept() {
    with(Limits { connections_per_address: 2, ..Limits::default() }, |served| async move {
        let (first, second) = (served.connect(b"").await, served.connect(b"").await);
        while served.open.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(served.all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await, "");
        drop((first, second));
        while served.open.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
        assert!(served.is_alive().await);
    });
}

#[test]
fn a_panic_is_a_refusal_that_tells_nothing_and_the_connection_goes_on() {
    with(Limits::default(), |served| async move {
        let panic = "GET /panic HTTP/1.1\r\nhost: a\r\n\r\n";
        let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answers = served.all(format!("{panic}{last}").as_bytes()).await;
        assert_eq!(statuses(&answers), ["500", "200"]);
        assert!(!answers.contains("hunter2"), "{answers}");
    });
}

#[test]
fn what_is_under_way_when_the_server_stops_is_answered() {
    with(Limits::default(), |served| async move {
        let idle = served.connect(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let new = served.connect(b"").await;
        let waiting = served.connect(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
        while !served.asked.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        served.stop.send_replace(Stop::Finish);
        assert_eq!(statuses(&rest(idle).await), ["200"]);
        assert_eq!(rest(new).await, "");
        while TcpStream::connect(served.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        served.go.notify_one();
        assert!(rest(waiting).await.ends_with("done"));
        served.over.await.unwrap();
    });
}
