//! A server that says what a test tells it to, and keeps what it was told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it answers: pieces that are sent one by one.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) pieces: Vec<String>,
    /// Says that more follows than does.
    pub(super) breaks_off: bool,
    /// Says nothing more after the pieces, until the other side is gone.
    pub(super) stalls: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// `POST /path HTTP/1.1`.
    pub(super) line: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// The server. It answers every request with what the function says.
pub(super) struct Peer {
    pub(super) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<AtomicUsize>,
    pub(super) gone: Receiver<()>,
}

impl Script {
    pub(super) fn whole(status: &'static str, body: &str) -> Script {
        let pieces = vec![body.to_owned()];
        let kind = "application/json";
        Script { status, kind, pieces, breaks_off: false, stalls: false }
    }

    /// Events, cut into pieces of so many bytes at most.
    pub(super) fn events(text: &str, length: usize) -> Script {
        let mut pieces = vec![String::new()];
        for character in text.chars() {
            if pieces.last().is_none_or(|piece| piece.len() >= length) {
                pieces.push(String::new());
            }
            pieces.last_mut().unwrap().push(character);
        }
        Script { kind: "text/event-stream; charset=utf-8", pieces, ..Script::whole("200 OK", "") }
    }
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Peer {
    /// One that answers the nth request with what is said of it.
    pub(super) fn new(answer: impl Fn(usize, &Heard) -> Script + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (left, gone) = channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let (all, answer, count) = (heard.clone(), Arc::new(answer), connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::Relaxed);
                let (all, answer, left) = (all.clone(), answer.clone(), left.clone());
                thread::spawn(move || {
                    serve(stream.unwrap(), &all, &*answer);
                    left.send(()).ok();
                });
            }
        });
        Peer { url, heard, connections, gone }
    }

    /// One that always answers the same.
    pub(super) fn saying(script: Script) -> Peer {
        Peer::new(move |_, _| script.clone())
    }

    /// How often somebody connected.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(
    stream: TcpStream,
    all: &Mutex<Vec<Heard>>,
    answer: &dyn Fn(usize, &Heard) -> Script,
) -> Option<()> {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let heard = read(&mut reader)?;
        let index = {
            let mut all = all.lock().unwrap();
            all.push(heard.clone());
            all.len() - 1
        };
        let script = answer(index, &heard);
        let length = script.pieces.iter().map(String::len).sum::<usize>();
        let promised = length + usize::from(script.breaks_off || script.stalls);
        let Script { status, kind, .. } = script;
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nlocation: http://127.0.0.1:1/elsewhere\r\n\
             content-length: {promised}\r\n\r\n"
        );
        writer.write_all(head.as_bytes()).ok()?;
        for piece in &script.pieces {
            writer.write_all(piece.as_bytes()).ok()?;
        }
        if script.breaks_off {
            return None;
        }
        if script.stalls {
            reader.read_exact(&mut [0]).ok();
            return None;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Heard> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Heard { line: line.trim_end().to_owned(), headers, body })
}
