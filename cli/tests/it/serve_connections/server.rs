//! A server of the built program, and somebody who is signed in to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

use crate::program::Place;

/// A server; it ends with this.
pub(super) struct Server {
    child: Child,
    authority: String,
    cookie: String,
    csrf: String,
    /// All that it answered.
    heard: Mutex<String>,
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    /// The body, which is JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// A header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What was wanted.
    pub(super) fn ok(self) -> Answer {
        assert!(self.status < 400, "{self:?}");
        self
    }
}

impl Server {
    /// Starts one, and signs in by the link that it prints.
    pub(super) fn start(place: &Place, words: &[&str]) -> Server {
        let words = [&["serve", ".", "--bind", "127.0.0.1:0", "--quiet"], words].concat();
        let mut command = place.command(&words);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        let link = told.by_ref().map_while(Result::ok).find(|line| line.contains("/welcome?"));
        let link = link.unwrap();
        let (_, address) = link.split_once("http://").unwrap();
        let (authority, path) = address.split_once('/').unwrap();
        let mut server = Server {
            child,
            authority: authority.to_owned(),
            cookie: String::new(),
            csrf: String::new(),
            heard: Mutex::default(),
        };
        // It may say more than the pipe holds.
        thread::spawn(move || told.for_each(drop));
        let entered = server.send("GET", &format!("/{path}"), "", "");
        let cookie = entered.header("set-cookie").unwrap().split(';').next().unwrap();
        cookie.clone_into(&mut server.cookie);
        let page = server.get("/secrets").ok().body;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().clone_into(&mut server.csrf);
        server
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The cookie, as a browser shows it.
    #[cfg(feature = "oauth-servers")]
    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// All that it answered so far.
    pub(super) fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }

    /// Sends a request with the cookie of the session.
    pub(super) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let cookie = match self.cookie.as_str() {
            "" => String::new(),
            cookie => format!("Cookie: {cookie}\r\n"),
        };
        self.send_bare(method, path, &format!("{cookie}{headers}"), body)
    }

    /// Sends a request of somebody who is not signed in.
    pub(super) fn send_bare(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        let (host, length) = (&self.authority, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        self.heard.lock().unwrap().push_str(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Gets a page or a part of the API.
    pub(super) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    /// Calls the API, with a precondition if there is one.
    pub(super) fn call(&self, method: &str, path: &str, body: &Value, tag: Option<&str>) -> Answer {
        let tag = tag.map(|tag| format!("If-Match: {tag}\r\n")).unwrap_or_default();
        let headers =
            format!("X-CSRF-Token: {}\r\nContent-Type: application/json\r\n{tag}", self.csrf);
        self.send(method, &format!("/api/v1{path}"), &headers, &body.to_string())
    }

    /// Sends a form of a page.
    pub(super) fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode =
            |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let mut form = format!("csrf={}", self.csrf);
        for (name, value) in fields {
            form.push_str(&format!("&{}={}", encode(name), encode(value)));
        }
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send("POST", path, kind, &form)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
