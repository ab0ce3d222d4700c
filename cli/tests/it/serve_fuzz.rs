//! Random and broken requests, over a socket, to a server that goes on: no panic, no 5xx, no end.
//!
//! The pieces that requests are made of are those that parsers trip over. Which come, a seed says, so that
//! what was found is found again.

use serde_json::json;

use crate::serve_site::{Server, operations, pages};

/// Requests for each seed; a few seconds together.
const REQUESTS: usize = 3000;

/// Xorshift: good enough to choose by, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }

    fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.roll(len_max + 1);
        (0..len).map(|_| u8::try_from(self.roll(256)).unwrap()).collect()
    }
}

const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get"];
const PIECES: [&str; 22] = [
    "%00",
    "%ff",
    "%2f",
    "%2e%2e",
    "..",
    "//",
    "%",
    "%zz",
    "%25",
    "?",
    "&",
    "=",
    "a=b&a=c",
    "[]",
    "%F0%9F",
    "limit=18446744073709551616",
    "limit=-1",
    "cursor=AAAA",
    "workspace=%00",
    ";",
    "#",
    "{ref}",
];
const HEADERS: [&str; 24] = [
    "accept: */*",
    "accept: \u{80}",
    "content-type: application/json",
    "content-type: ;;;",
    "content-type: application/json; charset=utf-16",
    "content-type: multipart/form-data; boundary=",
    "content-type: application/x-www-form-urlencoded",
    "if-match: \"",
    "if-match: \"99999999999999999999\"",
    "if-match: W/\"1\"",
    "if-match: *, \"1\"",
    "if-none-match: *",
    "cookie: subrosa=",
    "cookie: ;;==;",
    "cookie: subrosa=%00; subrosa=x",
    "authorization: Bearer",
    "authorization: Basic !!!",
    "authorization: Bearer \u{e9}",
    "range: bytes=0-0",
    "expect: 100-continue",
    "upgrade: websocket",
    "x-csrf-token: \u{80}",
    "idempotency-key: ",
    "last-event-id: -1",
];
const BODIES: [&str; 16] = [
    "",
    "{",
    "{}",
    "[]",
    "null",
    "\"\"",
    "0",
    "1e999",
    "{\"ref\":null}",
    "{\"ref\":\"\\ud800\"}",
    "{\"ref\":\"a\",\"value\":{}}",
    "{\"ref\":\"a/b\",\"keep\":-1}",
    "{\"a\":1,\"a\":2}",
    "\u{feff}{}",
    "csrf=&csrf=",
    "%%%=%ff&csrf[]=1",
];

/// A request that is right, to begin with.
struct Sample {
    method: String,
    target: String,
    body: String,
}

fn samples(server: &Server) -> Vec<Sample> {
    let pages = pages(server).into_iter();
    // Signing out would end what is tested.
    let pages = pages.filter(|page| !page.target.starts_with("/logout"));
    let (method, body) = ("GET".to_owned(), String::new());
    let pages = pages.map(|page| Sample {
        method: method.clone(),
        target: page.target,
        body: body.clone(),
    });
    let mut samples: Vec<Sample> = pages.collect();
    for operation in operations(server).iter().filter(|operation| !operation.ends_session()) {
        for thing in ["prod%2Fdb-password", "fuzzed", "shop", "hostile", "%ff", ""] {
            for text in ["fuzzed", "2031-01-31T00:00:00Z", "\u{0}", "\u{1F511} \r\n\"'<"] {
                let (method, target) = (operation.method.clone(), operation.target(thing));
                let body = operation.body(&|_| text.to_owned());
                samples.push(Sample { method, target, body });
            }
        }
    }
    samples
}

/// A request that may be anything, and mostly is nearly right.
fn request(dice: &mut Dice, server: &Server, samples: &[Sample]) -> Vec<u8> {
    if dice.roll(30) == 0 {
        let mut noise = dice.bytes(400);
        noise.extend(b"\r\n\r\n");
        return noise;
    }
    let Sample { method, target, body } = &samples[dice.roll(samples.len())];
    let method = if dice.roll(8) == 0 { dice.pick(&METHODS) } else { method };
    let target = if dice.roll(3) == 0 { bent(dice, target) } else { target.clone() };
    let body = match dice.roll(12) {
        0 => dice.bytes(300),
        1 => format!("{{\"ref\":{}1", "[".repeat(dice.roll(2000))).into_bytes(),
        2 if dice.roll(10) == 0 => vec![b'x'; dice.roll(2 << 20)],
        2..5 => dice.pick(&BODIES).as_bytes().to_vec(),
        5..7 => bent(dice, body).into_bytes(),
        _ => body.clone().into_bytes(),
    };
    let mut bytes = format!("{method} {target} HTTP/1.").into_bytes();
    bytes.extend(if dice.roll(50) == 0 { dice.pick(&["0", "2"]) } else { "1" }.bytes());
    bytes.extend(format!("\r\nhost: {}\r\nconnection: close\r\n", server.address).bytes());
    if dice.roll(10) > 0 {
        let (cookie, csrf) = (&server.cookie, &server.csrf);
        bytes.extend(format!("cookie: {cookie}\r\nx-csrf-token: {csrf}\r\n").bytes());
    }
    if dice.roll(6) > 0 {
        bytes.extend(b"content-type: application/json\r\n");
    }
    for _ in 0..dice.roll(3) {
        bytes.extend(dice.pick(&HEADERS).bytes());
        bytes.extend(b"\r\n");
    }
    match dice.roll(40) {
        0 => bytes.extend(b"transfer-encoding: chunked\r\n\r\n5\r\nab\r\n0\r\n\r\n"),
        1 => bytes.extend(b"content-length: 99999999999999999999\r\n\r\n"),
        _ => {
            bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
            bytes.extend(body);
        }
    }
    bytes
}

/// A text with pieces put into it.
fn bent(dice: &mut Dice, text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(text.len() + 1).max(1).min(text.len());
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, dice.pick(&PIECES));
    }
    text
}

fn check(seed: u64) {
    let server = Server::stocked();
    let samples = samples(&server);
    let mut dice = Dice(seed);
    let (mut answered, mut done) = (0, 0);
    for number in 0..REQUESTS {
        let request = request(&mut dice, &server, &samples);
        let answer = server.wire(&request);
        let answer = String::from_utf8_lossy(&answer);
        let answer = answer.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&answer);
        let status = answer.get(9..10).unwrap_or("(none)");
        answered += usize::from(status != "(none)");
        done += usize::from(status == "2");
        let is_refusal = ["2", "3", "4", "(none)"].contains(&status);
        // The one that hyper gives for a version that is none.
        let is_known = answer.starts_with("HTTP/1.1 505");
        let shown = String::from_utf8_lossy(&request[..request.len().min(1000)]).into_owned();
        assert!(is_refusal || is_known, "{seed} {number}: {shown}\n{answer}");
    }
    // It was listened to.
    assert!(answered > REQUESTS * 9 / 10 && done > REQUESTS / 50, "{answered} {done}");
    assert_eq!(server.get("/health").json(), json!({ "status": "ok" }));
    assert_eq!(server.plain("GET", "/login", &[], "").status, 200);
    let said = server.stop();
    assert!(!said.contains("panic") && !said.contains("error[internal]"), "{said}");
}

#[test]
fn no_request_breaks_the_server() {
    check(0x5eed_0001);
}

#[test]
fn no_other_request_does_either() {
    check(0x5eed_0002);
}
