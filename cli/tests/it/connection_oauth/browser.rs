//! A person at a browser of a few lines: it is started by the program, and comes back to it as a test says.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Stdio};

use crate::program::{Ended, Place};

/// `connection authorize`, which waits for the browser.
pub(super) struct Waiting {
    pub(super) child: Child,
    told: BufReader<ChildStderr>,
    said: String,
    /// The page that was to be opened.
    pub(super) page: String,
}

impl Waiting {
    /// Starts it, and reads on until it has said which page to open.
    pub(super) fn start(place: &Place, words: &[&str]) -> Waiting {
        let mut command = place.command(&[&["connection", "authorize", "m"], words].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        let mut waiting = Waiting { child, told, said: String::new(), page: String::new() };
        while waiting.page.is_empty() {
            let from = waiting.said.len();
            assert_ne!(waiting.told.read_line(&mut waiting.said).unwrap(), 0, "{}", waiting.said);
            let line = waiting.said[from..].trim();
            if line.starts_with("http") {
                line.clone_into(&mut waiting.page);
            }
        }
        waiting
    }

    /// A part of the page's query.
    pub(super) fn part(&self, name: &str) -> String {
        let (_, query) = self.page.split_once('?').unwrap();
        let mut parts = query.split('&').filter_map(|part| part.split_once('='));
        let (_, value) = parts.find(|(found, _)| *found == name).unwrap();
        value.replace("%3A", ":").replace("%2F", "/")
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        let back = self.part("redirect_uri");
        let port = back.rsplit_once(':').unwrap().1.split('/').next().unwrap();
        SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()))
    }

    /// Comes back with a query; the answer's head and page.
    pub(super) fn come_back(&self, query: &str) -> io::Result<String> {
        self.come_back_with(query, "")
    }

    /// The same with further headers; one that is there twice is for the program to judge.
    pub(super) fn come_back_with(&self, query: &str, headers: &str) -> io::Result<String> {
        let host = match headers.starts_with("Host:") {
            true => String::new(),
            false => format!("Host: 127.0.0.1:{}\r\n", self.address().port()),
        };
        let mut stream = TcpStream::connect(self.address())?;
        let path = self.part("redirect_uri").splitn(4, '/').nth(3).unwrap().to_owned();
        stream
            .write_all(format!("GET /{path}?{query} HTTP/1.1\r\n{host}{headers}\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Comes back with a code, as a service sends the browser when somebody has agreed.
    pub(super) fn grant(&self) -> io::Result<String> {
        self.come_back(&format!("code=code-canary&state={}", self.part("state")))
    }

    /// Whether nobody listens there any more.
    pub(super) fn is_port_free(&self) -> bool {
        let tried = TcpStream::connect(self.address());
        tried.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> Ended {
        self.told.read_to_string(&mut self.said).unwrap();
        let mut ended = Ended::of(&self.child.wait_with_output().unwrap());
        ended.stderr = self.said;
        ended
    }
}
