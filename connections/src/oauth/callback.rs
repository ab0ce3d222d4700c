//! What a request to the waiting address means: the browser that comes back, or somebody else.
//!
//! From bytes to a verdict, without a socket. Taken is a GET of the one path, for the very host and port,
//! sent by nobody else's page, that knows the state; everything else is refused. A state is spent by
//! whoever says it first: the caller asks no further request after a [`Heard::Back`].

use zeroize::Zeroizing;

use crate::oauth::random::is_same;
use crate::oauth::{ErrorWord, Refusal, form};

/// Headers that a request may have.
const HEADERS_MAX: usize = 100;

/// What is waited for.
pub(super) struct Expected {
    /// The host as a browser names it.
    pub(super) authority: String,
    /// The one path.
    pub(super) path: String,
    /// What only the server can have heard from us, through the browser.
    pub(super) state: Zeroizing<String>,
    /// The server's name, if it is known.
    pub(super) issuer: Option<String>,
}

/// What a request means.
pub(super) enum Heard {
    /// It is for a path where nothing is, such as that of an icon.
    NotFound,
    /// It is not taken.
    Refused(Refusal),
    /// The browser came back.
    Back(Callback),
}

/// What the browser came back with.
pub(super) enum Callback {
    /// A code to exchange.
    Code(Zeroizing<Vec<u8>>),
    /// An error instead; `None`: of no word that is known.
    Denied(Option<ErrorWord>),
    /// Neither.
    Nothing,
    /// An answer of another server (RFC 9207).
    OtherIssuer,
}

/// Judges the head of a request: its lines, with the empty one at the end.
pub(super) fn hear(head: &[u8], expected: &Expected) -> Heard {
    let target = match target(head, expected) {
        Ok(target) => target,
        Err(refusal) => return Heard::Refused(refusal),
    };
    let mut parts = target.splitn(2, |byte| *byte == b'?');
    if parts.next() != Some(expected.path.as_bytes()) {
        return Heard::NotFound;
    }
    let Some(query) = Query::read(parts.next().unwrap_or_default()) else {
        return Heard::Refused(Refusal::Malformed);
    };
    let is_ours = |state: &Zeroizing<Vec<u8>>| is_same(state, expected.state.as_bytes());
    if !query.state.as_ref().is_some_and(is_ours) {
        return Heard::Refused(Refusal::WrongState);
    }
    Heard::Back(query.callback(expected.issuer.as_deref()))
}

/// What a browser came back with that somebody else has heard; `None`: it is not the answer to this state.
pub(super) fn came_back(query: &[u8], state: &str, issuer: Option<&str>) -> Option<Callback> {
    let query = Query::read(query)?;
    let is_ours = query.state.as_ref().is_some_and(|shown| is_same(shown, state.as_bytes()));
    is_ours.then(|| query.callback(issuer))
}

/// The state that a query shows, without which nobody knows what it belongs to.
pub fn state_of(query: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    Query::read(query)?.state
}

/// What is asked for, if whoever asks may.
fn target<'a>(head: &'a [u8], expected: &Expected) -> Result<&'a [u8], Refusal> {
    let mut lines = Lines(head);
    let line = lines.next().ok_or(Refusal::Malformed)?;
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, b"HTTP/1.1" | b"HTTP/1.0"] = words[..] else {
        return Err(Refusal::Malformed);
    };
    let headers = Headers::read(lines).ok_or(Refusal::Malformed)?;
    if !headers.host.is_some_and(|host| host.eq_ignore_ascii_case(expected.authority.as_bytes())) {
        return Err(Refusal::ForeignHost);
    }
    let is_ours = |origin: &[u8]| origin.strip_prefix(b"http://") == headers.host;
    let is_navigation = |mode: &[u8]| mode == b"navigate";
    if !headers.origin.is_none_or(is_ours) || !headers.fetch_mode.is_none_or(is_navigation) {
        return Err(Refusal::ForeignOrigin);
    }
    if method != b"GET" {
        return Err(Refusal::Method);
    }
    if !target.starts_with(b"/") {
        return Err(Refusal::Malformed);
    }
    Ok(target)
}

/// Lines that end with `\r\n`.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 2..];
        Some(line)
    }
}

