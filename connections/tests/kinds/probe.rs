//! Trying connections, with servers that answer as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use subrosa_connections::Opened;
use subrosa_connections::probe::{Means, Outcome, Tokens, probe};
use subrosa_engine::secret::SecretValue;
use subrosa_http::{Reach, Roots, Tls};

use crate::stage::{http, opened, wait};

/// What comes of trying a connection.
fn tried(opened: &Opened) -> Outcome {
    tried_with(opened, None)
}

fn tried_with(opened: &Opened, tokens: Option<&dyn Tokens>) -> Outcome {
    let tls = Tls { roots: Roots::None, identity: None }.load().unwrap();
    let means = Means {
        http: &http(),
        tls: Arc::new(tls),
        now: UNIX_EPOCH,
        tokens,
        reach: &Reach::Anywhere,
    };
    wait(probe(opened, &means))
}

/// A server that takes one request, answers it with these bytes and hands it out.
fn answering(answer: &str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (said, heard) = channel();
    let answer = answer.to_owned();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut request).unwrap() > 0);
        }
        let lower = request.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        request.push_str(&String::from_utf8(body).unwrap());
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
        said.send(request).unwrap();
    });
    (address, heard)
}

fn response(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn works(shows: Option<&str>) -> Outcome {
    Outcome::Works { shows: shows.map(str::to_owned) }
}

fn unexpected(why: &str) -> Outcome {
    Outcome::Unexpected { why: why.to_owned() }
}

fn untested(why: &str) -> Outcome {
    Outcome::Untested { why: why.to_owned() }
}

#[test]
fn an_answer_means_what_its_type_says() {
    let check = |id: &str, values: &[(&str, &str)], status, body: &str, expected: Outcome| {
        let (address, heard) = answering(&response(status, body));
        let mut all = values.to_vec();
        for field in ["base_url", "site_url", "instance_url", "account_url"] {
            all.push((field, &address));
        }
        let kind = subrosa_connections::Types::shipped().get(id).unwrap().clone();
        all.retain(|(name, _)| kind.field(name).is_some() || *name == "access_token");
        let found = tried(&opened(id, &all));
        let shown = format!("{found:?}");
        assert_eq!(found, expected, "{id} {status}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(heard.recv().unwrap().contains("canary"));
    };
    let bearer = [("token", "canary-token")];
    check("http_bearer", &bearer, 204, "", works(None));
    check("http_bearer", &bearer, 401, "canary", Outcome::Refused);
    check("http_bearer", &bearer, 403, "canary", Outcome::Denied);
    check("http_bearer", &bearer, 404, "canary", unexpected("the service answered 404"));
    check(
        "http_bearer",
        &bearer,
        302,
        "",
        unexpected("the service answered 302: it is at another address"),
    );
    check(
        "http_bearer",
        &bearer,
        503,
        "",
        Outcome::Unreachable { why: "the service answered 503".to_owned() },
    );
    let lab = [("client_id", "c"), ("access_token", "canary-token")];
    check("gitlab", &lab, 200, r#"{"username": "ada"}"#, works(Some("ada")));
    check("gitlab", &lab, 200, r#"{"username": "has-canary-token-in-it"}"#, works(None));
    check("gitlab", &lab, 200, r#"{"username": "Basic dTpjYW5hcnktdG9rZW4="}"#, works(None));
    check("gitlab", &lab, 200, r#"{"username": "a\u001b[31mb"}"#, works(Some("a[31mb")));
    check("gitlab", &lab, 200, r#"{"username": {"canary": 1}}"#, works(None));
    check("gitlab", &lab, 200, "no JSON", works(None));
    check("gemini", &[("api_key", "canary")], 400, "{}", Outcome::Refused);
    check("anthropic", &[("api_key", "canary")], 400, "{}", unexpected("the service answered 400"));
    check("snowflake", &[("token", "canary")], 200, r#"{"data": [["ADA"]]}"#, works(Some("ADA")));
}

#[test]
fn a_server_that_answers_so_to_everybody_tests_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut request).unwrap() > 0);
            }
            let is_private = request.starts_with("GET /private");
            let status = match (is_private, request.contains("canary")) {
                (false, _) | (true, true) => 200,
                (true, false) => 401,
            };
            reader.get_mut().write_all(response(status, "").as_bytes()).unwrap();
        }
    });
    let of = |path: &str| {
        let values = [("base_url", &address[..]), ("token", "canary"), ("test_path", path)];
        tried(&opened("http_bearer", &values))
    };
    assert_eq!(of("/private"), works(None));
    let Outcome::Untested { why } = of("/") else { panic!("nobody looked at the credential") };
    assert!(why.contains("to everybody"), "{why}");
}

#[test]
fn the_question_of_a_type_is_asked() {
    let (address, heard) = answering(&response(200, "{}"));
    let snowflake = opened("snowflake", &[("account_url", &address), ("token", "canary")]);
    assert_eq!(tried(&snowflake), works(None));
    let request = heard.recv().unwrap();
    assert!(request.starts_with("POST /api/v2/statements HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer canary\r\n"), "{request}");
    assert!(request.ends_with(r#"{"statement": "SELECT CURRENT_USER()", "timeout": 10}"#));
}

/// A service that answers 200 to everything.
const SURE: &str = "\
id: own
label: Own
summary: Lets a test see a service that never says no.
auth: bearer
fields:
  - {name: site, label: Site, help: Any., format: url}
  - {name: token, label: Token, help: Any., secret: true}
apply:
  base_url: ${site}
  headers: {Authorization: 'Bearer ${token}'}
test: {kind: http, url: /test, ok: /ok, shows: /team}
";

#[test]
fn an_answer_of_200_can_be_a_refusal() {
    for (body, expected) in [
        (r#"{"ok": true, "team": "Corner Books"}"#, works(Some("Corner Books"))),
        (r#"{"ok": false, "error": "invalid_auth"}"#, Outcome::Refused),
        ("[]", unexpected("the answer is not what the service documents")),
    ] {
        let (address, _heard) = answering(&response(200, body));
        let own = crate::stage::declared(SURE, &[("site", &address), ("token", "canary")]);
        assert_eq!(tried(&own), expected, "{body}");
    }
}

#[test]
fn what_cannot_be_tried_is_said() {
    let check = |id: &str, values: &[(&str, &str)], why: &str| {
        assert_eq!(tried(&opened(id, values)), untested(why), "{id}");
    };
    check("openai", &[], "these fields have no value: api_key");
    check(
        "postgres",
        &[("host", "db")],
        "these fields have no value: database, username, password",
    );
    check(
        "github",
        &[("client_id", "c")],
        "the connection was not authorized yet: it has no access token",
    );
    check(
        "gcp_service_account",
        &[("key_file", "{}")],
        "nobody is here to exchange it for a token",
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = format!("http://127.0.0.1:{port}");
    let found = tried(&opened("http_bearer", &[("base_url", &gone), ("token", "t")]));
    let why = format!("cannot reach `{gone}`: connection refused");
    assert_eq!(found, Outcome::Unreachable { why });
}

struct Exchange(Result<&'static str, Outcome>);

#[async_trait]
impl Tokens for Exchange {
    async fn token(&self, _opened: &Opened) -> Result<SecretValue, Outcome> {
        self.0.clone().map(|token| SecretValue::new(token.as_bytes().to_vec()))
    }
}

#[test]
fn a_token_is_exchanged_first() {
    let account = opened("gcp_service_account", &[("key_file", "{}")]);
    assert_eq!(tried_with(&account, Some(&Exchange(Ok("t")))), works(None));
    let refusing = Exchange(Err(Outcome::Refused));
    assert_eq!(tried_with(&account, Some(&refusing)), Outcome::Refused);
    let (address, heard) = answering(&response(200, r#"{"preferred_username": "ada"}"#));
    let force = opened(
        "salesforce",
        &[("instance_url", &address), ("client_id", "c"), ("client_secret", "s")],
    );
    assert_eq!(tried_with(&force, Some(&Exchange(Ok("fresh")))), works(Some("ada")));
    assert!(heard.recv().unwrap().contains("authorization: Bearer fresh\r\n"));
}

/// A broker that says these lines, one for each that it hears, the first at once if it greets.
fn broker(greeting: &str, answers: &[&str]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let (said, heard) = channel();
    let greeting = greeting.to_owned();
    let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(greeting.as_bytes()).unwrap();
        let mut all = String::new();
        for answer in answers {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            all.push_str(&String::from_utf8_lossy(&buffer[..count]));
            stream.write_all(answer.as_bytes()).unwrap();
        }
        said.send(all).unwrap();
    });
    (port, heard)
}

#[test]
fn redis_is_spoken_to_as_its_clients_do() {
    let check = |values: &[(&str, &str)], answers: &[&str], expected: Outcome, wanted: &str| {
        let (port, heard) = broker("", answers);
        let mut all = vec![("host", "127.0.0.1"), ("port", port.as_str()), ("tls", "false")];
        all.extend_from_slice(values);
        assert_eq!(tried(&opened("redis", &all)), expected);
        assert_eq!(heard.recv().unwrap(), wanted);
    };
    let login = "*2\r\n$4\r\nAUTH\r\n$6\r\ncanary\r\n";
    check(
        &[("password", "canary")],
        &["+OK\r\n", "+OK\r\n", "+PONG\r\n"],
        works(None),
        &format!("{login}*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$4\r\nPING\r\n"),
    );
    check(&[("password", "canary")], &["-WRONGPASS no canary\r\n"], Outcome::Refused, login);
    check(
        &[("username", "ada"), ("password", "can\r\nary")],
        &["-NOPERM\r\n"],
        Outcome::Denied,
        "*3\r\n$4\r\nAUTH\r\n$3\r\nada\r\n$8\r\ncan\r\nary\r\n",
    );
    check(
        &[("password", "canary")],
        &["HTTP/1.1 400 canary\r\n"],
        unexpected("the server does not speak as Redis does"),
        login,
    );
    check(
        &[("password", "canary")],
        &["-ERR canary\r\n"],
        unexpected("the server answered with an error"),
        login,
    );
}

#[test]
fn nats_is_spoken_to_as_its_clients_do() {
    let check = |info: &str, values: &[(&str, &str)], answer: &[&str], expected: Outcome| {
        let (port, _heard) = broker(&format!("INFO {info}\r\n"), answer);
        let mut all = vec![("host", "127.0.0.1"), ("port", port.as_str())];
        all.extend_from_slice(values);
        assert_eq!(tried(&opened("nats", &all)), expected, "{info}");
    };
    let plain = [("tls", "false"), ("token", "canary\"")];
    check("{}", &plain, &["PONG\r\n"], works(None));
    check("{}", &plain, &["+OK\r\nPONG\r\n"], works(None));
    check("{}", &plain, &["-ERR 'Authorization Violation'\r\n"], Outcome::Refused);
    check("{}", &plain, &["-ERR 'canary'\r\n"], unexpected("the server answered with an error"));
    check(
        "{\"tls_required\": true}",
        &plain,
        &[],
        unexpected("the server asks for TLS, and the field `tls` is `false`"),
    );
    check(
        "{}",
        &[("token", "canary")],
        &[],
        unexpected("the server does not offer TLS, and the field `tls` asks for it"),
    );
    check("no JSON", &plain, &[], unexpected("the server does not speak as NATS does"));
    check(
        "{}",
        &[("tls", "false"), ("nkey_seed", "SUcanary")],
        &[],
        untested("the field `nkey_seed` is no seed of a user (`SU...`)"),
    );
}

#[test]
fn a_line_without_an_end_ends_the_try() {
    let (port, _heard) = broker(&"x".repeat(70_000), &[]);
    let nats = opened("nats", &[("host", "127.0.0.1"), ("port", &port), ("token", "t")]);
    assert_eq!(tried(&nats), unexpected("the server's answer is too long"));
}
