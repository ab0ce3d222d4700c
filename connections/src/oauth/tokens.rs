//! The answer of a token endpoint.
//!
//! Lenient in everything but the tokens: whoever refreshed has nothing but this answer, so a frill of it
//! that cannot be read must not lose the tokens beside it.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;
use subrosa_engine::secret::SecretValue;

use crate::oauth::json;

/// How long an access token counts as good if how long it holds cannot be understood.
const LASTS_UNKNOWN: Duration = Duration::from_secs(60 * 60);
/// Bytes a token may have: what the registry keeps of one value.
const TOKEN_LEN_MAX: usize = 64 * 1024;

/// Scopes that are kept, each no longer than a line.
const SCOPES_MAX: usize = 200;
const SCOPE_LEN_MAX: usize = 256;

/// What was granted. It cannot be compared or serialised, and printing it shows no token.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// What requests are authenticated with.
    pub access: SecretValue,
    /// What gets the next ones. After a refresh, `None`: the one that was sent stays good.
    pub refresh: Option<SecretValue>,
    /// When the access token ends; `None`: it does not, as far as is known.
    pub expires: Option<SystemTime>,
    /// When the refresh token ends, if the server says so.
    pub refresh_expires: Option<SystemTime>,
    /// What was granted; what was asked for if the server does not say.
    pub scopes: Vec<String>,
}

/// Why an answer holds no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTokens {
    /// It is not what the standard says.
    Malformed,
    /// The token is not for `Authorization: Bearer`.
    TokenType,
}

/// What is known without the answer.
pub(super) struct Known<'a> {
    /// When the request was sent: a token is over no later than it says.
    pub(super) now: SystemTime,
    /// What was asked for, or held.
    pub(super) scopes: &'a [String],
    /// What stands between scopes.
    pub(super) separator: &'a str,
    /// How long an access token holds if the answer does not say.
    pub(super) expires_in: Option<Duration>,
}

#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow)]
    access_token: Option<&'a RawValue>,
    #[serde(borrow)]
    token_type: Option<&'a RawValue>,
    #[serde(borrow)]
    refresh_token: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    refresh_token_expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    refresh_expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
}

impl Tokens {
    /// Reads an answer.
    pub(super) fn read(body: &[u8], known: &Known<'_>) -> Result<Tokens, NoTokens> {
        let granted: Granted<'_> = json::object(body).ok_or(NoTokens::Malformed)?;
        let access = granted.access_token.and_then(token).ok_or(NoTokens::Malformed)?;
        if !granted.token_type.is_none_or(is_bearer) {
            return Err(NoTokens::TokenType);
        }
        let after = |time: Duration| known.now.checked_add(time);
        // Zero is how one server says that it does not end.
        let refresh_ends = [granted.refresh_token_expires_in, granted.refresh_expires_in];
        let refresh_ends = refresh_ends.into_iter().flatten().find_map(seconds);
        let scopes = granted.scope.and_then(|scope| scopes(scope, known.separator));
        Ok(Tokens {
            access,
            refresh: granted.refresh_token.and_then(token),
            expires: access_lasts(granted.expires_in, known).and_then(after),
            refresh_expires: refresh_ends.filter(|time| !time.is_zero()).and_then(after),
            scopes: scopes.unwrap_or_else(|| known.scopes.to_vec()),
        })
    }
}

/// A token: visible characters, as the standard says, so that it can be sent in a header.
pub(super) fn token(raw: &RawValue) -> Option<SecretValue> {
    let mut text = json::text(raw)?;
    let is_visible = |byte: &u8| (0x20..0x7f).contains(byte);
    if text.is_empty() || text.len() > TOKEN_LEN_MAX || !text.iter().all(is_visible) {
        return None;
    }
    Some(SecretValue::new(std::mem::take(&mut *text)))
}

/// Seconds: a number, or a text that is one. What ended before it began has no time left.
pub(super) fn seconds(raw: &RawValue) -> Option<Duration> {
    let number: f64 = raw.get().trim_matches('"').parse().ok()?;
    Duration::try_from_secs_f64(number.floor().max(0.0)).ok()
}

/// How long an access token holds. A server that says so in a way that nobody understands does not mean
/// for ever.
fn access_lasts(said: Option<&RawValue>, known: &Known<'_>) -> Option<Duration> {
    match said {
        None => known.expires_in,
        Some(said) => seconds(said).or(known.expires_in).or(Some(LASTS_UNKNOWN)),
    }
}

/// Whether a token is sent as `Authorization: Bearer`. Slack says whose token it is instead.
fn is_bearer(raw: &RawValue) -> bool {
    let named = json::public(raw).map(|text| text.to_ascii_lowercase());
    matches!(named.as_deref(), Some("bearer" | "bot" | "user"))
}

/// What was granted: a text of several, or a list.
fn scopes(raw: &RawValue, separator: &str) -> Option<Vec<String>> {
    let text = match serde_json::from_str::<Vec<String>>(raw.get()) {
        Ok(list) => list.join(" "),
        Err(_) => json::public(raw)?,
    };
    let between = |letter: char| letter == ' ' || separator.contains(letter);
    let is_scope =
        |scope: &&str| !scope.is_empty() && scope.len() <= SCOPE_LEN_MAX && is_plain(scope);
    Some(text.split(between).filter(is_scope).take(SCOPES_MAX).map(str::to_owned).collect())
}