/// The headers that count.
#[derive(Default)]
struct Headers<'a> {
    host: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    fetch_mode: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// `None`: they are too many, one of these is there twice, or one is no header.
    fn read(lines: Lines<'a>) -> Option<Headers<'a>> {
        let mut headers = Headers::default();
        for (place, line) in lines.enumerate() {
            if line.is_empty() {
                return Some(headers);
            }
            if place == HEADERS_MAX {
                return None;
            }
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            let slot = match name.to_ascii_lowercase().as_slice() {
                b"host" => &mut headers.host,
                b"origin" => &mut headers.origin,
                b"sec-fetch-mode" => &mut headers.fetch_mode,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        None
    }
}

/// The parts of a query that count.
#[derive(Default)]
struct Query {
    state: Option<Zeroizing<Vec<u8>>>,
    code: Option<Zeroizing<Vec<u8>>>,
    error: Option<Zeroizing<Vec<u8>>>,
    issuer: Option<Zeroizing<Vec<u8>>>,
}

impl Query {
    /// `None`: one of them is there twice, or not encoded right.
    fn read(text: &[u8]) -> Option<Query> {
        let mut query = Query::default();
        for part in text.split(|byte| *byte == b'&') {
            let end = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            let slot = match &part[..end] {
                b"state" => &mut query.state,
                b"code" => &mut query.code,
                b"error" => &mut query.error,
                b"iss" => &mut query.issuer,
                _ => continue,
            };
            let value = form::decode(part.get(end + 1..).unwrap_or_default())?;
            if slot.replace(value).is_some() {
                return None;
            }
        }
        Some(query)
    }

    fn callback(self, issuer: Option<&str>) -> Callback {
        if let (Some(named), Some(known)) = (&self.issuer, issuer)
            && named.as_slice() != known.as_bytes()
        {
            return Callback::OtherIssuer;
        }
        match (self.error, self.code) {
            (Some(word), _) => Callback::Denied(ErrorWord::parse(&word)),
            (None, Some(code)) if !code.is_empty() => Callback::Code(code),
            (None, _) => Callback::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::{Callback, Expected, HEADERS_MAX, Heard, came_back, hear};

    fn expected() -> Expected {
        Expected {
            authority: "127.0.0.1:4711".to_owned(),
            path: "/callback".to_owned(),
            state: Zeroizing::new("s-1".to_owned()),
            issuer: Some("https://id.example".to_owned()),
        }
    }

    fn shown(heard: &Heard) -> String {
        match heard {
            Heard::NotFound => "not found".to_owned(),
            Heard::Refused(refusal) => format!("{refusal:?}"),
            Heard::Back(Callback::Code(code)) => {
                format!("code {}", String::from_utf8_lossy(code))
            }
            Heard::Back(Callback::Denied(word)) => format!("denied {word:?}"),
            Heard::Back(Callback::Nothing) => "nothing".to_owned(),
            Heard::Back(Callback::OtherIssuer) => "other issuer".to_owned(),
        }
    }

    fn check(head: &str, result: &str) {
        let heard = hear(head.replace('\n', "\r\n").as_bytes(), &expected());
        assert_eq!(shown(&heard), result, "{head}");
    }

    /// A request for this target with these headers, beside the right host.
    fn asked(target: &str, headers: &str) -> String {
        format!("GET {target} HTTP/1.1\nHost: 127.0.0.1:4711\n{headers}\n")
    }

    #[test]
    fn who_knows_the_state_is_taken() {
        check(&asked("/callback?code=c%2F1&state=s-1", ""), "code c/1");
        check(&asked("/callback?state=s-1&code=c&iss=https%3A%2F%2Fid.example", ""), "code c");
        check(&asked("/callback?state=s-1&code=c&scope=a+b&x", ""), "code c");
        let denied = "/callback?error=access_denied&error_description=canary&state=s-1";
        check(&asked(denied, ""), "denied Some(AccessDenied)");
        check(&asked("/callback?error=canary&state=s-1&code=c", ""), "denied None");
        check(&asked("/callback?state=s-1", ""), "nothing");
        check(&asked("/callback?state=s-1&code=", ""), "nothing");
        let other = "/callback?state=s-1&code=c&iss=https%3A%2F%2Fother.example";
        check(&asked(other, ""), "other issuer");
    }

    #[test]
    fn what_somebody_else_has_heard_is_judged_alike() {
        let check = |query: &str, expected: Option<&str>| {
            let back = came_back(query.as_bytes(), "s-1", Some("https://id.example"));
            let back = back.map(|callback| shown(&Heard::Back(callback)));
            assert_eq!(back.as_deref(), expected, "{query}");
        };
        check("code=c%2F1&state=s-1", Some("code c/1"));
        check("error=access_denied&state=s-1", Some("denied Some(AccessDenied)"));
        check("code=c&state=s-1&iss=https%3A%2F%2Fother.example", Some("other issuer"));
        check("state=s-1", Some("nothing"));
        for query in ["", "code=c", "code=c&state=s-2", "code=c&state=s-1&state=s-1", "state=%zz"] {
            check(query, None);
        }
    }

    #[test]
    fn who_does_not_know_the_state_is_refused() {
        for query in ["", "?", "?code=c", "?state=&code=c", "?state=s-2&code=c", "?state=s-11"] {
            check(&asked(&format!("/callback{query}"), ""), "WrongState");
        }
        check(&asked("/callback?error=access_denied", ""), "WrongState");
        check(&asked("/callback?State=s-1&code=c", ""), "WrongState");
    }

    #[test]
    fn what_is_said_twice_or_half_is_refused() {
        for query in
            ["state=s-1&state=s-1", "state=s-1&code=a&code=b", "state=s-1&code=%2", "state=%zz"]
        {
            check(&asked(&format!("/callback?{query}"), ""), "Malformed");
        }
        check(&asked("/callback?state=s-1&code=c", "Host: 127.0.0.1:4711\n"), "Malformed");
        check("GET /callback?state=s-1&code=c\n\n", "Malformed");
        check("GET  /callback?state=s-1 HTTP/1.1\nHost: 127.0.0.1:4711\n\n", "Malformed");
        check("GET /callback?state=s-1 HTTP/2.0\nHost: 127.0.0.1:4711\n\n", "Malformed");
        check(&asked("http://127.0.0.1:4711/callback?state=s-1&code=c", ""), "Malformed");
        check(&asked("/callback?state=s-1&code=c", "no header\n"), "Malformed");
        let many = "A: b\n".repeat(HEADERS_MAX);
        check(&asked("/callback?state=s-1&code=c", &many), "Malformed");
        check("", "Malformed");
    }

    #[test]
    fn other_hosts_origins_methods_and_paths_are_refused() {
        let target = "/callback?state=s-1&code=c";
        for host in ["localhost:4711", "127.0.0.1", "127.0.0.1:4712", "evil.example", ""] {
            check(&format!("GET {target} HTTP/1.1\nHost: {host}\n\n"), "ForeignHost");
        }
        check(&format!("GET {target} HTTP/1.0\n\n"), "ForeignHost");
        for origin in ["https://evil.example", "null", "http://127.0.0.1:1", ""] {
            check(&asked(target, &format!("Origin: {origin}\n")), "ForeignOrigin");
        }
        check(&asked(target, "Sec-Fetch-Mode: no-cors\n"), "ForeignOrigin");
        check(
            &asked(target, "oRiGin: http://127.0.0.1:4711\nSec-Fetch-Mode: navigate\n"),
            "code c",
        );
        for method in ["POST", "HEAD", "OPTIONS", "get"] {
            let head = format!("{method} {target} HTTP/1.1\nHost: 127.0.0.1:4711\n\n");
            check(&head, "Method");
        }
        for path in ["/", "/favicon.ico", "/callback/", "/callback%2F", "//callback", "/Callback"] {
            check(&asked(&format!("{path}?state=s-1&code=c"), ""), "not found");
        }
    }

    proptest! {
        #[test]
        fn nothing_fails_badly_and_nobody_guesses(head: Vec<u8>) {
            prop_assert!(!matches!(hear(&head, &expected()), Heard::Back(_)));
        }

        #[test]
        fn no_other_state_is_taken(state in "[A-Za-z0-9._~-]{0,8}") {
            let head = asked(&format!("/callback?code=c&state={state}"), "").replace('\n', "\r\n");
            let is_taken = matches!(hear(head.as_bytes(), &expected()), Heard::Back(_));
            prop_assert_eq!(is_taken, state == "s-1");
        }
    }
}
