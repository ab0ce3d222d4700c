//! What the tests of OAuth share: a flow to build, a person who watches, and a browser of a few lines.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use subrosa_connections::kind::ClientAuth;
use subrosa_connections::oauth::{
    Client, DeviceCode, Endpoint, Endpoints, Flow, Limits, Refusal, Ui,
};
use subrosa_engine::secret::SecretValue;
use subrosa_http::{Http, HttpSettings, Roots, Tls, Url};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::oauth_peer::Peer;

/// When everything happens, if nobody else's clock is asked.
pub(crate) const NOW: SystemTime = SystemTime::UNIX_EPOCH;

/// All that a flow borrows.
pub(crate) struct Setup {
    pub(crate) http: Http,
    pub(crate) client: Client,
    pub(crate) endpoints: Endpoints,
    pub(crate) limits: Limits,
}

impl Setup {
    /// A client with a secret at a server whose endpoints are below `url`.
    pub(crate) fn at(url: &str) -> Setup {
        let at = |path: &str| Endpoint::parse(&format!("{url}{path}")).unwrap();
        Setup {
            http: http(Roots::None, Duration::from_secs(20)),
            client: Client {
                id: "client-1".to_owned(),
                secret: Some(secret("canary-client-secret")),
                auth: ClientAuth::Basic,
            },
            endpoints: Endpoints {
                authorize: Some(at("/authorize?tenant=t")),
                token: at("/token"),
                device: Some(at("/device")),
                revoke: Some(at("/revoke")),
                issuer: Some("https://id.example".to_owned()),
                scope_separator: " ".to_owned(),
                extra: BTreeMap::new(),
                expires_in: None,
            },
            limits: Limits::default(),
        }
    }

    /// The same at a peer.
    pub(crate) fn of(peer: &Peer) -> Setup {
        Setup::at(&peer.url())
    }

    pub(crate) fn flow(&self) -> Flow<'_> {
        Flow {
            http: &self.http,
            client: &self.client,
            endpoints: &self.endpoints,
            clock: || NOW,
            limits: self.limits,
        }
    }
}

pub(crate) fn http(roots: Roots, timeout: Duration) -> Http {
    let tls = Tls { roots, identity: None };
    Http::new(&HttpSettings { tls, proxy: None, timeout }).unwrap()
}

pub(crate) fn secret(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec())
}

#[expect(clippy::disallowed_methods, reason = "tests look at what they got")]
pub(crate) fn text(value: &SecretValue) -> String {
    String::from_utf8(value.expose().to_vec()).unwrap()
}

pub(crate) fn scopes(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A person who watches: pages and codes go into channels, refusals are noted.
pub(crate) struct Watcher {
    pages: UnboundedSender<Url>,
    codes: UnboundedSender<(String, Url, Option<Url>)>,
    refusals: Mutex<Vec<Refusal>>,
}

/// What a watcher is shown.
pub(crate) struct Shown {
    pub(crate) pages: UnboundedReceiver<Url>,
    pub(crate) codes: UnboundedReceiver<(String, Url, Option<Url>)>,
}

impl Watcher {
    pub(crate) fn new() -> (Watcher, Shown) {
        let (pages, pages_shown) = unbounded_channel();
        let (codes, codes_shown) = unbounded_channel();
        let watcher = Watcher { pages, codes, refusals: Mutex::default() };
        (watcher, Shown { pages: pages_shown, codes: codes_shown })
    }

    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.lock().unwrap().clone()
    }
}

impl Ui for Watcher {
    fn open(&self, url: &Url) {
        drop(self.pages.send(url.clone()));
    }

    fn enter(&self, code: &DeviceCode<'_>) {
        let shown = (code.code.to_owned(), code.page.clone(), code.page_with_code.cloned());
        drop(self.codes.send(shown));
    }

    fn refused(&self, refusal: Refusal) {
        self.refusals.lock().unwrap().push(refusal);
    }
}

/// A page to grant access at, as a browser sees it.
pub(crate) struct Page(Url);

impl Page {
    /// The next page that is shown.
    pub(crate) async fn shown(shown: &mut Shown) -> Page {
        Page(shown.pages.recv().await.expect("a page is shown"))
    }

    /// A part of its query.
    pub(crate) fn part(&self, name: &str) -> Option<String> {
        let mut parts = self.0.query_pairs().filter(|(found, _)| found == name);
        let value = parts.next()?.1.into_owned();
        assert!(parts.next().is_none(), "`{name}` is there twice");
        Some(value)
    }

    pub(crate) fn state(&self) -> String {
        self.part("state").unwrap()
    }

    fn back(&self) -> Url {
        Url::parse(&self.part("redirect_uri").unwrap()).unwrap()
    }

    /// Where the browser comes back to.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.back().port().unwrap()))
    }

    /// A request of the browser that comes back with this query.
    pub(crate) fn request(&self, query: &str) -> String {
        self.request_with(&format!("GET {}?{query}", self.back().path()), "")
    }

    /// A request that begins with `line` and has `headers` beside the right host.
    pub(crate) fn request_with(&self, line: &str, headers: &str) -> String {
        let (host, port) = (self.back().host_str().unwrap().to_owned(), self.address().port());
        format!("{line} HTTP/1.1\r\nHost: {host}:{port}\r\n{headers}\r\n")
    }

    /// Sends a request, and reads all of the answer.
    pub(crate) async fn send(&self, request: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address()).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Comes back with a code.
    pub(crate) async fn grant(&self, code: &str) -> io::Result<String> {
        self.send(&self.request(&format!("code={code}&state={}", self.state()))).await
    }

    /// Whether nobody listens there.
    pub(crate) async fn is_port_free(&self) -> bool {
        let connected = TcpStream::connect(self.address()).await;
        connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }
}