/// Whether a text of a server can be shown on a terminal.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Duration, Known, NoTokens, SystemTime, Tokens};

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn read(body: &str) -> Result<Tokens, NoTokens> {
        let scopes = ["asked".to_owned()];
        let known = Known { now: NOW, scopes: &scopes, separator: " ", expires_in: None };
        Tokens::read(body.as_bytes(), &known)
    }

    /// Access token, refresh token, seconds until each ends, scopes.
    type Shown = (String, Option<String>, Option<u64>, Option<u64>, String);

    fn shown(tokens: &Tokens) -> Shown {
        #[expect(clippy::disallowed_methods, reason = "tests look at what they made")]
        let text = |value: &super::SecretValue| String::from_utf8(value.expose().to_vec()).unwrap();
        let until = |time: Option<SystemTime>| Some(time?.duration_since(NOW).unwrap().as_secs());
        let refresh = tokens.refresh.as_ref().map(text);
        let ends = (until(tokens.expires), until(tokens.refresh_expires));
        (text(&tokens.access), refresh, ends.0, ends.1, tokens.scopes.join("|"))
    }

    fn check(body: &str, expected: (&str, Option<&str>, Option<u64>, Option<u64>, &str)) {
        let (access, refresh, ends, refresh_ends, scopes) = expected;
        let refresh = refresh.map(str::to_owned);
        let expected = (access.to_owned(), refresh, ends, refresh_ends, scopes.to_owned());
        assert_eq!(shown(&read(body).unwrap()), expected, "{body}");
    }

    #[test]
    fn frills_may_be_missing_or_odd() {
        check(r#"{"access_token":"a"}"#, ("a", None, None, None, "asked"));
        let whole = r#"{"access_token":"a\/\u003d","token_type":"BEARER","refresh_token":"r",
            "expires_in":60,"refresh_token_expires_in":90,"scope":"x y","other":[{}]}"#;
        check(whole, ("a/=", Some("r"), Some(60), Some(90), "x|y"));
        let texts = r#"{"access_token":"a","expires_in":"60","refresh_expires_in":0,
            "scope":["x","y"],"token_type":null}"#;
        check(texts, ("a", None, Some(60), None, "x|y"));
        let odd = r#"{"access_token":"a","expires_in":-1,"refresh_token":7,"scope":{"x":1},
            "refresh_expires_in":1e99}"#;
        check(odd, ("a", None, Some(0), None, "asked"));
        for (said, lasts) in [
            ("3599.9", Some(3599)),
            ("\"3599.5\"", Some(3599)),
            ("0", Some(0)),
            ("null", None),
            // Said, but in no way that can be understood.
            ("1e99", Some(3600)),
            ("\"soon\"", Some(3600)),
            ("\"NaN\"", Some(0)),
            ("{}", Some(3600)),
            // Out of the reach of clocks.
            ("18446744073709549568", None),
        ] {
            let body = format!(r#"{{"access_token":"a","expires_in":{said}}}"#);
            check(&body, ("a", None, lasts, None, "asked"));
        }
        // What would write on a terminal is no scope.
        check(r#"{"access_token":"a","scope":"x \u001b[2J y"}"#, ("a", None, None, None, "x|y"));
    }

    #[test]
    fn without_a_token_that_can_be_sent_there_is_nothing() {
        let malformed = [
            "",
            "<html>canary</html>",
            "[]",
            r#"["a","bearer","r",60,60,60,"x"]"#,
            "null",
            "{}",
            r#"{"access_token":null}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":"ä"}"#,
            r#"{"access_token":["a"]}"#,
            r#"{"access_token":"a","access_token":"b"}"#,
        ];
        for body in malformed {
            assert_eq!(read(body).unwrap_err(), NoTokens::Malformed, "{body}");
        }
        for kind in [r#""DPoP""#, r#""mac""#, "1", r#""""#] {
            let body = format!(r#"{{"access_token":"a","token_type":{kind}}}"#);
            assert_eq!(read(&body).unwrap_err(), NoTokens::TokenType, "{body}");
        }
    }

    #[test]
    fn what_the_type_knows_stands_in_for_what_the_server_does_not_say() {
        let expires_in = Some(Duration::from_secs(7200));
        let known = Known { now: NOW, scopes: &[], separator: ",", expires_in };
        let read = |body: &str| Tokens::read(body.as_bytes(), &known).unwrap();
        let tokens = read(r#"{"access_token":"a","scope":"repo,gist"}"#);
        assert_eq!(shown(&tokens), ("a".into(), None, Some(7200), None, "repo|gist".into()));
        let tokens = read(r#"{"access_token":"a","expires_in":1}"#);
        assert_eq!(shown(&tokens).2, Some(1));
    }

    #[test]
    fn printing_shows_no_token() {
        let tokens = read(r#"{"access_token":"canary-a","refresh_token":"canary-r"}"#).unwrap();
        assert!(!format!("{tokens:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn no_answer_fails_badly(body: Vec<u8>) {
            let known = Known { now: NOW, scopes: &[], separator: " ", expires_in: None };
            prop_assert!(Tokens::read(&body, &known).is_err());
        }
    }
}
