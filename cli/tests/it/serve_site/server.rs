//! The program as a server: started, come into, asked, stopped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Answer;
use crate::program::{PATIENCE, Place};

/// Values that are stored, one each way there is; nothing may show them.
pub(crate) const CANARIES: [&str; 4] =
    ["canary-by-command-4c1", "canary-by-api-9e2", "canary-rotated-7d3", "canary-connection-2b4"];

/// A text that does something if it is ever taken for markup, in whatever place.
pub(crate) const XSS: &str = r#""'><script>alert(1)</script><img src=x onerror=alert(1)>"#;

/// A workflow whose every free text is [`XSS`].
const HOSTILE: &str = r#"
name: hostile
description: |
  "'><script>alert(1)</script><img src=x onerror=alert(1)>
params:
  - GREETING: |-
      "'><script>alert(1)</script>
steps:
  - name: say
    description: |
      "'><script>alert(1)</script>
    run: echo '"><script>alert(1)</script><img src=x onerror=alert(1)>'
"#;

const BROKEN: &str = "name: broken\nsteps:\n  - name: \"<script>alert(1)</script>\"\n    rnu: 1\n";

/// A server, and who is signed in to it.
pub(crate) struct Server {
    pub(crate) place: Place,
    child: Child,
    /// Where it listens: `127.0.0.1:4711`.
    pub(crate) address: String,
    /// The link that it printed.
    pub(crate) link: String,
    said: Arc<Mutex<String>>,
    /// `subrosa=…`.
    pub(crate) cookie: String,
    /// What forms show.
    pub(crate) csrf: String,
}

impl Server {
    /// With a home that has something of everything.
    pub(crate) fn stocked() -> Server {
        let mut server = Server::stocked_for_others();
        server.enter();
        server
    }

    /// The same; somebody else may come in.
    pub(crate) fn stocked_for_others() -> Server {
        Server::stocked_with(&[])
    }

    /// The same, started with more words.
    pub(crate) fn stocked_with(words: &[&str]) -> Server {
        let place = Place::new();
        stock(&place);
        Server::start(place, words)
    }

    /// Starts one; nobody is in.
    pub(crate) fn start(place: Place, words: &[&str]) -> Server {
        let mut server = Server::spawn(place, &[&["--bind", "127.0.0.1:0"], words].concat());
        let link = server.hears("come in, once, as an admin: ");
        let (_, rest) = link.split_once("://").unwrap();
        server.address = rest.split('/').next().unwrap().to_owned();
        server.link = link[link.find("/welcome").unwrap()..].to_owned();
        server
    }

    /// Starts one that tells of another address than the one that it listens on.
    pub(crate) fn start_behind(place: Place, public_url: &str) -> Server {
        // Nobody else takes a port that was just free.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut server = Server::spawn(place, &["--bind", &free, "--public-url", public_url]);
        let link = server.hears("come in, once, as an admin: ");
        server.address = free;
        server.link = link[link.find("/welcome").unwrap()..].to_owned();
        server
    }

