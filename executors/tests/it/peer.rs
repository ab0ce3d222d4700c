//! A server on loopback that answers as a test says: HTTP by hand, so that it can be as wrong as peers are.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// `GET /path?query`.
    pub(crate) line: String,
    /// `name: value` each, names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value =
            |line: &'_ String| line.split_once(": ").filter(|(found, _)| *found == name).is_some();
        let line = self.headers.iter().find(|line| value(line))?;
        line.split_once(": ").map(|(_, value)| value)
    }

    /// All of it in one text.
    pub(crate) fn text(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{}\n{}\n\n{body}", self.line, self.headers.join("\n"))
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
    /// An answer of some text.
    pub(crate) fn text(status: u16, body: &str) -> Reply {
        Reply::Answer(status, Vec::new(), body.as_bytes().to_vec())
    }

    /// An answer that leads elsewhere.
    pub(crate) fn redirect(status: u16, location: &str) -> Reply {
        Reply::Answer(status, vec![format!("Location: {location}")], Vec::new())
    }
}

/// A connection, encrypted or not.
pub(crate) trait Wire: Read + Write {}

impl<T: Read + Write> Wire for T {}

/// What is known of a server.
#[derive(Default)]
struct Notes {
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    ended: AtomicBool,
}

/// The server; it ends when it is dropped.
pub(crate) struct Peer {
    address: SocketAddr,
    scheme: &'static str,
    notes: Arc<Notes>,
}

impl Peer {
    /// One that speaks plain HTTP.
    pub(crate) fn plain(answers: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Peer {
        Peer::over("http", |stream| Box::new(stream), answers)
    }

    /// One that speaks HTTP over something.
    pub(crate) fn over(
        scheme: &'static str,
        wrap: impl Fn(TcpStream) -> Box<dyn Wire> + Send + Sync + 'static,
        answers: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Notes::default());
        let (kept, wrap, answers) = (notes.clone(), Arc::new(wrap), Arc::new(answers));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if kept.ended.load(Ordering::SeqCst) {
                    return;
                }
                kept.connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                let (wrap, answers, notes) = (wrap.clone(), answers.clone(), kept.clone());
                // A peer that is gone is what some tests are about.
                thread::spawn(move || drop(serve(wrap(stream), &*answers, &notes)));
            }
        });
        Peer { address, scheme, notes }
    }

    /// Its address for clients.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Everything that came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.notes.received.lock().unwrap().clone()
    }

    /// How many connections came so far.
    pub(crate) fn connections(&self) -> usize {
        self.notes.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.notes.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; nobody there is as good.
        drop(TcpStream::connect(self.address));
    }
}

/// An address that nobody listens at.
pub(crate) fn dead_url() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

fn serve(
    stream: Box<dyn Wire>,
    answers: &(dyn Fn(&Received) -> Reply + Send + Sync),
    notes: &Notes,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream)? {
        notes.received.lock().unwrap().push(request.clone());
        match answers(&request) {
            Reply::Answer(status, headers, body) => {
                answer(stream.get_mut(), status, &headers, &body)?;
            }
            Reply::Raw(bytes) => {
                stream.get_mut().write_all(&bytes)?;
                return stream.get_mut().flush();
            }
            Reply::Endless => endless(stream.get_mut())?,
            Reply::Stall => {
                io::copy(&mut stream, &mut io::sink())?;
            }
        }
    }
    Ok(())
}

fn answer(stream: &mut dyn Wire, status: u16, headers: &[String], body: &[u8]) -> io::Result<()> {
    let headers = headers.iter().map(|header| format!("{header}\r\n")).collect::<String>();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())?;
    stream.flush()
}

fn endless(stream: &mut dyn Wire) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
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
    let line = lines[0].trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &String| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}: {}", name.to_lowercase(), value.trim())
    };
    let headers = lines[1..].iter().map(header).collect();
    let mut received = Received { line, headers, body: Vec::new() };
    let length = received.header("content-length").map_or(0, |length| length.parse().unwrap());
    received.body = vec![0; length];
    stream.read_exact(&mut received.body)?;
    Ok(Some(received))
}
