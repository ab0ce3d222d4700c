//! Random and broken requests, over a socket, to a server that goes on: no panic, no 5xx, no end.
//!
//! The pieces that requests are made of are those that parsers trip over. Which come, a seed says, so that
//! what was found is found again.

use serde_json::json;

use crate::serve_site::{Server, operations, pages};

/// Requests for each seed; a few seconds together.
const REQUESTS: usize = 1500;

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

/// A request that may be anything, and mostly is nearly right.
fn request(dice: &mut Dice, server: &Server, targets: &[String]) -> Vec<u8> {
    if dice.roll(12) == 0 {
        let mut noise = dice.bytes(400);
        noise.extend(b"\r\n\r\n");
        return noise;
    }
    let mut target = targets[dice.roll(targets.len())].clone();
    for _ in 0..dice.roll(4) {
        let at = 1 + dice.roll(target.len());
        let at =
            if target.is_char_boundary(at.min(target.len())) { at.min(target.len()) } else { 1 };
        target.insert_str(at, dice.pick(&PIECES));
    }
    let body = match dice.roll(5) {
        0 => dice.bytes(300),
        1 => format!("{{\"ref\":{}1", "[".repeat(dice.roll(2000))).into_bytes(),
        2 => vec![b'x'; dice.roll(1 << 20)],
        _ => dice.pick(&BODIES).as_bytes().to_vec(),
    };
    let mut bytes = format!("{} {target} HTTP/1.", dice.pick(&METHODS)).into_bytes();
    bytes.extend(dice.pick(&["1", "1", "1", "1", "1", "0", "2"]).bytes());
    bytes.extend(format!("\r\nhost: {}\r\nconnection: close\r\n", server.address).bytes());
    if dice.roll(3) > 0 {
        let (cookie, csrf) = (&server.cookie, &server.csrf);
        bytes.extend(format!("cookie: {cookie}\r\nx-csrf-token: {csrf}\r\n").bytes());
    }
    for _ in 0..dice.roll(4) {
        bytes.extend(dice.pick(&HEADERS).bytes());
        bytes.extend(b"\r\n");
    }
    match dice.roll(8) {
        0 => bytes.extend(b"transfer-encoding: chunked\r\n\r\n5\r\nab\r\n0\r\n\r\n"),
        1 => bytes.extend(b"content-length: 99999999999999999999\r\n\r\n"),
        _ => {
            bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
            bytes.extend(body);
        }
    }
    bytes
}

fn check(seed: u64) {
    let server = Server::stocked();
    let mut targets: Vec<String> = pages(&server).into_iter().map(|page| page.target).collect();
    // Signing out would end what is tested.
    targets.retain(|target| !target.starts_with("/logout"));
    for thing in ["prod%2Fdb-password", "shop", "hostile", "%ff", ""] {
        targets.extend(operations(&server).iter().map(|operation| operation.target(thing)));
    }
    let mut dice = Dice(seed);
    for number in 0..REQUESTS {
        let request = request(&mut dice, &server, &targets);
        let answer = server.wire(&request);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.get(9..10).unwrap_or("(none)");
        let is_refusal = ["2", "3", "4", "(none)"].contains(&status);
        // The one that hyper gives for a version that is none.
        let is_known = answer.starts_with("HTTP/1.1 505");
        let shown = String::from_utf8_lossy(&request[..request.len().min(1000)]).into_owned();
        assert!(is_refusal || is_known, "{seed} {number}: {shown}\n{answer}");
    }
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
