//! A server, somebody who is in, and what they ask.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::program::{PATIENCE, Place, eventually};

/// A server that an admin is in.
pub(super) struct Server {
    pub(super) child: Child,
    pub(super) address: String,
    pub(super) cookie: String,
    pub(super) csrf: String,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|line| line.strip_prefix(&prefix))
    }
}

impl Server {
    /// Starts one for the folder `flows`, and comes in by the link.
    pub(super) fn start(place: &Place, words: &[&str]) -> Server {
        let (child, address, link) = Server::launch(place, words);
        Server::enter(child, address, &link)
    }

    /// The process, where it listens, and the link.
    fn launch(place: &Place, words: &[&str]) -> (Child, String, String) {
        let mut command =
            place.command(&["serve", "flows", "--bind", "127.0.0.1:0", "--admin-link"]);
        let mut child = command.args(words).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut find = |before: &str| loop {
            let line = told.next().expect("the server starts").unwrap();
            if let Some(rest) = line.strip_prefix(before) {
                return rest.to_owned();
            }
        };
        let address = find("subrosa serves http://");
        let link = find("come in, once, as an admin: ");
        // It goes on telling of requests.
        std::thread::spawn(move || told.for_each(drop));
        (child, address, link)
    }

    /// Ends it and starts another for the same folder; whoever is in stays in, with the rights that `change` leaves
    /// them.
    pub(super) fn again_with(mut self, place: &Place, rights: &Value) -> Server {
        self.send(Signal::TERM);
        self.child.wait().unwrap();
        let users = place.home().join("server/users.json");
        let mut kept: Value = serde_json::from_slice(&std::fs::read(&users).unwrap()).unwrap();
        let all = kept["users"].as_object_mut().unwrap().values_mut();
        for user in all.filter(|user| user["name"] == "admin") {
            user["rights"] = rights.clone();
        }
        std::fs::write(&users, kept.to_string()).unwrap();
        let (child, address, _) = Server::launch(place, &[]);
        let (cookie, csrf) = (self.cookie.clone(), self.csrf.clone());
        Server { child, address, cookie, csrf }
    }

    /// Comes in by the link.
    pub(super) fn enter(child: Child, address: String, link: &str) -> Server {
        let token = link.split_once("/welcome").unwrap().1.to_owned();
        let mut server = Server { child, address, cookie: String::new(), csrf: String::new() };
        let reply = server.call("GET", &format!("/welcome{token}"), None);
        let cookie = reply.header("set-cookie").expect("a cookie");
        server.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = server.call("GET", "/runs", None).body;
        let csrf = page.split_once("name=\"csrf\" value=\"").unwrap().1;
        server.csrf = csrf.split('"').next().unwrap().to_owned();
        server
    }

    pub(super) fn open(&self, method: &str, path: &str, more: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (cookie, csrf, len) = (&self.cookie, &self.csrf, body.len());
        // Of an answer to HTTP/1.0, the end is the end of the connection.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nCookie: {cookie}\r\nX-CSRF-Token: {csrf}\r\n\
             Content-Length: {len}\r\n{more}\r\n",
            self.address
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> Reply {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let text = body.map(Value::to_string).unwrap_or_default();
        let more = if body.is_some() { "Content-Type: application/json\r\n" } else { "" };
        Server::answer(self.open(method, path, more, &text))
    }

    /// Sends what somebody sends who is not in.
    pub(super) fn strange(&self, method: &str, path: &str, more: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (address, len) = (&self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {len}\r\n{more}\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        Server::answer(stream)
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, Some(body))
    }

    /// Sends a form of a page.
    pub(super) fn submit(&self, path: &str, fields: &str) -> Reply {
        let more = "Content-Type: application/x-www-form-urlencoded\r\n";
        let body = format!("csrf={}&{fields}", self.csrf);
        Server::answer(self.open("POST", path, more, &body))
    }

    /// Starts a run and gives its id.
    pub(super) fn begin(&self, workflow: &str) -> String {
        let reply = self.post(&format!("/api/v1/workflows/{workflow}/runs"), &json!({}));
        assert_eq!(reply.status, 202, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn status_of(&self, run: &str) -> String {
        let reply = self.get(&format!("/api/v1/runs/{run}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["status"].as_str().unwrap().to_owned()
    }

    pub(super) fn wait(&self, run: &str, status: &str) {
        eventually(status, || self.status_of(run) == status);
    }

    pub(super) fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended. Killed, it leaves the runner, which then stops the runs and ends.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