    /// Starts one, and reads nothing of what it says once it has told where it is.
    pub(crate) fn start_unheard(place: Place) -> Server {
        let mut command = place.command(&["serve", ".", "--bind", "127.0.0.1:0"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
        let link = lines.by_ref().map_while(Result::ok).find(|line| line.contains("/welcome"));
        let link = link.unwrap();
        let (_, rest) = link.split_once("://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        let (address, link) = (address.to_owned(), format!("/{path}"));
        let (cookie, csrf, said) = (String::new(), String::new(), Arc::default());
        Server { place, child, address, link, said, cookie, csrf }
    }

    fn spawn(place: Place, words: &[&str]) -> Server {
        std::fs::create_dir_all(place.path().join("flows")).unwrap();
        let words = [&["serve", "flows"], words].concat();
        let mut command = place.command(&words);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (BufReader::new(child.stderr.take().unwrap()), said.clone());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        let (address, link) = (String::new(), String::new());
        let (cookie, csrf) = (String::new(), String::new());
        Server { place, child, address, link, said, cookie, csrf }
    }

    /// What it says after some words, once it does.
    fn hears(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.said();
            let line = said.split_inclusive('\n').find(|line| line.contains(words));
            if let Some(line) = line.filter(|line| line.ends_with('\n')) {
                return line.trim_end().rsplit(' ').next().unwrap().to_owned();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {said}");
            assert!(Instant::now() < deadline, "not in time: {words}: {said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All that it said on standard error.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Comes in by the link, and keeps the cookie and what forms show.
    pub(crate) fn enter(&mut self) {
        let answer = self.get(&self.link);
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
        let page = self.get("/secrets");
        let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
        self.csrf = rest.split('"').next().unwrap().to_owned();
    }

    /// Sends bytes and reads all that comes until the connection ends.
    pub(crate) fn wire(&self, bytes: &[u8]) -> Vec<u8> {
        self.try_wire(bytes).expect("it listens")
    }

    fn try_wire(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut all = Vec::new();
        // It may refuse before the end.
        stream.write_all(bytes).ok();
        stream.read_to_end(&mut all).ok();
        stream.shutdown(Shutdown::Both).ok();
        Some(all)
    }

    /// Asks with these headers and no others but what HTTP demands.
    pub(crate) fn plain(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        Answer::parse(&self.wire(self.request(method, target, headers, body).as_bytes()))
    }

    fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        format!("{request}\r\n{body}")
    }

    /// Asks as whoever is signed in.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.plain("GET", target, &[("cookie", &self.cookie)], "")
    }

    /// Sends JSON as whoever is signed in, with what guards against other sites.
    pub(crate) fn send(&self, method: &str, target: &str, body: &str) -> Answer {
        self.plain(method, target, &self.guarded(body), body)
    }

    fn guarded(&self, body: &str) -> Vec<(&str, &str)> {
        let mut headers = vec![("cookie", self.cookie.as_str()), ("x-csrf-token", &self.csrf)];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        headers
    }

    /// Sends JSON as [`Server::send`] does; `None`: nobody listens.
    pub(crate) fn try_send(&self, method: &str, target: &str, body: &str) -> Option<Answer> {
        let request = self.request(method, target, &self.guarded(body), body);
        self.try_wire(request.as_bytes()).map(|bytes| Answer::parse(&bytes))
    }

    /// The process that listens.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// The process that opens values: the only child of the other.
    pub(crate) fn runner(&self) -> Pid {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let children = tasks.map(|task| task.unwrap().path().join("children"));
        let children = children.filter_map(|path| std::fs::read_to_string(path).ok());
        let children: Vec<i32> = children
            .flat_map(|text| {
                text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(children.len(), 1, "{children:?}");
        Pid::from_raw(children[0]).unwrap()
    }

    /// What is left of one that was killed.
    pub(crate) fn killed(mut self) -> Place {
        self.child.kill().ok();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.place, Place::new())
    }

    /// Asks it to stop, and waits until it has; what it said.
    pub(crate) fn stop(mut self) -> String {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended:?}: {}", self.said());
        self.said()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Fills a home by the command line.
fn stock(place: &Place) {
    place.write("flows/hostile.yaml", HOSTILE);
    place.write("flows/broken.yaml", BROKEN);
    place.write("flows/quiet.yaml", "name: quiet\nsteps:\n  - name: rest\n    run: \"true\"\n");
    let ok = |words: &[&str], input: &str| {
        let ended = place.feed(words, input.as_bytes());
        assert_eq!(ended.code, 0, "{words:?} {ended:?}");
    };
    ok(&["secret", "set", "prod/db-password", "--expires", "2031-01-31"], CANARIES[0]);
    ok(&["secret", "set", "token", "--workspace", "payments", "--env", "prod"], CANARIES[0]);
    ok(&["secret", "describe", "prod/db-password", XSS], "");
    let connection = ["connection", "add", "http_basic", "shop"];
    let username = format!("username={XSS}");
    let fields = ["--set", "base_url=https://a.example", "--set", &username];
    ok(&[&connection[..], &fields, &["--set", "password=-"]].concat(), CANARIES[3]);
    ok(&["run", "flows/hostile.yaml"], "");
    ok(&["run", "flows/quiet.yaml"], "");
}
