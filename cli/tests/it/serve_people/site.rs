//! The program as a server, and browsers and programs that talk to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

use crate::program::{PATIENCE, Place};

/// A server.
pub(crate) struct Site {
    pub(crate) place: Place,
    child: Child,
    /// Where it listens: `127.0.0.1:4711`.
    pub(crate) address: String,
    /// The path of the link that it printed.
    pub(crate) link: String,
    /// What it said after that.
    said: Option<JoinHandle<String>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// A browser: it keeps cookies, and fills forms with the token that their pages have.
pub(crate) struct Browser<'s> {
    site: &'s Site,
    cookies: Vec<(String, String)>,
    pub(crate) csrf: String,
}

impl Site {
    /// A new one, with some words more.
    pub(crate) fn new(words: &[&str]) -> Site {
        Site::start(Place::new(), words, true)
    }

    /// One that has this home.
    #[cfg(feature = "oauth-servers")]
    pub(crate) fn at(place: Place) -> Site {
        Site::start(place, &[], true)
    }

    /// One that has this home, where there is an admin with a password.
    pub(crate) fn again(place: Place) -> Site {
        Site::start(place, &[], false)
    }

    fn start(place: Place, words: &[&str], has_link: bool) -> Site {
        // Nobody else takes a port that was just free; what it prints may be another address.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let words = [&["serve", "--quiet", "--bind", &free], words].concat();
        let mut child = place.command(&words).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("://"), "{line}");
        let mut link = String::new();
        if has_link {
            said.read_line(&mut link).unwrap();
            link = link.trim()[link.find("/welcome").unwrap()..].to_owned();
        }
        // What it says later is nobody's business, and may not stop it.
        let said = std::thread::spawn(move || {
            let mut rest = String::new();
            said.read_to_string(&mut rest).map(|_| rest).unwrap_or_default()
        });
        Site { place, child, address: free, link, said: Some(said) }
    }

    /// Sends a request as it is, with no cookie but those given.
    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.address
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A browser that was never here.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { site: self, cookies: Vec::new(), csrf: String::new() }
    }

    /// A browser of the first admin, who has come by the link.
    pub(crate) fn admin(&self) -> Browser<'_> {
        let mut browser = self.browser();
        let answer = browser.get(&self.link);
        assert_eq!(answer.status, 303, "{answer:?}");
        browser.get("/settings");
        browser
    }

    /// With a program's token.
    pub(crate) fn with_token(&self, token: &str, method: &str, target: &str, body: &str) -> Answer {
        let shown = format!("Bearer {token}");
        let json = ("content-type", "application/json");
        self.ask(method, target, &[("authorization", &shown), json], body)
    }

    /// Stops it, and hands back its home, and what it said.
    pub(crate) fn stop(mut self) -> (Place, String) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
        let said = self.said.take().unwrap().join().unwrap();
        (std::mem::replace(&mut self.place, Place::new()), said)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Answer {
    /// All headers of a name.
    pub(crate) fn headers(&self, wanted: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let of_name = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        of_name.map(|(_, value)| value.trim()).collect()
    }

    /// The first of a name.
    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        self.headers(wanted).first().copied()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Browser<'_> {
    /// What it shows as `Cookie`.
    pub(crate) fn cookie(&self) -> String {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    /// The value of a cookie.
    pub(crate) fn cookie_of(&self, wanted: &str) -> Option<&str> {
        let found = self.cookies.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    }

    /// Takes a cookie from somewhere.
    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let cookie = self.cookie();
        let with = [&[("cookie", cookie.as_str())], headers].concat();
        let answer = self.site.ask(method, target, &with, body);
        for set in answer.headers("set-cookie") {
            let pair = set.split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.set_cookie(name, value);
        }
        if let Some((_, rest)) = answer.body.split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        answer
    }

    /// Visits a page.
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], "")
    }

    /// Sends a form, with the token of the last page.
    pub(crate) fn form(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let mut body = format!("csrf={csrf}");
        for (name, value) in fields {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        self.ask("POST", target, &[FORM], &body)
    }

    /// Asks the API, with the form token of the last page.
    pub(crate) fn api(&mut self, method: &str, target: &str, body: &str) -> Answer {
        let csrf = self.csrf.clone();
        let headers = [("x-csrf-token", csrf.as_str()), ("content-type", "application/json")];
        self.ask(method, target, &headers, body)
    }

    /// Signs in on the page for that.
    pub(crate) fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.get("/login");
        let answer = self.form("/login", &[("name", name), ("password", password)]);
        if answer.status == 303 {
            self.get("/settings");
        }
        answer
    }

    /// Whether somebody is in, and who.
    pub(crate) fn who(&mut self) -> Option<String> {
        let answer = self.get("/api/v1/me");
        let name = || answer.json()["name"].as_str().map(str::to_owned);
        (answer.status == 200).then(name).flatten()
    }
}

/// How browsers send forms.
pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
