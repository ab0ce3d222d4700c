//! A server of the built program, an admin who is signed in to it, and a small client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{PATIENCE, Place, eventually};

/// A server and an admin in it.
pub(crate) struct Site {
    pub(crate) place: Place,
    child: Child,
    address: String,
    cookie: String,
    csrf: String,
    /// All that it said.
    said: Arc<Mutex<String>>,
    /// All that it answered.
    pub(crate) heard: Mutex<String>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Answer { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Site {
    /// Starts one over a home.
    pub(crate) fn start(place: Place) -> Site {
        std::fs::create_dir_all(place.path().join("flows")).unwrap();
        let words = ["serve", "flows", "--bind", "127.0.0.1:0", "--admin-link"];
        let mut child = place.command(&words).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                heard.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let link = || {
            let said = said.lock().unwrap();
            let line = said.lines().find(|line| line.contains("/welcome?token="))?;
            Some(line.split_whitespace().find(|word| word.starts_with("http://"))?.to_owned())
        };
        eventually("the link", || link().is_some());
        let link = link().unwrap();
        let (address, target) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let (address, target) = (address.to_owned(), format!("/{target}"));
        let (cookie, csrf) = (String::new(), String::new());
        let heard = Mutex::default();
        let mut site = Site { place, child, address, cookie, csrf, said, heard };
        let welcome = site.ask("GET", &target, &[], b"");
        let cookie = welcome.header("set-cookie").unwrap();
        site.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = site.get("/secrets").body;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        site.csrf = rest.split('"').next().unwrap().to_owned();
        site
    }

    /// Sends a request as it is.
    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        if !self.cookie.is_empty() {
            request.push_str(&format!("cookie: {}\r\n", self.cookie));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        self.heard.lock().unwrap().push_str(&String::from_utf8_lossy(&answer));
        Answer::parse(&answer)
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], b"")
    }

    /// A write of the API, with JSON and more headers.
    pub(crate) fn write(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let own = [("x-csrf-token", self.csrf.as_str()), ("content-type", "application/json")];
        self.ask(method, target, &[&own, headers].concat(), body.as_bytes())
    }

    /// A form of a page.
    pub(crate) fn post(&self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let pairs = [&[("csrf", self.csrf.as_str())], fields].concat();
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.ask("POST", target, &kind, pairs.join("&").as_bytes())
    }

    /// All that it said on standard error.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// The process that listens.
    pub(crate) fn listener(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and starts another over the same home, by whoever comes in anew.
    pub(crate) fn killed_and_started_again(self) -> Site {
        let mut site = self;
        site.child.kill().unwrap();
        site.child.wait().unwrap();
        let place = std::mem::replace(&mut site.place, Place::new());
        drop(site);
        Site::start(place)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
            kill_process(pid, Signal::TERM).ok();
            self.child.wait().ok();
        }
    }
}

/// As forms send it.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
