//! A server on loopback that answers as a test says: HTTP by hand, so that it can be as wrong as peers are.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All of it in one text.
    pub(crate) fn text(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {}\n{}\n{body}", self.method, self.path, headers.collect::<String>())
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// An ordinary answer with headers like `Retry-After: 1`.
    Answer(u16, Vec<String>, Vec<u8>),
    /// These bytes, then the end.
    Raw(Vec<u8>),
    /// An answer whose body never ends.
    Endless,
    /// Nothing until the client goes away.
    Stall,
}

impl Reply {
    /// An answer of JSON.
    pub(crate) fn json(status: u16, body: &str) -> Reply {
        Reply::Answer(status, Vec::new(), body.as_bytes().to_vec())
    }
}

type Answers = dyn Fn(&Received) -> Reply + Send + Sync;

/// The server; it ends when it is dropped.
pub(crate) struct Peer {
    address: SocketAddr,
    is_encrypted: bool,
    notes: Arc<Notes>,
}

/// What is known of a server.
#[derive(Default)]
struct Notes {
    received: Mutex<Vec<Received>>,
    ended: AtomicBool,
}

impl Peer {
    /// One that speaks plain HTTP.
    pub(crate) fn plain(answers: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Peer {
        Peer::start(None, Arc::new(answers))
    }

    /// One that speaks TLS.
    pub(crate) fn encrypted(
        config: ServerConfig,
        answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Peer {
        Peer::start(Some(Arc::new(config)), Arc::new(answers))
    }

    /// One that says these bytes whatever comes, and waits until the client goes away.
    pub(crate) fn raw(bytes: Vec<u8>) -> Peer {
        Peer::listen(move |mut stream, _| {
            let begun = stream.read(&mut [0; 1]).and_then(|_| stream.write_all(&bytes));
            drop(begun.and_then(|()| io::copy(&mut stream, &mut io::sink())));
        })
    }

    fn start(tls: Option<Arc<ServerConfig>>, answers: Arc<Answers>) -> Peer {
        let is_encrypted = tls.is_some();
        let mut peer = Peer::listen(move |stream, notes| match &tls {
            None => serve(stream, &*answers, notes),
            Some(config) => {
                let connection = ServerConnection::new(config.clone()).unwrap();
                serve(StreamOwned::new(connection, stream), &*answers, notes);
            }
        });
        peer.is_encrypted = is_encrypted;
        peer
    }

    fn listen(talk: impl Fn(TcpStream, &Notes) + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Notes::default());
        let (kept, talk) = (notes.clone(), Arc::new(talk));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if kept.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (talk, notes) = (talk.clone(), kept.clone());
                thread::spawn(move || talk(stream, &notes));
            }
        });
        Peer { address, is_encrypted: false, notes }
    }

    /// Its address for clients.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Everything that came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.notes.received.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.notes.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; nobody there is as good.
        drop(TcpStream::connect(self.address));
    }
}

/// A port that nobody listens at.
pub(crate) fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve(stream: impl Read + Write, answers: &Answers, notes: &Notes) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = read_request(&mut stream) {
        notes.received.lock().unwrap().push(request.clone());
        let written = match answers(&request) {
            Reply::Answer(status, headers, body) => answer(&mut stream, status, &headers, &body),
            Reply::Raw(bytes) => {
                drop(stream.get_mut().write_all(&bytes).and_then(|()| stream.get_mut().flush()));
                return;
            }
            Reply::Endless => endless(&mut stream),
            Reply::Stall => stream.read(&mut [0]).map(|_| ()),
        };
        if written.is_err() {
            return;
        }
    }
}

fn answer(
    stream: &mut BufReader<impl Read + Write>,
    status: u16,
    headers: &[String],
    body: &[u8],
) -> io::Result<()> {
    let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n");
    let stream = stream.get_mut();
    stream.write_all(&[head.as_bytes(), body].concat())?;
    stream.flush()
}

fn endless(stream: &mut BufReader<impl Read + Write>) -> io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"data\":\"")?;
    loop {
        stream.write_all(&[b'x'; 65536])?;
    }
}

/// One request; none if the client is gone.
fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Received>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines[0].split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let header = |line: &String| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.trim().to_owned())
    };
    let headers = lines[1..].iter().map(header).collect();
    let mut received = Received { method, path, headers, body: Vec::new() };
    let length = received.header("content-length").map_or(0, |length| length.parse().unwrap());
    received.body = vec![0; length];
    stream.read_exact(&mut received.body)?;
    Ok(Some(received))
}
